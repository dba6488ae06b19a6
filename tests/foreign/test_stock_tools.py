"""Other projects' own command-line tools on our files, where the machine's packages have them.

``spicy-litetlog`` (Debian package litetlog, from trixie on) checks a receipt; stock bookworm does
not have it, and then its test is skipped.
"""

from __future__ import annotations

import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from ledger.log.proof import HEADER
from tests.build_ledger import build_ledger

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def spicy() -> str:
    """The verifier of the package litetlog."""
    found = shutil.which("spicy-litetlog")
    if found is None:
        pytest.skip("spicy-litetlog is not installed (Debian from trixie on: litetlog)")
    return found


@pytest.mark.parametrize("altered", [False, True])
def test_spicy_proves_an_entry_by_its_receipt(spicy: str, tmp_path: Path, altered: bool) -> None:  # noqa: FBT001 - a parameter of the test
    """Its file is a receipt without the first line; it refuses another entry."""
    built = build_ledger(tmp_path)
    entry = built.ledger.application.record(5).entry.to_bytes()
    receipt = built.ledger.receipt(5).text()
    built.close()
    file = tmp_path / "entry"
    file.write_bytes(entry + b" " if altered else entry)
    file.with_name("entry.spicy").write_text(receipt.removeprefix(f"{HEADER}\n"), encoding="utf-8")
    done = subprocess.run([spicy, "-verify", built.vkey, str(file)], check=False, timeout=60)
    assert (done.returncode == 0) is not altered
