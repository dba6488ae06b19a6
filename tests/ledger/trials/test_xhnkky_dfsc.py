"""The first trial's file says what its registry record says, and marks the rest as assumed."""

from __future__ import annotations

from datetime import date
from importlib import resources

import pytest

from ledger.trials import load_trial
from ledger.trials.loading import LARGEST_DEFINITION, shipped_trials

TRIAL = load_trial("xhnkky-dfsc")


def test_the_file_is_shipped() -> None:
    """It is found by its name in an installed package too."""
    assert "xhnkky-dfsc" in shipped_trials()


def test_the_registry_record_is_the_published_one() -> None:
    """ClinicalTrials.gov NCT06242405 as updated on 2024-02-06."""
    record = TRIAL.registry
    assert (record.nct_id, record.org_study_id) == ("NCT06242405", "XHNKKY-DFSC")
    assert (record.start_date, record.primary_completion_date, record.completion_date) == (
        date(2024, 2, 1),
        date(2025, 1, 1),
        date(2025, 3, 1),
    )
    assert record.updated_on == date(2024, 2, 6)
    assert record.enrollment.count == 92
    assert (record.masking, record.who_masked) == ("SINGLE", ("PARTICIPANT",))
    assert record.arms == ("Double-infusion group", "Single-infusion group")
    assert record.sponsor.name == "General Hospital of Northern Theater Command"


def test_the_criteria_texts_make_up_the_registered_text_to_the_letter() -> None:
    """Nothing of the registered criteria is lost, added or reworded."""
    text = ""
    for kind, heading in (("inclusion", "Inclusion"), ("exclusion", "Exclusion")):
        rows = [row.text for row in TRIAL.protocol.criteria if row.kind == kind]
        listed = " ".join(f"* {number}. {row}" for number, row in enumerate(rows, start=1))
        text += f"{heading} Criteria: {listed} "
    assert text.removesuffix(" ") == TRIAL.registry.eligibility_criteria


def test_there_are_three_inclusion_and_eleven_exclusion_criteria_in_order() -> None:
    """The ids are those that assessments and reports cite."""
    ids = [row.id for row in TRIAL.protocol.criteria]
    assert ids == [f"IN{n:02d}" for n in range(1, 4)] + [f"EX{n:02d}" for n in range(1, 12)]


@pytest.mark.parametrize(("arm", "infusions"), [("single", 1), ("double", 2)])
def test_an_arm_plans_the_infusions_its_name_says(arm: str, infusions: int) -> None:
    """Single and double infusion are the only difference between the arms."""
    found = TRIAL.protocol.arm(arm)
    assert found is not None
    assert found.planned_infusions == infusions
    assert found.label.casefold().startswith(arm)


def test_the_primary_endpoint_falls_168_days_after_the_anchor() -> None:
    """Twenty-four weeks are 168 days (rule DV-31)."""
    visit = TRIAL.protocol.visit(TRIAL.protocol.endpoint.visit)
    assert visit is not None
    assert visit.target_day == 24 * 7


def test_every_visit_id_that_names_a_week_targets_that_week() -> None:
    """A window under the wrong name would be a deviation of the file."""
    weeks = [visit for visit in TRIAL.protocol.visits if visit.id.startswith("W")]
    assert all(visit.target_day == 7 * int(visit.id[1:]) for visit in weeks)


@pytest.mark.parametrize(
    "pointer",
    [
        "/protocol/allocation/ratio/single",
        "/protocol/infusion/planned_dose/value",
        "/protocol/infusion/interval_days",
        "/protocol/visits/4/anchor",
        "/protocol/screening/rescreening_allowed",
        "/protocol/infusion/minimum_viability_percent",
        "/protocol/child_pugh/variant",
    ],
)
def test_what_the_register_leaves_open_is_marked_as_assumed(pointer: str) -> None:
    """Each has a reason that the report can print."""
    assumption = TRIAL.assumption_for(pointer)
    assert assumption is not None
    assert assumption.reason.endswith(".")


def test_the_definition_leaves_room_in_the_first_entry() -> None:
    """An event may hold 40 KiB; the keys of entry 0 need some of it."""
    assert len(TRIAL.canonical_bytes()) < LARGEST_DEFINITION


def test_the_cited_event_types_are_in_the_vocabulary() -> None:
    """Evidence of a type that nobody can record would never be found."""
    if not resources.files("ledger.events").joinpath("vocabulary.json").is_file():
        pytest.skip("the vocabulary has not been generated")
    from ledger.vocabulary import vocabulary

    cited = {name for row in TRIAL.protocol.criteria for name in row.evidence}
    assert cited <= set(vocabulary())
