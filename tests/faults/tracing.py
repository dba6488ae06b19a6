"""strace on a running driver: count its calls on the ledger's files, then make one fail or kill."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.faults.kept import Sent

ROOT = Path(__file__).parents[2]
CALLS = (
    "openat", "pread64", "pwrite64", "write", "fsync", "fdatasync", "ftruncate", "rename",
    "unlink", "flock", "fcntl", "close", "mmap",
)  # fmt: skip
_CALL = re.compile(r"^(\d+) +([a-z0-9_]+)\(")
_SECONDS = 30


@dataclass(frozen=True, slots=True)
class Fault:
    """One call to hit: its name, which of its occurrences in a thread, and how."""

    call: str
    when: int
    how: str

    @property
    def option(self) -> str:
        """The fault as strace's ``-e inject`` takes it."""
        return f"inject={self.call}:{self.how}:when={self.when}"

    def __str__(self) -> str:
        return f"{self.call} {self.how} {self.when}"


@dataclass(slots=True)
class Ended:
    """How a driver ended: its exit status (negative for a signal) and what it said."""

    status: int
    said: list[str] = field(default_factory=list)
    calls: Counter[str] = field(default_factory=Counter)
    """The most calls of each name that one thread made, when they were counted."""
    hit: bool = False
    """Whether the fault was met."""


def why_not() -> str:
    """Why calls cannot be made to fail here; empty when they can."""
    if shutil.which("strace") is None:
        return "strace is not installed"
    done = subprocess.run(
        ["strace", "-f", "-o", os.devnull, "-e", "inject=getppid:error=EIO", sys.executable, "-c",
         "import os; os.getppid()"],
        capture_output=True, text=True, timeout=4 * _SECONDS, check=False,
    )  # fmt: skip
    return "" if done.returncode == 0 else f"strace may not trace: {done.stderr.strip()[:200]}"


class Drivers:
    """The driver process, and strace attached to a child of it for each run."""

    def __init__(self, directory: Path) -> None:
        self._fifo = directory / "go"
        os.mkfifo(self._fifo)
        self._trace = directory / "trace"
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.driver"],
            cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip

    def close(self) -> None:
        """End the driver."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        if self._process.stdout is not None:
            self._process.stdout.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout=_SECONDS)
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()

    def run(
        self,
        directory: Path,
        sent: Sequence[Sent],
        out: Path,
        *,
        now: str,
        traced: str = "append",
        fault: Fault | None = None,
        step: tuple[str, str, int] | None = None,
    ) -> Ended:
        """Post statements under strace; without a fault the calls are counted.

        With a ``step`` of the recorder to break (see `tests.faults.steps`) nothing is traced.
        """
        task = {
            "directory": str(directory),
            "statements": [
                {"id": s.id, "text": s.text, "disclosures": s.disclosures} for s in sent
            ],
            "out": str(out),
            "now": now,
            "traced": traced,
            "go": str(self._fifo),
            "step": step,
        }
        self._tell(task)
        said = []
        while not (line := self._hear()).startswith("ready "):
            said.append(line)
            if line.startswith("ended "):
                return Ended(int(line.split()[1]), said)
        if step is not None:
            self._fifo.write_bytes(b"\n")
            while not (line := self._hear()).startswith("ended "):
                said.append(line)
            return Ended(int(line.split()[1]), said, hit=True)
        tracer = self._attach(int(line.split()[1]), directory, fault)
        try:
            self._fifo.write_bytes(b"\n")
            while not (line := self._hear()).startswith("ended "):
                said.append(line)
        finally:
            tracer.wait(timeout=_SECONDS)
            if tracer.stderr is not None:
                tracer.stderr.close()
        trace = self._trace.read_text(encoding="utf-8", errors="replace")
        hit = "(INJECTED)" in trace or "killed by SIGKILL" in trace
        return Ended(int(line.split()[1]), said, _counted(trace), hit)

    def _attach(self, pid: int, directory: Path, fault: Fault | None) -> subprocess.Popen[str]:
        calls = CALLS if fault is None else (fault.call,)
        options = [f"trace={','.join(calls)}", *([fault.option] if fault is not None else [])]
        paths = [
            directory,
            *(
                directory / f"ledger.sqlite3{suffix}"
                for suffix in ("", "-wal", "-shm", ".head", ".head.new", ".head.lock")
            ),
        ]
        tracer = subprocess.Popen(
            ["strace", "-f", "-o", str(self._trace), "-p", str(pid)]
            + [part for option in options for part in ("-e", option)]
            + [part for path in paths for part in ("-P", str(path))],
            stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert tracer.stderr is not None
        deadline = time.monotonic() + _SECONDS
        for said in tracer.stderr:
            if " attached" in said:
                return tracer
            assert time.monotonic() < deadline, said
        raise AssertionError("strace did not attach")

    def _tell(self, task: dict[str, Any]) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(task) + "\n")
        self._process.stdin.flush()

    def _hear(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, "the driver is gone"
        return line.strip()


def _counted(trace: str) -> Counter[str]:
    each: Counter[tuple[str, str]] = Counter()
    for line in trace.splitlines():
        found = _CALL.match(line)
        if found is not None:
            each[found[1], found[2]] += 1
    most: Counter[str] = Counter()
    for (_, call), count in each.items():
        most[call] = max(most[call], count)
    return most
