"""Integrity alone is judged in blocks; what is found does not depend on how they are cut."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.log.entry import Entry, entry_hash
from ledger.log.tree import leaf_hash, root_of
from ledger.storage.evidence import DatabaseEvidence
from ledger.storage.open_evidence import open_evidence
from ledger.verification.integrity import block_of
from ledger.verification.report import Findings, Status, VerificationReport
from ledger.verification.run import verify
from ledger.verification.tree import TreeCheck
from tests.ledger.build_service import bag

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.build_ledger import BuiltLedger
    from tests.ledger.verification.damage import Damaged

FIRST = 700
TIMES = ["2031-05-01T09:00:00.000000Z", "2031-05-01T09:00:00.250000Z"]


class OneByOne(DatabaseEvidence):
    """The same database, which gives one entry at a time."""

    def entries(self, after: int | None, limit: int) -> Sequence[tuple[object, object]]:
        """As asked, but no more than one."""
        return super().entries(after, min(limit, 1))

    def rows(self, after: int | None, limit: int) -> Sequence[object]:  # type: ignore[override]
        """As asked, but no more than one."""
        return super().rows(after, min(limit, 1))


def report_of(kind: type[DatabaseEvidence], damaged: Damaged) -> VerificationReport:
    """The report on integrity alone."""
    with kind(damaged.database, head_file=damaged.head_file) as source:
        return verify(source, integrity_only=True)


DAMAGE = [
    "SELECT 1",
    "UPDATE stored_events SET state = CAST(state || ' ' AS BLOB) WHERE seq = 150",
    "UPDATE stored_events SET state = CAST(state || ' ' AS BLOB) WHERE seq IN (255, 256)",
    "UPDATE stored_events SET state = CAST(state AS TEXT) WHERE seq = 300",
    "UPDATE stored_events SET state = x'7b7d' WHERE seq IN (0, 200)",
    "UPDATE stored_events SET state = 7 WHERE seq = 201",
    "UPDATE stored_events SET seq = -1 WHERE seq = 0",
    "UPDATE stored_events SET seq = seq + 5 WHERE seq = (SELECT MAX(seq) FROM stored_events)",
    (
        "UPDATE stored_events SET state = (SELECT state FROM stored_events WHERE seq = 9) "
        "WHERE seq = 8"
    ),
    "DELETE FROM stored_events WHERE seq BETWEEN 160 AND 162",
    "DELETE FROM stored_events WHERE seq > 270",
    "DELETE FROM stored_events WHERE seq = 0",
    "DELETE FROM stored_events",
    "UPDATE tree_tiles SET hashes = zeroblob(8192)",
    "UPDATE tree_tiles SET hashes = x'00', root = x'00'",
    "UPDATE tree_tiles SET root = zeroblob(32)",
    "DELETE FROM tree_tiles",
    "UPDATE checkpoints SET note = replace(note, 'A', 'B') WHERE size > 100",
    "UPDATE ledger_head SET size = size - 20",
]


@pytest.mark.parametrize("statement", DAMAGE)
def test_what_is_found_does_not_depend_on_the_blocks(damaged: Damaged, statement: str) -> None:
    """Findings, places, head and root are those of looking at each entry alone."""
    damaged.run(statement)
    report = report_of(DatabaseEvidence, damaged)
    assert report == report_of(OneByOne, damaged)
    assert (report.status is Status.SOUND) == (statement == "SELECT 1")


@pytest.mark.parametrize("statement", DAMAGE)
def test_what_alters_the_tree_is_named_as_by_the_whole_check(
    damaged: Damaged, statement: str
) -> None:
    """Chain, tree and checkpoints find the same whether or not entries are looked into."""
    damaged.run(statement)
    checks = ("tree.", "checkpoints.", "head-file.", "chain.", "entries.missing")
    with DatabaseEvidence(damaged.database, head_file=damaged.head_file) as source:
        whole = verify(source, jobs=1)
    found, expected = (
        [f for f in report.findings if f.code.startswith(checks)]
        for report in (report_of(DatabaseEvidence, damaged), whole)
    )
    assert found == expected


def chain(moments: Sequence[int]) -> list[tuple[object, object]]:
    """Rows of entries one behind the other, recorded at these moments."""
    rows: list[tuple[object, object]] = []
    before = "ab" * 32
    for number, moment in enumerate(moments):
        data = Entry(
            FIRST + number, TIMES[moment], before, "trial", number, "0" * 64, "statement"
        ).to_bytes()
        rows.append((FIRST + number, data))
        before = entry_hash(data)
    return rows


def test_a_block_in_order_has_the_hashes_of_its_entries() -> None:
    """The last one's hash and time, and a leaf for each."""
    rows = chain([0, 0, 1])
    block = block_of(rows, FIRST, "ab" * 32, "")
    assert block is not None
    last = rows[-1][1]
    assert isinstance(last, bytes)
    assert (block.sha256, block.recorded_at) == (entry_hash(last), TIMES[1])
    assert block.leaves == [leaf_hash(data) for _, data in rows if isinstance(data, bytes)]


@given(st.integers(0, 4), st.data())
def test_one_changed_byte_before_the_last_entry_breaks_a_block(
    number: int, data: st.DataObject
) -> None:
    """Each entry names the hash of the one before; the last one's bytes are for the tree."""
    rows = chain([0] * 6)
    entry = rows[number][1]
    assert isinstance(entry, bytes)
    place = data.draw(st.integers(0, len(entry) - 1))
    changed = bytearray(entry)
    changed[place] ^= 1 << data.draw(st.integers(0, 7))
    rows[number] = FIRST + number, bytes(changed)
    assert block_of(rows, FIRST, "ab" * 32, "") is None


@pytest.mark.parametrize(
    "rows",
    [
        chain([0, 1, 0]),
        chain([0, 0, 0])[1:],
        [*chain([0, 0]), (FIRST + 3, chain([0, 0, 0])[2][1])],
        [*chain([0, 0]), (FIRST + 2, None)],
        [*chain([0, 0]), (FIRST + 2, b"")],
        [*chain([0, 0]), (FIRST + 2, chain([0, 0, 0])[2][1].decode())],  # type: ignore[attr-defined]
        [*chain([0, 0]), (FIRST + 2, chain([0, 0, 0])[2][1] + "é".encode())],  # type: ignore[operator]
    ],
)
def test_rows_out_of_order_are_no_block(rows: list[tuple[object, object]]) -> None:
    """An earlier time, another start, a gap, no bytes, too few bytes, text, no ASCII."""
    assert block_of(rows, FIRST, "ab" * 32, "") is None


def test_a_block_that_is_recorded_before_the_log_is_none() -> None:
    """The time of the last entry before counts too."""
    assert block_of(chain([0]), FIRST, "ab" * 32, TIMES[0]) is not None
    assert block_of(chain([0]), FIRST, "ab" * 32, TIMES[1]) is None


class Nothing:
    """A source without any tile."""

    def tile(self, level: int, index: int) -> None:
        """None is kept."""


@given(st.lists(st.integers(1, 700), max_size=8))
def test_the_root_does_not_depend_on_how_many_leaves_come_at_once(pieces: list[int]) -> None:
    """Each piece is followed by a look at the root, which is that of RFC 9162."""
    tree = TreeCheck(Nothing(), Findings())  # type: ignore[arg-type]
    leaves: list[bytes] = []
    for width in pieces:
        piece = [leaf_hash(b"%d" % (len(leaves) + n)) for n in range(width)]
        tree.extend(piece)
        leaves += piece
        assert tree.root() == root_of(leaves)
    for number in range(3):
        tree.take(leaf_hash(b"%d" % number))
        leaves.append(leaf_hash(b"%d" % number))
    assert (tree.size, tree.root()) == (len(leaves), root_of(leaves))


def test_integrity_alone_holds_on_postgresql(postgres_built: BuiltLedger) -> None:
    """The same blocks from the other engine, position by position."""
    postgres_built.record_all([bag(postgres_built, number) for number in range(280)])
    with open_evidence(postgres_built.database, head_file=postgres_built.files.head) as source:
        report = verify(source, integrity_only=True)
        page = source.entries(9, 3)
        assert [*page] == [(row.seq, row.data) for row in source.rows(9, 3)]
    assert (report.status, report.findings) == (Status.SOUND, ())
    assert report.size == postgres_built.ledger.application.store.head().size
