"""What a witness must never forget: the newest head it cosigned of each log, in one SQLite file.

Deciding and keeping are one write transaction, durable before the answer leaves. The file's own
triggers refuse a head that shrinks, changes at one size, or disappears.
"""

from __future__ import annotations

import sqlite3
import threading
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from http import HTTPStatus
from typing import TYPE_CHECKING

from ledger.errors import IntegrityFailure, LedgerError, TrustFailure, Unavailable
from ledger.log.checkpoint import parse_checkpoint
from ledger.log.cosignature import time_of
from ledger.log.note import open_note
from ledger.witness.protocol import (
    EMPTY_HEAD,
    Head,
    Refusal,
    Submission,
    contradicts,
    cosigning_time,
    decide,
)
from ledger.witness.schema import FORMAT, SCHEMA, SETTINGS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from ledger.log.note import TextVerifier

MAX_REFUSED_PER_LOG = 100
"""How many refused heads are kept of one log: contradictions, and as many that lacked a proof."""

_BUSY_SECONDS = 10


@dataclass(frozen=True, slots=True)
class Cosigned:
    """A head that was kept: the log's origin, the head, the time, the note with cosignatures.

    ``lines`` are the witness's own signature lines, each with its newline.
    """

    origin: str
    head: Head
    time: int
    note: str
    lines: str


@dataclass(frozen=True, slots=True)
class RefusedHead:
    """A head that the log has signed and this witness refused: evidence, not yet a verdict.

    ``contradiction`` means that the log signed two heads of one size: ``note`` and ``kept``
    together prove it. ``kept`` is empty when nothing of the log was cosigned yet.
    """

    origin: str
    size: int
    seen: int
    code: str
    contradiction: bool
    note: str
    kept: str


class WitnessState:
    """The state file of one witness, shared by the threads of a process and by processes.

    Opening checks that each kept head carries this witness's own signatures over just these
    values. Raises IntegrityFailure ``witness.state-damaged``, TrustFailure
    ``witness.state-of-another-key`` or ``witness.state-missing``, Unavailable ``witness.state``.
    """

    def __init__(
        self, path: Path, verifiers: Iterable[TextVerifier], *, expected: str | None, fresh: str
    ) -> None:
        """Open the state ``expected``, or without one whichever is there, else a ``fresh`` one."""
        self._lock = threading.Lock()
        self._verifiers = tuple(verifiers)
        self._connection = sqlite3.connect(
            path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False
        )
        try:
            with _as_unavailable():
                self.identity = self._prepare(expected, fresh)
            for cosigned in self.cosigned():
                self._require_own(cosigned)
        except BaseException:
            self._connection.close()
            raise

    def _prepare(self, expected: str | None, fresh: str) -> str:
        for setting in SETTINGS:
            self._connection.execute(setting)
        with self._transaction() as run:
            if run.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0] == 0:
                if expected is not None:
                    raise state_missing("The state file of this key is empty.")
                for statement in SCHEMA:
                    run.execute(statement)
                run.execute("INSERT INTO witness VALUES (1, ?, ?)", (fresh, self._keys()))
            if run.execute("PRAGMA user_version").fetchone()[0] != FORMAT:
                raise _damaged("it is not the state of a witness.")
            identity, keys = run.execute("SELECT identity, keys FROM witness").fetchone()
        if keys != self._keys() or expected not in (None, identity):
            raise TrustFailure(
                "witness.state-of-another-key",
                "The state file belongs to another key or to another start of this key.",
                remedy="Use the state file that this key began with, and no copy of it.",
            )
        return str(identity)

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._connection.close()

    def add(
        self, submission: Submission, *, now: int, cosign: Callable[[str, int], tuple[str, str]]
    ) -> Cosigned | Refusal:
        """Decide on a submission and keep its head, as one step; durable when this returns.

        ``cosign`` makes the note with cosignatures and the lines alone, of a note and a time.
        Raises Unavailable ``witness.state`` when the file cannot be written; nothing was cosigned
        then.
        """
        with self._lock, _as_unavailable(), self._transaction() as run:
            origin, head, kept = submission.checkpoint.origin, EMPTY_HEAD, ""
            row = run.execute("SELECT size, root, note FROM head WHERE origin = ?", (origin,))
            if (found := row.fetchone()) is not None:
                head, kept = Head(found[0], found[1]), found[2]
            refusal = decide(submission, head)
            if refusal is not None:
                _keep_refused(run, submission, refusal, head=head, kept=kept, now=now)
                return refusal
            last = run.execute("SELECT coalesce(max(time), 0) FROM head").fetchone()[0]
            time = cosigning_time(now, last)
            if isinstance(time, Refusal):
                return time
            note, lines = cosign(submission.note, time)
            run.execute(
                "INSERT INTO head VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT (origin) DO UPDATE"
                " SET size = ?2, root = ?3, time = ?4, note = ?5",
                (origin, submission.head.size, submission.head.root, time, note),
            )
            return Cosigned(origin, submission.head, time, note, lines)

    def cosigned(self) -> tuple[Cosigned, ...]:
        """The newest head cosigned of each log, by origin; ``lines`` is left empty."""
        query = "SELECT origin, size, root, time, note FROM head ORDER BY origin"
        with self._lock, _as_unavailable():
            rows = self._connection.execute(query).fetchall()
        return tuple(Cosigned(row[0], Head(row[1], row[2]), row[3], row[4], "") for row in rows)

    def note(self, digest: str) -> str | None:
        """The newest cosigned checkpoint of the log whose origin has this hex SHA-256, if any."""
        for cosigned in self.cosigned():
            if origin_digest(cosigned.origin) == digest:
                return cosigned.note
        return None

    def refused(self) -> tuple[RefusedHead, ...]:
        """The refused heads that were kept as evidence, the oldest first."""
        query = "SELECT origin, size, seen, code, contradiction, note, kept FROM refused"
        with self._lock, _as_unavailable():
            rows = self._connection.execute(f"{query} ORDER BY id").fetchall()
        return tuple(
            RefusedHead(row[0], row[1], row[2], row[3], bool(row[4]), row[5], row[6])
            for row in rows
        )

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield self._connection
            self._connection.execute("COMMIT")
        except BaseException:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            raise

    def _keys(self) -> str:
        return "\n".join(f"{key.name} {key.key_id.hex()}" for key in self._verifiers)

    def _require_own(self, cosigned: Cosigned) -> None:
        """Refuse a kept head that does not say what this witness has signed."""
        try:
            opened = open_note(cosigned.note, self._verifiers)
            checkpoint = parse_checkpoint(opened.text)
        except LedgerError as error:
            raise _damaged(str(error), cosigned.origin) from error
        said = (checkpoint.origin, Head(checkpoint.size, checkpoint.root))
        times = {time_of(line.signature) for line in opened.verified}
        whole = len(opened.verified) == len(self._verifiers)
        if not whole or (cosigned.origin, cosigned.head) != said or times != {cosigned.time}:
            raise _damaged("it does not say what this witness has signed.", cosigned.origin)


def state_missing(message: str) -> TrustFailure:
    """The refusal to begin anew with a key that has a state already."""
    return TrustFailure(
        "witness.state-missing",
        message,
        remedy="Put the newest state file in place. If it is lost, retire the key: make a new one "
        "and tell the logs and all who rely on this witness.",
    )


def origin_digest(origin: str) -> str:
    """The lower-case hex SHA-256 of an origin, as it stands in the path of its checkpoint."""
    return sha256(origin.encode()).hexdigest()


def _keep_refused(
    run: sqlite3.Connection,
    submission: Submission,
    refusal: Refusal,
    *,
    head: Head,
    kept: str,
    now: int,
) -> None:
    """Keep a head that contradicts the one cosigned or has no proof; each once, boundedly many."""
    contradiction = contradicts(submission, head)
    if not contradiction and refusal.status is not HTTPStatus.UNPROCESSABLE_ENTITY:
        return
    origin, size, root = submission.checkpoint.origin, submission.head.size, submission.head.root
    run.execute(
        "INSERT INTO refused (origin, size, root, seen, code, contradiction, note, kept)"
        " SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8 WHERE ?9 >"
        " (SELECT count(*) FROM refused WHERE origin = ?1 AND contradiction = ?6)"
        " ON CONFLICT DO NOTHING",
        (
            origin,
            size,
            root,
            now,
            refusal.code,
            contradiction,
            submission.note,
            kept,
            MAX_REFUSED_PER_LOG,
        ),
    )


@contextmanager
def _as_unavailable() -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise Unavailable(
            "witness.state",
            f"The state file cannot be used ({error}); nothing was cosigned.",
            remedy="Look at the disk and the file's rights; never put an older copy in place.",
        ) from error


def _damaged(message: str, where: str | None = None) -> IntegrityFailure:
    return IntegrityFailure(
        "witness.state-damaged",
        f"The state file is damaged: {message}",
        where=where,
        remedy="Retire this key and begin with a new key and a new state.",
    )
