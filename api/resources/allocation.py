"""One subject's arm, for whoever broke the blind: read straight from the log, at any moment."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final
from zoneinfo import ZoneInfo

from flask import Response

from api.access.control import reader as asking
from api.access.reader import site_of_subject
from api.access.table import Operation, serves
from api.access.unblinding import broken_by
from api.context import Doors, doors
from api.resources import trial_door
from api.responses import JSON, encoded
from api.schemas.openapi import AllocationRead, Problem
from ledger.aggregates.allocation import ENVELOPE, RANDOMIZED
from ledger.errors import IntegrityFailure, RejectedInput, TrustFailure, Unavailable
from ledger.history import Fact, History
from ledger.rules.members import text

if TYPE_CHECKING:
    from ledger.trials.protocol import Protocol

door = trial_door("allocation", "One subject's arm, for emergencies.")
BLOCK: Final = 1_024
"""Answers are filled up to a multiple of so many bytes, so that their length tells no arm."""

_log = logging.getLogger("api.allocation")
_ENVELOPE: Final = (
    "Do not wait for the ledger: open the subject's sealed emergency envelope or call the "
    "sponsor's emergency line, and record it afterwards."
)


@door.route("/subjects/<string:subject_id>/allocation", methods=["GET"])
@door.alt_response(200, schema=AllocationRead, description="The arm.")
@door.alt_response(403, schema=Problem, description="Not this reader's to know.")
@door.alt_response(404, schema=Problem, description="No such subject, or no allocation.")
@door.alt_response(503, schema=Problem, description="The opening cannot be read now.")
@serves(Operation.UNBLINDING)
def get_allocation(subject_id: str) -> Response:
    """The arm of one subject, once its blind is broken.

    A masked physician is shown it after he has posted his own `blind.broken.v1` for this subject,
    at once; no other subject is opened by it. Each reading is written down.
    """
    held, reader = doors(), asking()
    records = _records(held, subject_id)
    protocol = held.ledger.genesis.definition.protocol
    zone = _zone(protocol, subject_id)
    broken = None
    try:
        broken = broken_by(reader, records, held.access.register(), zone)
    except TrustFailure:
        if reader.masked:
            raise
    answer = _answer(subject_id, _allocations(records), protocol, zone)
    answer["blind"] = None if broken is None else _blind(broken, records, protocol, zone)
    body = encoded(answer).encode()
    response = Response(body.ljust(-(-len(body) // BLOCK) * BLOCK), content_type=JSON)
    response.headers["Cache-Control"] = "no-store"
    return response


def _records(held: Doors, subject_id: str) -> History:
    """The subject's records, without any projection: what was just posted is among them."""
    streams = (f"subject/{subject_id}", f"treatment/{subject_id}")
    try:
        found = held.ledger.application.merged(*streams)
    except (Unavailable, IntegrityFailure) as error:
        raise _unreadable(error) from error
    if not found:
        raise RejectedInput("subject.not-found", "No such subject is known.")
    return History(found)


def _allocations(records: History) -> list[Fact]:
    found = records.of(RANDOMIZED, ENVELOPE)
    if not found:
        raise RejectedInput(
            "allocation.none",
            "The subject has not been randomized: there is no allocation.",
            remedy="Check the subject's id. An envelope that was opened at the site must be "
            "recorded before the ledger knows of it.",
        )
    if not any(text(fact.data, "arm") for fact in found):
        raise _unreadable(None)
    return found


def _answer(
    subject_id: str, found: list[Fact], protocol: Protocol, zone: ZoneInfo
) -> dict[str, Any]:
    arms = [text(fact.data, "arm") for fact in found]
    arm_id = next(name for name in arms if name)
    arm = protocol.arm(arm_id)
    return {
        "subject": subject_id,
        "arm": arm_id,
        "arm_label": arm.label if arm is not None else None,
        "planned_infusions": arm.planned_infusions if arm is not None else None,
        "allocations": [
            {
                "arm": name,
                "method": "envelope" if fact.type == ENVELOPE else "system",
                "on": fact.occurred_at.astimezone(zone).date().isoformat(),
            }
            for name, fact in zip(arms, found, strict=True)
        ],
    }


def _blind(broken: Fact, records: History, protocol: Protocol, zone: ZoneInfo) -> dict[str, Any]:
    """That the blind is broken, and what is asked for afterwards."""
    hours = protocol.unblinding.reason_within_hours
    due = broken.occurred_at + timedelta(hours=hours)
    later = [
        fact
        for fact in records.of("unblinding-reason.recorded.v1")
        if text(fact.data, "unblinding") == broken.id
    ]
    stated = later or text(broken.data, "reason_code") or text(broken.data, "reason_text")
    return {
        "event": broken.id,
        "kind": text(broken.data, "type"),
        "at": broken.time,
        "reason": "stated" if stated else "due",
        "reason_due": due.astimezone(zone).isoformat(timespec="seconds"),
        "reason_in": "unblinding-reason.recorded.v1",
    }


def _zone(protocol: Protocol, subject_id: str) -> ZoneInfo:
    name = site_of_subject(subject_id)
    sites = {site.id: site for site in protocol.sites}
    return ZoneInfo(sites.get(name, protocol.sites[0]).time_zone)


def _unreadable(error: Unavailable | IntegrityFailure | None) -> Unavailable:
    if isinstance(error, IntegrityFailure):
        _log.error("An allocation cannot be read: %s", error)
    return Unavailable(
        "allocation.not-readable",
        "The subject has an allocation, but what it says cannot be read now."
        if error is None
        else "The subject's records cannot be read now.",
        remedy=_ENVELOPE,
    )
