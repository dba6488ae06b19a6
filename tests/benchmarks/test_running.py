"""The runs themselves: a command's memory is its own, and a short run of some groups works."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.processes import run

ROOT = Path(__file__).resolve().parents[2]
MUCH = 400 << 20


def test_a_command_is_not_charged_with_the_memory_of_whoever_started_it() -> None:
    """Linux would hand the greatest memory of a parent down to its child."""
    held = bytearray(MUCH)
    held[:: 1 << 12] = b"x" * len(held[:: 1 << 12])
    assert 10 < run(["--version"]).memory < MUCH / (1 << 20)
    assert len(held) == MUCH


def test_a_command_that_fails_is_no_measurement() -> None:
    """It says what the command said."""
    with pytest.raises(RuntimeError, match="No such command"):
        run(["no-such-command"])


@pytest.mark.long
def test_a_quick_run_gives_rows_and_pages_and_leaves_the_documents_alone(tmp_path: Path) -> None:
    """A whole run takes half an hour; this shows that what it calls is still there."""
    groups = ("single", "import", "integrity", "projections")
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", "--quick", *(f"--only={name}" for name in groups)],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stdout.decode() + done.stderr.decode()
    tried = tmp_path / "var" / "bench-tried"
    result = json.loads((tried / "bench.json").read_text())
    assert result["failed"] == []
    assert {row["key"] for row in result["rows"]} >= {
        "single-16",
        "restore",
        "integrity",
        "rebuild",
    }
    assert all(row["ratio"] > 0 for row in result["rows"])
    assert (tried / "performance.md").read_text().startswith("# What the ledger costs")
    assert not (tmp_path / "docs").exists()
