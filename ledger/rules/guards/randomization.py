"""Guards of allocation: GR-… (randomization) and GL-… (the sealed list, enrolment)."""

from __future__ import annotations

import hashlib
import itertools
from typing import TYPE_CHECKING

from ledger.allocation.slot import ALGORITHMS, stratum_name
from ledger.rules.consent import standing
from ledger.rules.delegation import is_signed
from ledger.rules.documents import consent_form_in_force, ethics_approval, site_active
from ledger.rules.eligibility import CONFIRMED, REVOKED, eligibility
from ledger.rules.enrolment import CLOSED, planned_number
from ledger.rules.evidence_age import outdated_evidence
from ledger.rules.guards.request import Refusal, Request
from ledger.rules.guards.screening import INTERVENTION, not_in_screening, site_of
from ledger.rules.members import shape, shapes, text, texts, whole
from ledger.rules.strata import stratum_of
from ledger.signing.strict_json import canonical

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ledger.history import Fact
    from ledger.rules.case import Case
    from ledger.rules.guards.request import Guard

ASSESSED = "criterion.assessed.v1"
CHANGES = ("data.corrected.v1", "data.voided.v1")
BACKGROUND = ("subject.identified.v1", "demographics.recorded.v1", REVOKED)


def consent_on_form_in_force(request: Request) -> Iterator[Refusal]:
    """GR-01: consent to the intervention is valid, on the form that is in force now."""
    case = request.case
    found = standing(case, INTERVENTION, request.at)
    if not found.valid:
        yield Refusal("GR-01", found.reason)
        return
    consent = case.records.facts[found.consent or ""]
    form = consent_form_in_force(
        case.trial,
        site=case.site_id,
        language=text(consent.data, "language") or "",
        at=request.at,
    )
    if form is None or form.version != found.version:
        now = "none" if form is None else form.version
        yield Refusal("GR-01", f"Consent was given on version {found.version}; in force is {now}.")


def criteria_decided_and_passed(request: Request) -> Iterator[Refusal]:
    """GR-02: every criterion is decided and passed, tested once more at this moment."""
    found = eligibility(request.case, request.at)
    for point in found.open_points:
        yield Refusal("GR-02", point)


def eligibility_is_confirmed(request: Request) -> Iterator[Refusal]:
    """GR-03: a physician confirmed eligibility by signature, and the request names it."""
    confirmed = _confirmation(request)
    if confirmed is None:
        yield Refusal("GR-03", "Eligibility has not been confirmed.")
        return
    if text(request.data, "confirmation") != confirmed.id:
        yield Refusal("GR-03", f"The confirmation that counts is {confirmed.id}.")
    if not is_signed(confirmed):
        yield Refusal("GR-03", "The confirmation of eligibility is not signed.")
    revoked = request.state.subject(request.name).last(REVOKED)
    if revoked is not None and revoked.seq > confirmed.seq:
        yield Refusal("GR-03", f"Eligibility was revoked with the record {revoked.id}.")


def confirmation_is_fresh(request: Request) -> Iterator[Refusal]:
    """GR-04: nothing the confirmation rests on has changed since, and it is not too old."""
    confirmed = _confirmation(request)
    if confirmed is None:
        return
    case = request.case
    for fact in evidence_after(case, confirmed):
        yield Refusal("GR-04", f"{fact.type} {fact.id} was recorded after the confirmation.")
    days = case.protocol.screening.eligibility_validity_days
    age = (case.local_date(request.at) - case.local_date(confirmed.occurred_at)).days
    if age > days:
        yield Refusal(
            "GR-04", f"Eligibility was confirmed {age} days ago; it holds for {days} days."
        )


def subject_can_be_randomized(request: Request) -> Iterator[Refusal]:
    """GR-05: the subject is in screening, alive, in the study and not randomized yet."""
    yield from not_in_screening(request, "GR-05")


def site_may_enrol(request: Request) -> Iterator[Refusal]:
    """GR-06: the site is active and an ethics approval is in force."""
    site = site_of(request)
    records = request.state.site(site)
    if not site_active(records, request.at):
        yield Refusal("GR-06", f"The site {site} is not active.")
    if not ethics_approval(request.state.trial, records, site, request.at):
        yield Refusal("GR-06", f"No ethics approval is in force for the site {site}.")


def enrolment_is_open(request: Request) -> Iterator[Refusal]:
    """GR-07: enrolment is open and fewer subjects are randomized than planned."""
    if request.state.trial.last(CLOSED) is not None:
        yield Refusal("GR-07", "Enrolment is closed.")
    planned = planned_number(request.state.trial, request.state.definition, request.at)
    randomized = len(request.state.allocation.subjects)
    if randomized >= planned:
        yield Refusal("GR-07", f"The trial is full: {randomized} of {planned} are randomized.")


def slot_is_free(request: Request) -> Iterator[Refusal]:
    """GR-08: the list is sealed and has a free slot in the subject's stratum."""
    if request.state.allocation.sealed_list is None:
        yield Refusal("GR-08", "The randomization list is not sealed yet.")
        return
    stratum = stratum_of(request.case, request.at)
    if stratum is not None and request.state.allocation.next_slot(stratum) is None:
        yield Refusal("GR-08", f"The list has no free slot in the stratum {stratum}.")


def stratum_is_known(request: Request) -> Iterator[Refusal]:
    """GR-09: the baseline data tell the subject's stratum."""
    case = request.case
    if stratum_of(case, request.at) is None:
        factors = ", ".join(row.factor for row in case.protocol.allocation.strata)
        yield Refusal("GR-09", f"The baseline data give no stratum of the protocol by {factors}.")


def evidence_is_fresh(request: Request) -> Iterator[Refusal]:
    """GR-10: no test that eligibility rests on is older than the protocol allows (DV-13)."""
    for row in outdated_evidence(request.case, request.at):
        yield Refusal("GR-10", f"{row.fact.id}: {row.message}")


def list_is_first(request: Request) -> Iterator[Refusal]:
    """GL-01: the list is sealed once, before the first subject is allocated."""
    allocation = request.state.allocation
    if allocation.sealed_list is not None:
        yield Refusal("GL-01", f"The list was sealed with {allocation.sealed_list.id}.")
    if allocation.assignments:
        yield Refusal("GL-01", f"{len(allocation.assignments)} subjects are allocated already.")


def list_fits_protocol(request: Request) -> Iterator[Refusal]:
    """GL-02: algorithm, protocol version, strata and length are those the protocol asks for."""
    protocol = request.state.definition.protocol
    if text(request.data, "algorithm") not in ALGORITHMS:
        yield Refusal("GL-02", f"The algorithm is none of: {', '.join(sorted(ALGORITHMS))}.")
    if text(request.data, "protocol_version") != protocol.version:
        yield Refusal("GL-02", f"The protocol in force has the version {protocol.version}.")
    factors = ([(row.factor, level) for level in row.levels] for row in protocol.allocation.strata)
    expected = [stratum_name(levels) for levels in itertools.product(*factors)]
    slots = [
        (text(row, "stratum") or "", whole(row, "slots") or 0)
        for row in shapes(request.data, "strata")
    ]
    if sorted(name for name, _ in slots) != sorted(expected):
        yield Refusal("GL-02", f"The strata of the protocol are: {', '.join(expected)}.")
    planned = planned_number(request.state.trial, request.state.definition, request.at)
    for name, count in slots:
        if count < planned:
            yield Refusal("GL-02", f"The stratum {name} has {count} slots for {planned} subjects.")


def generator_is_independent(request: Request) -> Iterator[Refusal]:
    """GL-03: nobody of a site draws the list (ICH E9 2.3.2)."""
    generator = text(request.data, "generator") or ""
    if generator.startswith("/sites/"):
        yield Refusal("GL-03", f"{generator} belongs to a site and may not draw the list.")


def enrolment_not_closed(request: Request) -> Iterator[Refusal]:
    """GL-04: enrolment is closed once."""
    closed = request.state.trial.last(CLOSED)
    if closed is not None:
        yield Refusal("GL-04", f"Enrolment was closed with {closed.id}.")


def site_to_suspend_is_active(request: Request) -> Iterator[Refusal]:
    """GL-05: only an active site is suspended."""
    if not site_active(request.state.site(request.name), request.at):
        yield Refusal("GL-05", f"The site {request.name} is not active.")


def amendment_is_whole(request: Request) -> Iterator[Refusal]:
    """GL-06: an amendment brings a new version, and its digest is that of the configuration."""
    data, protocol = request.data, shape(request.data, "protocol") or {}
    digest = hashlib.sha256(canonical(dict(protocol))).hexdigest()
    if text(data, "protocol_sha256") != digest:
        yield Refusal("GL-06", "The digest stated is not that of the protocol configuration.")
    versions = {text(fact.data, "version") for fact in request.state.trial.of(AMENDED)}
    versions.add(request.state.definition.protocol.version)
    if text(data, "version") in versions:
        yield Refusal("GL-06", f"The version {text(data, 'version')} was in force before.")


def evidence_after(case: Case, confirmed: Fact) -> list[Fact]:
    """What entered the log after a confirmation and bears on it: evidence, assessments, changes."""
    types = {name for criterion in case.protocol.criteria for name in criterion.evidence}
    types |= {ASSESSED, *BACKGROUND}
    found = [fact for fact in case.records.of(*types) if fact.seq > confirmed.seq]
    named = set(texts(confirmed.data, "assessments")) | {confirmed.id}
    for fact in case.records.of(*CHANGES):
        target = case.records.facts.get(text(fact.data, "target") or "")
        if fact.seq > confirmed.seq and (
            target is None or target.type in types or target.id in named
        ):
            found.append(fact)
    return sorted(found, key=lambda fact: fact.seq)


def _confirmation(request: Request) -> Fact | None:
    confirmed = request.state.subject(request.name).of(CONFIRMED)
    return max(confirmed, key=lambda fact: fact.seq, default=None)


AMENDED = "protocol.amended.v1"

GUARDS: dict[str, tuple[Guard, ...]] = {
    "subject.randomization-requested.v1": (
        consent_on_form_in_force,
        criteria_decided_and_passed,
        eligibility_is_confirmed,
        confirmation_is_fresh,
        subject_can_be_randomized,
        site_may_enrol,
        enrolment_is_open,
        slot_is_free,
        stratum_is_known,
        evidence_is_fresh,
    ),
    "randomization-list.sealed.v1": (list_is_first, list_fits_protocol, generator_is_independent),
    CLOSED: (enrolment_not_closed,),
    "site.suspended.v1": (site_to_suspend_is_active,),
    AMENDED: (amendment_is_whole,),
}
