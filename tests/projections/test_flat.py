"""What is kept current page by page is what the whole log gives; a page reads no more than it."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.rules.deviations import TRIAL_RULES
from projections.deviation_rows import DEVIATION, Wanted, page_of, place_of
from projections.deviations import trial_deviations_view
from projections.enrolment import enrolment_view
from projections.kept import body_of
from projections.listings import rows_in
from projections.prefix import Prefix, state_at
from projections.projector import Projector
from projections.reading import Projections
from projections.store import ProjectionStore
from projections.trial_findings import TRIAL_DEVIATIONS, overview_of
from tests.ledger.rules import scenes
from tests.ledger.rules.build import ANY_HASH
from tests.projections.build import ONE, TWO, Shelf, eventful, infuse, lot, projected, shelf

if TYPE_CHECKING:
    from pathlib import Path

    from tests.ledger.rules.build import Story

OTHER_HASH = "a" * 64


def twice_identified() -> Story:
    """One person under two ids, a bag used twice, and many others whom neither concerns."""
    story = scenes.opened()
    lot(story)
    scenes.identify(story, ONE, at="2024-03-01 08:00", identity_check=ANY_HASH)
    scenes.identify(story, "SY01-0005", at="2024-03-01 09:00", identity_check=OTHER_HASH)
    for number in range(10, 16):
        scenes.identify(story, f"SY01-{number:04}", at=f"2024-03-02 {number}:00")
    scenes.identify(story, TWO, at="2024-03-03 08:00", identity_check=ANY_HASH)
    infuse(story, ONE, 1, "B-0001", at="2024-03-06 09:00")
    infuse(story, TWO, 1, "B-0001", at="2024-03-07 09:00")
    scenes.identify(story, "SY01-0016", at="2024-03-08 09:00")
    return story


class WatchedStore(ProjectionStore):
    """A store that remembers which rows a fold asked for."""

    def __init__(self, path: Path, genesis_sha256: str) -> None:
        self.asked: list[str] = []
        super().__init__(path, genesis_sha256)

    def row_of(self, generation: int, projection: str, key: str) -> str | None:
        """The row, once its key is noted."""
        self.asked.append(key)
        return super().row_of(generation, projection, key)

    def keys_of(self, generation: int, projection: str, first: str, stop: str) -> list[str]:
        """The keys, once they are noted."""
        found = super().keys_of(generation, projection, first, stop)
        self.asked += found
        return found


def step_by_step(directory: Path, story: Story) -> tuple[Shelf, ProjectionStore, Projector]:
    """A story kept whole, and a projector that folds one entry at a time."""
    kept = shelf(directory, story)
    kept.keep()
    store = ProjectionStore(directory / "rows.sqlite3", "genesis")
    return kept, store, Projector(kept.application, story.definition, store, page=1)


def row(store: ProjectionStore, projection: str, key: str) -> dict[str, Any]:
    """A stored row."""
    text = store.row(projection, key)
    return {} if text is None else body_of(text)


def test_counts_kept_current_are_those_of_all_subjects_at_every_position(tmp_path: Path) -> None:
    """Courses that change by a record, and those that change by time alone, are counted anew."""
    kept, store, projector = step_by_step(tmp_path, eventful())
    protocol, latest = eventful().definition.protocol, None
    while projector.step():
        recorded = eventful().records[store.place().position - 1].recorded_at
        latest = recorded if latest is None else max(latest, recorded)
        dispositions = [body_of(text) for _, text in store.rows("disposition")]
        expected = enrolment_view(dispositions, protocol, latest)
        assert row(store, "enrolment", "trial") == expected
    store.close()
    kept.close()


@pytest.mark.parametrize("told", [twice_identified, eventful], ids=["twice", "eventful"])
def test_findings_are_those_of_the_rules_over_all_subjects(tmp_path: Path, told: Any) -> None:
    """Leaving out whom no rule over the trial can concern changes nothing, at any position."""
    story = told()
    kept, store, projector = step_by_step(tmp_path, story)
    while projector.step():
        prefix = Prefix(kept.application, store.place().position)
        state = state_at(story.definition, prefix)
        view = trial_deviations_view(
            overview_of(state, prefix.subjects(), prefix.lots()), TRIAL_RULES
        )
        stored = [
            found
            for _, text in store.rows(TRIAL_DEVIATIONS)
            for found in rows_in(body_of(text), "deviations")
        ]
        assert sorted(stored, key=place_of) == sorted(rows_in(view, "deviations"), key=place_of)
    store.close()
    kept.close()


def test_a_person_under_two_ids_is_found_though_the_other_was_identified_long_before(
    tmp_path: Path,
) -> None:
    """DV-15 holds at the second id, as stored and as known, and not before it was recorded."""
    kept, projections = projected(tmp_path, twice_identified())
    rules = [found["rule"] for found in projections.deviations(TWO)]
    assert "DV-15" in rules
    decided = 1 + max(
        record.seq
        for record in twice_identified().records
        if record.stream == f"treatment/{TWO}" and record.type == "command.accepted.v1"
    )
    after: Any = projections.subject(TWO, known_at=decided)
    before: Any = projections.subject(TWO, known_at=decided - 1)
    first: Any = projections.subject(ONE, known_at=decided)
    assert "DV-15" in [found["rule"] for found in after["deviations"]]
    assert "DV-15" not in [found["rule"] for found in first["deviations"]]
    assert before is None or before["deviations"] == []
    projections.close()
    kept.close()


def test_what_is_known_does_not_wait_for_the_rows(tmp_path: Path) -> None:
    """A reader of an earlier or later head sees what the log says, however far rows have come."""
    kept = shelf(tmp_path, twice_identified())
    kept.keep()
    projections = Projections(kept)
    size = len(twice_identified().records)
    unread: Any = projections.subject(TWO, known_at=size)
    assert projections.store.place().position == 0
    projections.follow()
    assert projections.subject(TWO, known_at=size) == unread
    assert "DV-15" in [found["rule"] for found in unread["deviations"]]
    projections.close()
    kept.close()


def test_each_deviation_has_a_row_of_its_own_in_the_order_of_the_listing(tmp_path: Path) -> None:
    """The rows by place are the deviations of all subjects and of the trial, in order."""
    kept, projections = projected(tmp_path, eventful())
    far = eventful().records[-1].recorded_at.replace(year=2030)
    sections = [body_of(text) for _, text in projections.store.rows("deviations")]
    sections += [body_of(text) for _, text in projections.store.rows(TRIAL_DEVIATIONS)]
    whole = sorted((d for s in sections for d in rows_in(s, "deviations")), key=place_of)
    assert projections.deviations(as_of=far) == whole
    assert len(whole) > 3
    rule = str(whole[1]["rule"])
    assert projections.deviations(rule=rule, as_of=far) == [d for d in whole if d["rule"] == rule]
    one = [d for d in whole if d["subject"] == ONE]
    assert projections.deviations(ONE, as_of=far) == one
    assert projections.deviations(as_of=far, site="SY02") == []
    projections.close()
    kept.close()


@given(
    found=st.lists(
        st.tuples(
            st.sampled_from(["DV-1", "DV-10", "DV-2", None]),
            st.sampled_from(["2024-03-01T00:00:00Z", "2024-03-01T00:00:00.5Z"]),
            st.sampled_from(["a", "b"]),
            st.sampled_from([ONE, TWO, None]),
        ),
        max_size=12,
    ),
    limit=st.integers(1, 4),
)
def test_pages_of_deviations_joined_are_the_whole_in_order(found: list[Any], limit: int) -> None:
    """However many stand at one place, none is left out, and none comes twice."""
    rows: list[Any] = [
        {"rule": rule, "since": since, "id": f"{rule}:{name}", "subject": subject, "number": number}
        for number, (rule, since, name, subject) in enumerate(found)
    ]
    wanted = Wanted("2025")
    whole = page_of(rows, wanted, after="", limit=None)
    joined, after = [], ""
    while page := page_of(rows, wanted, after=after, limit=limit):
        joined += page
        after = place_of(page[-1])
    assert joined == whole
    assert [(row["rule"] or "~", row["since"], row["id"]) for row in whole] == sorted(
        (row["rule"] or "~", row["since"], row["id"]) for row in rows
    )


def test_check_names_a_deviation_that_is_not_what_the_log_gives(tmp_path: Path) -> None:
    """A deviation taken out of the listing alone is missing at its place."""
    kept, projections = projected(tmp_path, eventful())
    place = projections.store.rows(DEVIATION, limit=1)[0][0]
    with closing(sqlite3.connect(projections.store.path)) as file, file:
        file.execute("DELETE FROM projection_rows WHERE key = ?", (place,))
    found = projections.check()
    assert [(row.projection, row.key, row.kind) for row in found] == [(DEVIATION, place, "missing")]
    projections.close()
    kept.close()


def test_rows_of_another_format_are_made_again_by_themselves(tmp_path: Path) -> None:
    """A file of an older version holds no row that this one would read otherwise."""
    kept, projections = projected(tmp_path, eventful())
    expected = projections.store.dump(limit=1_000_000)
    path = projections.store.path
    projections.close()
    with closing(sqlite3.connect(path)) as file, file:
        file.execute("UPDATE projection_rows SET body = '{}'")
        file.execute("PRAGMA user_version = 1")
    again = Projections(kept)
    assert again.store.place().position == 0
    again.follow()
    assert again.store.dump(limit=1_000_000) == expected
    again.close()
    kept.close()


def test_a_page_reads_the_rows_of_the_subjects_it_touches_and_of_no_others(tmp_path: Path) -> None:
    """What a page costs depends on the page: other subjects' rows are neither read nor written."""
    story = scenes.opened()
    for number in range(1, 9):
        scenes.identify(story, f"SY01-{number:04}", at=f"2024-03-0{number} 08:00")
    scenes.lab(story, "inr", "1.2", "{INR}", at="2024-03-09 09:00", subject="SY01-0003")
    kept = shelf(tmp_path, story)
    kept.keep(len(story.records) - 1)
    store = WatchedStore(tmp_path / "rows.sqlite3", "genesis")
    Projector(kept.application, story.definition, store).follow()
    before = {place[:2]: place[2] for place in store.dump(limit=10_000)}
    kept.keep()
    store.asked.clear()
    Projector(kept.application, story.definition, store).follow()
    changed = {p[1] for p in store.dump(limit=10_000) if before.get(p[:2]) != p[2]}
    assert {key for key in store.asked if key.startswith("SY01-")} <= {"SY01-0003"}
    assert {key for key in changed if key.startswith("SY01-")} == {"SY01-0003"}
    store.close()
    kept.close()
