"""Whole histories: rolled back or forked, by somebody who holds the log's own keys."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ledger.service import LedgerFiles
from ledger.storage.database import Database
from tests.attack.alteration import Alteration, Kind, Target
from tests.attack.stand import SIZE
from tests.build_ledger import COORDINATOR
from tests.ledger.verification.forge import Forger

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.attack.tampered import TamperedLedger

EARLIER = 300
"""A size at which the ledger signed and published nothing."""


def alteration(
    name: str, kind: Kind, what: str, make: Callable[[TamperedLedger], None], code: str,
    place: int | str, also: frozenset[str] = frozenset(),
) -> Alteration:  # fmt: skip
    """A row of the bench that puts another history in the place of this one."""
    return Alteration(
        name=name, target=Target.HISTORY, kind=kind, what=what, make=make, code=code, place=place,
        also=also, key_needed=kind is Kind.FORK, sqlite_only=True,
    )  # fmt: skip


def back(*, head: bool = False) -> Callable[[TamperedLedger], None]:
    """Roll the database back, and the head file with it."""

    def make(ledger: TamperedLedger) -> None:
        note = ledger.note_at(EARLIER)
        ledger.roll_back(EARLIER)
        if head:
            ledger.keep_head(note)

    return make


def back_with_everything(ledger: TamperedLedger) -> None:
    """Roll back the database, the head file and what was published, to a moment of the past."""
    size = ledger.stand.sizes[1]
    note = ledger.note_at(size)
    ledger.roll_back(size)
    ledger.keep_head(note)
    table, newest = ledger.table(".published"), ledger.stand.sizes[2]
    counts = table.ask("SELECT kind, vkey, number, total FROM tallies")
    for name in ("timestamps", "cosignatures", "published_checkpoints"):
        for vkey, rows in _gone(table.ask(f"SELECT * FROM {name} WHERE size = ?", newest), name):
            for kind, key, number, total in counts:
                if (kind, key) == (name, vkey):
                    table.run(
                        "UPDATE tallies SET number = ?, total = ? WHERE kind = ? AND vkey = ?",
                        number - rows, total - rows * newest, kind, key,
                    )  # fmt: skip
        if table.ask(f"SELECT 1 FROM {name} WHERE size = ?", newest):
            table.run(f"DELETE FROM {name} WHERE size = ?", newest)


def _gone(rows: list[tuple[object, ...]], table: str) -> list[tuple[object, int]]:
    return [(row[1] if table == "cosignatures" else "", 1) for row in rows]


def go_on(ledger: TamperedLedger, until: int) -> None:
    """Record visits that nobody decided about, up to a length, every hash and signature right."""
    files = LedgerFiles.of(Database.parse(ledger.url))
    built = replace(ledger.stand.built, directory=ledger.directory, url=ledger.url, files=files)
    forger = Forger(built)
    while ledger.size() < until:
        forger.write(
            built.sign(
                "visit.completed.v1", "subject/SY01-0003", {"visit": "V1"}, by=COORDINATOR,
                meaning="authorship",
            )
        )  # fmt: skip
    forger.close()


def forked(ledger: TamperedLedger) -> None:
    """Cut the database back and record something else up to the same length."""
    note = ledger.note_at(EARLIER)
    ledger.roll_back(EARLIER)
    ledger.keep_head(note)
    go_on(ledger, SIZE)


def fork(*, head: bool) -> Callable[[TamperedLedger], None]:
    """Another history of the same length; the head file of the first, or its own."""

    def make(ledger: TamperedLedger) -> None:
        kept = ledger.beside(".head").read_text("utf-8")
        forked(ledger)
        if not head:
            ledger.keep_head(kept)

    return make


ALTERATIONS = (
    alteration("back", Kind.ROLL_BACK, "the database, set back to an older one", back(),
               "head-file.rolled-back", EARLIER,
               also=frozenset({"published.rolled-back", "timestamps.no-checkpoint"})),
    alteration("back-with-head", Kind.ROLL_BACK, "the database and the head file, set back",
               back(head=True), "published.rolled-back", EARLIER,
               also=frozenset({"timestamps.no-checkpoint"})),
    alteration("fork", Kind.FORK, "the database, by another history of the same length",
               fork(head=False), "head-file.forked", SIZE - 1,
               also=frozenset({"published.root", "timestamps.other-checkpoint"})),
    alteration("fork-with-head", Kind.FORK,
               "database and head file, by another history of the same length", fork(head=True),
               "published.root", "published checkpoint",
               also=frozenset({"timestamps.other-checkpoint"})),
)  # fmt: skip
