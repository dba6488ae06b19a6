"""The access log, open for writing: durable before the answer leaves, many acts in one commit.

The file is one of the main log's kind (entries, both chains, tree, a signed checkpoint for every
commit, append-only by trigger), so what is said of that holds here. Its last signed head is kept
beside it too; a file that was rolled back is not continued.
"""

from __future__ import annotations

import re
import threading
import time
from concurrent.futures import Future
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, cast
from uuid import UUID

from eventsourcing.persistence import PersistenceError, StoredEvent

from ledger.access_log.record import (
    OPENED,
    RECORDED,
    STREAM,
    Access,
    Recorded,
    opening,
    read,
    sign,
    stated,
)
from ledger.errors import IntegrityFailure, LedgerError, TrustFailure, Unavailable
from ledger.log.chain import ChainHead, Draft, StreamHead, advance, append_all
from ledger.log.checkpoint import Checkpoint, open_checkpoint, sign_checkpoint
from ledger.log.entry import parse_entry
from ledger.log.note import NoteSigner
from ledger.log.tiles import completed_tiles, node_fetcher
from ledger.log.tree import Frontier, frontier_at, leaf_hash
from ledger.signing.envelope import parse_event
from ledger.signing.rfc3339 import format_recorded_at
from ledger.signing.statement import parse_statement
from ledger.storage.commit import Commit, HeadMoved
from ledger.storage.head_file import HeadFile, require_contained
from ledger.storage.private_file import create_private
from ledger.storage.sqlite import SQLiteLedgerFactory
from ledger.storage.tree_reader import StoredTree

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from pathlib import Path

    from ledger.clock import Clock
    from ledger.log.chain import Link
    from ledger.signing.jwk import SigningKey
    from ledger.signing.ledger_keys import LedgerKeys
    from ledger.signing.strict_json import JsonObject
    from ledger.storage.sqlite import SQLiteLedgerRecorder

SUFFIX: Final = ".access-log"
GROUP: Final = 500
WAITING: Final = 4_000
ATTEMPTS: Final = 50
HEAD_SECONDS: Final = 1.0
"""How often the head file follows; in between a commit waits for one write, not for two."""

_PAUSE_SECONDS: Final = 0.002
_NAME: Final = re.compile(r"access-log/([a-z0-9]{4,32})")


@dataclass(frozen=True, slots=True)
class AccessLogKeys:
    """Who signs: the ledger's statement key for entries, a key of its own for checkpoints."""

    statement: SigningKey
    checkpoint: NoteSigner

    @classmethod
    def of(cls, keys: LedgerKeys, instance: str) -> AccessLogKeys:
        """The keys that a ledger's keys determine for one access log; no further secret is kept.

        Each file is a log of its own, with a name and a key of its own: two nodes of one ledger,
        or a file begun anew, must not look like two histories of one log.
        """
        name = f"access-log/{instance}"
        seed = keys.derive(f"{name}/checkpoint")
        return cls(keys.statement_key, NoteSigner.from_seed(f"{keys.origin}/{name}", seed))


class AccessLog:
    """One trial's access log; ``record`` from any thread, several processes may share the file."""

    def __init__(
        self,
        path: Path,
        keys: LedgerKeys,
        *,
        trial: str,
        genesis_sha256: str,
        clock: Clock,
        instance: str,
    ) -> None:
        """Open the file, or begin it under the name ``instance`` (a few random characters).

        Raises TrustFailure ``access-log.other-ledger``, ``head.rolled-back`` or ``head.forked``,
        IntegrityFailure for a damaged file, Unavailable when it cannot be opened.
        """
        self._trial, self._genesis, self._clock = trial, genesis_sha256, clock
        self._head_file = HeadFile(path.with_name(f"{path.name}.head"))
        self._gate, self._committing = threading.Lock(), threading.Lock()
        self._waiting: list[tuple[Access, Future[int]]] = []
        self._kept_at = 0.0
        self._head, self._stream, self._frontier = ChainHead(), StreamHead(), Frontier()
        self._note, self._fresh = "", False
        create_private(path)
        try:
            self._factory = SQLiteLedgerFactory(str(path))
            self._store = cast("SQLiteLedgerRecorder", self._factory.application_recorder())
            self._load()
            self._keys = AccessLogKeys.of(keys, self._instance(keys.origin) or instance)
            if not self._head.size:
                self._begin()
                # Another process may have been first: then its name is the log's.
                self._keys = AccessLogKeys.of(keys, self._instance(keys.origin) or instance)
            self._check()
        except (PersistenceError, OSError) as error:
            raise _unavailable(error) from error

    @property
    def vkey(self) -> str:
        """The verifier key of its checkpoints, as its entry 0 states it."""
        return str(self._keys.checkpoint.verifier)

    @property
    def size(self) -> int:
        """How many entries this process last saw."""
        return self._head.size

    def record(self, access: Access) -> int:
        """Write an act down; its position once it is durable.

        Raises Unavailable ``access-log.unavailable`` or ``access-log.busy``: then the act must
        not take place.
        """
        future: Future[int] = Future()
        with self._gate:
            if len(self._waiting) >= WAITING:
                raise Unavailable("access-log.busy", "Too many acts of access wait to be written.")
            self._waiting.append((access, future))
        # Whoever gets the turn commits for all that wait; the others find theirs done.
        while not future.done():
            with self._committing:
                if not future.done():
                    self._commit_waiting()
        return future.result()

    def rows(self, *, after: int = 0, limit: int = 100) -> list[Recorded]:
        """Acts in order of the log, from behind position ``after`` on; entry 0 is none."""
        first = max(after, 0) + 1
        return [recorded(data) for _, data in self._store.entries(first, first + limit)]

    def checkpoint(self) -> str:
        """The newest signed checkpoint."""
        last = self._store.last_checkpoint()
        return last[1] if last else ""

    def close(self) -> None:
        """Keep the last head and close the file."""
        with self._committing:
            self._keep_head()
            self._factory.close()

    def _commit_waiting(self) -> None:
        with self._gate:
            group, self._waiting = self._waiting[:GROUP], self._waiting[GROUP:]
        try:
            first = self._commit([stated(access) for access, _ in group], RECORDED)
        except (PersistenceError, OSError) as error:
            self._fail(group, _unavailable(error))
        except LedgerError as error:
            self._fail(group, error)
        except BaseException as error:
            # Those who wait must not wait for ever, whatever ends this thread.
            self._fail(group, _unavailable(error))
            raise
        else:
            for number, (_, future) in enumerate(group):
                future.set_result(first + number)

    def _fail(self, group: Sequence[tuple[Access, Future[int]]], error: LedgerError) -> None:
        self._fresh = False
        for _, future in group:
            future.set_exception(error)

    def _begin(self) -> None:
        data = opening(self._trial, self._genesis, self.vkey)
        self._commit([data], OPENED, first_only=True)

    def _commit(
        self, rows: Sequence[JsonObject], type_name: str, *, first_only: bool = False
    ) -> int:
        for _ in range(ATTEMPTS):
            if not self._fresh:
                self._load()
            if first_only and self._head.size:
                return 0  # another process was first to begin it
            links, ids = self._links(rows, type_name, self._clock.now())
            try:
                self._store_group(links, ids, type_name)
            except HeadMoved:
                self._fresh = False
                time.sleep(_PAUSE_SECONDS)
                continue
            if time.monotonic() - self._kept_at >= HEAD_SECONDS:
                self._keep_head()
            return links[0].entry.seq
        raise Unavailable("access-log.busy", "Other processes wrote to the access log each time.")

    def _links(
        self, rows: Sequence[JsonObject], type_name: str, at: datetime
    ) -> tuple[list[Link], list[bytes]]:
        signed = [
            sign(
                type_name,
                row,
                trial=self._trial,
                at=at,
                place=f"{self._head.hash}/{number}",
                key=self._keys.statement,
            )
            for number, row in enumerate(rows)
        ]
        links = append_all(
            self._head,
            [Draft(STREAM, statement.text) for _, statement in signed],
            recorded_at=format_recorded_at(at),
            stream_head=lambda _stream: self._stream,
        )
        return links, [UUID(identity).bytes for identity, _ in signed]

    def _store_group(self, links: Sequence[Link], ids: list[bytes], type_name: str) -> None:
        leaves = [leaf_hash(link.data) for link in links]
        frontier = self._frontier.extend(leaves)
        after, stream = advance(links[-1])
        checkpoint = Checkpoint(self._keys.checkpoint.name, after.size, frontier.root())
        note = sign_checkpoint(checkpoint, self._keys.checkpoint)
        events = [
            StoredEvent(
                originator_id=STREAM,
                originator_version=link.entry.stream_seq,
                topic=type_name,
                state=link.data,
            )
            for link in links
        ]
        tiles = completed_tiles(self._head.size, leaves, StoredTree(self._head.size, self._store))
        commit = Commit(self._head, after, note, tiles, [])
        self._fresh = False  # until the outcome is known
        self._store.insert_events(events, commit=commit, event_ids=ids)
        self._head, self._frontier, self._note, self._fresh = after, frontier, note, True
        self._stream = stream

    def _load(self) -> None:
        """Read the end of the file anew."""
        while True:
            head = self._store.head()
            tree = StoredTree(head.size, self._store)
            self._head = head
            self._frontier = frontier_at(head.size, node_fetcher(tree)) if head.size else Frontier()
            self._stream = self._store.stream_head(STREAM)
            self._note = self.checkpoint()
            if self._store.head() == head:  # else another process wrote in between
                break
        self._fresh = True

    def _instance(self, origin: str) -> str | None:
        """The name that entry 0 gives this log, None before there is one."""
        first = self._store.entry(0)
        if first is None:
            return None
        name = str(_data_of(first).get("vkey")).partition("+")[0]
        match = _NAME.fullmatch(name.removeprefix(f"{origin}/"))
        if match is None:
            raise _other_ledger()
        return match[1]

    def _check(self) -> None:
        """The file must be this ledger's, end as its checkpoint says, and contain the head kept."""
        first = self._store.entry(0)
        stated_first = None if first is None else _data_of(first)
        if stated_first != opening(self._trial, self._genesis, self.vkey):
            raise _other_ledger()
        vkey = self._keys.checkpoint.verifier
        checkpoint = open_checkpoint(self._note, vkey)
        if (checkpoint.size, checkpoint.root) != (self._head.size, self._frontier.root()):
            raise IntegrityFailure(
                "access-log.head", "The access log does not end as its last checkpoint says."
            )
        kept = self._head_file.read(vkey)
        if kept is None and self._head.size > 1:
            raise TrustFailure(
                "access-log.head-missing",
                f"The access log's head file {self._head_file.path.name} is missing.",
                remedy="Put it back, or put the access log aside with a note of why.",
            )
        if kept is not None:
            tree = StoredTree(self._head.size, self._store)
            within = kept.size <= self._head.size
            root = frontier_at(kept.size, node_fetcher(tree)).root() if within else None
            require_contained(kept, size=self._head.size, root_at_kept=root)
        self._keep_head()

    def _keep_head(self) -> None:
        if self._note:
            self._head_file.write(self._note)
        self._kept_at = time.monotonic()


def recorded(data: bytes) -> Recorded:
    """The act that an entry's bytes state; raises LedgerError when they state none."""
    entry = parse_entry(data)
    return Recorded(entry.seq, entry.recorded_at, read(_data_of(data)))


def _data_of(data: bytes) -> JsonObject:
    return parse_event(parse_statement(parse_entry(data).statement).payload).data


def _other_ledger() -> TrustFailure:
    return TrustFailure(
        "access-log.other-ledger",
        "The access log was begun by another ledger.",
        remedy="Put the file elsewhere; a new one is begun.",
    )


def _unavailable(error: BaseException) -> Unavailable:
    return Unavailable(
        "access-log.unavailable",
        f"The access log cannot be written now ({type(error).__name__}), so nothing is shown.",
        remedy="Ask again; the operator finds the cause in the service's messages.",
    )
