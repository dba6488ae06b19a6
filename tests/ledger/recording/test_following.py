"""Two writers on one database: each follows the other, both get their turns, none forks."""

from __future__ import annotations

import multiprocessing
import threading
import time
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from ledger.aggregates.trial_state import TrialState
from ledger.errors import LedgerError
from ledger.recording import following
from ledger.recording.writer import Writer
from ledger.service import LedgerFiles, TrialLedger
from ledger.signing.register import Register
from tests.build_ledger import SITE, identify
from tests.ledger.build_service import SUBJECT, bag, bilirubin, require_sound

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from multiprocessing.queues import Queue
    from multiprocessing.synchronize import Barrier

    from ledger.recording.outcomes import Receipted
    from ledger.storage.database import Database
    from tests.build_ledger import BuiltLedger, Signed

SECONDS = 2.0
SHARE = 0.2
"""Least part of what the luckier of two equal writers gets; without following it was 0.03."""
ROUNDS = 4
"""A busy machine lets one of the two wait now and then; who starves does so in every round."""


@pytest.fixture
def other(built: BuiltLedger) -> Iterator[TrialLedger]:
    """A second node on the built ledger's database."""
    with closing(TrialLedger(built.database, built.files)) as ledger:
        yield ledger


def submit(built: BuiltLedger, ledger: TrialLedger, signed: Signed) -> Receipted:
    """Submit through one of the two."""
    return ledger.submit(ledger.receive(signed.text, signed.disclosures), built.tick())


def require_same_state(writer: Writer, fresh: TrialState) -> None:
    """What a writer holds by following is what a fold from the beginning gives."""
    state = writer.state
    for held, made in (
        (state.subject(SUBJECT[:-4] + "0001"), fresh.subject(SUBJECT[:-4] + "0001")),
        (state.subject(SUBJECT[:-4] + "0002"), fresh.subject(SUBJECT[:-4] + "0002")),
        (state.site(SITE), fresh.site(SITE)),
        (state.lot("L-2024-01"), fresh.lot("L-2024-01")),
        (state.trial, fresh.trial),
        (state.allocation, fresh.allocation),
        (state.product_uses, fresh.product_uses),
    ):
        assert held.facts == made.facts
        assert held.pending == made.pending
        assert held.refused == made.refused
    assert vars(state.register) == vars(fresh.register)


def alternating(built: BuiltLedger) -> list[Callable[[], Signed]]:
    """Facts, commands and corrections that concern what both nodes hold folds of."""
    return [
        lambda: bag(built, 1),
        lambda: identify(built, 2),
        lambda: bilirubin(built, "34.2"),
        lambda: bag(built, 2),
        lambda: identify(built, 2),  # refused: identified already
        lambda: bilirubin(built, "31.0"),
        lambda: bag(built, 3),
    ]


def test_each_follows_what_the_other_recorded(
    built: BuiltLedger, other: TrialLedger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In turns, through both; nobody reads everything anew, and both know the same in the end."""
    loads: list[Writer] = []
    load = Writer._load

    def loading(writer: Writer) -> None:
        loads.append(writer)
        load(writer)

    monkeypatch.setattr(Writer, "_load", loading)
    for number, make in enumerate(alternating(built) * 2):
        submit(built, (built.ledger, other)[number % 2], make())
    final = bag(built, 9)
    submit(built, built.ledger, final)
    assert submit(built, other, final).repeated  # it followed to the end
    assert loads == []
    fresh = TrialState(built.definition, built.ledger.application)
    for ledger in (built.ledger, other):
        assert isinstance(ledger.writer, Writer)
        require_same_state(ledger.writer, fresh)
    require_sound(built)


def test_too_far_behind_everything_is_read_anew(
    built: BuiltLedger, other: TrialLedger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same answer by the longer way."""
    monkeypatch.setattr(following, "MOST_FOLLOWED", 0)
    first = bag(built, 1)
    submit(built, built.ledger, first)
    assert submit(built, other, first).repeated
    submit(built, other, bag(built, 2))
    require_sound(built)


def test_what_was_decided_in_vain_leaves_nothing_in_the_state(
    built: BuiltLedger, other: TrialLedger
) -> None:
    """A registrar's key, decided and then overtaken by another writer, is not half known."""
    writer = built.ledger.writer
    assert isinstance(writer, Writer)
    state = writer.state
    before = vars(Register(built.ledger.application.merged("trial", "access")))
    record = built.ledger.application.record(1)
    state.apply(record)
    state.roll_back()
    assert vars(state.register) == before
    submit(built, other, identify(built, 2))
    submit(built, built.ledger, bag(built, 1))
    require_same_state(writer, TrialState(built.definition, built.ledger.application))


def _post(
    database: Database,
    files: LedgerFiles,
    events: Sequence[Signed],
    start: Barrier,
    told: Queue[int],
) -> None:
    """Eight threads post one event after another for some seconds; tell how many were taken."""
    taken: list[str] = []
    with TrialLedger(database, files) as ledger:
        submissions = [ledger.receive(one.text, one.disclosures) for one in events]
        start.wait(60)
        until = time.monotonic() + SECONDS
        turns = iter(submissions)
        gate = threading.Lock()

        def run() -> None:
            while time.monotonic() < until:
                with gate:
                    one = next(turns, None)
                if one is None:
                    return
                try:
                    ledger.submit(one, one.event.occurred_at)
                except LedgerError:
                    continue
                taken.append(one.event.id)

        threads = [threading.Thread(target=run) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    told.put(len(taken))


def taken_by_two(built: BuiltLedger) -> list[int]:
    """How many events each of two nodes recorded that were busy at once, the fewer first."""
    batches = [[bag(built, n) for n in range(at, at + 900)] for at in (0, 2000)]
    built.ledger.close()
    context = multiprocessing.get_context("spawn")
    start, told = context.Barrier(2), context.Queue()
    nodes = [
        context.Process(target=_post, args=(built.database, built.files, events, start, told))
        for events in batches
    ]
    for node in nodes:
        node.start()
    taken = sorted(told.get(timeout=180) for _ in nodes)
    for node in nodes:
        node.join(30)
    built.ledger = TrialLedger(built.database, built.files)
    return taken


def test_two_busy_nodes_both_get_their_turns(built: BuiltLedger) -> None:
    """Neither takes more than five times of what the other does, and nothing forks."""
    seen: list[list[int]] = []
    while len(seen) < ROUNDS:
        fewer, more = taken_by_two(built)
        seen.append([fewer, more])
        if fewer >= SHARE * more:
            break
    else:
        pytest.fail(f"One of them starves: {seen}")
    require_sound(built)
