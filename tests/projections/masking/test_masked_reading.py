"""What must not be known is not in what is served (DESIGN promise 5; EMA 2023, 6.2.1)."""

from __future__ import annotations

import json
import re
import tempfile
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from threading import Barrier, Event
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings

from ledger.rules.deviations import CASE_RULES, TRIAL_RULES
from projections.masking import MaskedProjections
from projections.masking.rules import ARM_NEUTRAL, WITHHELD
from projections.reading import Projections
from tests.projections.masking.answers import answers
from tests.projections.masking.build_twins import ONE, TWO, Twins, build_twins, copy_twins
from tests.projections.masking.courses import EVERYTHING, Step, courses, take

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from projections.interface import Reading

TELLING = ("B-1001", "B-2001", "L-2024-01", "ENV-001", "Said ", "The arm is", "medical-emergency")
"""Texts of the course that stand with treatment and product alone."""
_SECONDS = len("2024-03-01T09:00:00")
PLACES = re.compile('"(?:seq|result_seq|head|size|tree_size|arm|slot|stratum)":')
"""Members that name a place in the log or on the list."""


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Twins:
    """Closed twins, up to where their courses part."""
    twins = build_twins([tmp_path_factory.mktemp(name) for name in ("left", "right")])
    twins.close()
    return twins


@contextmanager
def lived(template: Twins, course: Sequence[Step]) -> Iterator[Twins]:
    """Open twins after a course."""
    with tempfile.TemporaryDirectory() as folder:
        twins = copy_twins(template, [Path(folder) / name for name in ("left", "right")])
        for step in course:
            take(twins, step)
        yield twins
        twins.close()


def require_equal(twins: Twins) -> None:
    """Every answer is the same in both, byte for byte."""
    left, right = (answers(twin, twins.day) for twin in twins.pair)
    assert [name for name in left if left[name] != right[name]] == []
    assert left.keys() == right.keys()


@settings(max_examples=4, suppress_health_check=[HealthCheck.too_slow])
@given(course=courses(8))
def test_trials_that_differ_only_in_arms_read_the_same(template: Twins, course: list[Step]) -> None:
    """All answers and the report are equal although arms, entries and positions are not."""
    with lived(template, course) as twins:
        require_equal(twins)


@pytest.mark.long
@settings(max_examples=50, suppress_health_check=[HealthCheck.too_slow])
@given(course=courses(30))
def test_long_courses_read_the_same(template: Twins, course: list[Step]) -> None:
    """The same over many long courses."""
    with lived(template, course) as twins:
        require_equal(twins)


def test_a_course_with_everything_reads_the_same(template: Twins) -> None:
    """Each kind of step at least once, to both subjects; the unmasked readings do differ."""
    with lived(template, EVERYTHING) as twins:
        require_equal(twins)
        sizes = {twin.built.ledger.application.store.head().size for twin in twins.pair}
        assert len(sizes) == 2
        assert {twin.arm(ONE) for twin in twins.pair} == {"single", "double"}
        unmasked = [_unmasked(twin.built.ledger) for twin in twins.pair]
        assert unmasked[0] != unmasked[1]


def test_no_answer_holds_what_stands_with_treatment_or_tells_a_place(template: Twins) -> None:
    """No bag, lot, reason or arm of a subject, no position, no exact record time, no hash."""
    with lived(template, EVERYTHING) as twins:
        twin = twins.pair[0]
        found = answers(twin, twins.day)
        said = b"".join(found.values()).decode()
        assert [text for text in TELLING if text in said] == []
        assert '"seq"' not in said
        read = b"".join(text for name, text in found.items() if "report" not in name).decode()
        assert PLACES.findall(read) == []
        application = twin.built.ledger.application
        entries = application.records(0, application.store.head().size)
        assert not any(entry.sha256 in said for entry in entries[1:])
        exact = {entry.entry.recorded_at[:_SECONDS] for entry in entries[2:]}
        stated = "".join(f"{entry.event.time} {json.dumps(entry.data)}" for entry in entries)
        assert [time for time in exact if time in said and time not in stated] == []


def test_an_entry_that_one_trial_alone_ends_with_moves_nothing(template: Twins) -> None:
    """The second infusion, weeks after all else, sets no clock of a masked reader."""
    with lived(template, [Step("treat", ONE, 2), Step("treat", ONE, 28)]) as twins:
        require_equal(twins)
        ends = [twin.built.ledger.application.store.head() for twin in twins.pair]
        assert ends[0].recorded_at[:7] != ends[1].recorded_at[:7]


def test_what_is_common_to_the_arms_is_shown(template: Twins) -> None:
    """Randomized and on study, its day, broken blinds with day and person: seen; the arm: not."""
    with lived(template, [Step("treat", ONE, 2), Step("unblind", ONE, 5)]) as twins:
        found: Any = MaskedProjections(twins.pair[0].built.ledger).subject(ONE)
        assert (found["state"], found["randomized_on"]) == ("ON_STUDY", "2024-03-01")
        assert [(row["kind"], row["on"], row["by"]["name"]) for row in found["unblindings"]] == [
            ("emergency", "2024-04-17", "Dr Li")
        ]
        assert found["flags"]["blind_broken"]
        assert found["as_of"] == "2024-03-01"


def test_knowledge_is_asked_for_by_the_day_it_was_recorded(template: Twins) -> None:
    """A late record is not known on the day before it, and true on the day it reports."""
    with lived(template, [Step("late visit", ONE, 10)]) as twins:
        reading = MaskedProjections(twins.pair[0].built.ledger)
        day = twins.pair[0].built.now.date()
        before: Any = reading.replay(ONE, day.replace(day=day.day - 1))
        after: Any = reading.replay(ONE, day)
        late = [row for row in after["timeline"] if row["type"] == "visit.completed.v1"]
        assert [row["recorded"] for row in late] == [day.isoformat()]
        assert len(after["timeline"]) == len(before["timeline"]) + 1


def test_pages_of_the_trail_join_to_the_whole(template: Twins) -> None:
    """A cursor is the id of the last event read; nothing is lost or repeated between pages."""
    with lived(template, EVERYTHING[:12]) as twins:
        reading = MaskedProjections(twins.pair[1].built.ledger)
        joined: list[Any] = []
        after = ""
        while page := reading.audit_trail(after=after, limit=7):
            joined += page
            after = str(page[-1]["event"])
        assert joined == reading.audit_trail(limit=10_000)


def test_a_reading_kept_open_reads_as_a_new_one(template: Twins) -> None:
    """What is kept between heads is never older than the head."""
    with tempfile.TemporaryDirectory() as folder:
        twins = copy_twins(template, [Path(folder) / name for name in ("left", "right")])
        ledger = twins.pair[0].built.ledger
        kept = MaskedProjections(ledger)
        for step in EVERYTHING[:14]:
            take(twins, step)
            fresh = MaskedProjections(ledger)
            assert kept.subject(TWO) == fresh.subject(TWO)
            assert kept.enrolment() == fresh.enrolment()
            assert kept.audit_trail(limit=10_000) == fresh.audit_trail(limit=10_000)
        twins.close()


def test_many_threads_read_what_one_would(template: Twins) -> None:
    """While the head moves on; folds and snapshots are shared between them."""
    with lived(template, EVERYTHING[:8]) as twins:
        twin = twins.pair[0]
        shared = MaskedProjections(twin.built.ledger)
        earlier = twin.built.now.date()
        stop, gate = Event(), Barrier(9)

        def hammer(number: int) -> int:
            gate.wait(30)
            asked = 0
            while not stop.is_set() or asked < 5:
                day = None if number % 2 else earlier - timedelta(days=number + asked % 12)
                course: Any = shared.replay(ONE, day)
                assert course is None or course["subject"]["subject"] == ONE
                assert shared.subjects(limit=2)[0]["subject"] == ONE
                assert [*shared.audit_entries()]
                asked += 1
            return asked

        with ThreadPoolExecutor(8) as pool:
            running = [pool.submit(hammer, number) for number in range(8)]
            gate.wait(30)
            for step in EVERYTHING[8:14]:
                take(twins, step)
            stop.set()
            assert all(one.result(60) >= 5 for one in running)
        fresh = MaskedProjections(twin.built.ledger)
        for name in (ONE, TWO):
            assert shared.subject(name) == fresh.subject(name)
        assert shared.audit_trail(limit=10_000) == fresh.audit_trail(limit=10_000)


def test_the_masked_report_names_what_it_withholds_and_why(template: Twins) -> None:
    """Each withheld section stands in its place with a reason; the report says it is masked."""
    with lived(template, EVERYTHING[:6]) as twins:
        report = json.loads(answers(twins.pair[0], twins.day)["report json"])
        assert report["report"]["statement"].startswith("Masked rendering: allocation, product")
        withheld = {row["id"]: row["reason"] for row in report["report"]["withheld"]}
        sections = {section["id"]: section for section in report["sections"]}
        assert set(withheld) == {"allocation", "infusions", "stock", "integrity", "offline"}
        for name, reason in withheld.items():
            assert [block["text"] for block in sections[name]["blocks"]] == [reason]


def test_every_rule_is_arm_neutral_or_withheld_with_a_reason() -> None:
    """A new rule is withheld by default, and this test asks for a decision about it."""
    known = {rule.id for rule in CASE_RULES} | {rule.id for rule in TRIAL_RULES}
    assert known == ARM_NEUTRAL | set(WITHHELD)
    assert set(WITHHELD).isdisjoint(ARM_NEUTRAL)


def test_both_readings_keep_one_interface(template: Twins) -> None:
    """A door can be written for either reader."""
    with lived(template, []) as twins:
        ledger = twins.pair[0].built.ledger
        unmasked = Projections(ledger)
        unmasked.follow()
        masked: Reading[Any, Any] = MaskedProjections(ledger)
        open_to_all: Reading[Any, Any] = unmasked
        for reading in (masked, open_to_all):
            assert [row["subject"] for row in reading.subjects()][:2] == [ONE, TWO]
        unmasked.close()


def _unmasked(ledger: Any) -> Any:
    projections = Projections(ledger)
    projections.follow()
    found = [projections.subject(name) for name in (ONE, TWO)]
    projections.close()
    return found
