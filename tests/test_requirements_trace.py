"""The page that traces requirements to tests tells no more than there is."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
ROWS = [
    [cell.strip() for cell in line.strip().strip("|").split("|")]
    for line in (TESTS.parent / "docs/requirements.md").read_text(encoding="utf-8").splitlines()
    if line.startswith("| R-")
]
DEFINED = frozenset(
    name
    for path in TESTS.rglob("test_*.py")
    for name in re.findall(
        r"^(?:async )?def (test_\w+)\(", path.read_text(encoding="utf-8"), re.MULTILINE
    )
)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: str(row[0]))
def test_every_test_named_by_a_requirement_exists(row: list[str]) -> None:
    """And a requirement without a test does not claim to be met."""
    named = re.findall(r"`(test_\w+)`", row[3])
    assert set(named) <= DEFINED
    assert named or row[4].startswith("not yet")


def test_every_requirement_has_one_row_in_order() -> None:
    """R-01 to R-74, none left out and none twice."""
    assert [row[0] for row in ROWS] == [f"R-{number:02}" for number in range(1, 75)]
    assert all(re.match(r"(met$|part: |not yet)", row[4]) for row in ROWS)
