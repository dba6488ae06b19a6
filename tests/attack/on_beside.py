"""Alterations of what lies beside the log: projections, the access log, receipts."""

from __future__ import annotations

import json
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import TYPE_CHECKING

from tests.attack.alteration import Alteration, Kind, Target

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.attack.tampered import TamperedLedger

SUFFIXES = {Target.PROJECTIONS: ".projections", Target.ACCESS_LOG: ".access-log"}


def of(target: Target) -> Callable[..., Alteration]:
    """A maker of rows of the bench that alter one of the files."""

    def alteration(
        name: str, kind: Kind, what: str, make: Callable[[TamperedLedger], None] | str, code: str,
        place: int | str, also: frozenset[str] = frozenset(),
    ) -> Alteration:  # fmt: skip
        def run(ledger: TamperedLedger) -> None:
            ledger.table(SUFFIXES[target]).run(str(make))

        return Alteration(
            name=name, target=target, kind=kind, what=what,
            make=run if isinstance(make, str) else make, code=code, place=place, also=also,
            sqlite_only=True,
        )  # fmt: skip

    return alteration


_projections, _access, _receipt = (
    of(target) for target in (Target.PROJECTIONS, Target.ACCESS_LOG, Target.RECEIPT)
)
_ROW = "projection = 'subject' AND key = 'SY01-0034'"


def _flip_row(ledger: TamperedLedger) -> None:
    table = ledger.table(".projections")
    ((body,),) = table.ask(f"SELECT body FROM projection_rows WHERE {_ROW}")
    data = bytearray(body if isinstance(body, bytes) else body.encode())
    data[len(data) // 2] ^= 1
    table.run(f"UPDATE projection_rows SET body = ? WHERE {_ROW}", bytes(data))


PROJECTIONS = (
    _projections("body", Kind.FLIP, "a folded row",
                 _flip_row, "projections.unreadable", "log",
                 also=frozenset({"projections.changed"})),
    _projections("key", Kind.SWAP, "the subject a folded row is kept for",
                 f"UPDATE projection_rows SET key = 'SY01-9999' WHERE {_ROW}",
                 "projections.unreadable", "log",
                 also=frozenset({"projections.missing", "projections.surplus"})),
    _projections("row-dropped", Kind.DROP, "a folded row",
                 f"DELETE FROM projection_rows WHERE {_ROW}", "projections.missing",
                 "subject SY01-0034"),
    _projections("row-inserted", Kind.INSERT, "a folded row too many",
                 "INSERT INTO projection_rows SELECT generation, projection, 'SY01-9999', body FROM"
                 f" projection_rows WHERE {_ROW}", "projections.unreadable", "log",
                 also=frozenset({"projections.surplus"})),
    _projections("parked", Kind.INSERT, "an entry said not to be foldable",
                 "INSERT INTO parked_entries SELECT generation, 100, 'x', 'x' FROM"
                 " projection_state",
                 "projections.surplus", "100"),
    _projections("genesis", Kind.FLIP, "the ledger the rows are said to be of",
                 "UPDATE projection_state SET genesis_sha256 = 'x'", "projections.changed",
                 "genesis"),
)  # fmt: skip


def _flip_entry(ledger: TamperedLedger) -> None:
    table = ledger.table(".access-log")
    ((data,),) = table.ask("SELECT state FROM stored_events WHERE seq = 5")
    _, payload, _ = json.loads(data)["statement"].split(".")
    event = urlsafe_b64decode(payload + "=" * (-len(payload) % 4))
    # A bit of the role: what stands at a place that is merely counted varies with the time.
    altered = urlsafe_b64encode(event.replace(b"study-coordinator", b"study-coordinatos"))
    changed = data.replace(payload.encode(), altered.rstrip(b"="))
    table.run("UPDATE stored_events SET state = ? WHERE seq = 5", changed)


def _other_signature(note: bytes) -> bytes:
    """The note with another base64 digit in its signature."""
    return note[:-9] + (b"B" if note[-9:-8] == b"A" else b"A") + note[-8:]


def _head_file(change: Callable[[bytes], bytes]) -> Callable[[TamperedLedger], None]:
    def make(ledger: TamperedLedger) -> None:
        path = ledger.beside(".access-log.head")
        path.write_bytes(change(path.read_bytes()))

    return make


_HASHES = frozenset({"chain.prev", "checkpoint.root", "head.rolled-back", "entry.columns"})
_CUT = _HASHES | {"head.row", "checkpoint.newest"}

ACCESS = (
    _access("entry", Kind.FLIP, "one bit of an entry of the access log", _flip_entry,
            "signature.invalid", 5, also=_HASHES),
    _access("entry-dropped", Kind.DROP, "an entry of the access log",
            "DELETE FROM stored_events WHERE seq = 5", "chain.seq", 6, also=_CUT),
    _access("column", Kind.FLIP, "a column beside an entry of the access log",
            "UPDATE stored_events SET topic = 'x' WHERE seq = 5", "entry.columns", 5),
    _access("tail-cut", Kind.TRUNCATE, "the last entry of the access log",
            "DELETE FROM stored_events WHERE seq = 12", "head.row", "", also=_CUT),
    _access("checkpoint", Kind.FLIP, "a checkpoint of the access log",
            "UPDATE checkpoints SET note = 'x' WHERE size = 5", "note.no-signatures", 4,
            also=frozenset({"checkpoint.link"})),
    _access("checkpoint-dropped", Kind.DROP, "a checkpoint of the access log",
            "DELETE FROM checkpoints WHERE size = 5", "checkpoint.link", 5),
    _access("head-row", Kind.FLIP, "the head row of the access log",
            "UPDATE ledger_head SET hash = 'x'", "head.row", ""),
    _access("head-file", Kind.FLIP, "the head file of the access log",
            _head_file(_other_signature),
            "note.bad-signature", ""),
    _access("head-file-dropped", Kind.DROP, "the head file of the access log",
            lambda x: x.beside(".access-log.head").unlink(), "head.file", ""),
)  # fmt: skip


def _proof(change: Callable[[bytes], bytes]) -> Callable[[TamperedLedger], None]:
    def make(ledger: TamperedLedger) -> None:
        path = ledger.issued / "100.tlog-proof"
        changed = change(path.read_bytes())
        if changed == path.read_bytes():
            raise AssertionError("nothing changed")
        path.write_bytes(changed)

    return make


def _entry(change: Callable[[bytes], bytes]) -> Callable[[TamperedLedger], None]:
    def make(ledger: TamperedLedger) -> None:
        path = ledger.issued / "100.entry.json"
        path.write_bytes(change(path.read_bytes()))

    return make


def _another_receipt(ledger: TamperedLedger) -> None:
    other = (ledger.issued / "282.tlog-proof").read_bytes()
    (ledger.issued / "100.tlog-proof").write_bytes(other)


def _lines(data: bytes) -> list[bytes]:
    return data.splitlines(keepends=True)


def _swap(data: bytes) -> bytes:
    lines = _lines(data)
    lines[2], lines[3] = lines[3], lines[2]
    return b"".join(lines)


def _larger(data: bytes) -> bytes:
    # Which checkpoint came first depends on how many entries one commit took in.
    return re.sub(rb"\n(\d+)\n", lambda size: b"\n%d\n" % (int(size[1]) + 1), data, count=1)


RECEIPTS = (
    _receipt("entry", Kind.FLIP, "one bit of the entry beside a receipt",
             _entry(lambda data: data[:500] + bytes([data[500] ^ 1]) + data[501:]),
             "inclusion.root-mismatch", "receipt"),
    _receipt("replayed", Kind.REPLAY, "the receipt, for another entry's", _another_receipt,
             "inclusion.root-mismatch", "receipt"),
    _receipt("index", Kind.FLIP, "the index a receipt states",
             _proof(lambda data: data.replace(b"index 100", b"index 101")),
             "inclusion.root-mismatch", "receipt"),
    _receipt("path", Kind.FLIP, "a hash of the path",
             _proof(lambda data: b"".join([*_lines(data)[:2], b"A" * 43 + b"=\n",
                                           *_lines(data)[3:]])), "inclusion.root-mismatch",
             "receipt"),
    _receipt("path-cut", Kind.DROP, "a hash of the path",
             _proof(lambda data: b"".join([*_lines(data)[:2], *_lines(data)[3:]])),
             "inclusion.path-too-short", "receipt"),
    _receipt("path-swapped", Kind.SWAP, "the order of the path", _proof(_swap),
             "inclusion.root-mismatch", "receipt"),
    _receipt("size", Kind.FLIP, "the size in its checkpoint",
             _proof(_larger), "note.bad-signature", "receipt"),
    _receipt("cut", Kind.TRUNCATE, "the end of a receipt", _proof(lambda data: data[:-5]),
             "note.no-signatures", "receipt"),
)  # fmt: skip

ALTERATIONS = (*PROJECTIONS, *ACCESS, *RECEIPTS)
