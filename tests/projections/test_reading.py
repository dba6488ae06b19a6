"""What the projections answer: as known, as true, corrected, voided, refused, counted."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from projections.audit_trail import COLUMNS
from projections.deviation_rows import place_of
from projections.reading import Projections
from tests.ledger.rules import scenes
from tests.ledger.rules.build import (
    COORDINATOR,
    EDC,
    NURSE,
    PHARMACIST,
    PI,
    SPONSOR,
    instant,
    later,
)
from tests.projections.build import (
    ONE,
    THREE,
    TWO,
    eventful,
    infuse,
    projected,
    refuse,
    shelf,
    visit,
)

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def told() -> Iterator[Projections]:
    """The projections of the eventful story."""
    with tempfile.TemporaryDirectory() as folder:
        kept, projections = projected(Path(folder), eventful())
        yield projections
        projections.close()
        kept.close()


def position(type_name: str, subject: str | None = None) -> int:
    """The position of the last record of a type in the eventful story."""
    return max(
        record.seq
        for record in eventful().records
        if record.type == type_name and (subject is None or record.stream.endswith(subject))
    )


def view(projections: Projections, subject: str, **at: Any) -> dict[str, Any]:
    """A subject that must be there."""
    found = projections.subject(subject, **at)
    assert found is not None
    return found


def visit_of(subject: dict[str, Any], name: str) -> dict[str, Any]:
    """One visit of a subject."""
    found: dict[str, Any] = next(row for row in subject["visits"] if row["visit"] == name)
    return found


def test_a_late_entry_changes_what_was_true_and_not_what_was_known(told: Projections) -> None:
    """R-16: the visit of 21 August, recorded on 15 September, was true and not known before."""
    late = position("visit.completed.v1", ONE)
    before = view(told, ONE, known_at=late)
    assert visit_of(before, "W24")["event"] is None
    assert visit_of(view(told, ONE, known_at=late + 1), "W24")["event"] is not None
    on_the_day = view(told, ONE, true_at=instant("2024-08-21 10:00"))
    assert visit_of(on_the_day, "W24")["event"] is not None
    day_before = view(told, ONE, true_at=instant("2024-08-20 10:00"))
    assert visit_of(day_before, "W24")["event"] is None
    both = view(told, ONE, known_at=late, true_at=instant("2024-08-21 10:00"))
    assert visit_of(both, "W24")["event"] is None


def test_a_correction_is_known_from_its_position_and_true_from_the_targets_time(
    told: Projections,
) -> None:
    """DESIGN, Correction: known_at sees the old value until corrected; true_at the new one."""
    corrected = position("data.corrected.v1", ONE)

    def bilirubin(**at: Any) -> str:
        series = view(told, ONE, **at)["child_pugh"]
        value: str = next(row for row in series if row["visit"] == "W24")["inputs"]["bilirubin"][
            "value"
        ]
        return value

    assert bilirubin(known_at=corrected) == "43 umol/L"
    assert bilirubin() == "34 umol/L"
    assert bilirubin(true_at=instant("2024-08-21 09:30")) == "34 umol/L"
    assert bilirubin(known_at=corrected, true_at=instant("2024-08-21 09:30")) == "43 umol/L"


def test_a_voided_record_has_no_effect_and_stays_in_the_replay(told: Projections) -> None:
    """R-03: nothing is obscured; the visit on the wrong day is shown as voided, with by and why."""
    replay: Any = told.replay(ONE)
    voided = [row for row in replay["timeline"] if row["status"] == "voided"]
    assert [row["type"] for row in voided] == ["visit.completed.v1"]
    assert voided[0]["voided_by"]["reason"]["code"] == "wrong-subject"
    assert visit_of(view(told, ONE), "W24")["event"] != voided[0]["event"]
    before = position("data.voided.v1", ONE)
    assert visit_of(view(told, ONE, known_at=before), "W24")["event"] == voided[0]["event"]


def test_the_replay_runs_in_order_of_occurrence_with_record_time_beside(told: Projections) -> None:
    """The late visit stands on its own day, with its lag."""
    replay: Any = told.replay(ONE)
    times = [(row["occurred_utc"], row["seq"]) for row in replay["timeline"]]
    assert times == sorted(times)
    late = next(row for row in replay["timeline"] if row["seq"] == position("visit.completed.v1"))
    assert late["occurred_utc"] == "2024-08-21T01:00:00Z"
    assert late["occurred_local"] == "2024-08-21T09:00:00+08:00"
    assert late["recorded"] == "2024-09-15T01:00:00Z"
    assert late["lag_seconds"] == 25 * 86_400


def test_the_replay_as_known_holds_no_later_entry(told: Projections) -> None:
    """What was recorded later does not show."""
    size = position("eligibility.confirmed.v1", ONE)
    replay: Any = told.replay(ONE, known_at=size)
    assert all(row["seq"] < size for row in replay["timeline"])
    assert replay["header"]["state"] == "IN_SCREENING"


@settings(max_examples=30)
@given(size=st.integers(1, 135), subject=st.sampled_from([ONE, TWO, THREE]))
def test_the_view_as_known_is_the_view_that_was_stored_then(size: int, subject: str) -> None:
    """known_at folds the prefix afresh; it equals what a projector at that size had stored."""
    with tempfile.TemporaryDirectory() as folder:
        kept = shelf(Path(folder), eventful())
        kept.keep(size)
        projections = Projections(kept)
        projections.follow()
        stored = projections.subject(subject)
        counted = projections.enrolment()
        register = projections.register()
        kept.keep()
        projections.follow()
        assert projections.subject(subject, known_at=size) == stored
        assert projections.enrolment(known_at=size) == counted
        assert {**register, "head": None} in (
            {**projections.register(known_at=size), "head": None},
            {"head": None},
        )
        projections.close()
        kept.close()


@settings(max_examples=40)
@given(size=st.integers(1, 135))
def test_enrolment_sums_close_at_every_position(told: Projections, size: int) -> None:
    """Assessed = excluded + in screening + randomized; arms and their parts add up."""
    counts: Any = told.enrolment(known_at=size)
    excluded = counts["excluded"]
    assert counts["assessed"] == excluded["total"] + counts["in_screening"] + counts["randomized"]
    assert excluded["total"] == sum(excluded["reasons"].values())
    assert counts["assessed"] == sum(counts["states"].values())
    assert counts["randomized"] == sum(arm["allocated"] for arm in counts["arms"])
    for arm in counts["arms"]:
        given_ = ("received", "received_in_part", "received_more", "not_received")
        ends = ("on_study", "completed", "lost_to_follow_up", "withdrawn", "discontinued", "dead")
        assert arm["allocated"] == sum(arm[name] for name in given_)
        assert arm["allocated"] == sum(arm[name] for name in ends)
        assert arm["allocated"] == arm["analysed"] + arm["not_analysed"]


def test_states_follow_the_protocol_and_flag_what_it_does_not_know(told: Projections) -> None:
    """A second infusion in the single arm is irregular; withdrawal, then death, end in DEAD."""
    one, two = view(told, ONE), view(told, TWO)
    assert [step["state"] for step in two["state_steps"]] == [
        "PRE_SCREENED", "CONSENTED", "IN_SCREENING", "ELIGIBLE", "RANDOMIZED", "ON_TREATMENT",
        "FOLLOW_UP", "DEAD",
    ]  # fmt: skip
    assert not two["flags"]["irregular"]
    assert one["flags"]["irregular_events"] == [one["infusions"][1]["event"]]
    assert view(told, THREE)["state"] == "NOT_CONSENTED"


def test_a_confirmation_runs_out_without_any_further_record(tmp_path: Path) -> None:
    """ELIGIBLE lasts as long as the protocol says; the stored row knows it beforehand."""
    story = scenes.opened()
    scenes.screen(story, ONE)
    days = story.definition.protocol.screening.eligibility_validity_days
    kept, projections = projected(tmp_path, story)
    assert view(projections, ONE)["state"] == "ELIGIBLE"
    scenes.identify(story, TWO, at=later("2024-03-04 10:00", days=days, hours=1))
    kept.keep()
    projections.follow()
    assert view(projections, ONE)["state"] == "IN_SCREENING"
    projections.close()
    kept.close()


def test_consent_stands_by_scope(told: Projections) -> None:
    """Withdrawal from the intervention leaves the other scopes given."""
    scopes = {row["scope"]: row["state"] for row in view(told, TWO)["consent"]["scopes"]}
    assert scopes == {
        "intervention": "WITHDRAWN",
        "visits": "GIVEN",
        "record_review": "GIVEN",
        "samples": "GIVEN",
        "secondary_use": "GIVEN",
    }


def test_refusals_are_listed_with_rules_and_change_no_state(told: Projections) -> None:
    """R-08: the second request is in the list; the subject is randomized once."""
    refusals: Any = told.refusals()
    assert [(row["subject"], row["rules"][0]["id"]) for row in refusals] == [
        (ONE, "guard.not-randomized")
    ]
    assert len(view(told, ONE)["allocations"]) == 1


def test_a_refusal_names_the_later_success(tmp_path: Path) -> None:
    """What was refused first and accepted under a new id shows both."""
    story = scenes.opened()
    confirmation = scenes.screen(story, ONE)
    refuse(story, ONE, at="2024-03-04 11:00", confirmation=confirmation)
    scenes.randomize(story, confirmation, subject=ONE)
    kept, projections = projected(tmp_path, story)
    assert [row["later_outcome"] for row in projections.refusals()] == ["accepted"]
    projections.close()
    kept.close()


def test_the_initial_entry_has_one_row_for_each_field_with_no_old_value(told: Projections) -> None:
    """R-02: the insert is in the trail, each field with old = none."""
    rows = told.audit_trail(subject=ONE, type="subject.identified.v1")
    assert {row["field"]: (row["old"], row["new"]) for row in rows} == {
        "/data/subject_id": (None, ONE),
        "/data/sex": (None, "male"),
        "/data/birth_date/value": (None, "1968-05-02"),
        "/data/birth_date/precision": (None, "day"),
    }


def test_a_correction_of_three_fields_gives_exactly_three_rows(tmp_path: Path) -> None:
    """R-01, R-02: who, role, organisation, field, old, new, when, why and source are there."""
    story = scenes.opened()
    scenes.identify(story, ONE)
    found = story.add(
        "clinical-assessment.recorded.v1",
        {
            "ascites": "slight", "encephalopathy_grade": 1, "diuretics": False,
            "assessor": PI, "assessor_masked": False, "visit": "W24",
        },
        at="2024-03-02 09:00",
        stream=f"subject/{ONE}",
    )  # fmt: skip
    changes: list[dict[str, Any]] = [
        {"pointer": "/data/ascites", "old": "slight", "new": "none"},
        {"pointer": "/data/encephalopathy_grade", "old": 1, "new": 0},
        {
            "pointer": "/time",
            "old": "2024-03-02T09:00:00+08:00",
            "new": "2024-03-02T08:00:00+08:00",
        },
    ]
    story.add(
        "data.corrected.v1",
        {
            "target": found,
            "changes": changes,
            "reason": {"code": "transcription", "text": "Misread from the chart."},
            "source_ref": "Chart, page 3",
        },
        at="2024-03-03 09:00",
        by=COORDINATOR,
        stream=f"subject/{ONE}",
    )
    kept, projections = projected(tmp_path, story)
    rows = projections.audit_trail(subject=ONE, type="data.corrected.v1")
    assert [(row["field"], row["old"], row["new"]) for row in rows] == [
        (change["pointer"], change["old"], change["new"]) for change in changes
    ]
    for row in rows:
        assert row["who"] == COORDINATOR
        assert row["role"] == "study-coordinator"
        assert row["target"] == found
        mandatory = set(COLUMNS) - {"captured", "originator"}
        assert not [name for name in mandatory if row[name] in (None, "")]
    projections.close()
    kept.close()


def test_every_entry_of_the_log_is_in_the_audit_trail_once(told: Projections) -> None:
    """R-07: data, workflow and access alike; no entry is without an actor and a time."""
    entries = list(told.audit_entries())
    assert [entry["seq"] for entry in entries] == list(range(len(eventful().records)))
    assert all(entry["who"] and entry["name"] and entry["recorded"] for entry in entries)
    assert all(row["field"] for row in told.audit_trail(limit=1_000))


def test_the_audit_trail_can_be_filtered_and_paged(told: Projections) -> None:
    """Pages joined are the whole; filters by actor, site and record time hold."""
    whole = told.audit_trail(limit=1_000)
    paged: list[Any] = []
    after = -1
    while page := told.audit_trail(after=after, limit=7):
        paged += page
        last = page[-1]["seq"]
        assert isinstance(last, int)
        after = last
    assert paged == whole
    assert {row["who"] for row in told.audit_trail(actor=PHARMACIST, limit=1_000)} == {PHARMACIST}
    since, until = instant("2024-03-15 00:00"), instant("2024-03-16 23:00")
    found = told.audit_trail(site="SY01", since=since, until=until, limit=1_000)
    assert {row["type"] for row in found} == {
        "consent.withdrawn.v1",
        "serious-adverse-event.reported.v1",
    }


@pytest.mark.parametrize(("seconds", "late"), [(0, False), (1, True)])
def test_an_entry_is_late_one_second_after_the_limit(
    tmp_path: Path, seconds: int, *, late: bool
) -> None:
    """R-12: limit + 1 s is flagged, the limit is not."""
    story = scenes.opened()
    scenes.identify(story, ONE, at="2024-03-01 08:00")
    hours = story.definition.protocol.late_entry_limit_hours
    recorded = later("2024-03-02 09:00", hours=hours, seconds=seconds)
    visit(story, ONE, "W24", at="2024-03-02 09:00", recorded=recorded)
    kept, projections = projected(tmp_path, story)
    assert bool(projections.late_entries()) is late
    projections.close()
    kept.close()


def test_a_deviation_shows_only_from_the_instant_it_holds(told: Projections) -> None:
    """Stored rows hold what is still to come; readers as of an earlier instant do not see it."""
    before, after = instant("2024-09-04 12:00"), instant("2024-09-05 12:00")
    assert told.deviations(ONE, "DV-32", before) == []
    assert len(told.deviations(ONE, "DV-32", after)) == 1


def test_deviations_can_be_paged(told: Projections) -> None:
    """Pages joined are the whole list in its order."""
    whole = told.deviations()
    after, joined = "", []
    while page := told.deviations(after=after, limit=3):
        joined += page
        after = place_of(page[-1])
    assert joined == whole


def test_a_systems_signature_is_never_a_persons(tmp_path: Path) -> None:
    """R-30: what needs a person and has a system's key alone is listed until somebody signs."""
    story = scenes.opened()
    scenes.identify(story, ONE)
    event = infuse(story, ONE, 1, "B-0001", at="2024-03-06 09:00")
    unsigned = story.add(
        "infusion.not-given.v1",
        {"infusion_number": 2, "reason": {"code": "fever", "text": "The subject had a fever."}},
        at="2024-03-20 09:00",
        by=EDC,
        stream=f"treatment/{ONE}",
    )
    kept, projections = projected(tmp_path, story)
    assert [row["event"] for row in projections.unsigned()] == [unsigned]
    replay: Any = projections.replay(ONE)
    blocks = {row["event"]: row["signatures"] for row in replay["timeline"]}
    assert blocks[unsigned][0]["kind"] == "system"
    assert blocks[unsigned][0]["meaning"] is None
    assert blocks[event][0]["kind"] == "person"
    scenes.sign(story, unsigned, at="2024-03-21 09:00")
    kept.keep()
    projections.follow()
    assert projections.unsigned() == []
    projections.close()
    kept.close()


def test_a_signature_is_stale_after_a_correction_until_signed_again(tmp_path: Path) -> None:
    """R-29: change after signing is visible and asks for a new signature."""
    story = scenes.opened()
    scenes.identify(story, ONE)
    found = scenes.lab(story, "bilirubin", "43", "umol/L", at="2024-03-02 09:00", subject=ONE)
    scenes.correct(story, found, "/data/value/value", "43", "34", at="2024-03-03 09:00")
    kept, projections = projected(tmp_path, story)
    assert [row["event"] for row in projections.stale_signatures()] == [found]
    scenes.sign(story, found, at="2024-03-04 09:00")
    kept.keep()
    projections.follow()
    assert projections.stale_signatures() == []
    assert [row["resigned"] is not None for row in projections.corrections()] == [True]
    projections.close()
    kept.close()


def test_the_register_says_who_held_a_role_at_a_position(told: Projections) -> None:
    """R-34: a role revoked later is in force before and has its end afterwards."""
    revoked = position("role.revoked.v1")

    def grants(size: int | None) -> list[Any]:
        register: Any = told.register(known_at=size)
        return [row for row in register["grants"] if row["holder"] == COORDINATOR]

    assert [row["revoked"] for row in grants(revoked)] == [None]
    assert [(row["revoked"], row["revoked_by"]) for row in grants(None)] == [(revoked, SPONSOR)]
    register: Any = told.register()
    delegations = register["delegations"]
    assert {row["person"] for row in delegations if "infusion" in row["tasks"]} >= {NURSE}


def test_the_stock_of_a_lot_closes(told: Projections) -> None:
    """R-58: received = in stock + used + returned + destroyed."""
    (lot,) = told.stock()
    assert (lot["received"], lot["used"], lot["in_stock"], lot["balance"]) == (4, 3, 1, 0)
    assert lot["standing"] == "is recalled"


def test_an_unknown_subject_is_none(told: Projections) -> None:
    """Nothing recorded, nothing shown."""
    assert told.subject("SY01-0999") is None
    assert told.subject("SY01-0999", known_at=100) is None
    assert told.replay("SY01-0999") is None


def test_before_a_subject_was_identified_it_is_none(told: Projections) -> None:
    """Neither as known nor as true."""
    first = min(r.seq for r in eventful().records if r.stream == f"subject/{THREE}")
    assert told.subject(THREE, known_at=first) is None
    assert told.subject(THREE, true_at=instant("2024-03-20 07:00")) is None


@pytest.mark.parametrize(("by", "before"), [(COORDINATOR, True), (EDC, False)])
def test_a_correction_tells_whether_it_was_signed_before(
    tmp_path: Path, by: str, *, before: bool
) -> None:
    """A signature that came only after the correction is none before it."""
    story = scenes.opened()
    scenes.identify(story, ONE)
    data = {"test_code": "bilirubin", "value": {"value": "43", "unit": "umol/L"}}
    at = "2024-03-02 09:00"
    found = story.add("lab-result.recorded.v1", data, at=at, by=by, stream=f"subject/{ONE}")
    scenes.correct(story, found, "/data/value/value", "43", "34", at="2024-03-03 09:00")
    scenes.sign(story, found, at="2024-03-04 09:00")
    kept, projections = projected(tmp_path, story)
    assert [row["signed_before"] for row in projections.corrections()] == [before]
    projections.close()
    kept.close()


def test_who_failed_no_criterion_is_excluded_for_another_reason(tmp_path: Path) -> None:
    """CONSORT: a subject turned away because the trial was full met the criteria."""
    story = scenes.opened()
    scenes.identify(story, ONE)
    scenes.consent(story, subject=ONE)
    screening = {"screening_number": 1}
    stream = f"subject/{ONE}"
    story.add("screening.started.v1", screening, at="2024-03-01 10:00", stream=stream)
    failed = {"criteria": [], "reason_code": "trial-full"}
    story.add("subject.screen-failed.v1", failed, at="2024-03-02 10:00", stream=stream)
    kept, projections = projected(tmp_path, story)
    excluded: Any = projections.enrolment()
    assert excluded["excluded"] == {
        "total": 1, "reasons": {"other: trial-full": 1}, "screen_failure_reasons": {}
    }  # fmt: skip
    projections.close()
    kept.close()
