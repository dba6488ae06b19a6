"""Following the log: exactly once, in any pages, through any kill, to the same bytes."""

from __future__ import annotations

import sqlite3
import tempfile
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from eventsourcing.persistence import PersistenceError
from hypothesis import given, settings
from hypothesis import strategies as st

from projections.projector import Projector
from projections.reading import Projections
from projections.row_tables import PositionMoved
from projections.store import ProjectionStore
from tests.ledger.rules import scenes
from tests.projections.build import ONE, THREE, TWO, Shelf, eventful, projected, shelf, unusable_key

if TYPE_CHECKING:
    from collections.abc import Iterator

STOP = "CREATE TRIGGER stop BEFORE INSERT ON tracking BEGIN SELECT RAISE(ABORT, 'killed'); END"


def rows_of(store: ProjectionStore) -> list[tuple[str, str, str]]:
    """All current rows, byte for byte."""
    return store.dump(limit=1_000_000)


@pytest.fixture(scope="module")
def reference() -> Iterator[tuple[Shelf, list[tuple[str, str, str]]]]:
    """The eventful story, kept, and its rows as one page makes them."""
    with tempfile.TemporaryDirectory() as folder:
        kept, projections = projected(Path(folder), eventful())
        rows = rows_of(projections.store)
        projections.close()
        yield kept, rows
        kept.close()


def execute(path: Path, *statements: str) -> None:
    """Change a database file behind everybody's back."""
    connection = sqlite3.connect(path)
    try:
        for statement in statements:
            connection.execute(statement)
        connection.commit()
    finally:
        connection.close()


@settings(max_examples=25)
@given(
    cuts=st.lists(st.integers(1, 134), max_size=12),
    page=st.integers(1, 150),
    kills=st.lists(st.sampled_from(["none", "between", "inside"]), min_size=1, max_size=12),
)
def test_rows_are_the_same_bytes_for_any_pages_and_any_kills(
    reference: tuple[Shelf, list[tuple[str, str, str]]],
    cuts: list[int],
    page: int,
    kills: list[str],
) -> None:
    """What was followed live, killed between or inside transactions, equals one single fold."""
    _, expected = reference
    with tempfile.TemporaryDirectory() as folder:
        kept = shelf(Path(folder), eventful())
        path = Path(folder) / "rows.sqlite3"
        store = ProjectionStore(path, "genesis")
        projector = Projector(kept.application, eventful().definition, store, page=page)
        for number, stop in enumerate([*sorted(cuts), None]):
            kept.keep(stop)
            kill = kills[number % len(kills)]
            if kill == "inside":
                before = store.place()
                execute(path, STOP)
                if before.position < kept.application.store.head().size:
                    with pytest.raises(PersistenceError):
                        projector.follow()
                assert store.place() == before
                execute(path, "DROP TRIGGER stop")
            if kill != "none":
                store.close()
                store = ProjectionStore(path, "genesis")
                projector = Projector(kept.application, eventful().definition, store, page=page)
            assert projector.follow() == kept.application.store.head().size
        assert rows_of(store) == expected
        assert projector.rebuild().position == len(eventful().records)
        assert rows_of(store) == expected
        assert projector.check() == []
        store.close()
        kept.close()


def test_a_page_written_a_second_time_changes_nothing(tmp_path: Path) -> None:
    """A projector whose place was overtaken is turned away and goes on from the new place."""
    kept = shelf(tmp_path, eventful())
    kept.keep(60)
    path = tmp_path / "rows.sqlite3"
    first, second = ProjectionStore(path, "genesis"), ProjectionStore(path, "genesis")
    one = Projector(kept.application, eventful().definition, first, page=20)
    two = Projector(kept.application, eventful().definition, second, page=60)
    assert one.step()
    place = first.place()
    page = one._folded(one._resumed(first, place), place, 40)
    assert two.follow() == 60
    with pytest.raises(PositionMoved):
        first.commit(page)
    assert one.follow() == 60
    assert one.check() == []
    first.close()
    second.close()
    kept.close()


def test_an_entry_that_cannot_be_folded_is_parked_in_sight_and_the_rest_goes_on(
    tmp_path: Path,
) -> None:
    """A key registration without a usable key stops nothing, raises the alarm, survives rebuild."""
    story = scenes.opened()
    bad = unusable_key(story, at="2024-02-01T09:00:00+08:00")
    scenes.identify(story, ONE)
    kept, projections = projected(tmp_path, story)
    lag = projections.lag()
    assert (lag.behind, lag.parked, lag.alarm) == (0, 1, True)
    assert [row.seq for row in projections.parked()] == [bad.seq + 1]
    assert projections.subject(ONE) is not None
    assert projections.check() == []
    before = rows_of(projections.store)
    projections.rebuild()
    assert rows_of(projections.store) == before
    assert [row.seq for row in projections.parked()] == [bad.seq + 1]
    projections.close()
    kept.close()


def test_a_view_that_fails_says_so_and_hides_no_other(tmp_path: Path) -> None:
    """A site in a zone nobody knows costs the views that need its days, in sight."""
    story = scenes.opened()
    scenes.identify(story, ONE)
    zone = next(record for record in story.records if record.type == "site.activated.v1")
    scenes.correct(
        story, zone.id, "/data/timezone", "Asia/Shanghai", "Asia/Nowhere", at="2024-03-02 09:00"
    )
    kept, projections = projected(tmp_path, story)
    lag = projections.lag()
    assert (lag.behind, lag.parked, lag.problems, lag.alarm) == (0, 0, 1, True)
    assert ONE in {row["subject"] for row in projections.subjects()}
    assert projections.subject(ONE) is not None
    assert projections.audit_trail(subject=ONE) != []
    assert projections.check() == []
    projections.close()
    kept.close()


def test_an_entry_whose_bytes_are_damaged_is_parked(tmp_path: Path) -> None:
    """One unreadable entry costs its own facts and no others, for pages of any size."""
    kept = shelf(tmp_path, eventful())
    kept.keep()
    damaged = next(r.seq for r in eventful().records if r.type == "consent.declined.v1")
    execute(
        tmp_path / "ledger.sqlite3",
        "DROP TRIGGER stored_events_no_update",
        f"UPDATE stored_events SET state = x'7b' WHERE seq = {damaged}",
    )
    projections = Projections(kept)
    assert projections.follow() == len(eventful().records)
    assert [row.seq for row in projections.parked()] == [damaged]
    subjects = {str(row["subject"]): row["state"] for row in projections.subjects()}
    assert subjects == {ONE: "FOLLOW_UP", TWO: "DEAD", THREE: "PRE_SCREENED"}
    assert projections.lag().alarm
    projections.close()
    kept.close()


@pytest.mark.parametrize(
    ("statement", "kind"),
    [
        (f"UPDATE projection_rows SET body = '{{}}' WHERE key = '{ONE}' AND projection = 'visits'",
         "changed"),
        (f"DELETE FROM projection_rows WHERE key = '{ONE}' AND projection = 'visits'", "missing"),
    ],
)  # fmt: skip
def test_check_names_the_row_that_is_not_what_the_log_gives(
    tmp_path: Path, statement: str, kind: str
) -> None:
    """A changed or missing row is named by projection and key; a rebuild mends it."""
    kept, projections = projected(tmp_path, eventful())
    execute(projections.store.path, statement)
    found = projections.check()
    assert [(row.projection, row.key, row.kind) for row in found] == [("visits", ONE, kind)]
    projections.rebuild()
    assert projections.check() == []
    projections.close()
    kept.close()


def test_check_names_a_surplus_row(tmp_path: Path) -> None:
    """A row that the log does not give is named too."""
    kept, projections = projected(tmp_path, eventful())
    insert = "INSERT INTO projection_rows VALUES (1, 'subject', 'SY01-9999', '{}')"
    execute(projections.store.path, insert)
    found = projections.check()
    assert [(row.projection, row.key, row.kind) for row in found] == [
        ("subject", "SY01-9999", "surplus")
    ]
    projections.close()
    kept.close()


def test_rows_of_another_ledger_are_named_and_dropped(tmp_path: Path) -> None:
    """A projections file left beside a new ledger never shows the old one's subjects."""
    kept, projections = projected(tmp_path, eventful())
    path = projections.store.path
    projections.close()
    store = ProjectionStore(path, "another genesis")
    stranger = Projector(kept.application, eventful().definition, store)
    assert [row.projection for row in stranger.check()] == ["genesis"]
    store.adopt()
    assert store.place().position == 0
    assert rows_of(store) == []
    store.close()
    kept.close()


def test_rows_ahead_of_a_restored_log_are_made_again(tmp_path: Path) -> None:
    """After a restore of an older ledger the rows follow what is there, not what was."""
    kept, projections = projected(tmp_path, eventful())
    projections.close()
    kept.close()
    for name in ("ledger.sqlite3", "ledger.sqlite3-wal", "ledger.sqlite3-shm"):
        (tmp_path / name).unlink(missing_ok=True)
    older = shelf(tmp_path, eventful())
    older.keep(70)
    again = Projections(older)
    assert again.lag().behind == 0
    assert again.follow() == 70
    assert again.check() == []
    older.keep()
    assert again.follow() == len(eventful().records)
    assert again.check() == []
    again.close()
    older.close()


def test_a_follower_on_a_thread_reaches_what_is_waited_for(tmp_path: Path) -> None:
    """wait_for comes back with the position once entries written meanwhile are folded."""
    kept = shelf(tmp_path, eventful())
    kept.keep(50)
    projections = Projections(kept)
    projections.start()
    writer = threading.Thread(target=kept.keep)
    writer.start()
    assert projections.wait_for(len(eventful().records), 30) == len(eventful().records)
    writer.join()
    assert projections.check() == []
    projections.close()
    kept.close()


def test_rows_whose_key_another_follower_dropped_are_not_put_in_place(tmp_path: Path) -> None:
    """Two make rows anew at once: the later swap would leave rows that nobody else can read."""
    path = tmp_path / "rows.sqlite3"
    first, second = ProjectionStore(path, "genesis"), ProjectionStore(path, "genesis")
    mine, other = first.fresh_generation("same"), second.fresh_generation("same")
    second.swap(other)
    with pytest.raises(PositionMoved):
        first.swap(mine)
    assert first.place() == other
    assert first.fits(other.generation, "same")
    first.close()
    second.close()


def test_a_follower_that_another_was_quicker_than_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever meets it while rows are made anew takes the place again as it is then."""
    kept = shelf(tmp_path, eventful())
    kept.keep(60)
    store = ProjectionStore(tmp_path / "rows.sqlite3", "genesis")
    projector = Projector(kept.application, eventful().definition, store)
    with monkeypatch.context() as patch:
        patch.setattr(store, "fits", lambda *_: False)
        patch.setattr(store, "swap", _overtaken)
        assert projector.step()
    assert projector.follow() == 60
    assert projector.check() == []
    store.close()
    kept.close()


def _overtaken(_: object) -> None:
    raise PositionMoved
