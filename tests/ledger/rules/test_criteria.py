"""The criteria as the data decide them, at their bounds."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.rules.criteria import derive
from ledger.rules.derivation import Derivation, Question
from tests.ledger.rules.build import COORDINATOR, PHYSICIAN, Story, definition, instant
from tests.ledger.rules.scenes import (
    consent,
    envelope,
    identify,
    lab,
    opened,
    void,
    with_protocol,
)

if TYPE_CHECKING:
    from ledger.trials import TrialDefinition

DAY = "2024-03-05 09:00"


def derived(story: Story, criterion: str, at: str = DAY) -> Derivation:
    """What the data say of a criterion at a time."""
    row = story.definition.protocol.criterion(criterion)
    assert row is not None
    return derive(Question(story.case(), instant(at)), row)


def born(date: str | None, precision: str = "day", **changes: Any) -> Story:
    """A trial with one subject of that birth who consents on 2024-03-01."""
    story = opened()
    birth = {"value": date, "precision": precision} if date else None
    identify(story, birth_date=birth, **changes)
    consent(story)
    return story


def with_parameters(ids: tuple[str, ...], **changes: Any) -> TrialDefinition:
    """The seed trial with other numbers in the rules of some criteria."""
    criteria = []
    for row in definition().protocol.criteria:
        parameters: Any = row.parameters
        changed = replace(parameters, **changes) if row.id in ids else parameters
        criteria.append(replace(row, parameters=changed))
    return with_protocol(criteria=tuple(criteria))


def partial(value: str) -> dict[str, str]:
    """A date as precise as it is written."""
    return {"value": value, "precision": {4: "year", 7: "month", 10: "day"}[len(value)]}


# --- IN01: 18 to 80 completed years on the day of consent ---------------------------------------


@pytest.mark.parametrize(
    ("birth", "expected"),
    [
        ("2006-03-01", "MET"),
        ("2006-03-02", "NOT_MET"),
        ("1943-03-02", "MET"),
        ("1943-03-01", "NOT_MET"),
        ("1944-02-29", "MET"),
        ("2006-02", "MET"),
        ("2006-03", "INDETERMINATE"),
        ("1970", "MET"),
        ("2006", "INDETERMINATE"),
        ("1943", "INDETERMINATE"),
        ("2010", "NOT_MET"),
    ],
)
def test_age_counts_completed_years_and_knows_what_it_does_not_know(
    birth: str, expected: str
) -> None:
    """The 18th birthday counts, 80 years and 365 days are 80 still, a year alone may not tell."""
    story = born(birth, partial(birth)["precision"])
    found = derived(story, "IN01")
    assert found.result == expected
    assert not found.judgeable


def test_age_is_unknown_without_a_birth_date_or_with_two() -> None:
    """Records that disagree decide nothing."""
    assert derived(born(None), "IN01").result == "INDETERMINATE"
    story = born("1970-01-01")
    story.add("demographics.recorded.v1", {"sex": "male", "birth_date": partial("1971")}, at=DAY)
    assert derived(story, "IN01").result == "INDETERMINATE"


def test_a_year_beside_a_whole_date_does_not_blur_it() -> None:
    """All that is recorded counts together."""
    story = born(None, birth_year=2006)
    assert derived(story, "IN01").result == "INDETERMINATE"
    story.add(
        "demographics.recorded.v1", {"sex": "male", "birth_date": partial("2006-03-01")}, at=DAY
    )
    assert derived(story, "IN01").result == "MET"


@given(st.dates(min_value=date(1930, 1, 1), max_value=date(2023, 12, 31)))
def test_age_known_less_precisely_is_never_decided_differently(birth: date) -> None:
    """A month or a year either agrees with the day or decides nothing."""
    results = [
        derived(born(text, partial(text)["precision"]), "IN01").result
        for text in (f"{birth:%Y-%m-%d}", f"{birth:%Y-%m}", f"{birth:%Y}")
    ]
    assert set(results[1:]) <= {results[0], "INDETERMINATE"}


# --- IN03 ----------------------------------------------------------------------------------------


def test_consent_is_tested_again_at_each_time() -> None:
    """Withdrawn between assessment and randomization (the trap of IN03)."""
    story = born("1970-01-01")
    assert derived(story, "IN03").result == "MET"
    story.add("consent.withdrawn.v1", {"scopes": ["intervention"]}, at="2024-03-04 09:00")
    assert derived(story, "IN03", "2024-03-04 08:59").result == "MET"
    assert derived(story, "IN03", "2024-03-04 09:00").result == "NOT_MET"


# --- conditions ----------------------------------------------------------------------------------


def condition(story: Story, code: str | None, *, at: str = DAY, **more: Any) -> str:
    """Record a condition of the history."""
    data = {"term": "A condition", **more}
    if code is not None:
        data |= {"code": code, "code_system": "ICD-10"}
    return story.add("medical-history.recorded.v1", data, at=at, by=COORDINATOR)


@pytest.mark.parametrize(
    ("criterion", "code", "expected"),
    [
        ("EX01", "C22.0", "PRESENT"),
        ("EX01", "D37.6", "PRESENT"),
        ("EX01", "K74.6", "INDETERMINATE"),
        ("EX02", "Z94.4", "PRESENT"),
        ("EX02", "Z76.8", "ABSENT"),
        ("EX07", "F32.1", "PRESENT"),
    ],
)
def test_a_named_condition_is_found_by_its_code(criterion: str, code: str, expected: str) -> None:
    """Absence is told by data only where the protocol lets them; a waiting list is no graft."""
    story = born("1970-01-01")
    condition(story, code)
    assert derived(story, criterion).result == expected


def test_an_uncoded_condition_is_not_taken_as_absent() -> None:
    """It cannot be compared, and is named."""
    story = born("1970-01-01")
    doubtful = condition(story, None)
    found = derived(story, "EX02")
    assert (found.result, found.evidence) == ("INDETERMINATE", (doubtful,))


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({"ongoing": True}, "PRESENT"),
        ({"ended": partial("2024-03-05")}, "PRESENT"),
        ({"ended": partial("2024-03-04")}, "INDETERMINATE"),
        ({"ended": partial("2024-03")}, "INDETERMINATE"),
        ({}, "INDETERMINATE"),
    ],
)
def test_a_condition_of_ex03_counts_while_it_is_current(
    more: dict[str, Any], expected: str
) -> None:
    """Absence then is for the physician to state."""
    story = born("1970-01-01")
    condition(story, "I21.0", **more)
    found = derived(story, "EX03")
    assert (found.result, found.judgeable or found.result == "PRESENT") == (expected, True)


def test_history_found_later_counts_for_the_day_it_tells_of() -> None:
    """A tumour known from before randomization, recorded after it."""
    story = born("1970-01-01")
    condition(story, "C22.0", at="2024-06-01 09:00", onset=partial("2023"))
    assert derived(story, "EX01").result == "PRESENT"
    later_on = born("1970-01-01")
    condition(later_on, "C22.0", at="2024-06-01 09:00", onset=partial("2024-05"))
    assert derived(later_on, "EX01").result == "INDETERMINATE"


def test_a_transplant_record_proves_ex02_and_voiding_takes_it_back() -> None:
    """Of the liver, not of a kidney."""
    story = born("1970-01-01")
    story.add("transplant.recorded.v1", {"organ": "kidney"}, at="2024-03-04 09:00")
    assert derived(story, "EX02").result == "ABSENT"
    graft = story.add("transplant.recorded.v1", {"organ": "liver"}, at="2024-03-04 09:00")
    assert derived(story, "EX02").result == "PRESENT"
    void(story, graft, at=DAY)
    assert derived(story, "EX02").result == "ABSENT"


# --- EX05 ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("tests", "expected"),
    [
        ([], "INDETERMINATE"),
        ([("hiv-antigen-antibody", "negative")], "ABSENT"),
        ([("hiv-antigen-antibody", "reactive")], "INDETERMINATE"),
        ([("hiv-antigen-antibody", "reactive"), ("hiv-rna", "detected")], "PRESENT"),
        ([("hiv-antigen-antibody", "reactive"), ("hiv-western-blot", "negative")], "ABSENT"),
        ([("hiv-western-blot", "negative"), ("hiv-antigen-antibody", "reactive")], "INDETERMINATE"),
        (
            [
                ("hiv-antigen-antibody", "reactive"),
                ("hiv-western-blot", "negative"),
                ("hiv-rna", "positive"),
            ],
            "PRESENT",
        ),
        ([("hiv-antigen-antibody", "unclear")], "INDETERMINATE"),
    ],
)
def test_a_reactive_screen_alone_decides_nothing(
    tests: list[tuple[str, str]], expected: str
) -> None:
    """It needs a confirmatory test taken afterwards."""
    story = born("1970-01-01")
    for hour, (test, word) in enumerate(tests):
        lab(story, test, word, at=f"2024-03-02 {10 + hour}:00")
    found = derived(story, "EX05")
    assert found.result == expected
    assert not found.judgeable


# --- EX06: one calendar year, boundary day counts -----------------------------------------------


def therapy(
    story: Story, therapy_class: str = "glucocorticoid", *, at: str = DAY, **more: Any
) -> str:
    """Record a therapy."""
    data = {"drug": "A drug", "therapy_class": therapy_class, "route": "oral", **more}
    data = {name: value for name, value in data.items() if value is not None}
    return story.add("concomitant-therapy.recorded.v1", data, at=at, by=COORDINATOR)


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({"end": partial("2023-03-05")}, "PRESENT"),
        ({"end": partial("2023-03-04")}, "ABSENT"),
        ({"end": partial("2023-03")}, "INDETERMINATE"),
        ({"end": partial("2023-02")}, "ABSENT"),
        ({"end": partial("2022")}, "ABSENT"),
        ({"end": partial("2023")}, "INDETERMINATE"),
        ({"ongoing": True}, "PRESENT"),
        ({"start": partial("2023-06")}, "PRESENT"),
        ({"start": partial("2020-06")}, "INDETERMINATE"),
        ({"end": partial("2024-01-01"), "route": "topical"}, "ABSENT"),
        ({"end": partial("2024-01-01"), "route": None}, "INDETERMINATE"),
        ({"end": partial("2024-01-01"), "therapy_class": "antiviral"}, "ABSENT"),
        ({"start": partial("2024-03-06"), "end": partial("2024-03-09")}, "ABSENT"),
    ],
)
def test_the_look_back_is_a_calendar_year_with_its_boundary_day(
    more: dict[str, Any], expected: str
) -> None:
    """Partial dates are spans; topical and inhaled use are disregarded."""
    story = born("1970-01-01")
    therapy(story, **{"therapy_class": "glucocorticoid", **more})
    assert derived(story, "EX06").result == expected


def test_the_look_back_starts_from_randomization_once_there_is_one() -> None:
    """Tested again at the day itself."""
    story = born("1970-01-01")
    therapy(story, end=partial("2023-03-10"))
    assert derived(story, "EX06", "2024-03-11 09:00").result == "ABSENT"
    envelope(story, at="2024-03-10 09:00")
    assert derived(story, "EX06", "2024-03-11 09:00").result == "PRESENT"


def test_without_any_therapy_the_physician_s_word_stands() -> None:
    """There is no record that says that no therapy was given."""
    found = derived(born("1970-01-01"), "EX06")
    assert (found.result, found.judgeable) == ("INDETERMINATE", True)


# --- EX08: thirty days ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (None, "INDETERMINATE"),
        ({"participated": False}, "ABSENT"),
        ({"participated": True}, "INDETERMINATE"),
        ({"participated": True, "last_participation": partial("2024-02-04")}, "PRESENT"),
        ({"participated": True, "last_participation": partial("2024-02-03")}, "ABSENT"),
        ({"participated": True, "last_participation": partial("2024-02")}, "INDETERMINATE"),
        ({"participated": True, "last_participation": partial("2024-01")}, "ABSENT"),
    ],
)
def test_another_trial_within_thirty_days(data: dict[str, Any] | None, expected: str) -> None:
    """The thirtieth day counts; nothing recorded is not nothing done."""
    story = born("1970-01-01")
    if data is not None:
        story.add("prior-trial-participation.recorded.v1", data, at=DAY, by=COORDINATOR)
    found = derived(story, "EX08")
    assert found.result == expected
    assert not found.judgeable


def test_a_boundary_day_that_does_not_count_is_outside() -> None:
    """The protocol says whether it counts."""
    story = opened(with_parameters(("EX06", "EX08"), boundary_day_counts=False))
    identify(story)
    consent(story)
    therapy(story, end=partial("2023-03-05"))
    last = {"participated": True, "last_participation": partial("2024-02-04")}
    story.add("prior-trial-participation.recorded.v1", last, at=DAY, by=COORDINATOR)
    assert derived(story, "EX06").result == "ABSENT"
    assert derived(story, "EX08").result == "ABSENT"


# --- EX09 ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "at", "expected"),
    [
        (None, DAY, "INDETERMINATE"),
        ({"result": "negative", "breastfeeding": False}, "2024-02-27 09:00", "ABSENT"),
        ({"result": "negative", "breastfeeding": False}, "2024-02-26 09:00", "INDETERMINATE"),
        ({"result": "negative"}, DAY, "INDETERMINATE"),
        ({"result": "negative", "breastfeeding": True}, DAY, "PRESENT"),
        ({"result": "positive", "breastfeeding": False}, DAY, "PRESENT"),
        ({"result": "indeterminate", "breastfeeding": False}, DAY, "INDETERMINATE"),
        ({"result": "not-done", "childbearing_potential": False}, DAY, "NOT_APPLICABLE"),
    ],
)
def test_pregnancy_is_excluded_by_a_test_in_validity_and_a_statement(
    data: dict[str, Any] | None, at: str, expected: str
) -> None:
    """Seven days, and again before each infusion."""
    story = born("1970-01-01", sex="female")
    if data is not None:
        story.add("pregnancy-test.recorded.v1", data, at=at, by=COORDINATOR)
    assert derived(story, "EX09").result == expected


def test_pregnancy_does_not_apply_to_men() -> None:
    """With the record of sex as basis."""
    found = derived(born("1970-01-01"), "EX09")
    assert found.result == "NOT_APPLICABLE"
    assert found.evidence


# --- EX10 ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rows", "counts", "expected"),
    [
        ([{"kind": "none-known"}], "drugs-and-foods-together", "INDETERMINATE"),
        ([{"kind": "eczema"}], "drugs-and-foods-together", "PRESENT"),
        ([{"kind": "allergic-asthma"}], "drugs-and-foods-together", "PRESENT"),
        ([{"kind": "drug"}], "drugs-and-foods-together", "INDETERMINATE"),
        ([{"kind": "drug"}, {"kind": "food"}], "drugs-and-foods-together", "PRESENT"),
        ([{"kind": "drug", "drug_count": 2}], "drugs-and-foods-together", "PRESENT"),
        ([{"kind": "drug"}, {"kind": "food"}], "drugs-or-foods-apart", "INDETERMINATE"),
        ([{"kind": "drug", "drug_count": 2}], "drugs-or-foods-apart", "PRESENT"),
        ([{"kind": "drug", "drug_count": 3}], "both-drugs-and-foods", "INDETERMINATE"),
        (
            [{"kind": "drug", "drug_count": 2}, {"kind": "food", "food_count": 2}],
            "both-drugs-and-foods",
            "PRESENT",
        ),
    ],
)
def test_multiple_allergies_are_counted_as_the_protocol_says(
    rows: list[dict[str, Any]], counts: str, expected: str
) -> None:
    """The register's "drug and food" can be read three ways."""
    story = opened(with_parameters(("EX10",), multiple_counts=counts))
    identify(story)
    for data in rows:
        story.add("allergy.recorded.v1", data, at=DAY, by=COORDINATOR)
    assert derived(story, "EX10").result == expected


# --- judgement -----------------------------------------------------------------------------------


def test_what_is_judged_is_never_decided_by_data() -> None:
    """Data support the judgement of IN02 and say so."""
    story = born("1970-01-01")
    data = {"term": "Cirrhosis", "code": "K74.6", "code_system": "ICD-10"}
    diagnosis = story.add("diagnosis.recorded.v1", data, at=DAY, by=PHYSICIAN)
    for criterion in ("IN02", "EX04", "EX11"):
        found = derived(story, criterion)
        assert (found.result, found.judgeable) == ("INDETERMINATE", True)
    assert diagnosis in derived(story, "IN02").evidence


def test_a_therapy_still_ongoing_long_ago_is_not_taken_as_ended() -> None:
    """What went on when it was recorded may have gone on into the look-back."""
    story = opened()
    identify(story)
    data = {"drug": "A drug", "therapy_class": "interferon", "route": "oral", "ongoing": True}
    story.add("concomitant-therapy.recorded.v1", data, at="2022-06-01 09:00")
    criterion = story.definition.protocol.criterion("EX06")
    assert criterion is not None
    found = derive(Question(story.case(), instant("2024-03-05 09:00")), criterion)
    assert found.result == "INDETERMINATE"
