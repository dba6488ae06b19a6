"""Commands run to their end in a process of their own: how long they took and how much memory."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True, slots=True)
class Ran:
    """What a command took: seconds, and its greatest memory in MiB."""

    seconds: float
    memory: float


def run(arguments: Sequence[str]) -> Ran:
    """Run ``trial-ledger`` with these arguments; raises RuntimeError when it fails."""
    return run_module("api.cli", arguments)


def run_module(module: str, arguments: Sequence[str]) -> Ran:
    """Run a module as a program, its output thrown away."""
    began = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", module, *arguments],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    said = process.stderr.read() if process.stderr else b""
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    took = time.perf_counter() - began
    if process.stderr:
        process.stderr.close()
    if process.returncode:
        raise RuntimeError(f"{module} {' '.join(arguments[:2])} failed: {said[-600:].decode()}")
    return Ran(took, usage.ru_maxrss / 1024)
