"""The views of one subject as a masked reader gets them: the folds of all, over a masked case."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ledger.rules.members import shape, shapes, text
from projections.allocation import allocation_view
from projections.attribution import author
from projections.consent import consent_view
from projections.deviations import deviations_view
from projections.eligibility import eligibility_view
from projections.enrolment import disposition_of
from projections.masking.rules import MASKED_CASE_RULES
from projections.oversight import oversight_view
from projections.prefix import FOLD_ERRORS
from projections.safety import safety_view
from projections.sections import deviations_by, guarded, problems_in
from projections.subject import SubjectState, subject_view
from projections.times import STANDINGS, resolved
from projections.visits import visits_view

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from datetime import datetime
    from zoneinfo import ZoneInfo

    from ledger.history import History
    from ledger.rules.case import Case
    from ledger.signing.register import Register
    from ledger.signing.strict_json import JsonObject, JsonValue
    from projections.masking.source import Unblinding

ON_STUDY = "ON_STUDY"
"""The one state of who is randomized and on study: treated, followed up or not yet begun."""

WITHHELD = "withheld"
"""How a visit stands whose window is counted from an infusion, until there is a record of it."""

_S = SubjectState
_MERGED = frozenset({_S.RANDOMIZED.value, _S.ON_TREATMENT.value, _S.FOLLOW_UP.value})
_UNTOLD = ("infusions_given", "lots", "events", "irregular_events")
_HOURS_OF_DAY = 24


def masked_sections(case: Case, unblindings: Sequence[Unblinding]) -> dict[str, JsonObject]:
    """The views of a masked case, and the disposition the counts are made from."""
    views: Mapping[str, Callable[[], JsonObject]] = {
        "subject": lambda: _subject(case, unblindings),
        "consent": lambda: consent_view(case),
        "eligibility": lambda: eligibility_view(case),
        "allocation": lambda: _allocation(case, unblindings),
        "visits": lambda: _visits(case),
        "safety": lambda: _safety(case),
        "deviations": lambda: _deviations(case),
        "oversight": lambda: _oversight(case),
    }
    found = {name: guarded(view, subject=case.subject) for name, view in views.items()}
    try:
        found["disposition"] = disposition_of({**found, **_unmerged(case), "product": {}})
    except FOLD_ERRORS as error:
        found["disposition"] = {
            "subject": case.subject, "identified": False, "problem": type(error).__name__,
        }  # fmt: skip
    return found


def masked_composed(
    sections: Mapping[str, JsonObject], trial_rows: Iterable[JsonObject], as_of: datetime
) -> JsonObject:
    """The subject's JSON at an instant, from its masked views and the trial's findings on it."""
    visits, allocation = _at(sections["visits"], as_of), sections["allocation"]
    return {
        **_at(sections["subject"], as_of),
        "consent": _at(sections["consent"], as_of),
        "eligibility": sections["eligibility"],
        "randomized": allocation.get("randomized") is True,
        "randomized_on": allocation.get("randomized_on"),
        "unblindings": allocation.get("unblindings", []),
        "visits": visits.get("visits", []),
        "other_visit_records": visits.get("other_records", []),
        "child_pugh": visits.get("child_pugh", []),
        "endpoint": visits.get("endpoint"),
        "safety": sections["safety"].get("events", []),
        "deviations": deviations_by(sections["deviations"], trial_rows, as_of),
        "oversight": sections["oversight"],
        "problems": problems_in(sections),
    }


def masked_state(state: str) -> str:
    """The state's name as a masked reader gets it."""
    return ON_STUDY if state in _MERGED else state


def _subject(case: Case, unblindings: Sequence[Unblinding]) -> JsonObject:
    """Steps after randomization say nothing of their regularity, which hangs on treatment."""
    found = subject_view(case)
    steps = shapes(found, "state_steps")
    states = [text(step, "state") for step in steps]
    first = states.index(_S.RANDOMIZED.value) if _S.RANDOMIZED.value in states else len(steps)
    before = [step for step in steps[:first] if step.get("regular") is not True]
    return {
        **{name: value for name, value in found.items() if name not in _UNTOLD},
        STANDINGS: [*_once(shapes(found, STANDINGS))],
        "state_steps": [
            {name: value for name, value in step.items() if name != "regular"}
            for step in _once(steps)
        ],
        "flags": {
            **{
                name: value
                for name, value in (shape(found, "flags") or {}).items()
                if name != "irregular_events"
            },
            "irregular": bool(before),
            "blind_broken": bool(unblindings),
        },
    }


def _once(steps: Iterable[Mapping[str, JsonValue]]) -> list[JsonObject]:
    """Steps with masked names; those that then change nothing are left out."""
    found: list[JsonObject] = []
    for step in steps:
        state = masked_state(text(step, "state") or "")
        if not found or found[-1]["state"] != state:
            found.append({**step, "state": state})
    return found


def _unmerged(case: Case) -> dict[str, JsonObject]:
    """What the counts are made from: states by their own names, allocation without an arm."""
    return {
        "subject": guarded(lambda: subject_view(case), subject=case.subject),
        "allocation": guarded(lambda: allocation_view(case)),
    }


def _allocation(case: Case, unblindings: Sequence[Unblinding]) -> JsonObject:
    assigned = shapes(allocation_view(case), "allocations")
    at = text(assigned[0], "allocated_at_local") if assigned else None
    return {
        "randomized": bool(assigned),
        "randomized_on": None if at is None else at[:10],
        "unblindings": [
            {
                "subject": case.subject,
                "kind": row.kind,
                "on": row.day.isoformat(),
                "by": author(row.record, case.register),
            }
            for row in unblindings
        ],
    }


def _visits(case: Case) -> JsonObject:
    """Visits counted from an infusion have no window here, and only stand once recorded."""
    found = visits_view(case)
    return {**found, "visits": [_visit(row) for row in shapes(found, "visits")]}


def _visit(row: Mapping[str, JsonValue]) -> JsonObject:
    if row.get("anchor") == "randomization":
        return {**row}
    standings: list[JsonValue] = [
        {**step, "status": WITHHELD if step.get("status") == "unscheduled" else step["status"]}
        for step in shapes(row, STANDINGS)
    ]
    if not standings:
        return {**row, "status": WITHHELD}
    return {**row, STANDINGS: standings}


def _safety(case: Case) -> JsonObject:
    return {
        "events": [
            {name: value for name, value in row.items() if name != "after_infusion"}
            for row in shapes(safety_view(case), "events")
        ]
    }


def _deviations(case: Case) -> JsonObject:
    found = deviations_view(case, MASKED_CASE_RULES)
    return {**found, "deviations": [*untelling(shapes(found, "deviations"))]}


def untelling(rows: Iterable[Mapping[str, JsonValue]]) -> list[JsonObject]:
    """Deviations without any that says of itself that it tells the arm."""
    return [
        {name: value for name, value in row.items() if name != "tells_arm"}
        for row in rows
        if row.get("tells_arm") is not True
    ]


def _oversight(case: Case) -> JsonObject:
    return masked_oversight(
        case.records,
        case.register,
        zone=case.zone,
        late_limit_hours=case.protocol.late_entry_limit_hours,
    )


def masked_oversight(
    records: History, register: Register, *, zone: ZoneInfo, late_limit_hours: int
) -> JsonObject:
    """What a reviewer looks at, of a masked fold; a result has no id, a refusal no sentence."""
    # Record times read as the end of their day: what is late even so is late by any clock.
    hours = late_limit_hours + _HOURS_OF_DAY
    found = oversight_view(records, register, zone=zone, late_limit_hours=hours)
    return {
        **found,
        "refusals": [
            {name: value for name, value in row.items() if name not in ("result", "time")}
            for row in shapes(found, "refusals")
        ],
    }


def _at(body: JsonObject, as_of: datetime) -> JsonObject:
    found = resolved(body, as_of)
    return found if isinstance(found, dict) else {}
