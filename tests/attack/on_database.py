"""Alterations of every table and column of the ledger's database, and of the head file."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from ledger.log.checkpoint import Checkpoint, sign_checkpoint
from ledger.log.note import NoteSigner
from ledger.log.tree import leaf_hash, root_of
from tests.attack import on_values
from tests.attack.alteration import Alteration, Kind, Target
from tests.attack.stand import ALLOCATED, IN_EDGE, IN_TILE, SIZE, TEXT
from tests.ledger.verification.damage import altered_payload

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.attack.tampered import TamperedLedger

LAST = SIZE - 1
CHAIN = frozenset({"chain.broken", "tree.entries", "tree.root", "streams.broken"})
"""What else sees that an entry's bytes are others: the hashes over them."""

ANSWER = frozenset({"statements.result"})
"""The result behind an altered request names another hash."""


def sql(statement: str, *values: object) -> Callable[[TamperedLedger], None]:
    """An alteration by one statement."""
    return lambda ledger: ledger.rows.run(statement, *values)


def alteration(
    name: str,
    kind: Kind,
    what: str,
    make: Callable[[TamperedLedger], None],
    code: str,
    place: int | str,
    *,
    also: frozenset[str] = frozenset(),
    sqlite_only: bool = False,
) -> Alteration:
    """A row of the bench that alters the database."""
    return Alteration(
        name=name, target=Target.DATABASE, kind=kind, what=what, make=make, code=code, place=place,
        also=also, sqlite_only=sqlite_only,
    )  # fmt: skip


def flip(seq: int, place: int) -> Callable[[TamperedLedger], None]:
    """Flip the lowest bit of a byte of an entry."""

    def make(ledger: TamperedLedger) -> None:
        data = bytearray(ledger.state(seq))
        data[place] ^= 1
        ledger.put(seq, bytes(data))

    return make


def flip_blob(table: str, column: str, place: int) -> Callable[[TamperedLedger], None]:
    """Flip a bit in the only row of a table."""

    def make(ledger: TamperedLedger) -> None:
        ((value,),) = ledger.rows.ask(f"SELECT {column} FROM {table}")
        data = bytearray(value)
        data[place] ^= 1
        ledger.rows.run(f"UPDATE {table} SET {column} = ?", bytes(data))

    return make


def swap(one: int, other: int) -> Callable[[TamperedLedger], None]:
    """Let two rows change places."""

    def make(ledger: TamperedLedger) -> None:
        move = "UPDATE stored_events SET seq = ? WHERE seq = ?"
        for new, old in ((-7, one), (one, other), (other, -7)):
            ledger.rows.run(move, new, old)

    return make


def insert(seq: int) -> Callable[[TamperedLedger], None]:
    """Put a row between others: all behind it move on by one."""

    def make(ledger: TamperedLedger) -> None:
        ledger.rows.run("UPDATE stored_events SET seq = -seq WHERE seq >= ?", seq)
        ledger.rows.run("UPDATE stored_events SET seq = 1 - seq WHERE seq < 0")
        surplus(seq)(ledger)

    return make


def surplus(seq: int) -> Callable[[TamperedLedger], None]:
    """Add a row at a position, as a copy of another."""
    return sql(
        "INSERT INTO stored_events (seq, originator_id, originator_version, topic, state, event_id)"
        " SELECT ?, 'x', 0, topic, state, ? FROM stored_events WHERE seq = 99",
        seq, bytes(16),
    )  # fmt: skip


def back_date(seq: int) -> Callable[[TamperedLedger], None]:
    """Give an entry the record time of one long before."""

    def make(ledger: TamperedLedger) -> None:
        time = ledger.entry(5).recorded_at
        ledger.exchange(seq, lambda entry: dataclasses.replace(entry, recorded_at=time))

    return make


def back_date_chained(seq: int) -> Callable[[TamperedLedger], None]:
    """Give an entry the record time of the one before and chain again to the end."""

    def make(ledger: TamperedLedger) -> None:
        time = ledger.entry(seq - 1).recorded_at
        ledger.re_chain(seq, lambda entry: dataclasses.replace(entry, recorded_at=time))

    return make


def event_time(seq: int, *, chained: bool) -> Callable[[TamperedLedger], None]:
    """Change when an event is said to have happened, its signature left as it was."""

    def make(ledger: TamperedLedger) -> None:
        change = ledger.re_chain if chained else ledger.exchange
        change(seq, lambda e: dataclasses.replace(e, statement=altered_payload(e.statement)))

    return make


def signature_of_another(seq: int) -> Callable[[TamperedLedger], None]:
    """Put another statement's signature under this one."""

    def make(ledger: TamperedLedger) -> None:
        other = ledger.entry(seq + 2).statement.rpartition(".")[2]
        ledger.exchange(
            seq,
            lambda e: dataclasses.replace(e, statement=f"{e.statement.rpartition('.')[0]}.{other}"),
        )

    return make


def note_signed_by_another(ledger: TamperedLedger) -> None:
    """Sign the checkpoint of the end again with a key of one's own."""
    keys = ledger.stand.built.keys
    root = bytes(range(32))
    signer = NoteSigner.from_seed(keys.origin, bytes(32))
    note = sign_checkpoint(Checkpoint(keys.origin, SIZE, root), signer)
    ledger.rows.run("UPDATE checkpoints SET note = ? WHERE size = ?", note, SIZE)


def all_signed_by_another(ledger: TamperedLedger) -> None:
    """Sign every checkpoint and the head file again, with one's own key under the log's name."""
    signer = NoteSigner.from_seed(ledger.stand.built.keys.origin, bytes(32))
    leaves = [leaf_hash(ledger.state(seq)) for seq in range(SIZE)]
    notes = {
        size: sign_checkpoint(Checkpoint(signer.name, size, root_of(leaves[:size])), signer)
        for (size,) in ledger.rows.ask("SELECT size FROM checkpoints")
    }
    cases = " ".join("WHEN ? THEN ?" for _ in notes)
    values = [value for pair in notes.items() for value in pair]
    ledger.rows.run(f"UPDATE checkpoints SET note = CASE size {cases} END", *values)
    ledger.keep_head(notes[SIZE])


def head(ledger: TamperedLedger, change: Callable[[bytes], bytes]) -> None:
    """Change the head file."""
    path = ledger.beside(".head")
    path.write_bytes(change(path.read_bytes()))


def another_root(size: int) -> Callable[[TamperedLedger], None]:
    """Have the log's own key sign another tree of a size, and keep that as the head."""

    def make(ledger: TamperedLedger) -> None:
        signer = ledger.stand.built.keys.checkpoint_signer
        ledger.keep_head(sign_checkpoint(Checkpoint(signer.name, size, bytes(32)), signer))

    return make


def drop_trigger(name: str) -> Callable[[TamperedLedger], None]:
    """Take a protection away."""
    return lambda ledger: ledger.table("").schema(f"DROP TRIGGER {name}")


ENTRIES = (
    alteration("entry-byte", Kind.FLIP, "one bit of an entry under a full tile", flip(IN_TILE, 400),
               "tree.entries", IN_TILE, also=CHAIN | ANSWER | {"statements.signature",
               "entries.unreadable", "statements.unreadable", "schema.invalid"}),
    alteration("entry-byte-behind-tiles", Kind.FLIP, "one bit of an entry behind the last tile",
               flip(IN_EDGE, 400), "chain.broken", IN_EDGE, also=CHAIN | ANSWER | {
               "statements.signature", "entries.unreadable", "statements.unreadable",
               "schema.invalid"}),
    alteration("entry-0", Kind.FLIP, "one bit of entry 0", flip(0, -150), "chain.broken", 0,
               also=CHAIN | {"statements.genesis", "statements.signature", "entries.unreadable",
                             "statements.unreadable"}),
    alteration("last-entry", Kind.FLIP, "one bit of the last entry", flip(LAST, 500),
               "chain.broken", LAST, also=CHAIN | {"statements.signature", "entries.unreadable",
               "statements.unreadable", "streams.commitment"}),
    alteration("entry-cut", Kind.TRUNCATE, "the second half of an entry",
               lambda x: x.put(IN_TILE, x.state(IN_TILE)[:400]), "entries.unreadable", IN_TILE,
               also=CHAIN | ANSWER),
    alteration("entry-dropped", Kind.DROP, "an entry",
               sql("DELETE FROM stored_events WHERE seq = ?", IN_EDGE), "entries.missing", IN_EDGE,
               also=CHAIN | ANSWER),
    alteration("entries-swapped", Kind.SWAP, "the places of two entries", swap(100, 140),
               "entries.position", IN_TILE, also=CHAIN | ANSWER | {"openings.altered"}),
    alteration("entry-inserted", Kind.INSERT, "an entry between others", insert(IN_TILE),
               "entries.position", IN_TILE,
               also=CHAIN | ANSWER | {"entries.extra", "entries.column", "streams.position",
                                      "chain.recorded-at", "statements.unanswered", "tree.tile",
                                      "openings.foreign", "openings.altered", "openings.missing",
                                      "openings.stray"}),
    alteration("entry-appended", Kind.INSERT, "an entry behind the end", surplus(SIZE),
               "entries.extra", SIZE),
    alteration("tail-cut", Kind.TRUNCATE, "the last five entries",
               sql("DELETE FROM stored_events WHERE seq >= ?", SIZE - 5), "entries.missing",
               SIZE - 5, also=frozenset({"openings.stray", "head-file.rolled-back",
                                         "published.rolled-back", "timestamps.no-checkpoint"})),
    alteration("recorded-at", Kind.BACK_DATE, "the time an entry was recorded at",
               back_date(IN_TILE), "chain.recorded-at", IN_TILE, also=CHAIN | ANSWER),
    alteration("recorded-at-chained", Kind.BACK_DATE,
               "the time an entry was recorded at, all behind it chained again",
               back_date_chained(TEXT), "tree.root", TEXT, also=ANSWER),
    alteration("event-time", Kind.BACK_DATE, "the time an event happened at",
               event_time(IN_TILE, chained=False), "statements.signature", IN_TILE,
               also=CHAIN | ANSWER),
    alteration("event-time-chained", Kind.RE_CHAIN,
               "the time an event happened at, all behind it chained again to the end",
               event_time(IN_EDGE, chained=True), "statements.signature", IN_EDGE,
               also=CHAIN | ANSWER),
    alteration("statement-signature", Kind.RE_SIGN, "a statement's signature, for another's",
               signature_of_another(IN_TILE), "statements.signature", IN_TILE, also=CHAIN | ANSWER),
    *(
        alteration(f"column-{column}", Kind.FLIP, f"the column {column} beside an entry",
                   sql(f"UPDATE stored_events SET {column} = ? WHERE seq = ?", value, IN_TILE),
                   "entries.column", IN_TILE)
        for column, value in (("originator_id", "subject/SY01-9999"), ("originator_version", 7_000),
                              ("topic", "trial.opened.v1"), ("event_id", bytes(16)))
    ),
    alteration("columns-swapped", Kind.SWAP, "the stream names beside two entries",
               sql("UPDATE stored_events SET originator_id = CASE seq WHEN 100 THEN (SELECT"
                   " originator_id FROM stored_events WHERE seq = 102) ELSE (SELECT originator_id"
                   " FROM stored_events WHERE seq = 100) END, originator_version = 500 + seq"
                   " WHERE seq IN (100, 102)"), "entries.column", IN_TILE),
)  # fmt: skip

TILES = (
    alteration("tile-hash", Kind.FLIP, "one hash in a tile",
               flip_blob("tree_tiles", "hashes", 77 * 32), "tree.tile", 77,
               also=frozenset({"tree.tile-root"})),
    alteration("tile-root", Kind.FLIP, "the root beside a tile",
               flip_blob("tree_tiles", "root", 3), "tree.tile-root", "tile/0/000"),
    alteration("tile-cut", Kind.TRUNCATE, "the last hash of a tile",
               lambda x: x.rows.run("UPDATE tree_tiles SET hashes = ?",
                                    x.rows.ask("SELECT hashes FROM tree_tiles")[0][0][:-32]),
               "tree.tile", "tile/0/000"),
    alteration("tile-dropped", Kind.DROP, "a tile", sql("DELETE FROM tree_tiles"),
               "tree.tile-missing", "tile/0/000"),
    alteration("tile-moved", Kind.SWAP, "the index of a tile",
               sql("UPDATE tree_tiles SET tile = 3"), "tree.tile-extra", "tile/0/3",
               also=frozenset({"tree.tile-missing"})),
    alteration("tile-level", Kind.SWAP, "the level of a tile",
               sql("UPDATE tree_tiles SET level = 1"), "tree.tile-extra", "tile/1/0",
               also=frozenset({"tree.tile-missing"})),
    alteration("tile-inserted", Kind.INSERT, "a tile too many",
               sql("INSERT INTO tree_tiles (level, tile, hashes, root) SELECT 0, 1, hashes, root"
                   " FROM tree_tiles"), "tree.tile-extra", "tile/0/1",
               also=frozenset({"tree.tile"})),
)  # fmt: skip

HEADS = (
    alteration("checkpoint-text", Kind.FLIP, "a character of a checkpoint",
               sql("UPDATE checkpoints SET note = replace(note, '294', '295') WHERE size = 294"),
               "checkpoints.signature", 293),
    alteration("checkpoint-cut", Kind.TRUNCATE, "the signature line of a checkpoint",
               sql("UPDATE checkpoints SET note = substr(note, 1, 60) WHERE size = 294"),
               "checkpoints.signature", 293),
    alteration("checkpoint-size", Kind.SWAP, "the size a checkpoint is kept under",
               sql("UPDATE checkpoints SET size = 290 WHERE size = 294"), "checkpoints.size", 289),
    alteration("checkpoint-replayed", Kind.REPLAY, "the newest checkpoint, for an older one",
               sql("UPDATE checkpoints SET note = (SELECT note FROM checkpoints WHERE size = 294)"
                   " WHERE size = ?", SIZE), "checkpoints.size", LAST,
               also=frozenset({"checkpoints.missing"})),
    alteration("checkpoint-dropped", Kind.DROP, "a checkpoint between others",
               sql("DELETE FROM checkpoints WHERE size = 298"), "checkpoints.gap", 297),
    alteration("newest-checkpoint-dropped", Kind.DROP, "the newest checkpoint",
               sql("DELETE FROM checkpoints WHERE size = ?", SIZE), "checkpoints.missing", LAST),
    alteration("checkpoint-inserted", Kind.INSERT, "a checkpoint under a size of no commit",
               sql("INSERT INTO checkpoints (size, note, previous) SELECT 200, note, 1 FROM"
                   " checkpoints WHERE size = 1"), "checkpoints.size", 199),
    alteration("checkpoint-link", Kind.FLIP, "the size of the checkpoint before",
               sql("UPDATE checkpoints SET previous = 290 WHERE size = 296"),
               "checkpoints.previous", 295),
    alteration("checkpoint-re-signed", Kind.RE_SIGN, "the newest checkpoint, by another key",
               note_signed_by_another, "checkpoints.signature", LAST),
    alteration("everything-re-signed", Kind.RE_SIGN,
               "every checkpoint and the head file, by another key", all_signed_by_another,
               "checkpoints.signature", LAST, sqlite_only=True,
               also=frozenset({"head-file.signature"})),
    alteration("head-row-size", Kind.FLIP, "the size in the head row",
               sql("UPDATE ledger_head SET size = 300"), "checkpoints.head", LAST),
    alteration("head-row-hash", Kind.FLIP, "the hash in the head row",
               sql("UPDATE ledger_head SET hash = ?", "0" * 64), "checkpoints.head", LAST),
    alteration("head-row-time", Kind.BACK_DATE, "the time in the head row",
               sql("UPDATE ledger_head SET recorded_at = '2024-02-01T00:00:00.000000Z'"),
               "checkpoints.head", LAST),
    alteration("head-row-dropped", Kind.DROP, "the head row", sql("DELETE FROM ledger_head"),
               "checkpoints.head", LAST),
)  # fmt: skip

OPENINGS = (
    alteration("opening-text", Kind.FLIP, "a kept disclosure",
               sql("UPDATE openings SET disclosure = 'WyJ4Il0' WHERE seq = ?", TEXT),
               "openings.foreign", TEXT, also=frozenset({"openings.withheld"})),
    alteration("opening-swapped", Kind.SWAP, "a disclosure, for another entry's",
               sql("UPDATE openings SET disclosure = (SELECT disclosure FROM openings WHERE seq ="
                   " 102) WHERE seq = ?", IN_TILE), "openings.altered", IN_TILE),
    alteration("opening-number", Kind.FLIP, "the number of a disclosure",
               sql("UPDATE openings SET number = 9 WHERE seq = ?", TEXT), "openings.number", TEXT),
    alteration("opening-moved", Kind.SWAP, "the entry that a disclosure is kept for",
               sql("UPDATE openings SET seq = 5000 WHERE seq = ?", TEXT), "openings.stray", 5_000),
    alteration("opening-inserted", Kind.INSERT, "a disclosure of another entry",
               sql("INSERT INTO openings (seq, number, disclosure) SELECT 301, 0, disclosure FROM"
                   " openings WHERE seq = ?", TEXT), "openings.altered", 301),
    alteration("allocation-opening-dropped", Kind.DROP, "the opening of an allocation",
               sql("DELETE FROM openings WHERE seq = ? AND number = 0", ALLOCATED),
               "openings.missing", ALLOCATED),
)  # fmt: skip

SCHEMA = (
    *(
        alteration(f"{name}-dropped", Kind.DROP, f"the protection {name}",
                   drop_trigger(name),
                   "storage.protection-missing", name, sqlite_only=True)
        for name in ("stored_events_no_update", "checkpoints_no_delete", "openings_no_update",
                     "ledger_head_forward_only")
    ),
    alteration("foreign-trigger", Kind.INSERT, "a trigger that removes what is recorded",
               lambda x: x.table("").schema("CREATE TRIGGER mine AFTER INSERT ON openings BEGIN"
                                            " SELECT 1; END"),
               "storage.foreign-trigger", "mine", sqlite_only=True),
    alteration("table-dropped", Kind.DROP, "a whole table",
               lambda x: x.table("").schema("DROP TABLE tree_tiles"), "entries.store", "tree_tiles",
               sqlite_only=True,
               also=frozenset({"storage.protection-missing", "tree.tile-missing"})),
)  # fmt: skip


def of_head(
    name: str, kind: Kind, what: str, make: Callable[[TamperedLedger], None], code: str,
    place: int | str,
) -> Alteration:  # fmt: skip
    """A row of the bench that alters the head file."""
    return Alteration(
        name=name, target=Target.HEAD_FILE, kind=kind, what=what, make=make, code=code, place=place,
        sqlite_only=True, key_needed="log's own key" in what,
    )  # fmt: skip


HEAD_FILE = (
    of_head("text", Kind.FLIP, "a byte of its text",
            lambda x: head(x, lambda data: data.replace(b"305", b"306")), "head-file.signature",
            ".head"),
    of_head("signature", Kind.FLIP, "a byte of its signature",
            lambda x: head(x, lambda data: data[:-9] + bytes([data[-9] ^ 1]) + data[-8:]),
            "head-file.signature", ".head"),
    of_head("cut", Kind.TRUNCATE, "its last line", lambda x: head(x, lambda data: data[:-20]),
            "head-file.signature", ".head"),
    of_head("emptied", Kind.TRUNCATE, "all of it", lambda x: head(x, lambda _: b""),
            "head-file.signature", ".head"),
    of_head("re-signed", Kind.RE_SIGN, "its signature, by another key",
            lambda x: x.keep_head(sign_checkpoint(
                Checkpoint(x.stand.built.keys.origin, SIZE, bytes(32)),
                NoteSigner.from_seed(x.stand.built.keys.origin, bytes(32)))),
            "head-file.signature", ".head"),
    of_head("forked", Kind.FORK, "its tree, signed with the log's own key", another_root(290),
            "head-file.forked", 289),
    of_head("ahead", Kind.INSERT, "a size not reached, signed with the log's own key",
            another_root(400), "head-file.rolled-back", SIZE),
)  # fmt: skip

ALTERATIONS = (
    *ENTRIES, *TILES, *HEADS, *OPENINGS, *SCHEMA, *on_values.DATABASE, *HEAD_FILE
)  # fmt: skip
