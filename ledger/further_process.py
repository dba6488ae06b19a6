"""Further processes of this program, for work on all processors."""

from __future__ import annotations

import os
import subprocess
import sys


def further_process(module: str, *, stdin: int, stdout: int) -> subprocess.Popen[bytes]:
    """Start a module in a process of its own; it must end when its input does.

    A fresh interpreter, not a copy of this one: threads and open databases stay here, and nothing
    of the program that asked is run again. Ctrl-C reaches only the process that asked.

    Raises OSError where none may be started.
    """
    return subprocess.Popen(
        [sys.executable, "-P", "-m", module],
        stdin=stdin,
        stdout=stdout,
        process_group=0,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(p or os.curdir for p in sys.path)},
    )


def processors() -> int:
    """How many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
