"""A remote monitor: verifies over the network, goes on, names fork and rollback."""

from __future__ import annotations

import shutil
import sqlite3
import time
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from api.mirror import Served
from api.monitor import RemoteLog, verify_url
from ledger.errors import Unavailable
from ledger.log.cosignature import Cosigner
from ledger.log.policy import parse_policy
from ledger.verification.cosignatures import Asked
from ledger.verification.kinds import Check
from ledger.verification.report import RootOfTrust, Status
from tests.build_ledger import TRIAL, BuiltLedger, build_ledger, each, identify
from tests.ledger.build_service import open_copy
from tests.ledger.verification.damage import codes
from tests.running_witness import start_witness

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.api.conftest import Running


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> BuiltLedger:
    """A closed ledger with one full tile."""
    one = build_ledger(tmp_path_factory.mktemp("template") / "")
    one.record_all(each(one, range(1, 121), identify))
    one.close()
    return one


def copy_of(template: BuiltLedger, directory: Path, *more: int) -> BuiltLedger:
    """A closed copy that went on with further subjects."""
    one = open_copy(template, directory)
    for number in more:
        one.record(identify(one, number))
    one.close()
    return one


def address(running: Running) -> str:
    """The trial's address."""
    return f"{running.url}/v1/trials/{TRIAL}"


def test_a_monitor_verifies_and_goes_on(
    template: BuiltLedger,
    tmp_path: Path,
    serving: Callable[[BuiltLedger], Running],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The second visit fetches the last bundle alone, and a shorter log is named."""
    old, new = copy_of(template, tmp_path / "old"), copy_of(template, tmp_path / "new", 501, 502)
    trust = RootOfTrust(old.keys.vkey, old.ledger.genesis.record.sha256)
    state = tmp_path / "state"
    first = serving(old)
    report = verify_url(address(first), state, trust=trust)
    assert (report.status, report.findings) == (Status.SOUND, ())
    assert report.not_checked[0] == "openings"

    fetched: list[int] = []
    entries = RemoteLog.entries

    def counting(remote: RemoteLog, index: int, width: int) -> list[bytes]:
        fetched.append(index)
        return entries(remote, index, width)

    monkeypatch.setattr(RemoteLog, "entries", counting)
    later = verify_url(address(serving(new)), state, trust=trust)
    assert (later.status, later.size) == (Status.SOUND, report.size + 4)
    assert fetched == [1]

    rolled_back = verify_url(address(first), state, trust=trust)
    assert codes(rolled_back.findings) == ["head-file.rolled-back"]
    assert verify_url(address(serving(new)), state, trust=trust).status is Status.SOUND


def test_a_fork_is_named(
    template: BuiltLedger, tmp_path: Path, serving: Callable[[BuiltLedger], Running]
) -> None:
    """The log went on from an older state with other records, under its own key."""
    one = copy_of(template, tmp_path / "one", 501)
    other = copy_of(template, tmp_path / "other", 601, 602, 603)
    state = tmp_path / "state"
    assert verify_url(address(serving(one)), state).status is Status.SOUND
    forked = verify_url(address(serving(other)), state)
    assert codes(forked.findings) == ["head-file.forked"]
    assert forked.last_good > 0


def test_a_log_that_serves_other_entries_than_it_signed_is_damaged(
    template: BuiltLedger, tmp_path: Path, serving: Callable[[BuiltLedger], Running]
) -> None:
    """Nothing of it is kept: the next visit fetches it again."""
    one = copy_of(template, tmp_path / "one")
    path = one.directory / "ledger.sqlite3"
    aside = tmp_path / "aside.sqlite3"
    shutil.copyfile(path, aside)
    with closing(sqlite3.connect(path)) as connection, connection:
        for (name,) in connection.execute(
            "SELECT name FROM sqlite_master WHERE type = 'trigger'"
        ).fetchall():
            connection.execute(f"DROP TRIGGER {name}")
        connection.execute(
            "UPDATE stored_events SET state = replace(state, '\"seq\":100,', '\"seq\":100 ,')"
            " WHERE seq = 100"
        )
        connection.execute("UPDATE stored_events SET state = CAST(state AS BLOB) WHERE seq = 100")
    state = tmp_path / "state"
    report = verify_url(address(serving(one)), state)
    assert report.status is Status.DAMAGED
    assert any(finding.covers(100) for finding in report.findings)
    with closing(sqlite3.connect(state)) as connection:
        assert connection.execute("SELECT COUNT(*) FROM entries").fetchone() == (0,)


def test_a_log_that_does_not_answer_could_not_be_checked(tmp_path: Path) -> None:
    """Neither sound nor damaged."""
    with pytest.raises(Unavailable):
        verify_url("http://127.0.0.1:9/v1/trials/X", tmp_path / "state")


def test_what_a_log_publishes_is_checked_too(
    template: BuiltLedger, tmp_path: Path, serving: Callable[[BuiltLedger], Running]
) -> None:
    """The newest published checkpoint with the log's second key, and the cosigned one."""
    built = open_copy(template, tmp_path / "one")
    witness = start_witness(tmp_path, "ethics", [built.keys.vkey])
    policy = parse_policy(f"{witness.policy_line}quorum ethics\n".encode())
    built.ledger.publish(policy)
    publisher, deadline = built.ledger.publisher, time.monotonic() + 60
    assert publisher is not None
    while publisher.cosigned() is None:  # its witness was too slow for the first round
        assert time.monotonic() < deadline
        time.sleep(0.05)
    try:
        report = verify_url(address(serving(built)), tmp_path / "state", asked=Asked(policy))
    finally:
        witness.stop()
    assert (report.status, report.findings, report.notices) == (Status.SOUND, (), ())
    assert {Check.PUBLISHED, Check.COSIGNATURES} <= set(report.checks_done)
    assert Check.TIMESTAMPS not in report.checks_done
    assert report.publication is not None
    assert report.publication.cosigned == report.size
    key = Cosigner.from_seed("x", bytes(32)).vkey
    stranger = parse_policy(f"witness x {key}\nquorum x\n".encode())
    again = verify_url(address(serving(built)), tmp_path / "state", asked=Asked(stranger))
    assert codes(again.findings) == ["cosignatures.quorum"]
    assert again.publication is not None
    assert again.publication.unknown_lines == 1


def test_a_checkpoint_with_the_first_key_alone_was_not_published(template: BuiltLedger) -> None:
    """Then there is nothing published to be checked."""
    with closing(sqlite3.connect(template.directory / "ledger.sqlite3")) as connection:
        rows = connection.execute("SELECT note FROM checkpoints ORDER BY size").fetchall()
    vkey = template.keys.vkey
    assert Served.of(rows[-1][0], None, vkey) is None
    served = Served.of(rows[-1][0], rows[3][0], vkey)
    assert served is not None
    assert [one.note for one in served.published(None, 9)] == [rows[3][0]]
