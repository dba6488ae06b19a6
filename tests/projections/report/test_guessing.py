"""The report tells how well somebody who sees all past arms could guess the next."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from projections.reading import Projections
from projections.report.contents import contents
from projections.report.sources import Wanted, read_basis
from tests.build_ledger import build_ledger
from tests.ledger.recording.test_reveal import reveal

if TYPE_CHECKING:
    from pathlib import Path

    from tests.build_ledger import BuiltLedger


def told(built: BuiltLedger) -> str:
    """What the section on allocation says of guessing, as one text."""
    projections = Projections(built.ledger)
    projections.follow()
    try:
        with read_basis(projections, built.ledger, Wanted()) as basis:
            document: dict[str, Any] = contents(basis)
    finally:
        projections.close()
    (section,) = (one for one in document["sections"] if one["id"] == "allocation")
    return str(section["blocks"])


def test_before_the_reveal_the_bound_is_that_of_the_smallest_blocks(tmp_path: Path) -> None:
    """Blocks of two: three of four are guessed, one of two is certain (Blackwell and Hodges)."""
    built = build_ledger(tmp_path)
    try:
        text = told(built)
    finally:
        built.close()
    assert "sealed with the list" in text
    assert "75.0 % (3 of 4)" in text
    assert "50.0 % (1 of 2)" in text


def test_after_the_reveal_the_chance_is_that_of_the_blocks_drawn(tmp_path: Path) -> None:
    """Sizes 4 and 6: 52 of 75 are guessed, 17 of 60 are certain."""
    built = build_ledger(tmp_path)
    try:
        reveal(built)
        text = told(built)
    finally:
        built.close()
    assert "block sizes 4, 6" in text
    assert "(52 of 75)" in text
    assert "(17 of 60)" in text
