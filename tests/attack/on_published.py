"""Alterations of every table and column of what was published: checkpoints, witnesses, stamps."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from ledger.log.checkpoint import Checkpoint, sign_checkpoint
from ledger.log.cosignature import Cosigner, cosign
from ledger.log.note import NoteSigner
from tests.attack import on_values
from tests.attack.alteration import Alteration, Kind, Target
from tests.ledger.verification.publish import ETHICS, with_both_keys
from tests.running_authority import openssl_stamps

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.attack.tampered import TamperedLedger

NOBODY = "— x.example/x AAAAAAAA\n"
OLDEST, MIDDLE, NEWEST = range(3)


def alteration(
    name: str,
    kind: Kind,
    what: str,
    make: Callable[[TamperedLedger], None],
    code: str,
    place: int | str,
    *,
    also: frozenset[str] = frozenset(),
    key_needed: bool = False,
) -> Alteration:
    """A row of the bench that alters what was published."""
    return Alteration(
        name=name, target=Target.PUBLISHED, kind=kind, what=what, make=make, code=code, place=place,
        also=also, key_needed=key_needed, sqlite_only=True,
    )  # fmt: skip


def at(number: int, statement: str, *values: object) -> Callable[[TamperedLedger], None]:
    """An alteration of the rows of one of the three published sizes."""

    def make(ledger: TamperedLedger) -> None:
        size = ledger.stand.sizes[number]
        ledger.table(".published").run(f"{statement} WHERE size = ?", *values, size)

    return make


def of_witness(number: int, statement: str) -> Callable[[TamperedLedger], None]:
    """An alteration of one witness's line for one of the three sizes."""

    def make(ledger: TamperedLedger) -> None:
        size = ledger.stand.sizes[number]
        ledger.table(".published").run(
            f"{statement} WHERE size = ? AND vkey = ?", size, str(ETHICS.vkey)
        )

    return make


def published_note(ledger: TamperedLedger, number: int) -> str:
    """One of the three published notes."""
    ((note,),) = ledger.table(".published").ask(
        "SELECT note FROM published_checkpoints WHERE size = ?", ledger.stand.sizes[number]
    )
    return str(note)


def put_note(ledger: TamperedLedger, number: int, note: str) -> None:
    """Replace one of the three published notes."""
    at(number, "UPDATE published_checkpoints SET note = ?", note)(ledger)


def without_line(which: int) -> Callable[[TamperedLedger], None]:
    """Take one signature line away from the middle note."""

    def make(ledger: TamperedLedger) -> None:
        text, lines = published_note(ledger, MIDDLE).split("\n\n")
        kept = lines.splitlines(keepends=True)
        del kept[which]
        put_note(ledger, MIDDLE, f"{text}\n\n{''.join(kept)}")

    return make


def another_tree(ledger: TamperedLedger) -> None:
    """Have the log's own keys sign another tree of a published size."""
    keys, size = ledger.stand.built.keys, ledger.stand.sizes[MIDDLE]
    note = sign_checkpoint(Checkpoint(keys.origin, size, bytes(32)), keys.checkpoint_signer)
    put_note(ledger, MIDDLE, with_both_keys(note, keys))


def signed_by_another(ledger: TamperedLedger) -> None:
    """Sign a published checkpoint again with one's own key under the log's name."""
    origin, size = ledger.stand.built.keys.origin, ledger.stand.sizes[MIDDLE]
    signer = NoteSigner.from_seed(origin, bytes(32))
    put_note(ledger, MIDDLE, sign_checkpoint(Checkpoint(origin, size, bytes(32)), signer))


def of_another_log(ledger: TamperedLedger) -> None:
    """Put a witness's true line over another log's checkpoint under this log's."""
    signer = NoteSigner.from_seed("other.example/log", bytes(32))
    note = sign_checkpoint(Checkpoint(signer.name, ledger.stand.sizes[MIDDLE], bytes(32)), signer)
    set_line(ledger, cosign(note, ETHICS, time=1_800_000_000))


def of_another_witness(ledger: TamperedLedger) -> None:
    """Cosign under a witness's name with another key."""
    false = Cosigner.from_seed(ETHICS.name, bytes(32))
    set_line(ledger, cosign(published_note(ledger, MIDDLE), false, time=1_800_000_000))


def set_line(ledger: TamperedLedger, line: str) -> None:
    """Replace one witness's line under the middle checkpoint."""
    ledger.table(".published").run(
        "UPDATE cosignatures SET line = ? WHERE size = ? AND vkey = ?",
        line, ledger.stand.sizes[MIDDLE], str(ETHICS.vkey),
    )  # fmt: skip


def stamp_of_another(ledger: TamperedLedger) -> None:
    """Keep one checkpoint's time stamp for another, with a hash that fits."""
    table, sizes = ledger.table(".published"), ledger.stand.sizes
    ((response, time),) = table.ask(
        "SELECT response, time FROM timestamps WHERE size = ?", sizes[MIDDLE]
    )
    digest = hashlib.sha256(response).hexdigest()
    at(NEWEST, "UPDATE timestamps SET response = ?, time = ?, sha256 = ?", response, time, digest)(
        ledger
    )


def no_response(ledger: TamperedLedger) -> None:
    """Keep something else than a response, with a hash that fits."""
    digest = hashlib.sha256(b"x").hexdigest()
    at(MIDDLE, "UPDATE timestamps SET response = ?, sha256 = ?", b"x", digest)(ledger)


def schema(*statements: str) -> Callable[[TamperedLedger], None]:
    """An alteration of the file's schema."""
    return lambda ledger: ledger.table(".published").schema(*statements)


def count(column: str, value: object) -> Callable[[TamperedLedger], None]:
    """Change a column of the count of published checkpoints."""
    statement = f"UPDATE tallies SET {column} = ? WHERE kind = 'published_checkpoints'"
    return lambda ledger: ledger.table(".published").run(statement, value)


def no_database(ledger: TamperedLedger) -> None:
    """Put something else in the place of the file."""
    ledger.beside(".published").write_bytes(b"no database")


NOTES = (
    alteration("note-root", Kind.FLIP, "a character of a published checkpoint",
               lambda x: put_note(x, MIDDLE, swapped(published_note(x, MIDDLE), 32)),
               "published.signature", "published checkpoint",
               also=frozenset({"cosignatures.log", "cosignatures.signature"})),
    alteration("note-ed25519", Kind.DROP, "the Ed25519 line of a published checkpoint",
               without_line(0), "published.signature", "published checkpoint"),
    alteration("note-ml-dsa", Kind.DROP, "the ML-DSA-44 line of a published checkpoint",
               without_line(1), "cosignatures.log", "published checkpoint"),
    alteration("note-line-added", Kind.INSERT, "a line of nobody under a published checkpoint",
               lambda x: put_note(x, MIDDLE, f"{published_note(x, MIDDLE)}{NOBODY}"),
               "published.signature", "published checkpoint"),
    alteration("note-emptied", Kind.TRUNCATE, "all of a published checkpoint",
               at(MIDDLE, "UPDATE published_checkpoints SET note = ''"), "published.signature",
               "published checkpoint"),
    alteration("note-replayed", Kind.REPLAY, "a published checkpoint, for an older one",
               lambda x: put_note(x, NEWEST, published_note(x, OLDEST)), "published.size",
               "published checkpoint"),
    alteration("note-size", Kind.SWAP, "the size a published checkpoint is kept under",
               at(MIDDLE, "UPDATE published_checkpoints SET size = size + 1"), "published.size",
               "published checkpoint"),
    alteration("note-re-signed", Kind.RE_SIGN, "a published checkpoint, by another key",
               signed_by_another, "published.signature", "published checkpoint",
               also=frozenset({"cosignatures.log", "cosignatures.signature"})),
    alteration("note-forked", Kind.FORK, "the tree of a published checkpoint, with the log's keys",
               another_tree, "published.root", "published checkpoint", key_needed=True,
               also=frozenset({"cosignatures.signature", "timestamps.other-checkpoint"})),
    *(
        alteration(f"note-dropped-{name}", Kind.DROP, f"the {name} published checkpoint",
                   at(number, "DELETE FROM published_checkpoints"), "published.missing",
                   "published_checkpoints")
        for number, name in enumerate(("oldest", "middle", "newest"))
    ),
)  # fmt: skip

LINES = (
    alteration("line", Kind.FLIP, "a character of a witness's line",
               of_witness(MIDDLE, "UPDATE cosignatures SET line = replace(line, 'A', 'B')"),
               "cosignatures.signature", "witness.example/ethics"),
    alteration("line-cut", Kind.TRUNCATE, "the end of a witness's line",
               of_witness(MIDDLE, "UPDATE cosignatures SET line = trim(line, char(10))"),
               "cosignatures.signature", "witness.example/ethics"),
    alteration("line-dropped", Kind.DROP, "a witness's line",
               of_witness(MIDDLE, "DELETE FROM cosignatures"), "cosignatures.missing",
               "cosignatures"),
    alteration("line-moved", Kind.SWAP, "the size a witness's line is kept for",
               of_witness(MIDDLE, "UPDATE cosignatures SET size = 7"), "cosignatures.stray",
               "cosignature 7"),
    alteration("line-key", Kind.SWAP, "the key a witness's line is kept for",
               of_witness(MIDDLE, "UPDATE cosignatures SET vkey = 'nobody'"),
               "cosignatures.signature", "cosignature"),
    alteration("line-replayed", Kind.REPLAY, "a witness's line, for that under an older checkpoint",
               of_witness(NEWEST, "UPDATE cosignatures SET line = (SELECT o.line FROM cosignatures"
                          " o WHERE o.vkey = cosignatures.vkey ORDER BY o.size LIMIT 1)"),
               "cosignatures.signature", "witness.example/ethics"),
    alteration("line-of-another-log", Kind.REPLAY,
               "a witness's line, for one over another log's checkpoint", of_another_log,
               "cosignatures.signature", "witness.example/ethics"),
    alteration("line-re-signed", Kind.RE_SIGN, "a witness's line, by another key",
               of_another_witness, "cosignatures.signature", "witness.example/ethics"),
)  # fmt: skip

STAMPS = (
    alteration("stamp", Kind.TRUNCATE, "the end of a time stamp",
               at(MIDDLE, "UPDATE timestamps SET response = substr(response, 1, 300)"),
               "timestamps.altered", "time stamp"),
    alteration("stamp-hash", Kind.FLIP, "the hash beside a time stamp",
               at(MIDDLE, "UPDATE timestamps SET sha256 = '00'"), "timestamps.altered",
               "time stamp"),
    alteration("stamp-none", Kind.SWAP, "a time stamp, for something that is none", no_response,
               "timestamps.malformed", "time stamp"),
    alteration("stamp-time", Kind.BACK_DATE, "the time beside a time stamp",
               at(MIDDLE, "UPDATE timestamps SET time = '2020-01-01T00:00:00Z'"),
               "timestamps.column", "time stamp"),
    alteration("stamp-authority", Kind.FLIP, "the authority beside a time stamp",
               at(MIDDLE, "UPDATE timestamps SET authority = 'CN=Another'"), "timestamps.column",
               "time stamp"),
    alteration("stamp-replayed", Kind.REPLAY, "a time stamp, for that of another checkpoint",
               stamp_of_another, "timestamps.other-checkpoint", "time stamp"),
    alteration("stamp-moved", Kind.SWAP, "the size a time stamp is kept for",
               at(MIDDLE, "UPDATE timestamps SET size = 100000"), "timestamps.no-checkpoint",
               "time stamp"),
    alteration("stamp-dropped", Kind.DROP, "a time stamp", at(MIDDLE, "DELETE FROM timestamps"),
               "timestamps.missing", "timestamps"),
    *on_values.STAMPS,
) if openssl_stamps() else ()  # fmt: skip

TALLIES = (
    *(
        alteration(f"count-{column}", Kind.FLIP, f"the {column} in a count of what was published",
                   count(column, value),
                   code, artefact, also=also)
        for column, value, code, artefact, also in (
            ("number", 1, "published.count", "published_checkpoints", frozenset()),
            ("total", 1, "published.count", "published_checkpoints", frozenset()),
            ("kind", "others", "published.count", "count of others", frozenset()),
            ("vkey", "others", "published.count", "published_checkpoints",
             frozenset({"published.missing"})),
        )
    ),
    alteration("count-dropped", Kind.DROP, "a count of what was published",
               lambda x: x.table(".published").run(
                   "DELETE FROM tallies WHERE kind = 'published_checkpoints'"),
               "published.count", "published_checkpoints"),
    alteration("table-dropped", Kind.DROP, "the table of the counts", schema("DROP TABLE tallies"),
               "published.store", "tallies", also=frozenset({"published.count"})),
    alteration("protection-dropped", Kind.DROP, "a protection of what was published",
               schema("DROP TRIGGER cosignatures_counted"), "published.store",
               "cosignatures_counted"),
    alteration("no-database", Kind.TRUNCATE, "the whole file, for another",
               no_database,
               "published.store", ".published"),
)  # fmt: skip


def swapped(text: str, place: int) -> str:
    """The text with one character changed for another of a like kind."""
    return text[:place] + ("A" if text[place] != "A" else "B") + text[place + 1 :]


ALTERATIONS = (*NOTES, *LINES, *STAMPS, *TALLIES, *on_values.PUBLISHED)
