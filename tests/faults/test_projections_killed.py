"""A node dies in the midst of folding, on either database: each entry counts once all the same."""

from __future__ import annotations

import os
import random
import signal
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from api.app import create_app
from api.serving import follow
from ledger.errors import Unavailable
from projections.audit_trail import audit_entry
from projections.reading import Projections, projections_path
from tests.build_ledger import each, identify
from tests.faults.kept import TALLY
from tests.faults.postgres_bench import Driver
from tests.ledger.build_service import bag, bilirubin

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ledger.record import Record
    from ledger.signing.strict_json import JsonObject
    from tests.build_ledger import BuiltLedger

SOAK = bool(os.environ.get("LEDGER_SOAK"))
KILLS = 200 if SOAK else 8


@pytest.fixture(params=["built", "postgres_built"])
def grown(request: pytest.FixtureRequest) -> BuiltLedger:
    """A ledger on each database in turn, with something to fold for many subjects."""
    one: BuiltLedger = request.getfixturevalue(request.param)
    one.record_all(each(one, range(10, 40), identify))
    one.record_all([bilirubin(one, f"{number}.5") for number in range(10)])
    return one


@pytest.fixture
def driver(grown: BuiltLedger) -> Iterator[Driver]:
    """A process that folds and can be killed."""
    one = Driver(grown)
    yield one
    one.close()


def rows(views: Projections) -> list[tuple[str, str, str]]:
    """All current rows, byte for byte."""
    return views.store.dump(limit=1_000_000)


def differing(views: Projections) -> list[object]:
    """What is not as a fold to the stored position gives it.

    A node that died before its first page has made no rows yet, and there is nothing to check.
    """
    try:
        return [*views.check()]
    except Unavailable as error:
        if error.code != "projections.stale" or views.store.place().position > 0:
            raise
        return [*rows(views)]


def begin_anew(grown: BuiltLedger) -> None:
    """Throw the projections away, as an operator may at any time."""
    path = projections_path(grown.database.place)
    for file in path.parent.glob(f"{path.name}*"):
        file.unlink()


def poison(monkeypatch: pytest.MonkeyPatch, event: str) -> None:
    """A fold that fails at one event, as a bug in it would."""

    def failing(record: Record, *rest: Any) -> JsonObject:
        if record.id == event:
            raise ValueError("poisoned")
        return audit_entry(record, *rest)

    monkeypatch.setattr("projections.folding.audit_entry", failing)


def test_a_kill_in_mid_fold_repeats_and_leaves_out_nothing(
    grown: BuiltLedger, driver: Driver
) -> None:
    """After each death the rows are what a fold to the stored position gives."""
    died = 0
    for number in range(10 * KILLS):
        if number >= KILLS and died:
            break  # a fast machine may have been done each time before
        if number % 5 == 4:
            begin_anew(grown)
        status, said = driver.run(
            "fold", page=random.randint(1, 40), rebuild=number % 3 == 0,
            seconds=random.uniform(0.002, 0.25),
        )  # fmt: skip
        assert status in (0, -signal.SIGALRM), said
        died += status != 0
        with closing(Projections(grown.ledger)) as views:
            assert differing(views) == []
        grown.record_all([bag(grown, 5000 + number), identify(grown, 100 + number)])
    TALLY["projector killed in mid-fold"] += died
    assert died > 0
    with closing(Projections(grown.ledger)) as views:
        views.follow()
        followed = rows(views)
        views.rebuild()
        assert rows(views) == followed
        assert views.lag().behind == 0
        assert not views.lag().alarm


def test_an_entry_that_cannot_be_folded_is_parked_and_shown_and_the_rest_goes_on(
    grown: BuiltLedger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A bug in a fold, met by one event; the metric says so and stays until it is looked after."""
    poisoned = grown.record(identify(grown, 50))
    grown.record(identify(grown, 51))
    head = grown.ledger.application.store.head().size
    poison(monkeypatch, poisoned.id)
    projections = follow(grown.ledger)
    try:
        assert projections.wait_for(head, 60) == head
        assert [row.seq for row in projections.parked()] == [poisoned.seq]
        lag = projections.lag()
        assert (lag.behind, lag.parked, lag.alarm) == (0, 1, True)
        page = create_app(grown.ledger, projections).test_client().get("/metrics").text
        assert "ledger_projections_parked 1.0" in page.splitlines()
        assert "ledger_projections_behind 0.0" in page.splitlines()
        assert "ledger_projections_alarm 1.0" in page.splitlines()
    finally:
        projections.close()
    monkeypatch.undo()
    with closing(Projections(grown.ledger)) as views:
        assert [row.seq for row in views.parked()] == [poisoned.seq]  # until it is rebuilt
        views.rebuild()
        assert views.parked() == []
        assert not views.lag().alarm
