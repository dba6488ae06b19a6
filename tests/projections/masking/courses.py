"""Steps of a course after randomization: what may happen in a trial, done to both twins alike."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from hypothesis import strategies as st

from ledger.recording.admission import Commitment
from ledger.signing.rfc3339 import format_recorded_at
from tests.build_ledger import COORDINATOR, PHARMACIST, REGISTRAR, SITE, SPONSOR
from tests.projections.masking.build_twins import (
    ONE,
    THREE,
    TWO,
    consent,
    envelope,
    infuse,
    lab,
    randomize,
    screen,
    treat,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ledger.signing.strict_json import JsonObject
    from tests.projections.masking.build_twins import Twin, Twins


@dataclass(frozen=True, slots=True)
class Step:
    """What happens, to whom, how many days after the step before."""

    name: str
    subject: str
    days: int


def take(twins: Twins, step: Step) -> None:
    """Do a step to both."""
    twins.next_day(step.days)
    for twin in twins.pair:
        STEPS[step.name](twin, step.subject)


def _serious(twin: Twin, subject: str) -> None:
    at = format_recorded_at(twin.built.now)
    data: JsonObject = {"term": "Fever", "criteria": ["hospitalisation"], "aware_at": at}
    twin.do("serious-adverse-event.reported.v1", f"subject/{subject}", data)


def _withdrawn(twin: Twin, subject: str) -> None:
    later = format_recorded_at(twin.built.now + timedelta(days=30))
    data: JsonObject = {"scopes": ["intervention"], "effective_at": later}
    twin.do("consent.withdrawn.v1", f"subject/{subject}", data, by=COORDINATOR)


def _withdrawn_from_all(twin: Twin, subject: str) -> None:
    twin.do("consent.withdrawn.v1", f"subject/{subject}", {}, by=COORDINATOR)


def _unblinded(twin: Twin, subject: str) -> None:
    stream = f"treatment/{subject}"
    broken = twin.do("blind.broken.v1", stream, {"type": "emergency", "told_to": ["physician"]})
    reason: JsonObject = {
        "unblinding": broken.id,
        "reason_code": "medical-emergency",
        "reason_text": f"The arm is {twin.arm(subject)}.",
    }
    twin.do("unblinding-reason.recorded.v1", stream, reason)


def _accidental(twin: Twin, subject: str) -> None:
    data: JsonObject = {"told_to": ["participant"], "cause": f"Said {twin.arm(subject)} aloud."}
    twin.do("accidental-unblinding.reported.v1", f"treatment/{subject}", data, by=COORDINATOR)


def _measured(twin: Twin, subject: str) -> None:
    lab(twin, subject, "bilirubin", "43", "umol/L", visit="W24")


def _corrected(twin: Twin, subject: str) -> None:
    target = twin.labs.get(subject)
    if target is None:
        return
    data: JsonObject = {
        "target": target.id,
        "changes": [{"pointer": "/data/value/value", "old": "43", "new": "34"}],
        "reason": {"code": "transcription", "text": "Misread."},
        "source_ref": "Print-out 17",
    }
    twin.do("data.corrected.v1", f"subject/{subject}", data, by=COORDINATOR)


def _voided(twin: Twin, subject: str) -> None:
    target = twin.labs.get(subject)
    if target is None:
        return
    data: JsonObject = {
        "target": target.id, "source_ref": "Print-out 18",
        "reason": {"code": "wrong-subject", "text": "It is another's."},
    }  # fmt: skip
    twin.do("data.voided.v1", f"subject/{subject}", data, by=COORDINATOR)


def _visited(twin: Twin, subject: str) -> None:
    twin.do("visit.completed.v1", f"subject/{subject}", {"visit": "W04"}, by=COORDINATOR)


def _late_visit(twin: Twin, subject: str) -> None:
    time = format_recorded_at(twin.built.now - timedelta(days=5))
    data: JsonObject = {"visit": "W24"}
    twin.do("visit.completed.v1", f"subject/{subject}", data, by=COORDINATOR, time=time)


def _died(twin: Twin, subject: str) -> None:
    twin.do("death.recorded.v1", f"subject/{subject}", {})


def _transplanted(twin: Twin, subject: str) -> None:
    twin.do("transplant.recorded.v1", f"subject/{subject}", {"organ": "liver"})


def _completed(twin: Twin, subject: str) -> None:
    twin.do("study.completed.v1", f"subject/{subject}", {}, by=COORDINATOR)


def _lost(twin: Twin, subject: str) -> None:
    twin.do("subject.lost-to-follow-up.v1", f"subject/{subject}", {}, by=COORDINATOR)


def _discontinued_treatment(twin: Twin, subject: str) -> None:
    data: JsonObject = {
        "reason": {"code": "adverse-event", "text": "A fever."},
        "decided_by": "investigator",
    }
    twin.do("treatment.discontinued.v1", f"treatment/{subject}", data)


def _enrolled(twin: Twin, subject: str) -> None:
    del subject
    if THREE not in twin.confirmed:
        screen(twin, THREE)
    randomize(twin, THREE)


def _by_envelope(twin: Twin, subject: str) -> None:
    del subject
    envelope(twin, THREE)


def _over_treated(twin: Twin, subject: str) -> None:
    """An infusion whatever the arm plans: a deviation in one arm, none in the other."""
    infuse(twin, subject, twin.given.get(subject, 0) + 1)


def _renewed(twin: Twin, subject: str) -> None:
    consent(twin, subject, "consent.renewed.v1")


def _reported(twin: Twin, subject: str) -> None:
    identified = twin.built.ledger.application.stream(f"subject/{subject}")[0]
    data: JsonObject = {
        "anchor": identified.id, "description": "A visit was late.",
    }  # fmt: skip
    twin.do("deviation.reported.v1", f"subject/{subject}", data, by=COORDINATOR)


def _suspended(twin: Twin, subject: str) -> None:
    """A command of the site's stream, whose result names its position; refused when repeated."""
    del subject
    data: JsonObject = {"site": SITE, "reason": {"code": "pause", "text": "A pause."}}
    twin.do("site.suspended.v1", f"site/{SITE}", data, by=SPONSOR, meaning="approval")


def _staff_changed(twin: Twin, subject: str) -> None:
    del subject
    data: JsonObject = {
        "holder": PHARMACIST, "role": "study-nurse", "scope": f"site/{SITE}",
    }  # fmt: skip
    twin.do("role.granted.v1", "access", data, by=REGISTRAR, meaning="approval")


def _dossier(twin: Twin, subject: str) -> None:
    for stream in (f"subject/{subject}", f"treatment/{subject}"):
        twin.built.ledger.submit(Commitment(stream, "inspection"), twin.built.tick())


STEPS: Mapping[str, Callable[[Twin, str], None]] = {
    "treat": treat,
    "over-treat": _over_treated,
    "serious": _serious,
    "withdraw": _withdrawn,
    "withdraw from all": _withdrawn_from_all,
    "unblind": _unblinded,
    "accident": _accidental,
    "measure": _measured,
    "correct": _corrected,
    "void": _voided,
    "visit": _visited,
    "late visit": _late_visit,
    "die": _died,
    "transplant": _transplanted,
    "complete": _completed,
    "lose": _lost,
    "stop treatment": _discontinued_treatment,
    "enrol": _enrolled,
    "envelope": _by_envelope,
    "renew": _renewed,
    "ask again": randomize,
    "report": _reported,
    "suspend": _suspended,
    "staff": _staff_changed,
    "dossier": _dossier,
}

EVERYTHING = [
    Step(name, subject, 3)
    for name in (
        "treat", "measure", "treat", "dossier", "staff", "serious", "correct", "enrol", "visit",
        "unblind", "accident", "late visit", "ask again", "over-treat", "report", "withdraw",
        "envelope", "renew", "void", "stop treatment", "transplant", "suspend", "complete",
    )
    for subject in (ONE, TWO)
    if (name, subject) != ("treat", TWO)
]  # fmt: skip
"""A course in which nearly everything happens to both subjects; one is treated by his arm."""


def courses(longest: int) -> st.SearchStrategy[list[Step]]:
    """Any course of so many steps; treatment comes often, since it is what makes a difference."""
    names = st.one_of(st.sampled_from(["treat", "over-treat"]), st.sampled_from(sorted(STEPS)))
    steps = st.builds(Step, names, st.sampled_from([ONE, TWO]), st.integers(1, 40))
    return st.lists(steps, min_size=1, max_size=longest)
