"""Asking witnesses to cosign: the client's side of C2SP tlog-witness.

A witness that has seen a longer or another history of this log than we hold is the cheapest proof
of a roll-back or a fork there is; everything else that goes wrong with a witness is its own fault
or the network's, and stops nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from http import HTTPStatus
from typing import TYPE_CHECKING

import urllib3

from ledger.errors import IntegrityFailure, LedgerError, TrustFailure, Unavailable
from ledger.log.checkpoint import Checkpoint, open_checkpoint
from ledger.log.cosignature import CosignerKey, time_of
from ledger.log.lexical import parse_decimal
from ledger.log.note import open_note, split_note
from ledger.log.tiles import node_fetcher
from ledger.log.tree import consistency_path, frontier_at
from ledger.storage.tree_reader import StoredTree
from ledger.witness.request import AddCheckpoint

if TYPE_CHECKING:
    from collections.abc import Callable

    from ledger.log.note import VerifierKey
    from ledger.log.policy import PolicyWitness
    from ledger.storage.published import PublishedCheckpoint
    from ledger.storage.tree_reader import TileStore

CONNECT_SECONDS = 2.0
"""How long a witness may take to accept a connection."""

ANSWER_SECONDS = 5.0
"""How long a witness may take between two packets of an answer."""

MAX_ANSWER_BYTES = 128 * 1024
"""Longest answer that is read."""

_ATTEMPTS = 4
_REFUSALS: dict[int, tuple[str, str]] = {
    HTTPStatus.BAD_REQUEST: ("witness.malformed", "finds the request malformed"),
    HTTPStatus.FORBIDDEN: ("witness.untrusted-key", "does not accept the log's signature"),
    HTTPStatus.NOT_FOUND: ("witness.unknown-log", "does not know this log"),
    HTTPStatus.UNPROCESSABLE_ENTITY: ("witness.refused-proof", "refuses the consistency proof"),
}


@dataclass(frozen=True, slots=True)
class Cosigned:
    """A witness's answer: for which size, its signature line with newline, its time (seconds)."""

    size: int
    line: str
    time: int


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int
    media_type: str
    body: bytes


class WitnessKnowsMore(TrustFailure):
    """A witness has cosigned this log at a larger size than the database holds.

    ``note`` is the larger checkpoint, signed by this log, where the witness publishes it.
    """

    def __init__(self, message: str, *, note: str | None) -> None:
        super().__init__(
            "head.witness-knows-more",
            message,
            remedy="Restore the newest backup (docs/operations.md); nothing is signed until then.",
        )
        self.note = note


class WitnessClient:
    """One witness as it is reached over HTTP; one thread uses it."""

    def __init__(
        self,
        witness: PolicyWitness,
        log: VerifierKey,
        store: TileStore,
        head: Callable[[int], PublishedCheckpoint],
    ) -> None:
        """``head`` gives the newest published checkpoint, of at least a size if there is one."""
        self.witness = witness
        self._log = log
        self._store = store
        self._published_head = head
        timeout = urllib3.Timeout(connect=CONNECT_SECONDS, read=ANSWER_SECONDS)
        self._pool = urllib3.PoolManager(retries=False, timeout=timeout, maxsize=1)

    def ask(self, known: int) -> Cosigned:
        """Have the newest published checkpoint cosigned.

        ``known`` is the size it is known to have cosigned last, 0 for none; a wrong guess costs
        one more request (409).

        Raises:
            WitnessKnowsMore: ``head.witness-knows-more``; nothing may be signed then.
            TrustFailure: ``head.witness-holds-another`` when it has cosigned another history;
                nothing may be signed then either. ``witness.…`` when it refuses or answers what
                is no cosignature of its own.
            Unavailable: ``witness.unreachable`` or ``witness.failed``.
        """
        old = known
        for _ in range(_ATTEMPTS):
            newest = self._published_head(old)
            ours = open_checkpoint(newest.note, self._log)
            if old > ours.size:
                raise self._knows_more(old, ours)
            tree = node_fetcher(StoredTree(ours.size, self._store))
            proof = tuple(consistency_path(old, ours.size, tree))
            request = AddCheckpoint(old, proof, _log_lines(newest.note, self._log.name), ours)
            answer = self._send("POST", "add-checkpoint", request.body())
            if answer.status == HTTPStatus.OK:
                return self._read(answer, ours)
            if answer.status != HTTPStatus.CONFLICT:
                raise self._refused(answer, ours)
            old = self._latest(answer, sent=old)
        raise TrustFailure("witness.unsettled", f"{self._name} names another size each time.")

    def close(self) -> None:
        """Close the connections."""
        self._pool.clear()

    @property
    def _name(self) -> str:
        return f"The witness {self.witness.name}"

    def _read(self, answer: _Answer, ours: Checkpoint) -> Cosigned:
        try:
            note = f"{ours.text()}\n{answer.body.decode()}"
            line = open_note(note, [CosignerKey(self.witness.vkey)]).verified[0]
        except (UnicodeDecodeError, IntegrityFailure, TrustFailure) as error:
            raise TrustFailure(
                "witness.bad-cosignature", f"{self._name} answered no cosignature of its own."
            ) from error
        if (time := time_of(line.signature)) == 0:
            raise TrustFailure("witness.no-time", f"{self._name} does not say when it cosigned.")
        return Cosigned(ours.size, f"{line}\n", time)

    def _latest(self, answer: _Answer, *, sent: int) -> int:
        media_type = answer.media_type.partition(";")[0].strip().lower()
        try:
            text = answer.body.decode("ascii")
            size = parse_decimal(text.removesuffix("\n"), where="body")
        except (UnicodeDecodeError, IntegrityFailure) as error:
            raise self._bad_conflict() from error
        if media_type != "text/x.tlog.size" or not text.endswith("\n") or size == sent:
            raise self._bad_conflict()
        return size

    def _bad_conflict(self) -> TrustFailure:
        return TrustFailure(
            "witness.bad-conflict", f"{self._name} answered 409 without the size it has cosigned."
        )

    def _refused(self, answer: _Answer, ours: Checkpoint) -> LedgerError:
        known = _REFUSALS.get(answer.status)
        if known is None:
            return Unavailable("witness.failed", f"{self._name} answered {answer.status}.")
        if answer.status == HTTPStatus.UNPROCESSABLE_ENTITY:
            found = self._head()
            if found is not None and (theirs := found[1]).size <= ours.size:
                node = node_fetcher(StoredTree(ours.size, self._store))
                root = frontier_at(theirs.size, node).root()
                if root != theirs.root:
                    return _holds_another(self._name, theirs, root)
        code, what = known
        return TrustFailure(code, f"{self._name} {what}.", remedy="Tell its operator.")

    def _knows_more(self, size: int, ours: Checkpoint) -> WitnessKnowsMore:
        found = self._head()
        note, root = None, ""
        if found is not None and found[1].size > ours.size:
            note, theirs = found
            root = f" and root {theirs.root.hex()}" if theirs.size == size else ""
        return WitnessKnowsMore(
            f"{self._name} has cosigned this log at size {size}{root}; the database ends at size "
            f"{ours.size} with root {ours.root.hex()}. Database and head file are an old copy.",
            note=note,
        )

    def _head(self) -> tuple[str, Checkpoint] | None:
        """The newest head the witness publishes, when it does and this log has signed it."""
        path = f"{sha256(self._log.name.encode()).hexdigest()}/checkpoint"
        try:
            answer = self._send("GET", path)
            if answer.status != HTTPStatus.OK:
                return None
            checkpoint = open_checkpoint(answer.body, self._log)
            return _log_lines(answer.body, self._log.name), checkpoint
        except LedgerError:
            return None

    def _send(self, method: str, path: str, body: bytes | None = None) -> _Answer:
        if self.witness.url is None:
            raise Unavailable("witness.no-address", f"The policy gives no address of {self._name}.")
        try:
            with self._pool.request(
                method,
                f"{self.witness.url.rstrip('/')}/{path}",
                body=body,
                headers={"Content-Type": "text/plain; charset=utf-8"} if body else None,
                redirect=False,
                preload_content=False,
            ) as response:
                content = response.read(MAX_ANSWER_BYTES + 1, decode_content=False)
                media_type = response.headers.get("Content-Type", "")
                status = response.status
        except (urllib3.exceptions.HTTPError, ValueError, OSError) as error:
            raise Unavailable(
                "witness.unreachable", f"{self._name} cannot be reached ({type(error).__name__})."
            ) from error
        if len(content) > MAX_ANSWER_BYTES:
            raise TrustFailure("witness.answer-too-long", f"{self._name} answers too much.")
        return _Answer(status, media_type, content)


def _log_lines(note: str | bytes, name: str) -> str:
    """The note with the log's own lines alone: what other witnesses said is not this one's."""
    text, signatures = split_note(note)
    lines = "".join(f"{line}\n" for line in signatures if line.name == name)
    return f"{text}\n{lines}"


def _holds_another(name: str, theirs: Checkpoint, root: bytes) -> TrustFailure:
    return TrustFailure(
        "head.witness-holds-another",
        f"{name} has cosigned this log at size {theirs.size} with root {theirs.root.hex()}; the "
        f"database has root {root.hex()} there. These are two histories.",
        remedy="Restore the right database (docs/operations.md); nothing is signed until then.",
    )
