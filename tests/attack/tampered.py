"""A copy of the sound ledger in the attacker's hands: every file of it, past every protection."""

from __future__ import annotations

import dataclasses
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from ledger.log.entry import Entry, entry_hash, parse_entry
from tests.attack.seen import Seen, audited, proved, verified
from tests.ledger.verification.damage import Damaged
from tests.ledger.verification.pack import members_of, sealed_again, write
from tests.sqlite_table import Table

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from tests.attack.stand import Stand


class Rows(Protocol):
    """The tables of one database, open to whoever has every right over it."""

    def ask(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        """Rows of a query; values stand for question marks."""

    def run(self, statement: str, *values: object) -> None:
        """One alteration past the triggers, which stand again afterwards.

        Raises AssertionError when nothing was changed by it.
        """


@dataclass(slots=True)
class TamperedLedger:
    """The copy; ``rows`` are those of its database, whichever it is."""

    stand: Stand
    directory: Path
    issued: Path
    rows: Rows

    @classmethod
    def copy_of(cls, stand: Stand, directory: Path) -> TamperedLedger:
        """An own copy of every file."""
        shutil.copytree(stand.directory, directory / "ledger")
        shutil.copytree(stand.issued, directory / "issued")
        database = directory / "ledger" / "ledger.sqlite3"
        return cls(stand, database.parent, directory / "issued", Table(database))

    @property
    def database(self) -> Path:
        """The database file."""
        return self.directory / "ledger.sqlite3"

    def beside(self, suffix: str) -> Path:
        """A file beside the database, by its suffix."""
        return self.database.with_name(self.database.name + suffix)

    def table(self, suffix: str) -> Table:
        """The tables of a file beside the database."""
        return Table(self.beside(suffix))

    @property
    def url(self) -> str:
        """The database's address."""
        return f"sqlite:///{self.database}"

    # --- what the commands say ----------------------------------------------------------------

    def verify(self, *more: str) -> Seen:
        """The database and everything beside it, under the root of trust."""
        return verified("--database", self.url, *self.trust, *more)

    def verify_file(self, name: str, *more: str) -> Seen:
        """A bundle or dossier, under the root of trust."""
        return verified(str(self.issued / name), *self.trust, *more)

    def verify_receipt(self, name: str) -> Seen:
        """One receipt, under the log's key."""
        return proved("--receipt", str(self.issued / name), "--key", self.trust[1])

    def audit(self) -> Seen:
        """The access log."""
        return audited("--database", self.url)

    @property
    def trust(self) -> tuple[str, str, str, str]:
        """The options that name the root of trust."""
        keys = self.stand.built.keys
        return ("--key", str(keys.vkey), "--genesis", self.stand.genesis_sha256)

    # --- entries ------------------------------------------------------------------------------

    def state(self, seq: int) -> bytes:
        """One entry's bytes."""
        ((data,),) = self.rows.ask("SELECT state FROM stored_events WHERE seq = ?", seq)
        return bytes(data)

    def entry(self, seq: int) -> Entry:
        """One entry."""
        return parse_entry(self.state(seq))

    def put(self, seq: int, data: bytes) -> None:
        """Replace one entry's bytes."""
        self.rows.run("UPDATE stored_events SET state = ? WHERE seq = ?", data, seq)

    def exchange(self, seq: int, change: Callable[[Entry], Entry]) -> None:
        """Change the members of one entry, and nothing else."""
        self.put(seq, change(self.entry(seq)).to_bytes())

    def size(self) -> int:
        """How many entries there are."""
        return int(self.rows.ask("SELECT COUNT(*) FROM stored_events")[0][0])

    def re_chain(self, seq: int, change: Callable[[Entry], Entry]) -> None:
        """Change an entry and compute both chains again to the end, head row included."""
        self.exchange(seq, change)
        links: dict[str, str] = {}
        before = entry_hash(self.state(seq - 1))
        changed: list[tuple[int, bytes]] = []
        for number in range(seq, self.size()):
            entry = self.entry(number)
            link = links.get(entry.stream, entry.stream_prev)
            entry = dataclasses.replace(entry, prev=before, stream_prev=link)
            data = entry.to_bytes()
            changed.append((number, data))
            before, links[entry.stream] = entry_hash(data), entry.link_hash()
        cases = " ".join("WHEN ? THEN ?" for _ in changed)
        values = [value for pair in changed for value in pair]
        self.rows.run(
            f"UPDATE stored_events SET state = CASE seq {cases} END WHERE seq >= ?", *values, seq
        )
        self.rows.run("UPDATE ledger_head SET hash = ?", before)

    # --- whole files --------------------------------------------------------------------------

    def as_damaged(self) -> Damaged:
        """The same files as the older builder of damages has them."""
        return Damaged(self.database, self.beside(".head"))

    def roll_back(self, size: int) -> None:
        """Cut the database back to a checkpoint's size; all files beside it stay."""
        last = self.state(size - 1)
        self.rows.run("DELETE FROM stored_events WHERE seq >= ?", size)
        self.rows.run("DELETE FROM checkpoints WHERE size > ?", size)
        self.rows.run(
            "UPDATE ledger_head SET size = ?, hash = ?, recorded_at = ?",
            size, entry_hash(last), parse_entry(last).recorded_at,
        )  # fmt: skip
        for table, condition in (("openings", "seq >= ?"), ("tree_tiles", "(tile + 1) * 256 > ?")):
            if self.rows.ask(f"SELECT 1 FROM {table} WHERE {condition}", size):
                self.rows.run(f"DELETE FROM {table} WHERE {condition}", size)

    def note_at(self, size: int) -> str:
        """The checkpoint of a size."""
        ((note,),) = self.rows.ask("SELECT note FROM checkpoints WHERE size = ?", size)
        return str(note)

    def keep_head(self, note: str) -> None:
        """Replace what the head file holds."""
        self.beside(".head").write_text(note, "utf-8", newline="\n")

    # --- bundles ------------------------------------------------------------------------------

    def members(self, name: str) -> dict[str, bytes]:
        """The members of a bundle or dossier."""
        return members_of(self.issued / name)

    def pack(self, name: str, members: Mapping[str, bytes]) -> None:
        """Put members together again, the manifest as it is."""
        write(self.issued / name, members)

    def forge(self, name: str, members: Mapping[str, bytes], **values: object) -> None:
        """Put members together under a manifest made to fit them."""
        write(self.issued / name, sealed_again(members, **values))
