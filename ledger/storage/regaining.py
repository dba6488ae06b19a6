"""Entries brought back byte for byte from copies that others hold, under heads once signed.

Nothing is signed here. An entry comes back only behind the one it names, and only up to a size
for which there is a checkpoint under the log's own key whose root the entries then have. Whether
their statements hold is not asked: the whole database is verified behind this, in which every
column written here is compared with what the entry states.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Final
from uuid import UUID

from ledger.concealment.binding import owner_of
from ledger.concealment.openings import ERASED, ordered, purpose_of
from ledger.errors import IntegrityFailure, LedgerError
from ledger.history import ACCEPTED
from ledger.log.chain import ChainHead, StreamHead, check_link
from ledger.log.entry import Entry, entry_hash, link_hash_in, parse_entry
from ledger.log.tiles import completed_tiles, node_fetcher
from ledger.log.tree import frontier_at, leaf_hash
from ledger.record import read_record
from ledger.signing import base64url
from ledger.signing.sealing import parse_disclosure
from ledger.storage.commit import Opening
from ledger.storage.tree_reader import StoredTree

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from ledger.application import LedgerApplication
    from ledger.concealment.vault import Erasure
    from ledger.log.checkpoint import Checkpoint
    from ledger.record import Record
    from ledger.storage.known_heads import Heads
    from ledger.storage.staging import Row, Staging
    from ledger.storage.supplies import Supply
    from ledger.verification.foreseen import ForeseeingCrew
    from ledger.verification.sound import Row as Examinable

_PAGE: Final = 4_096
_BLOCK: Final = 512
_ID: Final = 16
_STREAMS_OF_KEYS: Final = ("access", "trial")
_UNFIT: Final = (
    LedgerError, ValueError, TypeError, LookupError, AttributeError, RecursionError,
)  # fmt: skip


class Regaining:
    """Extends a ledger's staged database by entries it once held; see the module."""

    def __init__(
        self, application: LedgerApplication, staging: Staging, crew: ForeseeingCrew
    ) -> None:
        self._application, self._staging, self._crew = application, staging, crew
        self._store = application.store
        self._head = self._store.head()
        self._tree = frontier_at(self.size, node_fetcher(StoredTree(self.size, self._store)))
        registered = _examined(staging.rows_of(_STREAMS_OF_KEYS))
        while block := list(islice(registered, _BLOCK)):
            crew.teach(block)
        self._acts: list[_Act] = []
        self._taken: list[tuple[Supply, int, int]] = []

    @property
    def size(self) -> int:
        """How many entries the database holds now."""
        return self._head.size

    def take(self, supply: Supply, heads: Heads) -> int:
        """Bring back what a supply holds up to the last of some heads; gives how many came back.

        An entry behind that does not come back, since nothing proves it. The openings wait for
        `keep_openings`.

        Raises:
            IntegrityFailure: ``restore.other-history`` when entries chain but do not have a
                signed root; ``chain.…`` when they do not continue the database;
                ``restore.repeated`` when they hold an event id twice.
            Unavailable: ``restore.not-written``.
        """
        began, provable = self.size, max(heads, default=0)
        page = _Page(self._head)
        streams: dict[str, StreamHead] = {}
        asked: dict[str, Record] = {}
        for data in supply.entries(began):
            entry = self._following(data, page.end, streams)
            streams[entry.stream] = StreamHead(entry.stream_seq + 1, link_hash_in(data))
            type_name, event_id = self._look_into(entry, data, asked)
            page.take(
                (entry.seq, entry.stream, entry.stream_seq, type_name, data, event_id),
                ChainHead(entry.seq + 1, entry_hash(data), entry.recorded_at),
                keep=entry.seq < provable,
            )
            known = heads.get(page.end.size)
            if known is not None:
                self._prove(page, *known)
                if len(page.rows) >= _PAGE:
                    self._add(page, supply)
                    page = _Page(self._head)
        self._add(page, supply)
        if self.size > began:
            self._taken.append((supply, began, self.size))
        return self.size - began

    def keep_openings(self) -> None:
        """Store the openings of what came back, without what any supply shows to be erased since.

        Raises what `Openings.conceal` raises; Unavailable ``restore.not-written``.
        """
        for supply, began, end in self._taken:
            start = began
            while start < end:
                stop = self._block(start, end)
                texts = supply.openings(start, stop - 1)
                acts = [r.seq for act in self._acts for r in (act.order, act.answer)]
                concerned = {*texts, *(seq for seq in acts if start <= seq < stop)}
                openings = self._kept(self._staging.rows_at(sorted(concerned)), texts)
                self._staging.keep(openings)
                start = stop

    def _following(self, data: bytes, end: ChainHead, streams: Mapping[str, StreamHead]) -> Entry:
        try:
            entry = parse_entry(data)
            before = streams.get(entry.stream) or self._store.stream_head(entry.stream)
            check_link(end, before, entry)
        except IntegrityFailure as error:
            raise IntegrityFailure(
                error.code,
                f"What should come back as entry {end.size} does not continue the log: "
                f"{error.message}",
                where=str(end.size),
                remedy="Keep this copy, and look for another one.",
            ) from error
        return entry

    def _prove(self, page: _Page, checkpoint: Checkpoint, note: str) -> None:
        self._tree = self._tree.extend(page.leaves[page.proven.size - self.size :])
        if self._tree.root() != checkpoint.root:
            raise IntegrityFailure(
                "restore.other-history",
                f"At size {checkpoint.size} these entries have root {self._tree.root().hex()}, the "
                f"log has signed root {checkpoint.root.hex()}.",
                remedy="This copy holds another history. Keep it, and look for another copy.",
            )
        page.checkpoints.append((checkpoint.size, note, page.proven.size))
        page.proven = page.end

    def _add(self, page: _Page, supply: Supply) -> None:
        count = page.proven.size - self.size
        if not count:
            return
        tiles = completed_tiles(self.size, page.leaves[:count], StoredTree(self.size, self._store))
        rows = page.rows[:count]
        self._crew.foresee(_examined(rows, supply))
        self._staging.add(rows, tiles, page.checkpoints, page.proven)
        self._head = page.proven

    def _look_into(self, entry: Entry, data: bytes, asked: dict[str, Record]) -> tuple[str, bytes]:
        """Type and event id as the entry states them; an erasure is taken note of."""
        type_name, event_id, answered = _peeked(entry, data)
        if type_name == ERASED:
            record = read_record(data)
            asked[record.id] = record
        elif answered in asked:
            records = (asked.pop(answered), read_record(data))
            known = {act.erasure.act for act in self._acts}
            self._acts += [
                _Act(erasure, *records) for erasure in ordered(records) if erasure.act not in known
            ]
        return type_name, event_id

    def _block(self, start: int, end: int) -> int:
        """Where a block that begins at a position ends: never between an order and its answer."""
        stop = min(start + _BLOCK, end)
        for act in self._acts:
            if act.order.seq < stop <= act.answer.seq < end:
                stop = act.answer.seq + 1
        return stop

    def _kept(self, rows: Sequence[Row], texts: Mapping[int, Sequence[str]]) -> list[Opening]:
        """The openings as they are stored: without what was erased since, encrypted with a key."""
        given = {
            row[0]: [
                one
                for one in map(parse_disclosure, texts.get(row[0], ()))
                if not self._erased(row, one.name)
            ]
            for row in rows
        }
        vault = self._application.openings
        if vault is not None:
            # The acts are begun by this; the start carries them out.
            records = [read_record(row[4]) for row in rows]
            return [Opening(*stored) for stored in vault.conceal(records, given)[0]]
        return [
            Opening(seq, number, one.text)
            for seq, found in given.items()
            for number, one in enumerate(found)
        ]

    def _erased(self, row: Row, member: str) -> bool:
        seq, stream, _, type_name, _, _ = row
        owner, purpose = owner_of(stream), purpose_of(type_name, member)
        return any(
            seq < act.order.seq
            and owner == f"subject/{act.erasure.subject}"
            and purpose in act.erasure.purposes
            for act in self._acts
        )


@dataclass(frozen=True, slots=True)
class _Act:
    """An erasure that the ledger accepted: the order and the answer."""

    erasure: Erasure
    order: Record
    answer: Record


class _Page:
    """Entries that wait to enter together; those up to ``proven`` stand under a signed root."""

    def __init__(self, head: ChainHead) -> None:
        self.end = self.proven = head
        self.rows: list[Row] = []
        self.leaves: list[bytes] = []
        self.checkpoints: list[tuple[int, str, int]] = []

    def take(self, row: Row, end: ChainHead, *, keep: bool) -> None:
        """Take one entry in, behind which the chain ends so; one that nothing can prove is left."""
        if keep:
            self.rows.append(row)
            self.leaves.append(leaf_hash(row[4]))
        self.end = end


def _examined(rows: Iterable[Row], supply: Supply | None = None) -> Iterator[Examinable]:
    """Rows as a verification has them examined, with what a supply holds for them."""
    following = iter(rows)
    while block := list(islice(following, _BLOCK)):
        texts = supply.openings(block[0][0], block[-1][0]) if supply is not None else {}
        for seq, stream, number, type_name, data, event_id in block:
            columns = (stream, number, type_name, event_id)
            yield seq, data, columns, [*enumerate(texts.get(seq, ()))]


def _peeked(entry: Entry, data: bytes) -> tuple[str, bytes, str]:
    """Type, event id and the id of what an acceptance answers, empty for any other entry.

    Read without the checks that the verification behind makes of every entry; what cannot be read
    so is left to the strict reader, which names what is wrong with it.
    """
    try:
        text = entry.statement
        payload = json.loads(text)["payload"] if text[0] == "{" else text.split(".", 2)[1]
        event = json.loads(base64url.decode(payload))
        type_name, event_id = event["type"], bytes.fromhex(event["id"].replace("-", ""))
        answered = event["data"]["request"]["id"] if type_name == ACCEPTED else ""
        if isinstance(type_name, str) and isinstance(answered, str) and len(event_id) == _ID:
            return type_name, event_id, answered
    except _UNFIT:
        pass
    record = read_record(data)
    return record.type, UUID(record.id).bytes, ""
