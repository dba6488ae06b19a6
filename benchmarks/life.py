"""Load: subjects of the seed's protocol from identification to randomization, as a stream.

Every statement is legal at its place and passes the guards; what memory it takes depends on how
many subjects are under way at once, never on how many there are.
"""

from __future__ import annotations

import hashlib
import random
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from typing import TYPE_CHECKING, Final

from benchmarks.founding import FORM, LANGUAGE

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from api.identity import SignedEvent
    from benchmarks.people import Site, Staff
    from ledger.signing.strict_json import JsonObject, JsonValue

TRIAL: Final = "XHNKKY-DFSC"
PLANNED: Final = 92
SUBJECTS_A_SITE: Final = 9_999
BORN: Final = "1968-05-02"
INCLUSION: Final = ("IN01", "IN02", "IN03")
EXCLUSION: Final = tuple(f"EX{number:02}" for number in range(1, 12))
JUDGED: Final = frozenset(("EX11",))
_PAUSE: Final = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class Offered:
    """A signed event with the instant at which its site sends it."""

    at: datetime
    event: SignedEvent


@dataclass(slots=True)
class Clock:
    """The time of the load: every event happens a little after the one before."""

    now: datetime
    step: timedelta = _PAUSE

    def tick(self) -> datetime:
        """Move on and give the time."""
        self.now += self.step
        return self.now


def load(
    sites: Sequence[Site], *, subjects: int, begin: datetime, under_way: int = 64, seed: int = 1
) -> Iterator[Offered]:
    """The statements of that many subjects, spread over the sites, in the order they are sent.

    ``under_way`` subjects are in screening at once, their statements mixed by ``seed``.
    """
    clock, dice = Clock(begin), random.Random(seed)  # noqa: S311 - an order, no secret
    waiting = iter(range(subjects))
    lives = [_life(sites, number, clock) for number in islice(waiting, under_way)]
    while lives:
        place = dice.randrange(len(lives))
        offered = next(lives[place], None)
        if offered is not None:
            yield offered
            continue
        following = next(waiting, None)
        if following is None:
            lives.pop(place)
        else:
            lives[place] = _life(sites, following, clock)


def life(site: Site, number: int, clock: Clock, *, randomize: bool) -> Iterator[Offered]:
    """One subject of a site, from identification to randomization or to a full trial.

    Each fourth never gets a copy of the form that was signed: a deviation.
    """
    pen = _Pen(site, f"{site.name}-{number:04}", clock)
    yield from _consent(pen, copied=number % 4 > 0)
    yield from _evidence(pen)
    yield from _eligibility(pen, randomize=randomize)


def _life(sites: Sequence[Site], number: int, clock: Clock) -> Iterator[Offered]:
    site = sites[number % len(sites)]
    own = number // len(sites) + 1
    if own > SUBJECTS_A_SITE:
        raise ValueError(f"A site has at most {SUBJECTS_A_SITE} subjects; give more sites.")
    return life(site, own, clock, randomize=number < PLANNED)


@dataclass(slots=True)
class _Pen:
    site: Site
    subject: str
    clock: Clock

    def write(
        self, who: Staff, type_name: str, data: JsonObject, *, meaning: str = "authorship"
    ) -> Offered:
        """Sign an event of the subject's own stream, happening now."""
        at = self.clock.tick()
        event = who.identity.at(at).sign(
            type_name,
            f"subject/{self.subject}",
            data,
            trial=TRIAL,
            time=at,
            meaning=meaning if who.identity.person else None,
        )
        return Offered(at, event)

    def laboratory(self, code: str, value: str, unit: str) -> Offered:
        """A laboratory value."""
        data: JsonObject = {
            "test_code": code,
            "value": {"value": value, "unit": unit},
            "specimen_time": self.clock.now.isoformat(),
            "laboratory": "central",
            "visit": "BASELINE",
        }
        return self.write(self.site.laboratory, "lab-result.recorded.v1", data)


def _consent(pen: _Pen, *, copied: bool) -> Iterator[Offered]:
    site = pen.site
    leader, coordinator = site.investigator, site.coordinator
    birth: JsonObject = {"value": BORN, "precision": "day"}
    identified: JsonObject = {"subject_id": pen.subject, "sex": "male", "birth_date": birth}
    yield pen.write(coordinator, "subject.identified.v1", identified)
    form: JsonObject = {"icf_version": "1.0", "icf_sha256": FORM, "language": LANGUAGE}
    yield pen.write(
        leader,
        "consent.discussion-held.v1",
        {**form, "leader": leader.id, "mode": "in-person", "questions_answered": True},
        meaning="consent-explained",
    )
    capacity: JsonObject = {
        "capable": True,
        "method": "clinical-interview",
        "encephalopathy_grade": 0,
    }
    yield pen.write(leader, "capacity.assessed.v1", capacity)
    signed = pen.clock.now.isoformat()
    obtained: JsonObject = {
        **form,
        "scopes": ["intervention", "visits", "record_review", "samples", "secondary_use"],
        "given_by": "self",
        "can_read": True,
        "participant_signed_at": signed,
        "leader": leader.id,
        "leader_signed_at": signed,
        "copy_given": copied,
        "medium": "paper",
    }
    if copied:
        obtained["copy_given_at"] = signed
    yield pen.write(leader, "consent.obtained.v1", obtained, meaning="consent-explained")
    yield pen.write(coordinator, "screening.started.v1", {"screening_number": 1})


def _evidence(pen: _Pen) -> Iterator[Offered]:
    leader, capture, lims = pen.site.investigator, pen.site.capture, pen.site.laboratory
    diagnosed: JsonObject = {
        "term": "Decompensated hepatitis B cirrhosis",
        "code": "K74.6",
        "code_system": "ICD-10",
        "onset": {"value": "2018", "precision": "year"},
        "ongoing": True,
        "basis": "imaging-and-laboratory",
    }
    yield pen.write(leader, "diagnosis.recorded.v1", diagnosed)
    told: tuple[tuple[str, JsonObject], ...] = (
        (
            "demographics.recorded.v1",
            {"sex": "male", "birth_date": {"value": BORN, "precision": "day"}, "ethnicity": "Han"},
        ),
        ("medical-history.recorded.v1", {"term": "Essential hypertension", "code": "I10"}),
        (
            "concomitant-therapy.recorded.v1",
            {"drug": "Spironolactone", "therapy_class": "diuretic", "ongoing": True},
        ),
        ("allergy.recorded.v1", {"kind": "none-known"}),
        ("prior-trial-participation.recorded.v1", {"participated": False}),
        (
            "procedure.recorded.v1",
            {
                "procedure": "abdominal-ultrasound",
                "for_trial": True,
                "visit": "BASELINE",
                "report_sha256": hashlib.sha256(pen.subject.encode()).hexdigest(),
                "findings": "Coarse liver echotexture, spleen enlarged, no focal lesion.",
            },
        ),
        ("visit.completed.v1", {"visit": "BASELINE", "mode": "on-site"}),
    )
    for type_name, data in told:
        yield pen.write(capture, type_name, data)
    for code, value, unit in (
        ("bilirubin", "44.2", "umol/L"),
        ("albumin", "30.1", "g/L"),
        ("inr", "1.52", "{INR}"),
        ("afp", "6.1", "ng/mL"),
    ):
        yield pen.laboratory(code, value, unit)
    drawn = pen.clock.now.isoformat()
    hiv: JsonObject = {
        "test_code": "hiv-antigen-antibody",
        "result": "negative",
        "specimen_time": drawn,
        "laboratory": "central",
    }
    yield pen.write(lims, "lab-result.recorded.v1", hiv)
    clinical: JsonObject = {
        "visit": "BASELINE",
        "ascites": "slight",
        "diuretics": True,
        "encephalopathy_grade": 0,
        "method": "examination",
        "assessor": leader.id,
        "assessor_masked": False,
    }
    yield pen.write(leader, "clinical-assessment.recorded.v1", clinical)


def _eligibility(pen: _Pen, *, randomize: bool) -> Iterator[Offered]:
    leader, coordinator = pen.site.investigator, pen.site.coordinator
    assessments: list[JsonValue] = []
    for criterion in (*INCLUSION, *EXCLUSION):
        met = "MET" if criterion in INCLUSION else "ABSENT"
        data: JsonObject = {
            "criterion_id": criterion,
            "result": "NOT_APPLICABLE" if criterion == "EX09" else met,
            "basis": "judgement" if criterion in JUDGED else "evidence",
            "evidence": [],
        }
        offered = pen.write(leader, "criterion.assessed.v1", data)
        assessments.append(offered.event.id)
        yield offered
    confirmed: JsonObject = {
        "criteria_version": "1.0",
        "assessments": assessments,
        "statement": "All criteria are met; randomization may follow.",
    }
    confirmation = pen.write(leader, "eligibility.confirmed.v1", confirmed, meaning="approval")
    yield confirmation
    if randomize:
        requested: JsonObject = {"confirmation": confirmation.event.id, "screening_number": 1}
        yield pen.write(coordinator, "subject.randomization-requested.v1", requested)
    else:
        failed: JsonObject = {"criteria": [], "reason_code": "trial-full"}
        yield pen.write(leader, "subject.screen-failed.v1", failed)
