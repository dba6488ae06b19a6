"""Guards of screening and eligibility: GS-… and GE-… (ICH E6(R3) 2.7.1, 4.3.5; 21 CFR 11.10(f))."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ledger.rules.consent import standing
from ledger.rules.derivation import SCREENINGS
from ledger.rules.documents import ACTIVATED, ethics_approval, site_active
from ledger.rules.eligibility import (
    SCREEN_FAILED,
    current_assessments,
    eligibility,
)
from ledger.rules.guards.request import Refusal, Request
from ledger.rules.members import text, texts, whole

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ledger.rules.case import Case
    from ledger.rules.guards.request import Guard

IDENTIFIED = "subject.identified.v1"
DEATH = "death.recorded.v1"
ENDS = ("study.completed.v1", "study.discontinued.v1", "subject.lost-to-follow-up.v1")
INTERVENTION = "intervention"


def subject_belongs_to_site(request: Request) -> Iterator[Refusal]:
    """GS-01: the subject id is that of the stream and belongs to a site of the trial."""
    site = site_of(request)
    if text(request.data, "subject_id") != request.name:
        yield Refusal("GS-01", f"The id named is not {request.name}, the subject of the event.")
    known = {row.id for row in request.state.definition.protocol.sites}
    if site not in known and request.state.site(site).last(ACTIVATED) is None:
        yield Refusal("GS-01", f"The site {site} is not known in this trial.")


def subject_id_is_free(request: Request) -> Iterator[Refusal]:
    """GS-02: a subject id is given once, also when its identification was voided since."""
    facts = request.state.subject(request.name).facts.values()
    if any(fact.type == IDENTIFIED for fact in facts):
        yield Refusal("GS-02", f"The subject id {request.name} is taken.")


def subject_is_known(request: Request) -> Iterator[Refusal]:
    """GS-03: the subject has been identified, and neither died nor been randomized."""
    records = request.state.subject(request.name)
    if records.last(IDENTIFIED) is None:
        yield Refusal("GS-03", f"The subject {request.name} has not been identified.")
    if records.last(DEATH) is not None:
        yield Refusal("GS-03", "The subject's death is recorded.")
    if request.name in request.state.allocation.subjects:
        yield Refusal("GS-03", f"The subject {request.name} is randomized already.")


def site_is_active(request: Request) -> Iterator[Refusal]:
    """GS-04: the site is activated and not suspended (ICH E6(R3) 4.3.5)."""
    site = site_of(request)
    if not site_active(request.state.site(site), request.at):
        yield Refusal("GS-04", f"The site {site} is not active.")


def ethics_approval_stands(request: Request) -> Iterator[Refusal]:
    """GS-05: an ethics approval is in force for the site."""
    site = site_of(request)
    if not ethics_approval(request.state.trial, request.state.site(site), site, request.at):
        yield Refusal("GS-05", f"No ethics approval is in force for the site {site}.")


def first_screening(request: Request) -> Iterator[Refusal]:
    """GS-06: the first screening has the number 1 and comes once."""
    if request.state.subject(request.name).last(*SCREENINGS) is not None:
        yield Refusal("GS-06", "The subject has been screened before; start a re-screening.")
    elif whole(request.data, "screening_number") != 1:
        yield Refusal("GS-06", "The first screening has the number 1.")


def rescreening_is_next(request: Request) -> Iterator[Refusal]:
    """GS-07: a re-screening has the next number and follows a failed screening."""
    records = request.state.subject(request.name)
    before = records.of(*SCREENINGS)
    expected = max((whole(fact.data, "screening_number") or 0 for fact in before), default=0) + 1
    if not before:
        yield Refusal("GS-07", "The subject has not been screened before.")
    elif whole(request.data, "screening_number") != expected:
        yield Refusal("GS-07", f"The next screening has the number {expected}.")
    failed = records.last(SCREEN_FAILED)
    if before and (failed is None or failed.order < before[-1].order):
        yield Refusal("GS-07", "The screening before has not failed.")


def rescreening_is_allowed(request: Request) -> Iterator[Refusal]:
    """GS-08: the protocol allows to screen a failed subject again."""
    if not request.state.definition.protocol.screening.rescreening_allowed:
        yield Refusal("GS-08", "The protocol does not allow to screen a subject again.")


def rescreening_has_consent(request: Request) -> Iterator[Refusal]:
    """GS-09: where the protocol asks for it, the subject consented anew after the failure."""
    case = request.case
    failed = case.records.last(SCREEN_FAILED)
    if failed is None or not case.protocol.screening.rescreening_needs_new_consent:
        return
    found = standing(case, INTERVENTION, request.at)
    if not found.valid or found.since is None or found.since <= failed.occurred_at:
        yield Refusal("GS-09", "No new valid consent was given after the failed screening.")


def criteria_version_holds(request: Request) -> Iterator[Refusal]:
    """GE-01: the confirmation is of the protocol's present set of criteria."""
    version = request.state.definition.protocol.criteria_version
    if text(request.data, "criteria_version") != version:
        yield Refusal("GE-01", f"The criteria in force have the version {version}.")


def screening_is_open(request: Request) -> Iterator[Refusal]:
    """GE-02: the subject is in a screening that has not failed, alive and in the study."""
    yield from not_in_screening(request, "GE-02")


def assessments_are_named(request: Request) -> Iterator[Refusal]:
    """GE-03: every criterion is assessed, and the confirmation names those very assessments."""
    case = request.case
    current = current_assessments(case, request.at)
    named = set(texts(request.data, "assessments"))
    for criterion in case.protocol.criteria:
        assessment = current.get(criterion.id)
        if assessment is None:
            yield Refusal("GE-03", f"{criterion.id} is not assessed.")
        elif assessment.id not in named:
            yield Refusal(
                "GE-03", f"The present assessment of {criterion.id}, {assessment.id}, is not named."
            )
    for extra in sorted(named - {fact.id for fact in current.values()}):
        yield Refusal("GE-03", f"{extra} is no present assessment of this subject.")


def no_conflict_is_open(request: Request) -> Iterator[Refusal]:
    """GE-04: no assessment is contradicted by the data."""
    for row in eligibility(request.case, request.at).conflicts:
        yield Refusal("GE-04", row.open_point or f"{row.criterion.id} is contradicted.")


def all_criteria_pass(request: Request) -> Iterator[Refusal]:
    """GE-05: every criterion is passed; there is no waiver."""
    yield from not_passing(request, "GE-05")


def consent_is_valid(request: Request) -> Iterator[Refusal]:
    """GE-06: consent to the intervention is valid."""
    found = standing(request.case, INTERVENTION, request.at)
    if not found.valid:
        yield Refusal("GE-06", found.reason)


def site_of(request: Request) -> str:
    """The site of the request's subject."""
    return request.name.rsplit("-", 1)[0]


def not_passing(request: Request, rule: str) -> Iterator[Refusal]:
    """A refusal for each criterion that is assessed, uncontradicted and still not passed."""
    for row in eligibility(request.case, request.at).rows:
        if row.assessment is not None and not row.conflict and not row.passing:
            yield Refusal(rule, row.open_point or f"{row.criterion.id} is not passed.")


def not_in_screening(request: Request, rule: str) -> Iterator[Refusal]:
    """A refusal for each reason why the subject is not on the way to randomization."""
    case: Case = request.case
    records = case.records
    started = records.last(*SCREENINGS)
    failed = records.last(SCREEN_FAILED)
    if started is None:
        yield Refusal(rule, f"No screening of {request.name} has been started.")
    elif failed is not None and failed.order > started.order:
        yield Refusal(rule, f"The screening failed with the record {failed.id}.")
    if records.last(DEATH) is not None:
        yield Refusal(rule, "The subject's death is recorded.")
    ended = records.last(*ENDS)
    if ended is not None:
        yield Refusal(rule, f"The subject left the study with the record {ended.id}.")
    if request.name in request.state.allocation.subjects:
        yield Refusal(rule, f"The subject {request.name} is randomized already.")


_ENTRY: tuple[Guard, ...] = (subject_is_known, site_is_active, ethics_approval_stands)

GUARDS: dict[str, tuple[Guard, ...]] = {
    IDENTIFIED: (subject_belongs_to_site, subject_id_is_free),
    "screening.started.v1": (*_ENTRY, first_screening),
    "rescreening.started.v1": (
        *_ENTRY,
        rescreening_is_next,
        rescreening_is_allowed,
        rescreening_has_consent,
    ),
    "eligibility.confirmed.v1": (
        criteria_version_holds,
        screening_is_open,
        assessments_are_named,
        no_conflict_is_open,
        all_criteria_pass,
        consent_is_valid,
    ),
}
