"""A trial's ledger, open: the one object that the doors and projections work with."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from eventsourcing.persistence import PersistenceError

from ledger.allocation.sealed_list import SealedList
from ledger.application import LedgerApplication
from ledger.clock import Clock, SystemClock
from ledger.concealment.openings import ERASED, Openings, ordered
from ledger.concealment.settings import KeyPlaces, open_vault
from ledger.concealment.sharing import KEYS_ELSEWHERE, is_own, require_common_keys
from ledger.errors import LedgerError, TrustFailure, Unavailable
from ledger.publication.publishing import INTERVAL_SECONDS, Publisher
from ledger.publication.witnessing import WitnessKnowsMore
from ledger.recording.genesis import Genesis, read_genesis
from ledger.recording.submission import Submission, receive
from ledger.recording.writer import Writer
from ledger.signing.ledger_keys import LedgerKeys
from ledger.storage.containment import confirmed_size, require_head
from ledger.storage.database import Engine
from ledger.storage.head_file import HeadFile
from ledger.storage.published import PublishedCheckpoints
from ledger.storage.tree_reader import StoredTree

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from pathlib import Path

    from ledger.log.policy import Policy
    from ledger.log.proof import Receipt
    from ledger.record import Record
    from ledger.recording.admission import Commitment
    from ledger.recording.outcomes import Receipted
    from ledger.recording.remote import RemoteWriter
    from ledger.signing.jwk import PublicJwk
    from ledger.signing.sealing import Disclosure
    from ledger.storage.database import Database

_log = logging.getLogger("ledger.service")

ANSWER_SECONDS = 60
"""How long a sender's thread waits for the writer before it is told to try again."""


@dataclass(frozen=True, slots=True)
class LedgerFiles:
    """Where a ledger keeps what is not in its database.

    ``head`` may lie elsewhere (LEDGER_HEAD_FILE), best on another disk.
    """

    keys: Path
    head: Path
    allocation: Path
    published: Path

    @classmethod
    def beside(cls, database: Path, *, head: Path | None = None) -> LedgerFiles:
        """The usual places: beside the database file, with suffixes."""
        name = database.name
        return cls(
            keys=database.with_name(f"{name}.keys"),
            head=head or database.with_name(f"{name}.head"),
            allocation=database.with_name(f"{name}.allocation"),
            published=database.with_name(f"{name}.published"),
        )

    @classmethod
    def of(cls, database: Database, *, head: Path | None = None) -> LedgerFiles:
        """The usual places of a database's files, beside it or in their directory."""
        return cls.beside(database.place, head=head)


class TrialLedger:
    """An open ledger: submissions in, records and receipts out.

    When the database does not contain the last signed head, or a witness has seen more than it
    holds, it refuses to sign (``refusal`` says why) and keeps serving reads.
    """

    def __init__(
        self,
        database: Database | str,
        files: LedgerFiles | None = None,
        *,
        clock: Clock | None = None,
        keys_at: KeyPlaces | None = None,
    ) -> None:
        """Open a ledger; its keys of what is concealed lie in the usual places unless said.

        Erasures that the log orders and a crash cut short are carried out before anything else.
        """
        self.application = LedgerApplication(database, create=False)
        try:
            self._open(files, clock, keys_at)
        except BaseException:
            self.application.close()
            raise

    def _open(
        self, files: LedgerFiles | None, clock: Clock | None, keys_at: KeyPlaces | None
    ) -> None:
        self.files = files or LedgerFiles.of(self.application.database)
        self.clock = clock or SystemClock()
        self.genesis: Genesis = read_genesis(self.application)
        self.keys = LedgerKeys.load(self.files.keys)
        vault = open_vault(
            self.genesis.trial, self.application.path, places=keys_at, clock=self.clock
        )
        self.application.conceal(Openings(vault, others_recorded=self._others_recorded))
        self.quarantine = self.application.quarantine()
        self.refusal: LedgerError | None = None
        self.writer: Writer | RemoteWriter | None = None
        self.publisher: Publisher | None = None
        self.list_root: str | None = None
        """Root of the allocation list that the writer holds, None while it holds none."""
        self._open_writer()

    def _open_writer(self) -> None:
        """Make sure of the head, then begin to write; a web worker has its writer elsewhere."""
        head_file = HeadFile(self.files.head)
        try:
            newest = require_head(self.application.store, head_file, self.keys.vkey)
        except LedgerError as error:
            # Told at once: a primary that was replaced waits for standbys it has no longer.
            self.refusal = error
            return
        self._settle()
        if newest is not None:
            head_file.write(newest)
        try:
            self._require_common_keys()
        except TrustFailure as error:
            self.refusal = error
            return
        self._enforce()  # after the check: a database that was put here orders nothing
        place = self.files.allocation
        held = SealedList.load(place) if place.exists() else None
        self.list_root = None if held is None else held.root
        self.writer = Writer(
            self.application,
            self.genesis.definition,
            self.keys,
            head_file=head_file,
            quarantine=self.quarantine,
            allocation_list=held,
        )

    @property
    def trial(self) -> str:
        """The trial's id."""
        return self.genesis.trial

    def receive(self, text: str, disclosures: Sequence[Disclosure]) -> Submission:
        """Check what can be checked without the head (``ledger.recording.submission.receive``)."""
        return receive(text, disclosures, trial=self.trial, key_of=self._key_of)

    def submit_all(
        self, submissions: Sequence[Submission | Commitment], now: datetime
    ) -> list[Receipted | LedgerError]:
        """Record submissions in order; each gets its own outcome or its own error."""
        writer = self._writer()
        answers: list[Receipted | LedgerError] = []
        for future in writer.submit_all(submissions, now):
            if isinstance(future, LedgerError):
                answers.append(future)
                continue
            try:
                answers.append(future.result(timeout=ANSWER_SECONDS))
            except LedgerError as error:
                answers.append(error)
            except TimeoutError:
                answers.append(
                    Unavailable("writer.slow", "The entry may or may not be recorded; ask again.")
                )
        return answers

    def submit(self, submission: Submission | Commitment, now: datetime) -> Receipted:
        """Record one submission, or one commitment of the ledger's own; raises LedgerError."""
        answer = self.submit_all([submission], now)[0]
        if isinstance(answer, LedgerError):
            raise answer
        return answer

    def find(self, event_id: str) -> Record | None:
        """The record of an event id."""
        seq = self.application.store.position_of(event_id)
        return None if seq is None else self.application.record(seq)

    def receipt(self, seq: int) -> Receipt:
        """The receipt of an entry under the first checkpoint that covers it."""
        covering = self.application.store.checkpoint_covering(seq + 1)
        if covering is None:
            raise Unavailable("receipt.no-checkpoint", "No checkpoint covers the entry yet.")
        self.require_confirmed(covering[0])
        tree = StoredTree(self.application.store.head().size, self.application.store)
        return tree.receipt(seq, size=covering[0], note=covering[1])

    def require_confirmed(self, size: int) -> None:
        """Make sure that a receipt under the checkpoint of a size is of the log's one history.

        While the database's history is in doubt that is what the head file, or failing that a
        published checkpoint, confirms. Raises Unavailable ``receipt.unconfirmed``.
        """
        if self.refusal is None or self.refusal.code == KEYS_ELSEWHERE:
            return
        confirmed = confirmed_size(
            self.application.store,
            HeadFile(self.files.head),
            self.files.published,
            self.keys.vkey,
        )
        if size > confirmed:
            raise Unavailable(
                "receipt.unconfirmed",
                f"No receipt is given under size {size}, since only {confirmed} entries are "
                f"confirmed outside the database: {self.refusal.message}",
                remedy="Keep the receipt first given, and ask again when the ledger signs.",
            )

    def checkpoint(self) -> str:
        """The newest signed checkpoint, with every further signature it has by now."""
        last = self.application.store.last_checkpoint()
        if last is None:
            raise Unavailable("checkpoint.none", "The log has no checkpoint yet.")
        return last[1] if self.publisher is None else self.publisher.signed(*last)

    def publish(self, policy: Policy | None = None, *, interval: float = INTERVAL_SECONDS) -> None:
        """Begin to publish checkpoints and to have the policy's witnesses cosign them.

        On return every witness has been asked once or has let its time pass, so a copy of the
        database that is older than what a witness has seen refuses to sign before it takes
        anything in. A ledger that refuses already only serves what was published before.

        Raises TrustFailure ``policy.other-log``, Unavailable ``published.unavailable``.
        """
        if self.publisher is not None:
            return
        self.publisher = Publisher(
            self.application.store,
            self.keys,
            PublishedCheckpoints(self.files.published),
            policy,
            clock=self.clock,
            refuse=self.refuse,
            interval=interval,
        )
        if self.refusal is None:
            self.publisher.start()

    def refuse(self, error: LedgerError) -> None:
        """Sign nothing more until the next start; reads go on. The first reason stays.

        A larger head of this log that a witness has shown goes into the head file, so that the
        next start refuses too, even when that witness does not answer then.
        """
        if self.refusal is None:
            self.refusal = error
        if self.writer is not None:
            self.writer.refuse(self._unsigned())
        if isinstance(error, WitnessKnowsMore) and error.note is not None:
            HeadFile(self.files.head).write(error.note)

    def close(self) -> None:
        """Finish what waits and close the database."""
        if self.publisher is not None:
            self.publisher.close()
        if self.writer is not None:
            self.writer.close()
        self.application.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _writer(self) -> Writer | RemoteWriter:
        if self.writer is None or self.refusal is not None:
            raise self._unsigned()
        return self.writer

    def _unsigned(self) -> Unavailable:
        reason = self.refusal.message if self.refusal else "The ledger is read-only."
        return Unavailable(
            "ledger.refuses-to-sign",
            f"The ledger does not sign: {reason}",
            remedy="Tell the operator; see docs/operations.md.",
        )

    def _key_of(self, kid: str) -> PublicJwk | None:
        if self.writer is None:
            return None
        key = self.writer.key(kid)
        return key.jwk if key else None

    def _require_common_keys(self) -> None:
        """On a database that several nodes may share: see that they seal under common keys."""
        application = self.application
        if application.database.engine is Engine.POSTGRESQL and application.openings is not None:
            require_common_keys(application.store, application.openings.vault.store)

    def _others_recorded(self) -> None:
        """See again that the nodes seal under common keys: at the start there was no other yet.

        Raises Unavailable ``ledger.refuses-to-sign``; from then on the ledger refuses.
        """
        openings = self.application.openings
        if openings is None or not is_own(openings.vault.store):
            return
        try:
            self._require_common_keys()
        except TrustFailure as error:
            self.refuse(error)
            raise self._unsigned() from error

    def _enforce(self) -> None:
        """Carry out the erasures of the log that the key store has not finished."""
        application = self.application
        acts = [
            application.record(position)
            for seq in application.store.positions_of_types((ERASED,))
            for position in range(seq, min(seq + 2, application.store.head().size))
        ]
        if acts and application.openings is not None:
            try:
                application.openings.vault.enforce(ordered(acts))
            except Unavailable:
                _log.exception("An erasure is not finished; the next start goes on with it")

    def _settle(self) -> None:
        """Wait for the standbys, so that nothing is signed on what they might not have."""
        try:
            self.application.store.settle()
        except PersistenceError as error:
            raise Unavailable(
                "storage.unsettled",
                f"The database does not say that its commits are durable: {error}.",
                remedy="See that its standbys follow, then start again.",
            ) from error
