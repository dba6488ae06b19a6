"""Views made in further processes: the same rows, whatever becomes of the processes."""

from __future__ import annotations

import contextlib
import gc
import os
import signal
import sqlite3
import weakref
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from ledger.signing.jwk import Curve, SigningKey
from projections import fold_crew
from projections.carried import packed, unpacked
from projections.fold_crew import Alone, FoldCrew, Given, Process, crew_of
from projections.prefix import Prefix, state_at
from projections.projector import PAGE, Projector
from projections.store import ProjectionStore
from projections.subject_views import views_of
from tests.projections.build import ONE, THREE, TWO, Shelf, eventful, shelf, unusable_key

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from ledger.history import History
    from ledger.rules.case import Case
    from projections.row_tables import Parked

AT = datetime(2024, 6, 1, tzinfo=UTC)


@pytest.fixture
def kept(tmp_path: Path) -> Iterator[Shelf]:
    """The eventful story, kept whole."""
    found = shelf(tmp_path, eventful())
    found.keep()
    yield found
    found.close()


@pytest.fixture
def alone(kept: Shelf) -> Iterator[tuple[Process, FoldCrew]]:
    """A crew of one process, and that process."""
    process = Process()
    with closing(process), ThreadPoolExecutor(1) as executor:
        yield process, FoldCrew(executor, [process])


@pytest.fixture
def one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Subjects are given out singly, and no more of them than there are processes."""
    monkeypatch.setattr(fold_crew, "_TOGETHER", 1)
    monkeypatch.setattr(fold_crew, "_AHEAD", 1)


def cases_of(kept: Shelf) -> list[Case]:
    """The cases of the story's subjects as they stand at its end."""
    prefix = Prefix(kept.application, len(kept.story.records))
    state = state_at(kept.story.definition, prefix)
    return [state.case(subject) for subject in (ONE, TWO, THREE)]


def rebuilt(
    kept: Shelf, path: Path, *, processes: int
) -> tuple[list[tuple[str, str, str]], list[Parked]]:
    """All rows and parked entries of a rebuild in pages of 20 entries."""
    store = ProjectionStore(path, "genesis")
    projector = Projector(
        kept.application, kept.story.definition, store, page=20, processes=processes
    )
    projector.rebuild()
    assert projector.check() == []
    rows, parked = store.dump(limit=1_000_000), store.parked()
    store.close()
    return rows, parked


@pytest.mark.usefixtures("one_by_one")
def test_a_rebuild_with_processes_gives_the_same_bytes(tmp_path: Path) -> None:
    """With an entry that cannot be folded and one that is damaged among them."""
    story = eventful.__wrapped__()
    bad = unusable_key(story, at="2024-12-01T09:00:00+08:00")
    damaged = next(r.seq for r in story.records if r.type == "consent.declined.v1")
    kept = shelf(tmp_path, story)
    kept.keep()
    with closing(sqlite3.connect(tmp_path / "ledger.sqlite3")) as file, file:
        file.execute("DROP TRIGGER stored_events_no_update")
        file.execute("UPDATE stored_events SET state = x'7b' WHERE seq = ?", (damaged,))

    expected = rebuilt(kept, tmp_path / "one.sqlite3", processes=0)

    assert [row.seq for row in expected[1]] == [damaged, bad.seq + 1]
    assert rebuilt(kept, tmp_path / "more.sqlite3", processes=2) == expected
    kept.close()


@pytest.mark.usefixtures("one_by_one")
def test_what_a_killed_process_had_is_made_by_the_fold(
    kept: Shelf, alone: tuple[Process, FoldCrew]
) -> None:
    """No subject is missing, whether it was asked for before or after the process died."""
    process, crew = alone
    cases = cases_of(kept)
    expected = [views_of(case, AT) for case in cases_of(kept)]
    before = crew.begin(cases, AT)
    os.kill(process.pid, signal.SIGKILL)
    after = crew.begin(cases, AT)

    assert before.views() == expected
    assert after.views() == expected


def test_views_are_of_the_records_as_they_stood_when_they_were_begun(
    kept: Shelf, alone: tuple[Process, FoldCrew]
) -> None:
    """The fold may take in the next page while they are made."""
    cases = cases_of(kept)
    expected = [views_of(case, AT) for case in cases_of(kept)]

    making = alone[1].begin(cases, AT)
    for case in cases:
        case.records.facts.clear()
        case.register.keys.clear()

    assert all(isinstance(part, Given) and part.answer.result() for part in making.parts)
    assert making.views() == expected


def test_no_subjects_have_no_views(alone: tuple[Process, FoldCrew]) -> None:
    """A page may touch no subject."""
    assert alone[1].begin([], AT).views() == []


def test_without_processes_the_fold_makes_the_views() -> None:
    """One that cannot be started is no reason to fold nothing."""
    with crew_of(0) as crew:
        assert isinstance(crew, Alone)


def test_processes_end_with_the_fold() -> None:
    """Whatever ends it: none is left behind."""
    pids: list[int] = []
    with contextlib.suppress(KeyError), crew_of(2) as crew:
        assert isinstance(crew, FoldCrew)
        pids += [crew._idle.get().pid for _ in range(2)]
        raise KeyError

    assert len(pids) == 2
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


def test_records_travel_whole(kept: Shelf) -> None:
    """All that a view may look at: what was signed, opened, corrected, voided, refused."""
    for case in cases_of(kept):
        found: History = unpacked(packed(case.records))

        assert found.__dict__ == case.records.__dict__
    assert unpacked(packed(kept.story.records)) == kept.story.records


def test_keys_of_either_curve_travel_and_verify() -> None:
    """What a library has loaded of a key stays behind; the key is the same and as usable."""
    for curve in Curve:
        key = SigningKey.generate(curve=curve)
        arrived = unpacked(packed(key.public))
        assert (arrived, arrived.kid) == (key.public, key.public.kid)
        arrived.verify(b"text", key.sign(b"text"))


def test_a_case_is_let_go_of_once_its_views_are_made(kept: Shelf) -> None:
    """A fold has no need of the collector of cycles to get rid of records it has done with."""
    case = cases_of(kept)[0]
    gone = weakref.ref(case)
    gc.disable()
    try:
        views_of(case, AT)
        del case

        assert gone() is None
    finally:
        gc.enable()


@pytest.mark.parametrize(("page", "entries"), [(1, 10 * PAGE), (PAGE, PAGE), (20, 100)])
def test_what_is_folded_entry_by_entry_or_at_once_needs_no_processes(
    kept: Shelf, tmp_path: Path, page: int, entries: int
) -> None:
    """There is nothing to be done beside it."""
    store = ProjectionStore(tmp_path / "rows.sqlite3", "genesis")

    projector = Projector(kept.application, kept.story.definition, store, page=page)

    assert projector._worth(entries) == 0
    store.close()
