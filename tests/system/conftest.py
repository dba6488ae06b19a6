"""One demonstration, run once through the real command line, for all system tests."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

COMMAND = (sys.executable, "-m", "api.cli")
SECONDS = 1_200


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a command ended: exit status, standard output and error."""

    status: int
    out: str
    err: str


def trial_ledger(*arguments: str, timeout: int = SECONDS) -> Outcome:
    """Run ``trial-ledger`` as a user would, in a process of its own."""
    done = subprocess.run(
        [*COMMAND, *arguments], capture_output=True, text=True, timeout=timeout, check=False
    )
    return Outcome(done.returncode, done.stdout, done.stderr)


@dataclass(frozen=True, slots=True)
class Demonstration:
    """What ``trial-ledger demo`` left behind, and what it printed."""

    directory: Path
    outcome: Outcome

    @property
    def url(self) -> str:
        """The database URL."""
        return f"sqlite:///{self.directory / 'ledger.sqlite3'}"

    def trust(self) -> list[str]:
        """The root of trust as ``verify`` takes it."""
        lines = trial_ledger("keys", "log", "--database", self.url, "--all").out.splitlines()
        return ["--key", lines[0], "--genesis", lines[-1].removeprefix("genesis ")]

    def copy_to(self, directory: Path) -> Demonstration:
        """A copy whose database can be damaged; everything is checkpointed into the one file."""
        shutil.copytree(self.directory, directory)
        return Demonstration(directory, self.outcome)


@pytest.fixture(scope="session")
def demonstration(tmp_path_factory: pytest.TempPathFactory) -> Demonstration:
    """The seed trial, run end to end by the command line over real HTTP."""
    directory = tmp_path_factory.mktemp("demonstration") / "demo"
    outcome = trial_ledger("demo", "--dir", str(directory), "--seed", "1")
    if outcome.status != 0:
        pytest.fail(f"The demonstration failed:\n{outcome.out[-4000:]}\n{outcome.err[-4000:]}")
    return Demonstration(directory, outcome)


def verify(demonstration: Demonstration, *more: str) -> tuple[int, dict[str, object]]:
    """``trial-ledger verify --json``: exit status and report."""
    outcome = trial_ledger("verify", "--database", demonstration.url, "--json", *more)
    if outcome.status == 2:
        return 2, {"error": outcome.err}
    return outcome.status, json.loads(outcome.out)
