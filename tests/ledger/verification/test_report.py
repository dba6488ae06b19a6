"""Findings collected, bounded and documented; sources that cannot be read."""

from __future__ import annotations

import sqlite3
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ledger.errors import Unavailable
from ledger.log.tiles import completed_tiles
from ledger.storage.evidence import DatabaseEvidence, verify_ledger
from ledger.verification.catalogue import page
from ledger.verification.evidence import StoredTile
from ledger.verification.kinds import CHECKED, KINDS, Check
from ledger.verification.report import LARGEST_LISTING, Findings
from ledger.verification.tree import TreeCheck

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.ledger.verification.damage import Damaged

ROOT = Path(__file__).parents[3]


def test_the_page_of_findings_is_made_from_the_table() -> None:
    """``docs/formats/findings.md`` is what `ledger.verification.catalogue` writes."""
    assert (ROOT / "docs/formats/findings.md").read_text(encoding="utf-8") == page()


def test_every_finding_belongs_to_a_check_of_its_family() -> None:
    """A code's first word is its check's label, but for what is doubtful."""
    assert set(CHECKED) == set(Check)
    for kind in KINDS.values():
        assert kind.code.split(".")[0] in (kind.check.label, "doubtful")


def test_every_kind_is_used_by_some_check() -> None:
    """A finding that nothing makes would be a promise not kept."""
    source = "".join(
        path.read_text(encoding="utf-8")
        for path in (ROOT / "ledger/verification").glob("*.py")
        if path.name != "kinds.py"
    )
    unused = [code for code in KINDS if f'"{code}"' not in source]
    assert unused == []


def test_neighbours_become_one_finding() -> None:
    """A run over consecutive positions is one, with its length."""
    findings = Findings()
    for position in (3, 4, 5, 9):
        findings.add("entries.position", position)
    assert [(f.first, f.last, f.places) for f in findings.damage(0)] == [(3, 5, 3), (9, 9, 1)]


def test_the_listing_is_bounded_and_the_rest_is_counted() -> None:
    """A report of a log damaged everywhere stays readable."""
    findings = Findings()
    for position in range(0, 4 * LARGEST_LISTING, 2):
        findings.add("entries.position", position)
    assert (len(findings.damage(0)), findings.uncounted) == (LARGEST_LISTING, LARGEST_LISTING)


def test_values_shown_are_bounded_and_printable() -> None:
    """A stored value cannot write escape sequences to an operator's terminal."""
    findings = Findings()
    findings.add("entries.column", 1, expected="a", found="\x1b[2J" + "x" * 10_000)
    (finding,) = findings.damage(0)
    assert "\x1b" not in str(finding)
    assert len(finding.found) < 300


@pytest.mark.parametrize("content", [None, b"", b"no database", b"SQLite format 3\x00" + b"x" * 99])
def test_what_is_no_ledger_cannot_be_checked(tmp_path: Path, content: bytes | None) -> None:
    """Neither sound nor damaged: the command ends with its third status."""
    path = tmp_path / "ledger.sqlite3"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(Unavailable):
        verify_ledger(path)


def test_nothing_is_written(damaged: Damaged) -> None:
    """Evidence is opened read-only."""
    with DatabaseEvidence(damaged.database) as evidence, pytest.raises(sqlite3.OperationalError):
        evidence._connection.execute("DELETE FROM stored_events")


def test_progress_reaches_the_end(damaged: Damaged) -> None:
    """Entries done and in all."""
    seen: list[tuple[int, int]] = []
    verify_ledger(damaged.database, progress=lambda done, total: seen.append((done, total)))
    assert seen[-1] == (308, 308)


class TileStore:
    """Tiles of a large tree in memory, as the tree check reads them."""

    def __init__(self, leaves: Sequence[bytes]) -> None:
        self.tiles = {
            (tile.level, tile.index): StoredTile(tile.level, tile.index, tile.hashes, tile.root)
            for tile in completed_tiles(0, leaves, self)  # type: ignore[arg-type]
        }

    def tile(self, level: int, index: int) -> StoredTile | None:
        """One tile."""
        return self.tiles.get((level, index))

    def stray_tiles(self, _size: int, _limit: int) -> list[StoredTile]:
        """None here."""
        return []


@pytest.mark.parametrize(
    ("key", "code", "place"),
    [((1, 0), "tree.tile", (0, 65_535)), ((0, 200), "tree.tile", (51_200, 51_455))],
)
def test_tiles_of_every_level_are_recomputed(
    key: tuple[int, int], code: str, place: tuple[int, int]
) -> None:
    """A tile of the second level covers 65,536 entries; its neighbours stay unaccused."""
    leaves = [sha256(str(number).encode()).digest() for number in range(65_600)]
    store, findings = TileStore(leaves), Findings()
    sound = TreeCheck(store, findings)  # type: ignore[arg-type]
    for leaf in leaves:
        sound.take(leaf)
    root = sound.root()
    sound.end()
    assert root is not None
    assert findings.damage(0) == ()

    store.tiles[key] = StoredTile(*key, bytes(8_192), store.tiles[key].root)
    checked = TreeCheck(store, findings)  # type: ignore[arg-type]
    for leaf in leaves:
        checked.take(leaf)
    checked.signed(len(leaves), root)
    checked.end()
    named = [(f.code, f.first, f.last) for f in findings.damage(0)]
    assert sorted(named) == [(code, *place), ("tree.tile-root", *place)]
