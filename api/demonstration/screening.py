"""Screening: identification, evidence, the 14 criteria, confirmation or failure."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Final

from api.demonstration.days import at, evening_of, minutes
from api.demonstration.findings import HISTORY, THERAPY, Finding, coded
from api.demonstration.liver import BASELINES, values_for
from api.demonstration.mess import Mess
from api.demonstration.pen import Pen, partial, quantity
from api.demonstration.people import EDC, LIMS, member_of
from api.demonstration.step import ORDINARY, Remark

if TYPE_CHECKING:
    from collections.abc import Mapping

    from api.demonstration.participants import Participant
    from ledger.signing.strict_json import JsonObject
    from ledger.trials import TrialDefinition

STATEMENT: Final = "All criteria of the protocol are met; randomization may follow."
DIAGNOSES: Final = (
    ("Decompensated hepatitis B cirrhosis", "K74.6"),
    ("Alcoholic cirrhosis of the liver", "K70.3"),
    ("Primary biliary cirrhosis", "K74.3"),
    ("Chronic liver failure", "K72.1"),
)
HISTORIES: Final = (
    ("Chronic viral hepatitis B", "B18.1"),
    ("Essential hypertension", "I10"),
    ("Type 2 diabetes mellitus", "E11.9"),
    ("Cholelithiasis", "K80.2"),
)


_EVIDENCE: Final = {
    "IN01": ("identified", "demographics"),
    "IN02": ("diagnosis", "bilirubin", "albumin", "inr", "clinical"),
    "IN03": ("consent",),
    "EX01": ("history", "ultrasound", "afp"),
    "EX02": ("history",),
    "EX03": ("history",),
    "EX04": ("diagnosis", "history"),
    "EX05": ("hiv",),
    "EX06": ("therapy",),
    "EX07": ("history", "therapy"),
    "EX08": ("prior-trial",),
    "EX09": ("demographics", "pregnancy"),
    "EX10": ("allergy",),
    "EX11": (),
}


@dataclass(slots=True)
class Chart:
    """What is known of a subject so far: event ids by what they show."""

    ids: dict[str, str] = field(default_factory=dict)
    screening_number: int = 1
    prior_trial: JsonObject = field(default_factory=lambda: {"participated": False})

    def evidence(self, criterion: str) -> list[str]:
        """The events a criterion rests on."""
        wanted = (*_EVIDENCE.get(criterion, ()), f"finding/{criterion}")
        return [self.ids[name] for name in wanted if name in self.ids]


def identify(pen: Pen, person: Participant, day: date) -> str:
    """Give the person a pseudonym."""
    return pen.write(
        "subject.identified.v1",
        {
            "subject_id": person.id,
            "sex": person.sex,
            "birth_date": partial(person.born.isoformat()),
            "identity_check": pen.dice.digest("identity-check"),
        },
        at=at(day, 8, 40),
        by="crc",
    )


def start_screening(pen: Pen, chart: Chart, when: datetime, *, remark: Remark = ORDINARY) -> str:
    """Ask the ledger to begin the screening of that number."""
    first = chart.screening_number == 1
    return pen.write(
        "screening.started.v1" if first else "rescreening.started.v1",
        {"screening_number": chart.screening_number},
        at=when,
        by="crc",
        remark=remark,
    )


def collect_evidence(
    pen: Pen, person: Participant, chart: Chart, day: date, finding: Finding | None = None
) -> None:
    """Everything screening finds on one day, sent by the site's systems in the evening."""
    evening = evening_of(day)
    replaced = finding.type if finding is not None else None
    if replaced == "prior-trial-participation.recorded.v1":
        last = partial((day - timedelta(days=9)).isoformat())
        chart.prior_trial = {
            "participated": True,
            "trial": "NCT05121870",
            "last_participation": last,
        }
    _histories(pen, person, chart, day, evening)
    _laboratory(pen, person, chart, day, evening, finding)
    if finding is not None and finding.type is not None and finding.data:
        chart.ids[f"finding/{finding.criterion}"] = pen.write(
            finding.type, dict(finding.data), at=at(day, 14, 40), by=EDC, recorded=evening
        )
    pen.write(
        "visit.completed.v1",
        {"visit": "BASELINE", "mode": "on-site"},
        at=at(day, 15, 30),
        by=EDC,
        recorded=evening,
    )


def _histories(pen: Pen, person: Participant, chart: Chart, day: date, evening: datetime) -> None:
    dice = pen.dice
    term, code = dice.one_of(DIAGNOSES, "diagnosis")
    onset = str(dice.between(2012, 2022, "onset"))
    diagnosed = coded(term, code, onset) | {"basis": "imaging-and-laboratory"}
    chart.ids["diagnosis"] = pen.write(
        "diagnosis.recorded.v1", diagnosed, at=at(day, 11), by=person.physician, recorded=evening
    )
    record: JsonObject = {"originator": {"person": member_of("crc").id, "device": "tablet-04"}}
    told: tuple[tuple[str, str, JsonObject], ...] = (
        (
            "demographics",
            "demographics.recorded.v1",
            {
                "sex": person.sex,
                "birth_date": partial(person.born.isoformat()),
                "ethnicity": "Han",
                "record": record,
            },
        ),
        ("history", HISTORY, coded(*dice.one_of(HISTORIES, "history"), "2018")),
        (
            "therapy",
            THERAPY,
            {
                "drug": "Spironolactone",
                "therapy_class": "diuretic",
                "route": "oral",
                "indication": "Ascites",
                "start": partial("2023-10"),
                "ongoing": True,
            },
        ),
        ("allergy", "allergy.recorded.v1", {"kind": "none-known"}),
        ("prior-trial", "prior-trial-participation.recorded.v1", dict(chart.prior_trial)),
        (
            "ultrasound",
            "procedure.recorded.v1",
            {
                "procedure": "abdominal-ultrasound",
                "for_trial": True,
                "visit": "BASELINE",
                "report_sha256": dice.digest(f"ultrasound/{chart.screening_number}"),
                "findings": "Coarse liver echotexture, spleen enlarged, no focal lesion.",
            },
        ),
    )
    for number, (name, type_name, data) in enumerate(told):
        when = at(day, 11, 20) + minutes(7 * number)
        chart.ids[name] = pen.write(type_name, data, at=when, by=EDC, recorded=evening)


def _laboratory(
    pen: Pen,
    person: Participant,
    chart: Chart,
    day: date,
    evening: datetime,
    finding: Finding | None,
) -> None:
    drawn = at(day, 13, 20)
    healthy = finding is not None and finding.criterion == "IN02"
    items = BASELINES["A"][0] if healthy else person.items
    record_liver(pen, person, chart, "BASELINE", drawn, evening=evening, items=items)
    reactive = finding is not None and finding.criterion == "EX05"
    hiv: JsonObject = {
        "test_code": "hiv-antigen-antibody",
        "result": "reactive" if reactive else "negative",
    }
    afp: JsonObject = {"test_code": "afp", "value": quantity("6.1", "ng/mL")}
    for name, data in (("hiv", hiv), ("afp", afp)):
        data |= {"specimen_time": drawn.isoformat(), "laboratory": "central", "visit": "BASELINE"}
        chart.ids[name] = pen.write(
            "lab-result.recorded.v1", data, at=at(day, 15), by=LIMS, recorded=evening
        )
    if person.sex == "female":
        chart.ids["pregnancy"] = test_pregnancy(pen, person, drawn, recorded=evening)


def test_pregnancy(pen: Pen, person: Participant, drawn: datetime, *, recorded: datetime) -> str:
    """Pregnancy test, or the statement that a pregnancy is not possible."""
    return pen.write(
        "pregnancy-test.recorded.v1",
        {
            "result": "negative" if person.childbearing else "not-done",
            "specimen_time": drawn.isoformat(),
            "childbearing_potential": person.childbearing,
            "breastfeeding": False,
            "method": "serum-hcg",
        },
        at=drawn,
        by=LIMS,
        recorded=recorded,
    )


def record_liver(
    pen: Pen,
    person: Participant,
    chart: Chart,
    visit: str,
    drawn: datetime,
    *,
    evening: datetime,
    items: tuple[int, int, int, int, int],
) -> None:
    """The five inputs of Child-Pugh at one visit."""
    found = values_for(items, dice=pen.dice, visit=f"{visit}/{chart.screening_number}")
    for code, value, unit in (
        ("bilirubin", found.bilirubin, "umol/L"),
        ("albumin", found.albumin, "g/L"),
        ("inr", found.inr, "{INR}"),
    ):
        chart.ids[code] = chart.ids[f"{code}/{visit}"] = pen.write(
            "lab-result.recorded.v1",
            {
                "test_code": code,
                "value": quantity(value, unit),
                "specimen_time": drawn.isoformat(),
                "laboratory": "central",
                "visit": visit,
            },
            at=drawn,
            by=LIMS,
            recorded=evening,
        )
    masked = visit != "BASELINE"
    # A system may pass the examination on; then its author still has to sign it.
    author = "assessor" if masked else person.physician
    unsigned = person.story is Mess.SIGNED_LATER and visit == "W08"
    grade = 2 if person.story is Mess.REPRESENTATIVE and not masked else found.encephalopathy
    chart.ids["clinical"] = chart.ids[f"clinical/{visit}"] = pen.write(
        "clinical-assessment.recorded.v1",
        {
            "visit": visit,
            "ascites": found.ascites,
            "diuretics": True,
            "encephalopathy_grade": grade,
            "method": "examination",
            "assessor": member_of(author).id,
            "assessor_masked": masked,
        },
        at=drawn + minutes(25),
        by=EDC if unsigned else author,
        recorded=evening,
    )


def assess_criteria(
    pen: Pen,
    person: Participant,
    chart: Chart,
    when: datetime,
    *,
    definition: TrialDefinition,
    results: Mapping[str, str] | None = None,
) -> list[str]:
    """The physician judges every criterion on the evidence at hand."""
    found = results or {}
    ids = []
    for number, criterion in enumerate(definition.protocol.criteria):
        usual = "MET" if criterion.kind == "inclusion" else "ABSENT"
        if criterion.id == "EX09" and not person.childbearing:
            usual = "NOT_APPLICABLE"
        data: JsonObject = {
            "criterion_id": criterion.id,
            "result": found.get(criterion.id, usual),
            "basis": criterion.basis,
            "evidence": list(chart.evidence(criterion.id)),
        }
        if found.get(criterion.id) in ("PRESENT", "NOT_MET"):
            data["comment"] = "Seen on chart review; discussed with the subject."
        ids.append(
            pen.write(
                "criterion.assessed.v1",
                data,
                at=when + minutes(number),
                by=person.physician,
                recorded=when + minutes(20),
            )
        )
    return ids


def confirm_eligibility(
    pen: Pen,
    assessments: list[str],
    when: datetime,
    *,
    by: str,
    version: str,
    remark: Remark = ORDINARY,
) -> str:
    """Ask the ledger to take the confirmation that all criteria are met."""
    return pen.write(
        "eligibility.confirmed.v1",
        {
            "criteria_version": version,
            "assessments": list(assessments),
            "statement": STATEMENT,
        },
        at=when,
        by=by,
        remark=remark,
    )


def request_randomization(
    pen: Pen, chart: Chart, confirmation: str, when: datetime, *, remark: Remark = ORDINARY
) -> str:
    """Ask the ledger to randomize the subject."""
    return pen.write(
        "subject.randomization-requested.v1",
        {"confirmation": confirmation, "screening_number": chart.screening_number},
        at=when,
        by="crc",
        remark=remark,
    )


def fail_screening(
    pen: Pen, person: Participant, criteria: tuple[str, ...], when: datetime, *, code: str
) -> None:
    """The subject does not go on to randomization."""
    pen.write(
        "subject.screen-failed.v1",
        {"criteria": list(criteria), "reason_code": code},
        at=when,
        by=person.physician,
        remark=Remark(mess=Mess.SCREEN_FAILED),
    )
