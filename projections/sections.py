"""All views of one subject by name, and the subject's JSON put together from them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ledger.rules.deviations import CASE_RULES
from projections.allocation import allocation_view
from projections.consent import consent_view
from projections.deviations import deviations_view
from projections.eligibility import eligibility_view
from projections.enrolment import disposition_of
from projections.oversight import oversight_view
from projections.prefix import FOLD_ERRORS
from projections.product import product_view
from projections.safety import safety_view
from projections.subject import subject_view
from projections.times import holds_by, resolved
from projections.visits import visits_view

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from datetime import datetime

    from ledger.rules.case import Case
    from ledger.signing.strict_json import JsonObject, JsonValue


def _oversight(case: Case) -> JsonObject:
    return oversight_view(
        case.records,
        case.register,
        zone=case.zone,
        late_limit_hours=case.protocol.late_entry_limit_hours,
    )


def _deviations(case: Case) -> JsonObject:
    return deviations_view(case, CASE_RULES)


SECTIONS: Mapping[str, Callable[[Case], JsonObject]] = {
    "subject": subject_view,
    "consent": consent_view,
    "eligibility": eligibility_view,
    "allocation": allocation_view,
    "product": product_view,
    "visits": visits_view,
    "safety": safety_view,
    "deviations": _deviations,
    "oversight": _oversight,
}
"""The views of a subject; each is a pure function of its case."""


def sections_of(case: Case) -> dict[str, JsonObject]:
    """All views of a subject, and the disposition the counts are made from.

    A view that fails holds ``problem`` instead, so that one bad record hides no other view.
    """
    found = {
        name: guarded(lambda view=view: view(case), subject=case.subject)  # type: ignore[misc]
        for name, view in SECTIONS.items()
    }
    try:
        found["disposition"] = disposition_of(found)
    except FOLD_ERRORS as error:
        found["disposition"] = {"subject": case.subject, "identified": False, **_problem(error)}
    return found


def problems_in(sections: Mapping[str, JsonObject]) -> list[JsonValue]:
    """The views and rules that failed, for the alarm; empty when all is well."""
    found: list[JsonValue] = []
    for name, body in sections.items():
        if "problem" in body:
            found.append({"view": name, "error": body["problem"]})
        failed = body.get("failed_rules")
        found += failed if isinstance(failed, list) else []
    return found


def composed(
    sections: Mapping[str, JsonObject], trial_rows: Iterable[JsonObject], as_of: datetime
) -> JsonObject:
    """The subject's JSON at an instant, from its views and the trial's findings on it."""
    subject = _resolved(sections["subject"], as_of)
    consent, product = sections["consent"], sections["product"]
    visits, allocations = sections["visits"], sections["allocation"].get("allocations")
    assigned = allocations[0] if isinstance(allocations, list) and allocations else None
    return {
        **subject,
        "consent": _resolved(consent, as_of),
        "eligibility": sections["eligibility"],
        "allocation": assigned,
        "allocations": allocations or [],
        "unblindings": sections["allocation"].get("unblindings", []),
        "planned_infusions": product.get("planned_infusions"),
        "infusions": product.get("infusions", []),
        "product": product,
        "visits": _resolved(visits, as_of).get("visits", []),
        "other_visit_records": visits.get("other_records", []),
        "child_pugh": visits.get("child_pugh", []),
        "endpoint": _resolved(visits, as_of).get("endpoint"),
        "safety": sections["safety"].get("events", []),
        "deviations": deviations_by(sections["deviations"], trial_rows, as_of),
        "oversight": sections["oversight"],
        "problems": problems_in(sections),
    }


def deviations_by(
    section: JsonObject, trial_rows: Iterable[JsonObject], as_of: datetime
) -> list[JsonValue]:
    """The deviations that hold by an instant, by rule, since and id."""
    rows = section.get("deviations")
    found = [row for row in (rows if isinstance(rows, list) else ()) if isinstance(row, dict)]
    holding = [row for row in (*found, *trial_rows) if holds_by(row, as_of)]
    return [*sorted(holding, key=deviation_order)]


def deviation_order(row: JsonObject) -> tuple[str, str, str]:
    """Sort key of deviations: rule, since, id; what no rule names comes last."""
    rule = row["rule"]
    return (rule if isinstance(rule, str) else "~", str(row["since"]), str(row["id"]))


def _resolved(body: JsonObject, as_of: datetime) -> JsonObject:
    found = resolved(body, as_of)
    return found if isinstance(found, dict) else {}


def guarded(view: Callable[[], JsonObject], **members: JsonValue) -> JsonObject:
    """What a view gives, or ``members`` and the ``problem`` it met."""
    try:
        return view()
    except FOLD_ERRORS as error:
        return {**members, **_problem(error)}


def _problem(error: Exception) -> JsonObject:
    return {"problem": f"{type(error).__name__}: {error}"[:500]}
