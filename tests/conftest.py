"""Settings shared by all tests: Hypothesis profiles and a header that names what is absent."""

from __future__ import annotations

import os
import shutil
import sqlite3

from hypothesis import settings

# Shared machines make deadlines flaky. In CI the same examples are tried each time, so that a
# failure belongs to the change at hand; elsewhere new ones are tried on every run.
settings.register_profile("ledger", deadline=None)
settings.register_profile("ledger-ci", deadline=None, derandomize=True, print_blob=True)
settings.load_profile("ledger-ci" if os.environ.get("CI") else "ledger")


def pytest_report_header() -> list[str]:
    """Name the optional parts this machine lacks: tests that need them are skipped."""
    optional = {
        "sqlite3 command": shutil.which("sqlite3"),
        "strace": shutil.which("strace"),
        "openssl": shutil.which("openssl"),
        "go": shutil.which("go"),
        "spicy-litetlog": shutil.which("spicy-litetlog"),
    }
    absent = [name for name, found in optional.items() if found is None]
    return [
        f"sqlite: {sqlite3.sqlite_version}",
        f"absent: {', '.join(absent) or 'nothing'}",
    ]
