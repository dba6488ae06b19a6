"""Guards of erasure and restriction of personal data, GX-01 to GX-03 (ICH E6(R3) 4.2.2(b))."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ledger.events.clear_text import holds_words
from ledger.events.registry import EVENT_TYPES
from ledger.history import tokens, value_at
from ledger.rules.guards.data import target_of
from ledger.rules.guards.request import Refusal, Request
from ledger.signing.authority import site_of
from ledger.vocabulary import Kind, Role

if TYPE_CHECKING:
    from collections.abc import Iterator


def two_persons_order(request: Request) -> Iterator[Refusal]:
    """GX-01: the approver signs too and is not the one who asks; what is destroyed is gone."""
    persons = {signer.key.owner for signer in request.signers if signer.key.kind == "person"}
    approver, site = str(request.data["approver"]), site_of(request.event)
    register = request.state.register
    in_office = approver == register.sponsor or any(
        grant.withdrawn is None for grant in register.grants.get(approver, ())
    )
    if approver not in persons:
        yield Refusal("GX-01", f"The approver {approver} did not sign.")
    elif approver == request.event.source or len(persons) < 2:
        yield Refusal("GX-01", "The approver must be another person than the one who asks.")
    elif not in_office:
        yield Refusal("GX-01", f"The approver {approver} holds no role in this trial.")
    elif site is not None and all(owner.startswith(f"/sites/{site}/") for owner in persons):
        # Who works for the investigator does not check him.
        yield Refusal("GX-01", f"One of the two persons must not belong to {site}.")


def site_agrees(request: Request) -> Iterator[Refusal]:
    """GX-02: a site's data are the site's: its principal investigator is among the signers."""
    site = site_of(request.event)
    if site is None:
        return
    register = request.state.register
    for signer in request.signers:
        grants = register.grants_in_force(signer.key.owner, site)
        if any(grant.role is Role.PRINCIPAL_INVESTIGATOR for grant in grants):
            return
    yield Refusal("GX-02", f"No principal investigator of {site} is among those who signed.")


def names_clear_text(request: Request) -> Iterator[Refusal]:
    """GX-03: the target stands in this stream, and the pointers name texts in clear in its data."""
    fact = target_of(request)
    if fact is None or fact.record.stream != request.event.subject:
        yield Refusal("GX-03", f"No record {request.data['target']} stands in this stream.")
        return
    home = site_of(fact.record.event)
    if home != site_of(request.event):
        yield Refusal("GX-03", f"The record is not that of the site that orders, but of {home}.")
        return
    row = EVENT_TYPES.get(fact.type)
    if row is None or row.rule.kind is Kind.RESULT:
        yield Refusal("GX-03", "The ledger's own answers hold no personal data.")
        return
    pointers = request.data["pointers"]
    for pointer in pointers if isinstance(pointers, list) else ():
        path = tokens(str(pointer))
        value = value_at({"data": fact.record.event.data}, str(pointer))
        if path[0] != "data" or not isinstance(value, str):
            yield Refusal("GX-03", f"{pointer} is no text that stands in clear in the record.")
        elif not holds_words(row.schema, path[1:]):
            # Rules, guards and the register read everything else; to hide it would change them.
            yield Refusal("GX-03", f"{pointer} holds no free words; correct or void the record.")


GUARDS = {
    "personal-data.erased.v1": (two_persons_order, site_agrees),
    "personal-data.restricted.v1": (two_persons_order, site_agrees, names_clear_text),
}
