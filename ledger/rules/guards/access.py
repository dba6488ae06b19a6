"""Guards of the access stream and of trial set-up, GA-01 to GA-11."""

from __future__ import annotations

from typing import TYPE_CHECKING
from zoneinfo import available_timezones

from ledger.rules.guards.request import Refusal, Request
from ledger.signing.jwk import parse_jwk
from ledger.vocabulary import Role

if TYPE_CHECKING:
    from collections.abc import Iterator


def key_is_new(request: Request) -> Iterator[Refusal]:
    """GA-01: a key is registered once, and never for a second owner (21 CFR 11.100(a))."""
    kid = parse_jwk(request.data["jwk"]).thumbprint()
    known = request.state.register.key(kid)
    if known is not None:
        yield Refusal("GA-01", f"The key {kid} is already registered for {known.owner}.")


def owner_is_one(request: Request) -> Iterator[Refusal]:
    """GA-02: an id stays with one person under one name (21 CFR 11.100(a))."""
    owner = request.data.get("owner")
    if not isinstance(owner, dict):
        return
    for key in request.state.register.keys.values():
        if key.owner == owner.get("id") and (key.name, key.kind) != (
            owner.get("name"),
            owner.get("kind"),
        ):
            yield Refusal("GA-02", f"{key.owner} is registered as {key.kind} {key.name}.")
            return


def prefix_is_free(request: Request) -> Iterator[Refusal]:
    """GA-03: no two systems share a source."""
    owner, prefix = request.data.get("owner"), request.data.get("source_prefix")
    owner_id = owner.get("id") if isinstance(owner, dict) else None
    if not isinstance(prefix, str):
        return
    for key in request.state.register.keys.values():
        if key.owner == owner_id:
            continue
        other = key.source_prefix or key.owner
        if other == prefix or other.startswith(prefix + "/") or prefix.startswith(other + "/"):
            yield Refusal("GA-03", f"The source {prefix} overlaps that of {key.owner}.")
            return


def key_is_known(request: Request) -> Iterator[Refusal]:
    """GA-04: only a registered key that is still in force can be revoked."""
    key = request.state.register.key(str(request.data["kid"]))
    if key is None or key.kind == "ledger":
        yield Refusal("GA-04", f"No key {request.data['kid']} can be revoked here.")
    elif key.revoked is not None:
        yield Refusal("GA-04", f"The key {key.kid} was revoked at position {key.revoked}.")


def holder_is_known(request: Request) -> Iterator[Refusal]:
    """GA-05: roles and delegations go to owners of registered keys (identity verified first)."""
    holder = request.data.get("holder") or request.data.get("person")
    if all(key.owner != holder for key in request.state.register.keys.values()):
        yield Refusal("GA-05", f"{holder} has no registered key.")


def grant_stands(request: Request) -> Iterator[Refusal]:
    """GA-06: only a role in force can be revoked."""
    data = request.data
    grants = request.state.register.grants.get(str(data["holder"]), [])
    if not any(
        grant.withdrawn is None and grant.role == data["role"] and grant.scope == data["scope"]
        for grant in grants
    ):
        yield Refusal(
            "GA-06", f"{data['holder']} does not hold {data['role']} for {data['scope']}."
        )


def delegation_stands(request: Request) -> Iterator[Refusal]:
    """GA-07: only a delegation in the register can be ended."""
    data = request.data
    delegations = request.state.register.delegations.get(str(data["person"]), [])
    if not any(
        d.id == data["delegation"] and d.site == data["site"] and d.ends is None
        for d in delegations
    ):
        yield Refusal("GA-07", f"No open delegation {data['delegation']} of {data['person']}.")


def investigator_of_site(request: Request) -> Iterator[Refusal]:
    """GA-08: duties are delegated by the principal investigator of that very site."""
    site = str(request.data["site"])
    if not any(
        Role.PRINCIPAL_INVESTIGATOR in request.state.register.roles(signer.key.owner, site)
        for signer in request.signers
    ):
        yield Refusal("GA-08", f"No principal investigator of {site} signed the delegation.")


def zone_is_known(request: Request) -> Iterator[Refusal]:
    """GA-09: a site is activated with a real IANA time zone; day rules depend on it."""
    if request.data["timezone"] not in available_timezones():
        yield Refusal("GA-09", f"{request.data['timezone']} is not an IANA time zone.")


def approvals_stand(request: Request) -> Iterator[Refusal]:
    """GA-10: activation names approvals that are recorded (ICH E6(R3) 4.3.5)."""
    named = request.data.get("approvals")
    approved = {fact.id for fact in request.state.trial.of("document.approved.v1")}
    for approval in named if isinstance(named, list) else ():
        if approval not in approved:
            yield Refusal("GA-10", f"No approval {approval} is recorded.")


def somebody_registers(request: Request) -> Iterator[Refusal]:
    """GA-11: no revocation leaves the trial without a registrar who has a key in force."""
    register, data = request.state.register, request.data
    revoked_kid, holder = data.get("kid"), data.get("holder")
    for key in register.keys.values():
        if key.kind != "person" or key.revoked is not None or key.kid == revoked_kid:
            continue
        roles = {
            grant.role
            for grant in register.grants_in_force(key.owner, None)
            if not (key.owner == holder and grant.role == data.get("role"))
        }
        if Role.REGISTRAR in roles:
            return
    yield Refusal("GA-11", "Nobody could register keys or grant roles any more.")


GUARDS = {
    "key.registered.v1": (key_is_new, owner_is_one, prefix_is_free),
    "key.revoked.v1": (key_is_known, somebody_registers),
    "role.granted.v1": (holder_is_known,),
    "role.revoked.v1": (grant_stands, somebody_registers),
    "staff.delegated.v1": (holder_is_known, investigator_of_site),
    "delegation.ended.v1": (delegation_stands, investigator_of_site),
    "site.activated.v1": (zone_is_known, approvals_stand),
}
