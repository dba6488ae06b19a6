"""Commands run to their end in a process of their own: how long they took and how much memory."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

_WATCHER: Final = """
import json, os, subprocess, sys, time
began = time.perf_counter()
process = subprocess.Popen(sys.argv[1:], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
said = process.stderr.read()
_, status, usage = os.wait4(process.pid, 0)
took = time.perf_counter() - began
print(json.dumps([os.waitstatus_to_exitcode(status), took, usage.ru_maxrss,
                  said[-600:].decode("utf-8", "replace")]))
"""
"""A process that starts as large as the one that started it was is counted as that large, for
Linux keeps the greatest of both: so a small process stands between."""


@dataclass(frozen=True, slots=True)
class Ran:
    """What a command took: seconds, and its greatest memory in MiB."""

    seconds: float
    memory: float


def run(arguments: Sequence[str]) -> Ran:
    """Run ``trial-ledger`` with these arguments; raises RuntimeError when it fails."""
    watched = [sys.executable, "-I", "-S", "-c", _WATCHER]
    command = [sys.executable, "-m", "api.cli", *arguments]
    done = subprocess.run([*watched, *command], stdout=subprocess.PIPE, check=True)
    status, took, memory, said = json.loads(done.stdout)
    if status:
        raise RuntimeError(f"trial-ledger {' '.join(arguments[:2])} failed: {said}")
    return Ran(took, memory / 1024)
