"""Authority: whether the keys that signed a statement may say what it says, at its position.

Two questions, kept apart. *Authentic*: every signature verifies under a key that is in force,
persons sign with a meaning and systems never do, and the source belongs to a signer. Whoever is
not authentic is turned away. *Entitled*: a role or a delegated task covers the act. A command or
judgement without it is refused; a fact is recorded and the deviation derived (DV-07, DV-39).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo

from ledger.errors import TrustFailure
from ledger.signing.jwk import PublicJwk, parse_jwk
from ledger.signing.statement import Signature, Statement, verify_signature
from ledger.vocabulary import Kind, Role, TypeRule

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from ledger.signing.envelope import Event
    from ledger.signing.register import Key, Register

NEVER_RECORDED: Final = frozenset(("AU-01", "AU-06"))
"""Shortfalls that are about identity rather than duty: nothing of it enters the log."""


@dataclass(frozen=True, slots=True)
class Signer:
    """A key that signed, with the signature's meaning when it is a person's."""

    key: Key
    signature: Signature


@dataclass(frozen=True, slots=True)
class Shortfall:
    """What entitlement lacks: a stable rule id (``AU-…``) and a sentence."""

    rule: str
    message: str


def self_certified(event: Event) -> dict[str, PublicJwk]:
    """The keys a statement may bring along for its own proof of possession, by thumbprint.

    Entry 0 carries the ledger's and the sponsor's; ``key.registered`` carries the new key.
    Raises RejectedInput when a JWK is malformed or weak.
    """
    if event.type == "trial.opened.v1":
        sponsor = event.data.get("sponsor")
        offered = [
            event.data.get("statement_key"),
            sponsor.get("jwk") if isinstance(sponsor, dict) else None,
        ]
    elif event.type == "key.registered.v1":
        offered = [event.data.get("jwk")]
    else:
        return {}
    keys = [parse_jwk(jwk) for jwk in offered if isinstance(jwk, dict)]
    return {jwk.thumbprint(): jwk for jwk in keys}


def verify_statement(
    statement: Statement,
    event: Event,
    register: Register,
    *,
    verified: frozenset[str] = frozenset(),
) -> list[Signer]:
    """Check every signature and the standing of every key; return the registered signers.

    ``verified`` are thumbprints whose signature over this statement was checked before. A key
    that the statement itself brings along proves possession and is not among the signers.
    Raises TrustFailure ``authority.*`` or ``signature.*``.
    """
    brought = self_certified(event)
    signers: list[Signer] = []
    for signature in statement.signatures:
        key = register.key(signature.kid)
        jwk = brought.get(signature.kid) if key is None else key.jwk
        if jwk is None:
            raise TrustFailure(
                "authority.unknown-key",
                f"No key {signature.kid} is registered in this trial.",
                remedy="Have a registrar register it first with key.registered.v1.",
            )
        if key is not None and key.revoked is not None:
            raise TrustFailure(
                "authority.revoked-key",
                f"The key {signature.kid} of {key.owner} was revoked at position {key.revoked}.",
                remedy="An authorised person can submit the fact again as mode transcribed.",
            )
        if signature.kid not in verified:
            verify_signature(statement, signature, jwk)
        if key is not None:
            _check_manner(key, signature)
            signers.append(Signer(key, signature))
    missing = set(brought) - {signature.kid for signature in statement.signatures}
    if missing:
        raise TrustFailure(
            "authority.no-proof-of-possession",
            f"The key {min(missing)} named in the event did not sign it.",
            remedy="Sign with the new key too (general JSON serialization).",
        )
    if event.type != "trial.opened.v1":
        _check_source(event, signers)
    return signers


def shortfalls(
    rule: TypeRule,
    event: Event,
    signers: Sequence[Signer],
    register: Register,
    *,
    day: str | None = None,
) -> list[Shortfall]:
    """What keeps these signers from being entitled to this event; empty when they are.

    ``day`` is the local calendar day delegations are asked for, from `day_of_authority`; without
    it the day the event's own time spells.
    """
    if rule.signing.ledger:
        if any(signer.key.kind == "ledger" for signer in signers):
            return []
        return [Shortfall("AU-01", f"{rule.name} is signed by the ledger alone.")]
    found = [
        *_person(rule, signers),
        *_meaning(rule, signers),
        *_entitled(rule, event, signers, register, day=day or event.time[:10]),
        *_for_others(event, signers),
    ]
    site = site_of(event)
    foreign = [
        s.key.owner for s in signers if site and _site_of_owner(s.key.owner) not in (None, site)
    ]
    if foreign:
        found.append(Shortfall("AU-06", f"{foreign[0]} does not belong to site {site}."))
    return found


def day_of_authority(
    rule: TypeRule, event: Event, *, recorded_at: datetime, zone: str | None
) -> str:
    """The site's calendar day on which whoever signs must be delegated, ``YYYY-MM-DD``.

    For what already happened that is the day it happened; a command asks the ledger to act now,
    so that nobody acts under an ended delegation by dating a command back. ``zone`` is the site's
    IANA zone; before a site is activated days are read in the event's own offset.
    """
    if rule.kind is Kind.COMMAND:
        at = recorded_at
    elif zone is None:
        return event.time[:10]
    else:
        at = event.occurred_at
    try:
        local = datetime.fromisoformat(event.time).tzinfo if zone is None else ZoneInfo(zone)
        return at.astimezone(local).date().isoformat()
    # An unknown zone, or a day before the first year: the day as the sender spelt it.
    except (LookupError, ValueError, OSError, OverflowError):
        return event.time[:10]


def unsigned(rule: TypeRule, signers: Sequence[Signer]) -> bool:
    """Whether a person must still sign the record (a system's key never counts as a person)."""
    return rule.signing.person and not any(signer.key.kind == "person" for signer in signers)


def site_of(event: Event) -> str | None:
    """The site an event belongs to, by its stream or, in the access stream, by its data."""
    family, _, name = event.subject.partition("/")
    if family == "site":
        return name
    if family in ("subject", "treatment"):
        return name.rsplit("-", 1)[0]
    site = event.data.get("site")
    if isinstance(site, str):
        return site
    return _site_of_owner(event.source) if family == "lot" else None


def _site_of_owner(owner: str) -> str | None:
    parts = owner.split("/")
    return parts[2] if len(parts) > 2 and parts[1] == "sites" else None


def _check_manner(key: Key, signature: Signature) -> None:
    if key.kind == "person" and signature.meaning is None:
        raise TrustFailure(
            "authority.person-without-meaning",
            f"{key.owner} signed without saying what the signature means.",
            remedy="Put meaning and iat into the protected header (21 CFR 11.50(a)).",
        )
    if key.kind != "person" and signature.meaning is not None:
        raise TrustFailure(
            "authority.system-with-meaning",
            f"{key.owner} is no person, its signature cannot carry a meaning.",
            remedy="Leave meaning and iat out of a system's protected header.",
        )


def _check_source(event: Event, signers: Sequence[Signer]) -> None:
    for signer in signers:
        key = signer.key
        prefix = key.source_prefix
        if event.source == key.owner:
            return
        if prefix is not None and (
            event.source == prefix or event.source.startswith(prefix.rstrip("/") + "/")
        ):
            return
    raise TrustFailure(
        "authority.foreign-source",
        f"The source {event.source} belongs to none of the keys that signed.",
        where="/source",
        remedy="Use the source the key was registered for.",
    )


def _person(rule: TypeRule, signers: Sequence[Signer]) -> list[Shortfall]:
    if not unsigned(rule, signers):
        return []
    return [Shortfall("AU-02", f"{rule.name} must be signed by a person.")]


def _meaning(rule: TypeRule, signers: Sequence[Signer]) -> list[Shortfall]:
    allowed = rule.signing.meanings
    if not allowed:
        return []
    return [
        Shortfall("AU-03", f"{signer.key.owner} signed {rule.name} as {signer.signature.meaning}.")
        for signer in signers
        if signer.signature.meaning is not None and signer.signature.meaning not in allowed
    ]


def _entitled(
    rule: TypeRule, event: Event, signers: Sequence[Signer], register: Register, *, day: str
) -> list[Shortfall]:
    signing = rule.signing
    if not signing.roles and not signing.tasks:
        return []
    site = site_of(event)
    for signer in signers:
        owner = signer.key.owner
        grants = [g for g in register.grants_in_force(owner, site) if g.role in signing.roles]
        delegations = [d for d in register.delegated(owner, site, day) if d.tasks & signing.tasks]
        if signing.physician:
            grants = [g for g in grants if g.physician or g.role is Role.PRINCIPAL_INVESTIGATOR]
            delegations = [d for d in delegations if d.physician]
        if grants or delegations:
            return []
    wanted = ", ".join(sorted([*signing.roles, *(f"task {task}" for task in signing.tasks)]))
    physician = "a physician with " if signing.physician else ""
    return [Shortfall("AU-04", f"{rule.name} needs {physician}one of: {wanted}, on {day}.")]


def _for_others(event: Event, signers: Sequence[Signer]) -> list[Shortfall]:
    beneficiary = _BENEFICIARY.get(event.type)
    if beneficiary is None:
        return []
    holder = beneficiary(event.data)
    if any(signer.key.owner == holder for signer in signers):
        return [Shortfall("AU-05", f"{holder} cannot register or grant for himself.")]
    return []


def _owner_id(data: Mapping[str, object]) -> object:
    owner = data.get("owner")
    return owner.get("id") if isinstance(owner, dict) else None


_BENEFICIARY: dict[str, Callable[[Mapping[str, object]], object]] = {
    "key.registered.v1": _owner_id,
    "role.granted.v1": lambda data: data.get("holder"),
    "staff.delegated.v1": lambda data: data.get("person"),
}
