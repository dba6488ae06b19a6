"""Enrolment counts as CONSORT 2025 draws them; every sum closes."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ledger.rules.members import shape, shapes, text, texts, whole
from projections.times import resolved

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    from ledger.signing.strict_json import JsonObject, JsonValue
    from ledger.trials.protocol import Protocol

CRITERIA, OTHER = "not meeting criteria", "other"
EXCLUDED = {
    "NOT_CONSENTED": "declined",
    "SCREEN_FAILED": CRITERIA,
    "WITHDRAWN": "withdrew before randomization",
    "DEAD": "died before randomization",
    "LOST_TO_FOLLOW_UP": "lost before randomization",
    "DISCONTINUED": OTHER,
    "COMPLETED": OTHER,
}
"""Reasons for exclusion before randomization, by the state it ended in."""

NOT_OPENED = "not opened"
NOT_ANALYSED = "not analysed"


def disposition_of(sections: Mapping[str, JsonObject]) -> JsonObject:
    """What the counts need of one subject, from its stored sections."""
    subject, visits = sections["subject"], sections["visits"]
    consents, product = sections["consent"], sections["product"]
    allocated = shapes(sections["allocation"], "allocations")
    given = shapes(product, "infusions")
    failures = shapes(sections["eligibility"], "screen_failures")
    content = shape(failures[-1], "content") if failures else None
    endpoint = shape(visits, "endpoint") or {}
    first_consent = shape(consents, "first_valid")
    stopped = [text(shape(row, "reason") or {}, "code") for row in _contents(product, "not_given")]
    return {
        "subject": text(subject, "subject"),
        "identified": subject.get("identified") is True,
        "standings": subject.get("standings"),
        "arm": text(allocated[0], "arm") if allocated else None,
        "randomized_at": text(allocated[0], "allocated_at") if allocated else None,
        "consented_at": text(first_consent, "at") if first_consent else None,
        "infusions": len(given),
        "planned_infusions": whole(product, "planned_infusions"),
        "not_given_reasons": [code for code in stopped if code],
        "screen_failure": text(content or {}, "reason_code"),
        "failed_criteria": list(texts(content or {}, "criteria")),
        "endpoint": {"standings": endpoint.get("standings")},
        "last_contact": text(subject, "last_contact"),
    }


@dataclass(frozen=True, slots=True)
class Course:
    """All that the counts look at of one subject; subjects with the same course count alike.

    ``consented`` and ``randomized`` are months, ``YYYY-MM``.
    """

    state: str
    arm: str | None
    consented: str | None
    randomized: str | None
    infusions: int
    not_given: tuple[str, ...]
    screen_failure: str | None
    failed_a_criterion: bool
    counts_as: str


def course_of(disposition: JsonObject, as_of: datetime) -> Course | None:
    """The course of a subject at an instant; None for whom the counts leave out."""
    found = resolved(disposition, as_of)
    row = found if isinstance(found, dict) else {}
    state = row.get("state")
    if row.get("identified") is not True or state is None:
        return None
    arm, codes = row["arm"], row["not_given_reasons"]
    return Course(
        state=str(state),
        arm=arm if isinstance(arm, str) else None,
        consented=_month(row["consented_at"]),
        randomized=_month(row["randomized_at"]),
        infusions=whole(row, "infusions") or 0,
        not_given=tuple(str(code) for code in codes) if isinstance(codes, list) else (),
        screen_failure=text(row, "screen_failure"),
        failed_a_criterion=bool(row["failed_criteria"]),
        counts_as=text(shape(row, "endpoint") or {}, "counts_as") or NOT_ANALYSED,
    )


def enrolment_view(
    dispositions: Iterable[JsonObject], protocol: Protocol, as_of: datetime
) -> JsonObject:
    """The flow of subjects at an instant, from what ``disposition_of`` gives of each."""
    courses = (course_of(row, as_of) for row in dispositions)
    return flow_of(Counter(course for course in courses if course is not None), protocol)


def flow_of(courses: Mapping[Course, int], protocol: Protocol) -> JsonObject:
    """The flow of subjects, from how many took each course.

    assessed = excluded + in screening + randomized; randomized = the sum over arms; in each arm
    allocated = received + not received = on study + completed + lost + … .
    """
    randomized = {row: n for row, n in courses.items() if row.randomized is not None}
    others = {row: n for row, n in courses.items() if row.randomized is None}
    excluded = {row: n for row, n in others.items() if row.state in EXCLUDED}
    reasons = _counted((_excluded_for(row), n) for row, n in excluded.items())
    failures = _counted(
        (row.screen_failure or "not stated", n)
        for row, n in excluded.items()
        if _excluded_for(row) == CRITERIA
    )
    arms = [arm.id for arm in protocol.arms]
    known = [
        *arms,
        *([NOT_OPENED] if any(_arm(row, arms) == NOT_OPENED for row in randomized) else []),
    ]
    return {
        "planned": protocol.planned_number,
        "assessed": sum(courses.values()),
        "consented": sum(n for row, n in courses.items() if row.consented is not None),
        "excluded": {
            "total": sum(excluded.values()),
            "reasons": dict(sorted(reasons.items())),
            "screen_failure_reasons": dict(sorted(failures.items())),
        },
        "in_screening": sum(others.values()) - sum(excluded.values()),
        "randomized": sum(randomized.values()),
        "arms": [
            _arm_flow(
                name, {row: n for row, n in randomized.items() if _arm(row, arms) == name}, protocol
            )
            for name in known
        ],
        "recruitment": _recruitment(courses),
        "states": dict(sorted(_counted((row.state, n) for row, n in courses.items()).items())),
    }


def _counted(pairs: Iterable[tuple[str, int]]) -> Counter[str]:
    found: Counter[str] = Counter()
    for name, number in pairs:
        found[name] += number
    return found


def _month(at: JsonValue) -> str | None:
    return None if at is None else str(at)[:7]


def _excluded_for(row: Course) -> str:
    """Why a subject was excluded; who failed without a failed criterion failed for another reason.

    A subject turned away because the trial was full met the criteria (CONSORT 2025).
    """
    reason = EXCLUDED[row.state]
    if reason == CRITERIA and not row.failed_a_criterion:
        return f"{OTHER}: {row.screen_failure or 'not stated'}"
    return reason


def _contents(product: JsonObject, name: str) -> list[Mapping[str, JsonValue]]:
    return [shape(row, "content") or {} for row in shapes(product, name)]


def _arm(row: Course, arms: list[str]) -> str:
    return row.arm if row.arm in arms and row.arm is not None else NOT_OPENED


def _arm_flow(name: str, rows: Mapping[Course, int], protocol: Protocol) -> JsonObject:
    arm = protocol.arm(name)
    planned = arm.planned_infusions if arm is not None else None
    given = _counted((_received(row, planned), n) for row, n in rows.items())
    states = _counted((row.state, n) for row, n in rows.items())
    ended = {"COMPLETED", "LOST_TO_FOLLOW_UP", "WITHDRAWN", "DISCONTINUED", "DEAD"}
    endpoints = _counted((row.counts_as, n) for row, n in rows.items())
    reasons = _counted((code, n) for row, n in rows.items() for code in row.not_given)
    return {
        "arm": name,
        "label": arm.label if arm is not None else None,
        "planned_infusions": planned,
        "allocated": sum(rows.values()),
        "received": given["received"],
        "received_in_part": given["in part"],
        "received_more": given["more"],
        "not_received": given["none"],
        "not_given_reasons": dict(sorted(reasons.items())),
        "on_study": sum(count for state, count in states.items() if state not in ended),
        "completed": states["COMPLETED"],
        "lost_to_follow_up": states["LOST_TO_FOLLOW_UP"],
        "withdrawn": states["WITHDRAWN"],
        "discontinued": states["DISCONTINUED"],
        "dead": states["DEAD"],
        "achieved": endpoints["achieved"],
        "not_achieved": endpoints["not achieved"],
        "not_analysed": endpoints[NOT_ANALYSED],
        "analysed": endpoints["achieved"] + endpoints["not achieved"],
    }


def _received(row: Course, planned: int | None) -> str:
    if row.infusions == 0:
        return "none"
    if planned is None or row.infusions == planned:
        return "received"
    return "more" if row.infusions > planned else "in part"


def _recruitment(rows: Mapping[Course, int]) -> list[JsonValue]:
    consented = _counted((row.consented, n) for row, n in rows.items() if row.consented)
    randomized = _counted((row.randomized, n) for row, n in rows.items() if row.randomized)
    total = 0
    found: list[JsonValue] = []
    for month in sorted({*consented, *randomized}):
        total += randomized[month]
        found.append(
            {
                "month": month,
                "consented": consented[month],
                "randomized": randomized[month],
                "cumulative": total,
            }
        )
    return found
