"""Guards of corrections and voiding, GD-01 to GD-04 (ICH E6(R3) 4.2.4; 21 CFR 11.10(e))."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ledger.errors import RejectedInput
from ledger.events.registry import EVENT_TYPES
from ledger.history import (
    CHANGE_LISTS,
    Fact,
    changes_of,
    corrected,
    current,
    same,
    tokens,
    value_at,
)
from ledger.rules.case import ACTIVATED
from ledger.rules.guards.request import Refusal, Request
from ledger.signing.authority import day_of_authority, shortfalls, site_of
from ledger.signing.rfc3339 import is_plausible, parse_rfc3339
from ledger.vocabulary import Kind, Purpose

if TYPE_CHECKING:
    from collections.abc import Iterator
from datetime import timedelta

UNCORRECTABLE = frozenset(
    (
        "data.corrected.v1",
        "data.voided.v1",
        "record.signed.v1",
        "key.registered.v1",
        "key.revoked.v1",
        "role.granted.v1",
        "role.revoked.v1",
        "staff.delegated.v1",
        "delegation.ended.v1",
        "randomization-list.sealed.v1",
        "site.activated.v1",
        "site.suspended.v1",
        "enrolment.closed.v1",
        "data.locked.v1",
        "data.unlocked.v1",
        "allocation.reveal-requested.v1",
        "personal-data.erased.v1",
        "personal-data.restricted.v1",
        "protocol.amended.v1",
    )
)
"""What is never changed afterwards: a correction of authority would be authority by the back door,
so keys, roles and delegations end by commands of their own and are granted anew. So it is with
what the sponsor decided about sites, enrolment and protocol: he decides anew."""

FUTURE_TOLERANCE = timedelta(minutes=5)
"""How far past ``recorded_at`` an occurrence may claim to lie (clock differences)."""

NAMED_BY = {"subject_id": ("subject", "treatment"), "site": ("site",), "lot": ("lot",)}
"""Members that repeat the name of their stream, by the families of streams they repeat it in."""

_LIST_OF_PURPOSE: dict[Purpose | None, str] = {
    Purpose.IDENTITY: "identity_changes",
    Purpose.TEXT: "text_changes",
    Purpose.ALLOCATION: "",
}


def target_stands(request: Request) -> Iterator[Refusal]:
    """GD-01: the target is a record of this stream that is in effect and can be changed."""
    fact = target_of(request)
    if fact is None or fact.record.stream != request.event.subject:
        yield Refusal("GD-01", f"No record {request.data['target']} stands in this stream.")
    elif fact.voided_by is not None:
        yield Refusal("GD-01", f"The record {fact.id} was voided by {fact.voided_by.id}.")
    elif fact.type in UNCORRECTABLE or _is_ledgers(fact):
        yield Refusal("GD-01", f"A record of type {fact.type} is never changed afterwards.")


def old_is_current(request: Request) -> Iterator[Refusal]:
    """GD-02: the old value stated is the current one, so nobody corrects what he did not see."""
    fact = target_of(request)
    if fact is None:
        return
    sealed = EVENT_TYPES[fact.type].rule.sealed if fact.type in EVENT_TYPES else {}
    for name in CHANGE_LISTS:
        changes = request.data.get(name)
        for change in changes if isinstance(changes, list) else ():
            if not isinstance(change, dict):
                continue
            pointer = str(change["pointer"])
            member = (*tokens(pointer), "")[1]
            if _LIST_OF_PURPOSE.get(sealed.get(member), "changes") != name:
                yield Refusal("GD-02", f"{pointer} must be changed in the list of its purpose.")
            elif not same(current(fact, pointer), change.get("old")):
                yield Refusal("GD-02", f"The value of {pointer} is not the old value stated.")


def new_is_valid(request: Request) -> Iterator[Refusal]:
    """GD-03: what results satisfies the target's schema and changes something."""
    fact = target_of(request)
    if fact is None:
        return
    data, time = corrected(fact, changes_of(request.data))
    try:
        occurred_at = parse_rfc3339(time)
        EVENT_TYPES[fact.type].check(data)
    except RejectedInput as error:
        yield Refusal("GD-03", f"The corrected record would not be valid: {error.message}")
        return
    if time == fact.time and same(data, fact.data):
        yield Refusal("GD-03", "The correction changes nothing.")
    if not is_plausible(occurred_at):
        yield Refusal("GD-03", f"The corrected record would happen at {time}, in no trial's years.")
    if occurred_at > request.at + FUTURE_TOLERANCE:
        yield Refusal("GD-03", f"The corrected record would happen at {time}, in the future.")
    family, _, name = request.event.subject.partition("/")
    for member, families in NAMED_BY.items():
        if family in families and data.get(member) not in (None, name):
            yield Refusal("GD-03", f"The stream fixes {member}; void the record instead.")
    for change in changes_of(request.data):
        pointer = str(change["pointer"]) if isinstance(change, dict) else ""
        new = change.get("new") if isinstance(change, dict) else None
        if not same(value_at({"data": data, "time": time}, pointer), new):
            yield Refusal("GD-03", f"{pointer} would not hold the new value stated.")


def opinion_is_ones_own(request: Request) -> Iterator[Refusal]:
    """GD-04: a command or judgement is changed only by who might have made it.

    Otherwise a clerk could turn a physician's opinion round (ICH E6(R3) 2.3, 4.2.4).
    """
    fact = target_of(request)
    if fact is None or fact.type in UNCORRECTABLE or fact.type not in EVENT_TYPES:
        return
    rule = EVENT_TYPES[fact.type].rule
    if rule.kind not in (Kind.COMMAND, Kind.JUDGEMENT):
        return
    day = day_of_authority(
        EVENT_TYPES[request.event.type].rule,
        request.event,
        recorded_at=request.at,
        zone=_zone(request),
    )
    for item in shortfalls(rule, request.event, request.signers, request.state.register, day=day):
        if item.rule == "AU-04":
            yield Refusal("GD-04", item.message)


def _zone(request: Request) -> str | None:
    site = site_of(request.event)
    activated = request.state.site(site).last(ACTIVATED) if site is not None else None
    return str(activated.data["timezone"]) if activated is not None else None


def target_of(request: Request) -> Fact | None:
    """The fact a correction, voiding or signature names, in the fold of its stream."""
    family, _, name = request.event.subject.partition("/")
    state = request.state
    if family in ("subject", "treatment"):
        fold = state.subject(name)
    elif family == "access":
        fold = state.register
    elif family == "allocation":
        fold = state.allocation
    else:
        fold = state.fold(request.event.subject)
    return fold.facts.get(str(request.data["target"]))


def _is_ledgers(fact: Fact) -> bool:
    row = EVENT_TYPES.get(fact.type)
    return row is not None and (row.rule.kind is Kind.RESULT or row.rule.signing.ledger)


GUARDS = {
    "data.corrected.v1": (target_stands, old_is_current, new_is_valid, opinion_is_ones_own),
    "data.voided.v1": (target_stands, opinion_is_ones_own),
}
