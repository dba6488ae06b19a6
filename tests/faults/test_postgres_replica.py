"""What is read from a standby: reports, replays, verification and projections, while it follows."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ledger.storage.database import Database
from tests.faults.cluster import build_on, files_for_node, start_pair
from tests.ledger.build_service import SUBJECT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.faults.cluster import Pair

ROOT = Path(__file__).parents[2]


@pytest.fixture
def pair() -> Iterator[Pair]:
    """Two servers of this test's own."""
    found = start_pair()
    if found is None:
        pytest.skip("NO POSTGRESQL server binaries are installed: no standby was read.")
    yield found
    found.remove()


def run(database: Database, *words: str) -> subprocess.CompletedProcess[str]:
    """One command as an operator gives it, on a node of its own."""
    environment = {
        **os.environ,
        "LEDGER_DATABASE_URL": database.url,
        "LEDGER_FILES": str(database.place.parent),
    }
    return subprocess.run(
        [sys.executable, "-m", "api.cli", *words], env=environment, cwd=ROOT,
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip


def require_replayed(pair: Pair) -> None:
    """Wait until the standby shows all that is committed: to have it on disk is not yet that."""
    with pair.primary.connect() as connection:
        ((written,),) = connection.execute("SELECT pg_current_wal_lsn()::text")
    asked = "SELECT pg_last_wal_replay_lsn() >= %s::pg_lsn"
    deadline = time.monotonic() + 60
    with pair.standby.connect() as connection:
        while connection.execute(asked, [written]).fetchone() != (True,):
            assert time.monotonic() < deadline, "the standby does not follow"
            time.sleep(0.05)


@pytest.mark.long
def test_a_standby_is_read_for_reports_and_takes_nothing_in(
    pair: Pair, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`?target_session_attrs=any`, and files of its own; `serve` does not begin there."""
    monkeypatch.setenv("LEDGER_KEY_STORE", pair.key_store)
    build_on(pair, tmp_path / "one")
    files_for_node(tmp_path / "one", tmp_path / "reports")
    require_replayed(pair)
    url = f"{pair.url_of(pair.standby)}?target_session_attrs=any"
    database = Database.parse(url, files=tmp_path / "reports")
    out = tmp_path / "report.html"
    for words in (
        ("verify",),
        ("projections", "rebuild"),
        ("projections", "check"),
        ("replay", SUBJECT, "--json"),
        ("report", "--out", str(out), "--unverified"),
    ):
        done = run(database, *words)
        assert done.returncode == 0, (words, done.stderr)
    assert out.stat().st_size > 10_000
    refused = run(database, "serve", "--port", "18099")
    assert refused.returncode != 0, refused.stdout
    assert "during recovery" in refused.stderr
