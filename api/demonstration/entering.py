"""The first chapter of a life: from the first question to the request to randomize."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Final

from api.demonstration import consenting, screening
from api.demonstration.days import AMENDED, at, workdays_after
from api.demonstration.findings import FINDINGS, Finding
from api.demonstration.mess import Mess
from api.demonstration.participants import FAILURES, Fate, Participant
from api.demonstration.pen import Pen, says
from api.demonstration.people import EDC, PI, SITE, member_of
from api.demonstration.screening import Chart
from api.demonstration.step import Expected, Remark
from api.demonstration.world import Days, World, days_of

ASKED_WHILE_SUSPENDED: Final = 52
"""Whom the site tries to screen on the Saturday on which it is suspended."""

_RECENT_TRIAL: Final = Finding("EX08", "PRESENT", "prior-trial-participation.recorded.v1")


def enter(world: World, person: Participant) -> Pen:
    """Write the chapter; for those to be randomized it ends with the request."""
    pen = Pen(world.seed, f"{person.id}/entering", f"subject/{person.id}")
    days, chart = days_of(world.seed, person), Chart()
    if person.number == ASKED_WHILE_SUSPENDED:
        saturday = days.asked - timedelta(days=2)
        chart.ids["identified"] = screening.identify(pen, person, saturday)
        screening.start_screening(
            pen, chart, at(saturday, 10), remark=Remark(Expected.REFUSED, Mess.SITE_SUSPENDED)
        )
    else:
        chart.ids["identified"] = screening.identify(pen, person, days.asked)
    match person.fate:
        case Fate.DECLINED:
            consenting.discuss(pen, person, days.asked)
            consenting.decline(pen, days.asked)
        case Fate.SCREEN_FAILED:
            finding = FINDINGS[FAILURES.index(person.number)]
            _screen(pen, person, chart, days, finding)
            _fail(world, pen, person, chart, days, finding)
        case Fate.RESCREENED:
            _screen(pen, person, chart, days, _RECENT_TRIAL)
            _fail(world, pen, person, chart, days, _RECENT_TRIAL)
            chart.screening_number = 2
            again = days_of(world.seed, person, asked=rescreened_on(days.confirmed))
            _screen(pen, person, chart, again, None)
            _qualify(world, pen, person, chart, again)
        case _:
            _screen(pen, person, chart, days, None)
            _qualify(world, pen, person, chart, days)
    return pen


def rescreened_on(failed_on: date) -> date:
    """When the person whose other trial was too recent comes again."""
    return workdays_after(failed_on, 30)


def final_days(world: World, person: Participant) -> Days:
    """The days of the screening that led to randomization."""
    days = days_of(world.seed, person)
    if person.fate is Fate.RESCREENED:
        return days_of(world.seed, person, asked=rescreened_on(days.confirmed))
    return days


def _screen(
    pen: Pen, person: Participant, chart: Chart, days: Days, finding: Finding | None
) -> None:
    consenting.discuss(pen, person, days.asked)
    chart.ids["consent"] = consenting.first_consent(pen, person, days.asked)
    again = chart.screening_number > 1
    screening.start_screening(
        pen,
        chart,
        at(days.asked, 10, 30),
        remark=Remark(mess=Mess.RESCREENED) if again else Remark(),
    )
    screening.collect_evidence(pen, person, chart, days.asked, finding)
    if days.asked < AMENDED <= days.randomized and finding is None:
        consenting.renew_after_amendment(pen, person, AMENDED, days.confirmed)
        chart.ids["consent"] = pen.steps[-1].id


def _fail(
    world: World, pen: Pen, person: Participant, chart: Chart, days: Days, finding: Finding
) -> None:
    screening.assess_criteria(
        pen,
        person,
        chart,
        at(days.confirmed, 10, 20),
        definition=world.definition,
        results={finding.criterion: finding.result},
    )
    screening.fail_screening(
        pen, person, (finding.criterion,), at(days.confirmed, 11), code="criteria-not-met"
    )


def _qualify(world: World, pen: Pen, person: Participant, chart: Chart, days: Days) -> None:
    version = world.definition.protocol.criteria_version
    assessments = _assess(world, pen, person, chart, days, hour=10)
    when, requested = at(days.confirmed, 11, 30), at(days.randomized, 14, person.number % 45)
    if person.story is Mess.UNSIGNED_ELIGIBILITY:
        refused = Remark(Expected.REFUSED, Mess.UNSIGNED_ELIGIBILITY)
        hollow = screening.confirm_eligibility(
            pen, assessments, when, by=EDC, version=version, remark=refused
        )
        screening.request_randomization(
            pen, chart, hollow, at(days.randomized, 9, 30), remark=refused
        )
        when = at(days.randomized, 10)
    if person.story is Mess.SUPERSEDED_FORM:
        screening.confirm_eligibility(
            pen,
            assessments,
            when,
            by=person.physician,
            version=version,
            remark=Remark(Expected.REFUSED, Mess.SUPERSEDED_FORM),
        )
        chart.ids["consent"] = consenting.consent(
            pen, person, at(days.confirmed, 14), version="2.0"
        )
        assessments = _assess(world, pen, person, chart, days, hour=15)
        when = at(days.confirmed, 16)
    confirmation = screening.confirm_eligibility(
        pen, assessments, when, by=person.physician, version=version
    )
    if person.story is Mess.ENVELOPE:
        _open_envelope(pen, person, days)
    elif person.fate is Fate.TOO_LATE:
        full = Remark(Expected.REFUSED, Mess.TRIAL_FULL)
        screening.request_randomization(pen, chart, confirmation, requested, remark=full)
        screening.fail_screening(pen, person, (), at(days.randomized, 16), code="trial-full")
    else:
        screening.request_randomization(pen, chart, confirmation, requested)


def _assess(
    world: World, pen: Pen, person: Participant, chart: Chart, days: Days, *, hour: int
) -> list[str]:
    when = at(days.confirmed, hour, 20)
    return screening.assess_criteria(pen, person, chart, when, definition=world.definition)


def _open_envelope(pen: Pen, person: Participant, days: Days) -> None:
    """The line is down when the subject is to be randomized; the plan adds slot and arm."""
    started = pen.write(
        "downtime.started.v1",
        {"site": SITE, "affected": ["randomization"], "cause": "Power cut in the server room."},
        at=at(days.randomized, 8, 20),
        by=PI,
        stream="trial",
        recorded=at(days.randomized, 12, 40),
    )
    pen.write(
        "downtime.ended.v1",
        {"started": started, "evidence": "Paper log of the morning compared line by line."},
        at=at(days.randomized, 12, 30),
        by=PI,
        stream="trial",
        recorded=at(days.randomized, 12, 40),
    )
    pen.write(
        "randomization.recorded.v1",
        {
            "envelope_id": "ENV-01",
            "opened_at": at(days.randomized, 9, 40).isoformat(),
            "opened_by": member_of(person.physician).id,
            "downtime": started,
            "record": {
                "mode": "downtime",
                "captured_at": at(days.randomized, 9, 42).isoformat(),
                "source_ref": "Randomization envelope log, line 1",
                "reason": says("downtime", "The system could not be reached in the morning."),
            },
        },
        at=at(days.randomized, 9, 40),
        by=person.physician,
        stream=f"treatment/{person.id}",
        recorded=at(days.randomized, 12, 45),
        remark=Remark(mess=Mess.ENVELOPE),
    )
