"""Alterations to values that no ledger writes: of another type, or too large to be read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ledger.storage.snapshot_evidence import READ
from tests.attack.alteration import Alteration, Kind, Target
from tests.attack.stand import IN_TILE, SIZE, TEXT

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.attack.tampered import TamperedLedger

LARGE: Final = "zeroblob(2000000)"
FAR: Final = 2**62
LAST: Final = SIZE - 1
MIDDLE: Final = "size = (SELECT size FROM published_checkpoints ORDER BY size LIMIT 1 OFFSET 1)"
ROW: Final = "INSERT INTO stored_events VALUES ({}, 'x', 0, 'x', {}, x'00')"


def of_database(
    name: str,
    kind: Kind,
    what: str,
    statements: str | tuple[str, ...],
    code: str,
    place: int | str,
    *also: str,
) -> Alteration:
    """A row of the bench that alters the database; PostgreSQL's columns take no such value."""
    return Alteration(
        name=name, target=Target.DATABASE, kind=kind, what=what, make=_run("", statements),
        code=code, place=place, also=frozenset(also), sqlite_only=True,
    )  # fmt: skip


def of_published(
    name: str, kind: Kind, what: str, statement: str, code: str, place: int | str, *also: str
) -> Alteration:  # fmt: skip
    """A row of the bench that alters the file of what was published."""
    return Alteration(
        name=name, target=Target.PUBLISHED, kind=kind, what=what,
        make=_run(".published", statement), code=code, place=place, also=frozenset(also),
        sqlite_only=True,
    )  # fmt: skip


def _run(suffix: str, statements: str | tuple[str, ...]) -> Callable[[TamperedLedger], None]:
    def make(ledger: TamperedLedger) -> None:
        table = ledger.table(suffix)
        if isinstance(statements, str):
            table.run(statements)
        else:
            table.schema(*statements)

    return make


def _without_key(seq: str) -> tuple[str, ...]:
    """The table of entries made again without its key, one of them in it twice."""
    return (
        "ALTER TABLE stored_events RENAME TO old",
        f"CREATE TABLE stored_events ({', '.join(READ['stored_events'])})",
        "INSERT INTO stored_events SELECT * FROM old ORDER BY seq",
        f"INSERT INTO stored_events SELECT {seq}, 'x', 0, topic, state, x'00' FROM old LIMIT 1",
        "DROP TABLE old",
    )


DATABASE = (
    of_database("large-row-before", Kind.SWELL, "a row before the first, too large to be read",
                ROW.format(-5, LARGE), "entries.extra", -5),
    of_database("large-row-behind", Kind.SWELL, "a row far behind the end, too large to be read",
                ROW.format(FAR, LARGE), "entries.extra", FAR),
    of_database("large-entry", Kind.SWELL, "an entry, for bytes too many to be read",
                f"UPDATE stored_events SET state = {LARGE} WHERE seq = {IN_TILE}",
                "entries.unreadable", IN_TILE),
    of_database("text-entry", Kind.RETYPE, "an entry's bytes, for text",
                f"UPDATE stored_events SET state = CAST(state AS TEXT) WHERE seq = {IN_TILE}",
                "entries.unreadable", IN_TILE),
    of_database("text-event-id", Kind.RETYPE, "the id beside an entry, for text",
                "UPDATE stored_events SET event_id = CAST(event_id AS TEXT) WHERE seq ="
                f" {IN_TILE}", "entries.column", IN_TILE),
    of_database("no-text-topic", Kind.RETYPE, "the type beside an entry, for text that is none",
                f"UPDATE stored_events SET topic = CAST(x'ff' AS TEXT) WHERE seq = {IN_TILE}",
                "entries.column", IN_TILE),
    of_database("text-version", Kind.RETYPE, "the number in its stream beside an entry, for text",
                f"UPDATE stored_events SET originator_version = 'x' WHERE seq = {IN_TILE}",
                "entries.column", IN_TILE),
    *(
        of_database(f"no-key-{name}", Kind.RETYPE,
                    f"the key of the table of entries, and a row put there under {what}",
                    _without_key(seq), "entries.store", "stored_events",
                    "storage.protection-missing", "storage.protection-altered")
        for name, what, seq in (("text", "a text", "'text'"), ("real", "a fraction", "0.5"),
                                ("none", "none", "NULL"))
    ),
    of_database("large-tile", Kind.SWELL, "a tile too many, too large to be read",
                f"INSERT INTO tree_tiles VALUES (5, 5, {LARGE}, x'00')", "tree.tile-extra",
                "tile/5/5"),
    of_database("text-tile", Kind.RETYPE, "the hashes of a tile, for text",
                "UPDATE tree_tiles SET hashes = CAST(hashes AS TEXT)", "tree.tile", "tile/0/000"),
    of_database("text-tile-root", Kind.RETYPE, "the root beside a tile, for text",
                "UPDATE tree_tiles SET root = CAST(root AS TEXT)", "tree.tile-root",
                "tile/0/000"),
    of_database("large-checkpoint", Kind.SWELL, "a checkpoint, for one too large to be read",
                f"UPDATE checkpoints SET note = {LARGE} WHERE size = 294",
                "checkpoints.signature", 293),
    of_database("bytes-checkpoint", Kind.RETYPE, "the text of a checkpoint, for bytes",
                "UPDATE checkpoints SET note = CAST(note AS BLOB) WHERE size = 294",
                "checkpoints.signature", 293),
    of_database("text-previous", Kind.RETYPE, "the size of the checkpoint before, for text",
                "UPDATE checkpoints SET previous = 'x' WHERE size = 296", "checkpoints.previous",
                295),
    of_database("text-head-size", Kind.RETYPE, "the size in the head row, for text",
                "UPDATE ledger_head SET size = 'x'", "checkpoints.head", LAST),
    of_database("bytes-head-hash", Kind.RETYPE, "the hash in the head row, for bytes",
                "UPDATE ledger_head SET hash = CAST(hash AS BLOB)", "checkpoints.head", LAST),
    of_database("large-opening", Kind.SWELL,
                "a disclosure too large to be read, beside an entry's own",
                f"INSERT INTO openings VALUES ({IN_TILE}, 9, {LARGE})", "openings.foreign",
                IN_TILE, "openings.number"),
    of_database("large-stray-opening", Kind.SWELL,
                "a disclosure too large to be read, kept for an entry that is none",
                f"INSERT INTO openings VALUES (5000, 0, {LARGE})", "openings.stray", 5_000),
    of_database("bytes-opening", Kind.RETYPE, "a disclosure, for bytes",
                f"UPDATE openings SET disclosure = CAST(disclosure AS BLOB) WHERE seq = {TEXT}",
                "openings.foreign", TEXT),
)  # fmt: skip

PUBLISHED = (
    of_published("large-line", Kind.SWELL, "a witness's line too many, too large to be read",
                 f"INSERT INTO cosignatures VALUES (5000, 'x', {LARGE})", "cosignatures.stray",
                 "cosignature 5000"),
    of_published("large-own-line", Kind.SWELL, "a witness's line, for one too large to be read",
                 f"UPDATE cosignatures SET line = {LARGE} WHERE {MIDDLE}",
                 "cosignatures.signature", "cosignature"),
    of_published("bytes-line", Kind.RETYPE, "a witness's line, for bytes",
                 f"UPDATE cosignatures SET line = CAST(line AS BLOB) WHERE {MIDDLE}",
                 "cosignatures.signature", "cosignature"),
    of_published("large-note", Kind.SWELL, "a published checkpoint, for one too large to be read",
                 f"UPDATE published_checkpoints SET note = {LARGE} WHERE {MIDDLE}",
                 "published.signature", "published checkpoint"),
    of_published("bytes-note", Kind.RETYPE, "the text of a published checkpoint, for bytes",
                 f"UPDATE published_checkpoints SET note = CAST(note AS BLOB) WHERE {MIDDLE}",
                 "published.signature", "published checkpoint"),
    of_published("text-count", Kind.RETYPE, "the number in a count of what was published, for text",
                 "UPDATE tallies SET number = 'x' WHERE kind = 'published_checkpoints'",
                 "published.count", "published_checkpoints"),
)  # fmt: skip
STAMPS = (
    of_published("large-stamp", Kind.SWELL, "a time stamp, for one too large to be read",
                 f"UPDATE timestamps SET response = {LARGE} WHERE {MIDDLE}",
                 "timestamps.altered", "time stamp"),
    of_published("text-stamp", Kind.RETYPE, "a time stamp, for text",
                 f"UPDATE timestamps SET response = CAST(response AS TEXT) WHERE {MIDDLE}",
                 "timestamps.altered", "time stamp"),
)  # fmt: skip
