"""The primary dies under load, its standby is promoted, and later the old one comes back."""

from __future__ import annotations

import os
import time
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from ledger.service import TrialLedger
from ledger.storage.database import Database
from tests.faults.cluster import (
    NAME,
    PatientSender,
    build_on,
    files_for_node,
    files_of,
    node,
    start_pair,
)
from tests.faults.honoured import require_all_there
from tests.faults.kept import TALLY
from tests.faults.serving import sending

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from tests.faults.cluster import Pair
    from tests.faults.serving import Service

PROMOTIONS = 10 if os.environ.get("LEDGER_SOAK") else 1
BEFORE = 3.0
"""Seconds of load before the primary dies."""

DETECTED = 1.0
"""Seconds until an operator, or his tool, notices and promotes."""

LONGEST = 30.0


@pytest.fixture
def pair() -> Iterator[Pair]:
    """Two servers of this test's own."""
    found = start_pair()
    if found is None:
        pytest.skip("NO POSTGRESQL server binaries are installed: failover was not tried.")
    yield found
    found.remove()


def senders_for(nodes: Sequence[Service], vkey: str) -> list[PatientSender]:
    """Two that know one node each, two that know both, each beginning with another."""
    one, other = (service.address for service in nodes)
    ways = [[one], [other], [one, other], [other, one]]
    return [PatientSender(number, way, vkey) for number, way in enumerate(ways, start=1)]


def fail_over(pair: Pair, senders: Sequence[PatientSender]) -> tuple[float, float, float]:
    """Kill the primary, promote, wait for an answer: when each was, by the monotonic clock."""
    given = [len(sender.posted) for sender in senders]
    pair.primary.kill()
    killed = time.monotonic()
    TALLY["primary killed (SIGKILL)"] += 1
    time.sleep(DETECTED)
    pair.standby.promote()
    promoted = time.monotonic()
    deadline = promoted + LONGEST
    while any(
        not any(one.answered > promoted for one in sender.posted[before:])
        for sender, before in zip(senders, given, strict=True)
    ):
        assert time.monotonic() < deadline, "a sender has no answer from the new primary"
        time.sleep(0.05)
    TALLY["standby promoted"] += 1
    return killed, promoted, time.monotonic()


def require_answers(senders: Sequence[PatientSender], more: int, otherwise: str) -> None:
    """Wait until each sender was answered so many times more."""
    given = [len(sender.posted) for sender in senders]
    deadline = time.monotonic() + LONGEST
    while any(len(one.posted) < many + more for one, many in zip(senders, given, strict=True)):
        assert time.monotonic() < deadline, otherwise
        time.sleep(0.05)


def tell(
    senders: Sequence[PatientSender], killed: float, promoted: float, all_served: float
) -> int:
    """Write the time line into the summary; the longest stall in milliseconds."""
    answered = [one.answered for sender in senders for one in sender.posted]
    last = max(at for at in answered if at <= killed)
    first = min(at for at in answered if at > killed + DETECTED)
    stall = max(one.answered - one.began for sender in senders for one in sender.posted)
    for name, seconds in (
        ("1 last answer before the primary died", last - killed),
        ("2 standby promoted", promoted - killed),
        ("3 first answer of the new primary", first - killed),
        ("4 all senders answered again", all_served - killed),
        ("5 longest stall of a sender", stall),
    ):
        what = f"failover, ms after the kill, the longest: {name}"
        TALLY[what] = max(TALLY.get(what, -10_000), round(seconds * 1000))
    return round(stall * 1000)


def bring_old_primary_back(pair: Pair, senders: Sequence[PatientSender]) -> None:
    """The old primary starts by itself, and the first host of the URL takes writes again.

    The nodes go on with the new one, whatever connections they lose.
    """
    pair.primary.start()
    for _ in range(5):
        with pair.standby.connect() as connection:
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                f" WHERE application_name = 'trial-ledger' AND datname = '{NAME}'"
            )
        TALLY["all connections ended while two primaries answer"] += 1
        require_answers(senders, 2, "a sender has no answer beside the old primary")


def require_old_primary_refused(pair: Pair, files: Path, directory: Path) -> None:
    """As it was, its commits waiting for its lost standby: a node there names both heads.

    It signs nothing, and says so at once.
    """
    url = pair.url_of(pair.primary)
    database = Database.parse(url, files=files_for_node(files, directory))
    kept = files_of(url, directory).head.read_text().splitlines()[1]
    with closing(TrialLedger(database)) as ledger:
        assert ledger.refusal is not None
        assert ledger.refusal.code in ("head.rolled-back", "head.forked")
        size = ledger.application.store.head().size
        assert f"size {size}" in ledger.refusal.message
        assert f"size {kept}" in ledger.refusal.message
        assert ledger.writer is None
    TALLY[f"old primary refused: {ledger.refusal.code}"] += 1


@pytest.mark.long
@pytest.mark.parametrize("number", range(PROMOTIONS))
def test_a_failover_under_load_loses_nothing_doubles_nothing_and_forks_nothing(
    pair: Pair, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    """Two service nodes, four senders, one dead primary, one promotion; ten under LEDGER_SOAK."""
    assert number < PROMOTIONS
    monkeypatch.setenv("LEDGER_KEY_STORE", pair.key_store)
    built = build_on(pair, tmp_path / "one")
    files_for_node(tmp_path / "one", tmp_path / "two")
    nodes = [node(pair.url, tmp_path / name) for name in ("one", "two")]
    senders = senders_for(nodes, built.vkey)
    try:
        for service in nodes:
            service.start()
        with sending(list(senders)):
            time.sleep(BEFORE)
            require_answers(senders, 1, "a sender has no answer from the first primary")
            killed, promoted, served = fail_over(pair, senders)
            bring_old_primary_back(pair, senders)
        stall = tell(senders, killed, promoted, served)
        for sender in senders:
            for event in (*sender.unanswered(), *sender.events[-20:], *sender.events[:20]):
                assert sender.post(event, attempts=8), event.id
        assert [service.is_ready() for service in nodes] == [True, True]
    finally:
        for service in nodes:
            service.stop()
    new = pair.url_of(pair.standby)
    monkeypatch.setenv("LEDGER_KEY_STORE", pair.key_store_of(pair.standby))
    sizes = {
        require_all_there(Database.parse(new, files=tmp_path / name), built.vkey, senders)
        for name in ("one", "two")
    }
    assert len(sizes) == 1
    require_old_primary_refused(pair, tmp_path / "one", tmp_path / "returned")
    assert stall < LONGEST * 1000
