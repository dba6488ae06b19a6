"""Promise 2: any one stored value of ours that is changed is found, and the finding covers it."""

from __future__ import annotations

import random
import shutil
import sqlite3
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, Phase, assume, given, settings
from hypothesis import strategies as st

from tests.attack.silent import ALLOWED
from tests.attack.tampered import TamperedLedger

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.attack.seen import Seen
    from tests.attack.stand import Stand
    from tests.sqlite_table import Table

numbers = count()
LIBRARY = "__migration__"
"""A row that the event store's library keeps of its own schema."""

EVERYDAY, LONG = 14, 250
FILES = {"": "ledger", ".published": "published", ".projections": "projections"}
KEYS = {
    "stored_events": ("seq",), "ledger_head": ("id",), "tree_tiles": ("level", "tile"),
    "checkpoints": ("size",), "openings": ("seq", "number"), "published_checkpoints": ("size",),
    "cosignatures": ("size", "vkey"), "timestamps": ("size",), "tallies": ("kind", "vkey"),
    "projection_rows": ("generation", "projection", "key"),
    "tracking": ("application_name", "notification_id"),
    "projection_state": ("id",),
}  # fmt: skip
"""What names a row of each table that is checked."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One stored value: file, table, column, and the row's own key."""

    suffix: str
    table: str
    column: str
    key: tuple[object, ...]

    def where(self) -> str:
        """The condition that picks its row."""
        return " AND ".join(f"{name} IS ?" for name in KEYS[self.table])

    def place(self) -> int | str:
        """The position it is about, or the artefact it belongs to."""
        first = self.key[0]
        if self.table in ("checkpoints", "openings") and self.column in KEYS[self.table]:
            return ""  # it is named where it stands now
        if self.table in ("stored_events", "openings") and isinstance(first, int):
            return first
        if self.table == "checkpoints" and isinstance(first, int):
            return first - 1
        return ""


def columns_of(table: Table, name: str) -> list[str]:
    """The columns of a table."""
    return [str(row[1]) for row in table.ask(f"PRAGMA table_info({name})")]


def tables_of(table: Table) -> list[str]:
    """The tables of a file that hold anything and are not left out for a reason."""
    names = table.ask("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")
    return [
        name
        for (name,) in names
        if name not in ALLOWED and table.ask(f"SELECT 1 FROM {name} LIMIT 1")
    ]


def choose_cell(ledger: TamperedLedger, chance: random.Random) -> Cell:
    """Any value of any column of any row of any table, each table as often as another."""
    suffix = chance.choice(sorted(FILES))
    table = ledger.table(suffix)
    name = chance.choice(tables_of(table))
    column = chance.choice([c for c in columns_of(table, name) if f"{name}.{c}" not in ALLOWED])
    rows = table.ask(f"SELECT {', '.join(KEYS[name])} FROM {name} ORDER BY 1")
    return Cell(suffix, name, column, chance.choice([r for r in rows if r[0] != LIBRARY]))


def another(value: object, chance: random.Random) -> object:
    """A value next to another: a bit, a character or a unit away."""
    if isinstance(value, int):
        return value + chance.choice((1, 2, 13, 700))
    if isinstance(value, bytes):
        place = chance.randrange(len(value))
        flipped = value[place] ^ 1 << chance.randrange(8)
        return value[:place] + bytes([flipped]) + value[place + 1 :]
    text = str(value)
    place = chance.randrange(len(text)) if text else 0
    letter = "x" if text[place : place + 1] != "x" else "y"
    return text[:place] + letter + text[place + 1 :]


def altered(ledger: TamperedLedger, cell: Cell, chance: random.Random) -> bool:
    """Change one value past every protection; False where another row has that key already."""
    table = ledger.table(cell.suffix)
    ((value,),) = table.ask(
        f"SELECT {cell.column} FROM {cell.table} WHERE {cell.where()}", *cell.key
    )
    statement = f"UPDATE {cell.table} SET {cell.column} = ? WHERE {cell.where()}"
    try:
        table.run(statement, another(value, chance), *cell.key)
    except sqlite3.IntegrityError:
        return False
    return True


@pytest.fixture
def copies(stand: Stand, tmp_path: Path) -> Callable[[], TamperedLedger]:
    """A maker of copies, one for each example."""
    return lambda: TamperedLedger.copy_of(stand, tmp_path / str(next(numbers)))


def covered(seen: Seen, place: int | str) -> bool:
    """Whether something is said about a place, as damage or as a notice."""
    return any(one.covers(place) for one in (*seen.findings, *seen.notices))


def check_any_value(copies: Callable[[], TamperedLedger], seed: int) -> None:
    """Change one value of the database or of a file beside it; something must cover it."""
    ledger, chance = copies(), random.Random(seed)
    try:
        cell = choose_cell(ledger, chance)
        if cell.suffix != ".projections":
            ledger.beside(".projections").unlink()
        assume(altered(ledger, cell, chance))
        seen = ledger.verify()
        assert covered(seen, cell.place()), (cell, seen.status, seen.codes)
        assert seen.status == 1 or seen.notices
    finally:
        shutil.rmtree(ledger.directory.parent)


def check_any_byte(copies: Callable[[], TamperedLedger], data: st.DataObject) -> None:
    """Change one byte of any member of a bundle; the member is named."""
    ledger = copies()
    try:
        file = data.draw(st.sampled_from(["bundle.zip", "dossier.zip"]))
        members = ledger.members(file)
        name = data.draw(st.sampled_from(sorted(name for name in members if members[name])))
        place = data.draw(st.integers(0, len(members[name]) - 1))
        changed = bytearray(members[name])
        changed[place] ^= 1 << data.draw(st.integers(0, 7))
        ledger.pack(file, {**members, name: bytes(changed)})
        seen = ledger.verify_file(file)
        assert covered(seen, name), (file, name, place, seen.codes)
        assert seen.status == 1
    finally:
        shutil.rmtree(ledger.directory.parent)


def check_any_byte_of_the_file(copies: Callable[[], TamperedLedger], data: st.DataObject) -> None:
    """Change one byte of the zip file itself, wherever: it is never found sound."""
    ledger = copies()
    try:
        file = data.draw(st.sampled_from(["bundle.zip", "dossier.zip"]))
        path = ledger.issued / file
        changed = bytearray(path.read_bytes())
        changed[data.draw(st.integers(0, len(changed) - 1))] ^= 1 << data.draw(st.integers(0, 7))
        path.write_bytes(changed)
        assert ledger.verify_file(file).status in (1, 2)
    finally:
        shutil.rmtree(ledger.directory.parent)


def often(examples: int) -> settings:
    """So many examples, without a deadline and without shrinking: one value is small enough."""
    return settings(
        max_examples=examples, deadline=None, phases=(Phase.explicit, Phase.reuse, Phase.generate),
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    )  # fmt: skip


@often(EVERYDAY)
@given(st.integers(0, 2**64))
def test_any_stored_value_that_is_changed_is_covered(
    copies: Callable[[], TamperedLedger], seed: int
) -> None:
    """Of any table of the database, of what was published, or of the projections."""
    check_any_value(copies, seed)


@often(EVERYDAY)
@given(st.data())
def test_any_byte_of_an_issued_file_that_is_changed_names_its_member(
    copies: Callable[[], TamperedLedger], data: st.DataObject
) -> None:
    """Of a bundle or a dossier."""
    check_any_byte(copies, data)


@often(EVERYDAY)
@given(st.data())
def test_no_byte_of_an_issued_file_can_be_changed_unnoticed(
    copies: Callable[[], TamperedLedger], data: st.DataObject
) -> None:
    """Headers, directory and end of the zip file among them."""
    check_any_byte_of_the_file(copies, data)


@pytest.mark.long
@often(LONG)
@given(st.integers(0, 2**64))
def test_any_stored_value_at_length(copies: Callable[[], TamperedLedger], seed: int) -> None:
    """The same with many more examples."""
    check_any_value(copies, seed)


@pytest.mark.long
@often(LONG)
@given(st.data())
def test_any_byte_at_length(copies: Callable[[], TamperedLedger], data: st.DataObject) -> None:
    """The same with many more examples, member by member and anywhere in the file."""
    check_any_byte(copies, data)
    check_any_byte_of_the_file(copies, data)


def test_what_may_stay_silent_is_there_to_be_changed(tampered: TamperedLedger) -> None:
    """A name on the list that no table or column has any more would hide another."""
    known = {
        name
        for suffix in FILES
        for (table,) in tampered.table(suffix).ask(
            "SELECT name FROM sqlite_master WHERE type = 'table'"
        )
        for name in (table, *(f"{table}.{c}" for c in columns_of(tampered.table(suffix), table)))
    }
    assert set(ALLOWED) <= known
