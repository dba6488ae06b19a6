"""The monitor's state file: what was only glanced at is read whole before it is believed."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from ledger.errors import Unavailable
from ledger.storage.monitor_state import MonitorState

if TYPE_CHECKING:
    from pathlib import Path

WANTED = bytes(range(16))


def stated(data: bytes) -> bytes | None:
    """What an entry of these tests says when it is read whole."""
    return WANTED if data == b"true" else None


def test_an_entry_that_only_seemed_to_state_an_id_is_passed_over_for_good(tmp_path: Path) -> None:
    """Many of them do not hide the one that does, and are looked at once."""
    with closing(MonitorState(tmp_path / "state")) as state:
        state.keep((seq, b"junk", WANTED) for seq in range(500))
        assert state.named(WANTED, stated) is None
        state.keep([(500, b"true", WANTED)])
        seen: list[bytes] = []

        def watched(data: bytes) -> bytes | None:
            seen.append(data)
            return stated(data)

        assert state.named(WANTED, watched) == (500, b"true")
        assert seen == [b"true"]


def test_a_file_that_another_monitor_holds_is_told_as_such(tmp_path: Path) -> None:
    """No error of the database reaches the reader."""
    with closing(MonitorState(tmp_path / "state")) as state:
        state.keep([(0, b"junk", WANTED)])
        with closing(sqlite3.connect(tmp_path / "state", isolation_level=None)) as other:
            other.execute("BEGIN EXCLUSIVE")
            with pytest.raises(Unavailable) as refused:
                state.keep([(1, b"true", WANTED)])
        assert refused.value.code == "monitor.state"
        assert state.named(WANTED, stated) is None
