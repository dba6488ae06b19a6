"""Making rows again and comparing them while a service beside follows the same ones."""

from __future__ import annotations

import gc
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from ledger.concealment.vault import Erasure
from ledger.errors import Unavailable
from ledger.vocabulary import Purpose
from projections.reading import Projections
from projections.upkeep import compared
from tests.build_ledger import build_ledger, identify
from tests.projections.build import ONE, eventful, projected, shelf

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("times", [1, 3])
def test_a_rebuild_that_a_service_was_quicker_than_begins_again(tmp_path: Path, times: int) -> None:
    """Its rows were dropped with the old ones; in the end there are whole rows, and its own."""
    kept, views = projected(tmp_path, eventful())
    expected = views.store.dump(limit=100_000)
    left = iter(range(times))
    with closing(Projections(kept)) as service:

        def meanwhile(_: int, __: int) -> None:
            if next(left, None) is not None:
                service.projector.rebuild()

        assert views.rebuild(meanwhile) == len(eventful().records)
    assert next(left, None) is None
    assert views.store.dump(limit=100_000) == expected
    assert views.check() == []
    views.close()
    kept.close()


def test_a_rebuild_that_never_wins_says_so(tmp_path: Path) -> None:
    """With its code and what to do; the rows of the one that won stay."""
    kept, views = projected(tmp_path, eventful())
    with closing(Projections(kept)) as service:

        def meanwhile(_: int, __: int) -> None:
            service.projector.rebuild()

        with pytest.raises(Unavailable) as caught:
            views.rebuild(meanwhile)
        assert caught.value.code == "projections.made-anew"
        assert caught.value.remedy
    assert views.check() == []
    views.close()
    kept.close()


def test_the_collector_of_cycles_goes_on_when_a_rebuild_fails(tmp_path: Path) -> None:
    """It rests while a whole log is folded, and no longer."""
    kept, views = projected(tmp_path, eventful())

    def stop(_: int, __: int) -> None:
        assert not gc.isenabled()
        raise KeyError

    with pytest.raises(KeyError):
        views.rebuild(stop)

    assert gc.isenabled()
    views.close()
    kept.close()


def test_rows_are_compared_as_they_were_though_a_service_goes_on(tmp_path: Path) -> None:
    """Under steady recording they would never stand still."""
    kept = shelf(tmp_path, eventful())
    size = kept.keep(60)
    with closing(Projections(kept)) as service, closing(Projections(kept)) as views:
        service.follow()
        told: list[int] = []

        def meanwhile(position: int, _: int) -> None:
            told.append(position)
            kept.keep(60 + len(told))
            service.follow()

        assert views.check(meanwhile) == []
        assert told == [size]
        assert service.lag().position == size + 1
    kept.close()


def test_an_erasure_during_a_comparison_is_no_difference(tmp_path: Path) -> None:
    """The fresh fold has less to read than the copy had; they are compared once more."""
    built = build_ledger(tmp_path)
    built.record_all([identify(built, 1)])
    openings = built.ledger.application.openings
    assert openings is not None
    act = "018d7000-0000-7000-8000-000000000001"
    order = Erasure(act, "SY01-0001", frozenset({Purpose.IDENTITY}))
    once = iter([True])
    with closing(Projections(built.ledger)) as service, closing(Projections(built.ledger)) as views:
        service.follow()

        def meanwhile(_: int, __: int) -> None:
            if next(once, False):
                openings.vault.erase(order)
                service.rebuild()

        ledger = built.ledger
        found = compared(
            ledger.application, ledger.genesis.definition, views.store, meanwhile, page=1
        )
        assert found == []
    assert next(once, None) is None
    built.close()


def test_a_row_that_is_not_what_the_log_gives_is_found_in_the_copy(tmp_path: Path) -> None:
    """The copy is of the file as it is, and nothing is written into that."""
    kept, views = projected(tmp_path, eventful())
    with closing(sqlite3.connect(views.store.path)) as file, file:
        file.execute("DELETE FROM projection_rows WHERE projection = 'visits' AND key = ?", (ONE,))
    before = views.store.dump(limit=100_000)
    assert [(row.projection, row.key, row.kind) for row in views.check()] == [
        ("visits", ONE, "missing")
    ]
    assert views.store.dump(limit=100_000) == before
    views.close()
    kept.close()
