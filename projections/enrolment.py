"""Enrolment counts as CONSORT 2025 draws them; every sum closes."""

from __future__ import annotations

from collections import Counter
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


def enrolment_view(
    dispositions: Iterable[JsonObject], protocol: Protocol, as_of: datetime
) -> JsonObject:
    """The flow of subjects at an instant.

    assessed = excluded + in screening + randomized; randomized = the sum over arms; in each arm
    allocated = received + not received = on study + completed + lost + … .
    """
    rows = [_at(row, as_of) for row in dispositions]
    rows = [row for row in rows if row.get("identified") is True and row.get("state") is not None]
    randomized = [row for row in rows if row["randomized_at"] is not None]
    others = [row for row in rows if row["randomized_at"] is None]
    excluded = [row for row in others if row["state"] in EXCLUDED]
    reasons = Counter(_excluded_for(row) for row in excluded)
    failures = Counter(
        str(row["screen_failure"] or "not stated")
        for row in excluded
        if _excluded_for(row) == CRITERIA
    )
    arms = [arm.id for arm in protocol.arms]
    known = [
        *arms,
        *([NOT_OPENED] if any(_arm(row, arms) == NOT_OPENED for row in randomized) else []),
    ]
    return {
        "planned": protocol.planned_number,
        "assessed": len(rows),
        "consented": sum(1 for row in rows if row["consented_at"] is not None),
        "excluded": {
            "total": len(excluded),
            "reasons": dict(sorted(reasons.items())),
            "screen_failure_reasons": dict(sorted(failures.items())),
        },
        "in_screening": len(others) - len(excluded),
        "randomized": len(randomized),
        "arms": [
            _arm_flow(name, [row for row in randomized if _arm(row, arms) == name], protocol)
            for name in known
        ],
        "recruitment": _recruitment(rows),
        "states": dict(sorted(Counter(str(row["state"]) for row in rows).items())),
    }


def _excluded_for(row: JsonObject) -> str:
    """Why a subject was excluded; who failed without a failed criterion failed for another reason.

    A subject turned away because the trial was full met the criteria (CONSORT 2025).
    """
    reason = EXCLUDED[str(row["state"])]
    if reason == CRITERIA and not row["failed_criteria"]:
        return f"{OTHER}: {row['screen_failure'] or 'not stated'}"
    return reason


def _at(row: JsonObject, as_of: datetime) -> JsonObject:
    found = resolved(row, as_of)
    return found if isinstance(found, dict) else {}


def _contents(product: JsonObject, name: str) -> list[Mapping[str, JsonValue]]:
    return [shape(row, "content") or {} for row in shapes(product, name)]


def _arm(row: JsonObject, arms: list[str]) -> str:
    arm = row["arm"]
    return arm if isinstance(arm, str) and arm in arms else NOT_OPENED


def _arm_flow(name: str, rows: list[JsonObject], protocol: Protocol) -> JsonObject:
    arm = protocol.arm(name)
    planned = arm.planned_infusions if arm is not None else None
    given = Counter(_received(row, planned) for row in rows)
    states = Counter(str(row["state"]) for row in rows)
    ended = {"COMPLETED", "LOST_TO_FOLLOW_UP", "WITHDRAWN", "DISCONTINUED", "DEAD"}
    endpoints = Counter(
        str(endpoint.get("counts_as") or "not analysed")
        for row in rows
        if (endpoint := shape(row, "endpoint")) is not None
    )
    reasons = Counter(
        str(code)
        for row in rows
        if isinstance(codes := row["not_given_reasons"], list)
        for code in codes
    )
    return {
        "arm": name,
        "label": arm.label if arm is not None else None,
        "planned_infusions": planned,
        "allocated": len(rows),
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
        "not_analysed": endpoints["not analysed"],
        "analysed": endpoints["achieved"] + endpoints["not achieved"],
    }


def _received(row: JsonObject, planned: int | None) -> str:
    given = whole(row, "infusions") or 0
    if given == 0:
        return "none"
    if planned is None or given == planned:
        return "received"
    return "more" if given > planned else "in part"


def _recruitment(rows: list[JsonObject]) -> list[JsonValue]:
    consented = Counter(str(row["consented_at"])[:7] for row in rows if row["consented_at"])
    randomized = Counter(str(row["randomized_at"])[:7] for row in rows if row["randomized_at"])
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
