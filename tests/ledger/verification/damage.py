"""A ledger's files, altered behind its back: one alteration at a time, triggers out of the way."""

from __future__ import annotations

import dataclasses
import shutil
import sqlite3
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ledger.log.checkpoint import Checkpoint, sign_checkpoint
from ledger.log.entry import Entry, entry_hash, parse_entry
from ledger.log.tree import Frontier, leaf_hash
from ledger.signing import base64url
from ledger.storage.evidence import verify_ledger

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from ledger.log.note import NoteSigner
    from ledger.verification.report import Finding, RootOfTrust, VerificationReport


@dataclass(frozen=True, slots=True)
class Damaged:
    """A copy of a sound ledger's database and head file, to be altered and verified."""

    database: Path
    head_file: Path

    @classmethod
    def copy_of(cls, database: Path, head_file: Path, directory: Path) -> Damaged:
        """A copy whose triggers are dropped."""
        copy = cls(directory / "copy.sqlite3", directory / "copy.head")
        shutil.copyfile(database, copy.database)
        shutil.copyfile(head_file, copy.head_file)
        triggers = copy.ask("SELECT name FROM sqlite_master WHERE type = 'trigger'")
        for (name,) in triggers:
            copy.run(f"DROP TRIGGER {name}")
        return copy

    def ask(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        """Rows of a query."""
        connection = sqlite3.connect(self.database)
        try:
            return connection.execute(statement, values).fetchall()
        finally:
            connection.close()

    def run(self, statement: str, *values: object) -> None:
        """One alteration, committed and checkpointed into the file."""
        connection = sqlite3.connect(self.database)
        try:
            connection.execute("PRAGMA ignore_check_constraints = ON")
            with connection:
                connection.execute(statement, values)
        finally:
            connection.close()

    @property
    def size(self) -> int:
        """How many entries there are."""
        return int(self.ask("SELECT COUNT(*) FROM stored_events")[0][0])

    def entry(self, seq: int) -> Entry:
        """One entry."""
        return parse_entry(self.state(seq))

    def state(self, seq: int) -> bytes:
        """One entry's bytes."""
        data: bytes = self.ask("SELECT state FROM stored_events WHERE seq = ?", seq)[0][0]
        return data

    def put(self, seq: int, data: object) -> None:
        """Replace one entry's bytes."""
        self.run("UPDATE stored_events SET state = ? WHERE seq = ?", data, seq)

    def flip(self, seq: int, place: int) -> None:
        """Flip the lowest bit of one byte of an entry."""
        data = bytearray(self.state(seq))
        data[place] ^= 1
        self.put(seq, bytes(data))

    def move(self, old: int, new: int) -> None:
        """Give a row another position."""
        self.run("UPDATE stored_events SET seq = ? WHERE seq = ?", new, old)

    def swap(self, one: int, other: int) -> None:
        """Let two rows change places."""
        self.move(one, -7)
        self.move(other, one)
        self.move(-7, other)

    def delete(self, seq: int) -> None:
        """Remove a row."""
        self.run("DELETE FROM stored_events WHERE seq = ?", seq)

    def cut(self, size: int) -> None:
        """Remove the rows from a position on, and nothing else."""
        self.run("DELETE FROM stored_events WHERE seq >= ?", size)

    def roll_back(self, size: int) -> None:
        """Cut everything back to the state at a checkpoint's size, head file apart."""
        self.cut(size)
        self.run("DELETE FROM checkpoints WHERE size > ?", size)
        self.run("DELETE FROM openings WHERE seq >= ?", size)
        self.run("DELETE FROM tree_tiles WHERE (tile + 1) * 256 > ?", size)
        last = self.state(size - 1)
        self.run(
            "UPDATE ledger_head SET size = ?, hash = ?, recorded_at = ?",
            size,
            entry_hash(last),
            parse_entry(last).recorded_at,
        )

    def rewrite(self, seq: int, change: Callable[[Entry], Entry]) -> None:
        """Change an entry and compute both chains again to the end, head row included."""
        self.put(seq, change(self.entry(seq)).to_bytes())
        links: dict[str, str] = {}
        before = entry_hash(self.state(seq - 1))
        for number in range(seq, self.size):
            entry = self.entry(number)
            link = links.get(entry.stream, entry.stream_prev)
            entry = dataclasses.replace(entry, prev=before, stream_prev=link)
            self.put(number, entry.to_bytes())
            before, links[entry.stream] = entry_hash(entry.to_bytes()), entry.link_hash()
        self.run("UPDATE ledger_head SET hash = ?", before)

    def sign_again(self, signer: NoteSigner) -> None:
        """Compute tiles' roots aside, sign every checkpoint and the head file with some key."""
        leaves = [leaf_hash(self.state(seq)) for seq in range(self.size)]
        note = ""
        for (size,) in self.ask("SELECT size FROM checkpoints ORDER BY size"):
            root = Frontier().extend(leaves[:size]).root()
            note = sign_checkpoint(Checkpoint(signer.name, size, root), signer)
            self.run("UPDATE checkpoints SET note = ? WHERE size = ?", note, size)
        self.head_file.write_text(note, encoding="utf-8", newline="\n")
        hashes = b"".join(leaves[:256])
        root = Frontier().extend(leaves[:256]).root()
        self.run("UPDATE tree_tiles SET hashes = ?, root = ?", hashes, root)

    def verify(self, trust: RootOfTrust | None = None) -> VerificationReport:
        """The report on it."""
        return verify_ledger(self.database, head_file=self.head_file, trust=trust)


def altered_payload(statement: str) -> str:
    """A compact statement with one letter of its event's time changed, signature left."""
    header, payload, signature = statement.split(".")
    text = base64url.decode(payload).decode()
    place = text.index('"time":"20') + len('"time":"20')
    digit = "3" if text[place] != "3" else "2"
    text = text[:place] + digit + text[place + 1 :]
    return f"{header}.{base64url.encode(text.encode())}.{signature}"


def codes(findings: Sequence[Finding]) -> list[str]:
    """The codes of findings, each once, in their order."""
    return list(dict.fromkeys(finding.code for finding in findings))


def of(report: VerificationReport, code: str) -> list[tuple[int | None, int | None]]:
    """The ranges named under a code."""
    everything = (*report.findings, *report.doubtful, *report.notices)
    return [(f.first, f.last) for f in everything if f.code == code]
