"""A full disk, and a clock that jumps: nothing acknowledged is lost, and both are said."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from api.app import create_app
from api.serving import follow
from ledger.errors import LedgerError
from ledger.service import TrialLedger
from ledger.signing.rfc3339 import parse_recorded_at
from tests.faults.kept import TALLY, Keeper, Sent, copy_files, parse_kept, statements, try_post
from tests.ledger.build_service import answer, bag, open_copy, require_sound

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.build_ledger import BuiltLedger

ROOT = Path(__file__).parents[2]
SIZE = "64m"


def post_until_full(
    directory: Path, sent: list[Sent], now: str, limit: int
) -> tuple[dict[str, tuple[str, ...]], list[str]]:
    """Post from a process of its own; what was acknowledged, and the codes of what was not."""
    task = {
        "directory": str(directory),
        "statements": [[s.id, s.text, list(s.disclosures)] for s in sent],
        "now": now,
        "limit": limit,
    }
    done = subprocess.run(
        [sys.executable, "-m", "tests.faults.until_full"], input=json.dumps(task), cwd=ROOT,
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    kept = parse_kept(done.stdout.encode())
    return kept, list(kept.pop("reads go on"))


def require_full_and_mended(
    directory: Path, keeper: Keeper, sent: list[Sent], kept: dict[str, tuple[str, ...]]
) -> None:
    """Some were taken before the disk was full, none of them is lost once there is room."""
    assert 0 < len(kept) < len(sent)
    TALLY["disk full"] += 1
    TALLY["acknowledged"] += len(kept)
    for one in sent:
        if one.id in kept:
            keeper.keep(one, kept[one.id])
    keeper.require_honoured(directory, [one for one in sent if one.id not in kept])


@pytest.fixture
def signed(template: BuiltLedger, tmp_path: Path) -> tuple[list[Sent], Keeper]:
    """Statements signed beforehand."""
    signing = open_copy(template, tmp_path / "signing")
    sent = statements(signing, 40)
    keeper = Keeper(signing.tick())
    signing.close()
    return sent, keeper


def test_a_file_that_may_not_grow_stops_recording_and_loses_nothing(
    template: BuiltLedger, tmp_path: Path, signed: tuple[list[Sent], Keeper]
) -> None:
    """A limit on the size of files (RLIMIT_FSIZE) gives EFBIG in the midst of a commit."""
    sent, keeper = signed
    directory = tmp_path / "small"
    copy_files(template.directory, directory)
    limit = max(path.stat().st_size for path in directory.iterdir()) + 200_000
    kept, codes = post_until_full(directory, sent, keeper.now.isoformat(), limit)
    assert codes
    assert set(codes) <= {"storage.unavailable", "concealment.store"}  # whichever file was first
    require_full_and_mended(directory, keeper, sent, kept)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 64 megabytes, where one may be mounted."""
    place = tmp_path / "disk"
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs", str(place)]
    if os.geteuid() != 0 or shutil.which("mount") is None:
        pytest.skip("mounting a small file system needs root; the test with RLIMIT_FSIZE stays")
    if subprocess.run(command, capture_output=True, check=False, timeout=30).returncode != 0:
        pytest.skip("a small file system may not be mounted here; the one with RLIMIT_FSIZE stays")
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True, timeout=30)


def test_a_full_disk_stops_recording_and_loses_nothing(
    template: BuiltLedger, small_disk: Path, tmp_path: Path, signed: tuple[list[Sent], Keeper]
) -> None:
    """ENOSPC for database, write-ahead log and head file alike; with room it all goes on."""
    sent, keeper = signed
    directory = small_disk / "ledger"
    copy_files(template.directory, directory)
    filler = small_disk / "filler"
    room = os.statvfs(small_disk)
    filler.write_bytes(bytes(max(0, room.f_bavail * room.f_frsize - 700_000)))
    kept, codes = post_until_full(directory, sent, keeper.now.isoformat(), 0)
    assert codes
    assert set(codes) <= {"storage.unavailable", "concealment.store"}  # whichever file was first
    filler.unlink()
    require_full_and_mended(directory, keeper, sent, kept)


def test_a_clock_that_jumps_back_is_held_at_the_head_and_said(built: BuiltLedger) -> None:
    """An hour back: recorded times never decrease, and verification stays sound."""
    before = answer(built, bag(built, 1))
    head = built.ledger.application.record(before.outcome.seq).recorded_at
    signed = [bag(built, number) for number in range(2, 5)]
    back = built.now - timedelta(hours=1)
    given = [built.ledger.submit(built.receive(one), back) for one in signed]
    times = [built.ledger.application.record(one.outcome.seq).recorded_at for one in given]
    assert times == [head] * 3
    assert parse_recorded_at(built.ledger.application.store.head().recorded_at) == head
    TALLY["clock an hour back"] += 1
    require_sound(built)
    later = built.tick(timedelta(hours=2))
    again = built.ledger.submit(built.receive(bag(built, 9)), later)
    assert built.ledger.application.record(again.outcome.seq).recorded_at == later


def test_an_event_dated_before_the_jump_is_no_event_in_the_future(built: BuiltLedger) -> None:
    """What happened just before the clock fell back is still taken in."""
    answer(built, bag(built, 1))
    one = Sent.of(bag(built, 2))
    assert not isinstance(try_post(built.ledger, one, built.now - timedelta(hours=1)), LedgerError)


@dataclass(frozen=True, slots=True)
class _Stopped:
    """A clock that stands still."""

    instant: datetime

    def now(self) -> datetime:
        """The one instant it knows."""
        return self.instant


def test_a_clock_behind_the_last_entry_is_a_measure(built: BuiltLedger) -> None:
    """An operator's alarm stands on how far it is behind."""
    given = answer(built, bag(built, 1))
    head = built.ledger.application.record(given.outcome.seq).recorded_at
    clock = _Stopped(head - timedelta(hours=1))
    with closing(TrialLedger(built.url, built.files, clock=clock)) as ledger:
        projections = follow(ledger)
        try:
            page = create_app(ledger, projections).test_client().get("/metrics").text
        finally:
            projections.close()
    assert "ledger_clock_behind_seconds 3600.0" in page.splitlines()
