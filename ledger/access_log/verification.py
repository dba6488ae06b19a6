"""Checks of an access log from its file alone: everything is read once, all that is wrong named."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final
from uuid import UUID

from ledger.access_log.record import OPENED, RECORDED, SOURCE, STREAM, opening, read
from ledger.errors import IntegrityFailure, LedgerError
from ledger.log.chain import ChainHead, Link, StreamHead, advance, check_link
from ledger.log.checkpoint import open_checkpoint
from ledger.log.entry import parse_entry
from ledger.log.note import VerifierKey
from ledger.log.tiles import TILE_WIDTH
from ledger.log.tree import EMPTY_ROOT, Frontier, leaf_hash, root_of
from ledger.signing.envelope import parse_event
from ledger.signing.statement import parse_statement, verify_signature
from ledger.storage.evidence import DatabaseEvidence
from ledger.verification.evidence import StoredHead, all_checkpoints

if TYPE_CHECKING:
    from pathlib import Path

    from ledger.log.entry import Entry
    from ledger.signing.envelope import Event
    from ledger.signing.jwk import PublicJwk
    from ledger.verification.evidence import StoredRow

_PAGE: Final = 500
LARGEST_LISTING: Final = 1_000


@dataclass(frozen=True, slots=True)
class Flaw:
    """One thing that is wrong: the position (None for the log as a whole), a code, a sentence."""

    seq: int | None
    code: str
    message: str


@dataclass(slots=True)
class AccessLogReport:
    """What was checked and what is wrong; ``entries`` counts those read, ``vkey`` was stated."""

    entries: int = 0
    vkey: str | None = None
    head: str = ""
    flaws: list[Flaw] = field(default_factory=list)

    @property
    def sound(self) -> bool:
        """Whether nothing is wrong."""
        return not self.flaws

    def add(self, seq: int | None, error: LedgerError | str, code: str = "") -> None:
        """List a flaw, up to a bound."""
        if len(self.flaws) < LARGEST_LISTING:
            found = error.code if isinstance(error, LedgerError) else code
            sentence = error.message if isinstance(error, LedgerError) else error
            self.flaws.append(Flaw(seq, found, sentence))


def verify_access_log(
    path: Path, *, statement_key: PublicJwk, trial: str, genesis_sha256: str
) -> AccessLogReport:
    """Check positions, both chains, statements, tree, checkpoints, head row and head file.

    ``statement_key``, ``trial`` and ``genesis_sha256`` are what entry 0 of the main log says; the
    key of the checkpoints is stated, under the statement key, in the access log's own entry 0.
    Raises Unavailable when the file cannot be read at all.
    """
    with DatabaseEvidence(path, head_file=path.with_name(f"{path.name}.head")) as source:
        return _Check(source, statement_key, trial, genesis_sha256).run()


class _Check:
    """The state of one verification."""

    def __init__(
        self, source: DatabaseEvidence, key: PublicJwk, trial: str, genesis_sha256: str
    ) -> None:
        self._source, self._key = source, key
        self._trial, self._genesis = trial, genesis_sha256
        self._report = AccessLogReport()
        self._head, self._stream = ChainHead(), StreamHead()
        self._frontier = Frontier()
        self._roots: dict[int, bytes] = {0: EMPTY_ROOT}
        self._vkey: VerifierKey | None = None
        self._sizes: set[int] = set()
        self._edges: list[list[bytes]] = []
        self._tiles: Counter[int] = Counter()

    def run(self) -> AccessLogReport:
        """Check everything once."""
        for artefact, sentence in self._source.faults():
            self._report.add(None, sentence, f"storage.{artefact}")
        for finding in self._source.storage():
            self._report.add(None, str(finding), "storage.structure")
        self._sizes = {one.size for one in all_checkpoints(self._source)}
        after: int | None = None
        while rows := self._source.rows(after, _PAGE):
            for row in rows:
                self._row(row)
            after = rows[-1].seq
        self._check_checkpoints()
        self._check_head()
        self._report.entries, self._report.head = self._head.size, self._head.hash
        return self._report

    def _row(self, row: StoredRow) -> None:
        if not isinstance(row.data, bytes):
            self._report.add(row.seq, "The entry cannot be read.", "entry.unreadable")
            return
        leaf = leaf_hash(row.data)
        self._frontier = self._frontier.append(leaf)
        self._tile(0, leaf)
        if self._frontier.size in self._sizes:
            self._roots[self._frontier.size] = self._frontier.root()
        try:
            entry = parse_entry(row.data)
        except LedgerError as error:
            self._report.add(row.seq, error)
            return
        for check in (self._chain, self._columns, self._statement):
            try:
                check(row, entry)
            except LedgerError as error:
                self._report.add(row.seq, error)
        self._head, self._stream = advance(Link(entry, row.data))

    def _chain(self, _row: StoredRow, entry: Entry) -> None:
        check_link(self._head, self._stream, entry)

    def _columns(self, row: StoredRow, entry: Entry) -> None:
        statement = parse_statement(entry.statement)
        event = parse_event(statement.payload)
        wanted = (STREAM, entry.stream_seq, event.type, UUID(event.id).bytes)
        columns = row.columns
        found = columns and (
            columns.originator_id,
            columns.originator_version,
            columns.topic,
            columns.event_id,
        )
        if row.seq != entry.seq or entry.stream != STREAM or found != wanted:
            raise IntegrityFailure("entry.columns", "The row's columns are not the entry's.")

    def _statement(self, row: StoredRow, entry: Entry) -> None:
        statement = parse_statement(entry.statement)
        for signature in statement.signatures:
            verify_signature(statement, signature, self._key)
        event = parse_event(statement.payload)
        if (event.source, event.trialid) != (SOURCE, self._trial):
            raise IntegrityFailure("statement.foreign", "The statement is not of this ledger.")
        if row.seq == 0:
            self._opened(event)
        elif event.type == RECORDED:
            read(event.data)
        else:
            raise IntegrityFailure("statement.type", f"{event.type} does not belong here.")

    def _opened(self, event: Event) -> None:
        vkey = event.data.get("vkey")
        if event.type != OPENED or event.data != opening(self._trial, self._genesis, str(vkey)):
            raise IntegrityFailure(
                "access-log.other-ledger", "Entry 0 does not say that this is the ledger's own."
            )
        self._vkey, self._report.vkey = VerifierKey.parse(str(vkey)), str(vkey)

    def _tile(self, level: int, node: bytes) -> None:
        """Compare each tile as its last hash comes; its root is a hash of the level above."""
        if level == len(self._edges):
            self._edges.append([])
        edge = self._edges[level]
        edge.append(node)
        if len(edge) < TILE_WIDTH:
            return
        index = self._tiles[level]
        self._tiles[level] += 1
        root, hashes = root_of(edge), b"".join(edge)
        edge.clear()
        stored = self._source.tile(level, index)
        if stored is None or (stored.hashes, stored.root) != (hashes, root):
            self._report.add(None, f"Tile {level}/{index} is not what the entries give.", "tile")
        self._tile(level + 1, root)

    def _check_checkpoints(self) -> None:
        if self._vkey is None:
            self._report.add(None, "Without entry 0 no checkpoint can be checked.", "checkpoint")
            return
        previous = 0
        for stored in all_checkpoints(self._source):
            place = stored.size - 1
            try:
                checkpoint = open_checkpoint(_text(stored.note), self._vkey)
            except LedgerError as error:
                self._report.add(place, error)
                continue
            if (checkpoint.size, checkpoint.root) != (stored.size, self._roots.get(stored.size)):
                self._report.add(place, "The checkpoint is of another tree.", "checkpoint.root")
            if stored.previous != previous:
                self._report.add(place, "A checkpoint before it is missing.", "checkpoint.link")
            previous = stored.size
        if previous != self._frontier.size:
            self._report.add(None, "The newest entries have no checkpoint.", "checkpoint.newest")

    def _check_head(self) -> None:
        head, seen = self._source.head(), self._head
        if not isinstance(head, StoredHead) or (head.size, head.hash, head.recorded_at) != (
            seen.size,
            seen.hash,
            seen.recorded_at,
        ):
            self._report.add(None, "The head row is not that of the last entry.", "head.row")
        kept = self._source.head_note()
        if kept is None or kept.note is None:
            self._report.add(None, "The head file is missing.", "head.file")
        elif self._vkey is not None:
            try:
                checkpoint = open_checkpoint(kept.note, self._vkey)
            except LedgerError as error:
                self._report.add(None, error)
                return
            if self._roots.get(checkpoint.size) != checkpoint.root:
                self._report.add(
                    None,
                    f"The head kept outside has {checkpoint.size} entries; this file ends at "
                    f"{seen.size} or has another history.",
                    "head.rolled-back",
                )


def _text(note: object) -> str:
    if isinstance(note, str):
        return note
    raise IntegrityFailure("checkpoint.unreadable", "The checkpoint cannot be read.")
