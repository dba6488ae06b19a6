"""What the routes work with, kept on the application, and the questions they all ask."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, Protocol

from flask import current_app, request

from api.metrics import Metrics
from ledger.errors import RejectedInput, Unavailable
from ledger.service import TrialLedger
from ledger.signing.rfc3339 import parse_rfc3339

KEY: Final = "trial-ledger"
DEMONSTRATION_TIME: Final = "Demonstration-Time"
FOLLOW_SECONDS: Final = 5.0
"""How long a read waits for the projections to reach the head it began at."""

VERIFIERS: Final = 2
"""Threads that check the signatures of a batch; the cryptography runs outside the GIL."""


class ReadModels(Protocol):
    """What the doors ask of the projections (``projections.reading.Projections``).

    ``known_at`` is a tree size: entries with ``seq < known_at`` are seen.
    """

    def subjects(self, after: str | None, limit: int) -> list[dict[str, Any]]:
        """Subjects in order of their ids."""

    def subject(
        self, subject_id: str, known_at: int | None, true_at: datetime | None
    ) -> dict[str, Any] | None:
        """A subject's state."""

    def replay(
        self, subject_id: str, known_at: int | None, true_at: datetime | None
    ) -> dict[str, Any] | None:
        """A subject's history, event by event."""

    def enrolment(self, known_at: int | None) -> dict[str, Any]:
        """CONSORT counts."""

    def deviations(
        self,
        subject: str | None,
        rule: str | None,
        as_of: datetime | None,
        after: str | None,
        limit: int,
    ) -> list[dict[str, Any]]:
        """Deviations derived."""

    def audit_trail(
        self,
        subject: str | None,
        type: str | None,  # noqa: A002 - the event's own member name
        actor: str | None,
        site: str | None,
        since: datetime | None,
        until: datetime | None,
        after: int | None,
        limit: int,
    ) -> list[dict[str, Any]]:
        """Field-level rows of the audit trail."""

    def register(self, known_at: int | None) -> dict[str, Any]:
        """Keys, roles, delegations, training."""

    def wait_for(self, position: int, timeout: float) -> int:
        """Wait until a position is reached; the position reached."""


@dataclass(slots=True)
class Doors:
    """A ledger and its read models, as the routes see them."""

    ledger: TrialLedger
    projections: ReadModels
    metrics: Metrics
    verifiers: ThreadPoolExecutor = field(
        default_factory=lambda: ThreadPoolExecutor(VERIFIERS, thread_name_prefix="verify")
    )

    @property
    def head(self) -> int:
        """How many entries the log has."""
        return self.ledger.application.store.head().size

    def now(self) -> datetime:
        """The time of recording: the clock's, or a demonstration's own.

        Raises RejectedInput ``header.demonstration-time`` for the header on any other ledger,
        and for a malformed one.
        """
        given = request.headers.get(DEMONSTRATION_TIME)
        if given is None:
            return self.ledger.clock.now()
        if not self.ledger.genesis.demonstration:
            raise RejectedInput(
                "header.demonstration-time",
                "This ledger is no demonstration; it takes the time from its own clock.",
                where=DEMONSTRATION_TIME,
                remedy="Leave the header out.",
            )
        try:
            return parse_rfc3339(given)
        except RejectedInput as error:
            raise RejectedInput(
                "header.demonstration-time",
                error.message,
                where=DEMONSTRATION_TIME,
                remedy=error.remedy,
            ) from None

    def known_at(self, wanted: int | datetime | None) -> int | None:
        """The tree size that a ``known_at`` names, once the projections have reached it.

        Raises RejectedInput ``query.beyond-head`` and Unavailable ``projections.behind``.
        """
        head = self.head
        size = self.ledger.position_at(wanted) if isinstance(wanted, datetime) else wanted
        if size is not None and size > head:
            raise RejectedInput(
                "query.beyond-head",
                f"known_at: The log has {head} entries, position {size} is not known yet.",
                where="known_at",
            )
        self.follow(head if size is None else size)
        return size

    def follow(self, position: int | None = None) -> None:
        """Wait until the projections have read what was recorded before the request came."""
        wanted = self.head if position is None else position
        reached = self.projections.wait_for(wanted, FOLLOW_SECONDS)
        if reached < wanted:
            raise Unavailable(
                "projections.behind",
                f"The projections have read {reached} of {wanted} entries.",
                remedy="Ask again; they follow the log.",
            )


def doors() -> Doors:
    """The doors of the application that serves the request."""
    found: Doors = current_app.extensions[KEY]
    return found


@contextmanager
def closing(held: Doors) -> Iterator[Doors]:
    """Close the ledger and the threads when the block ends."""
    try:
        yield held
    finally:
        held.verifiers.shutdown()
        held.ledger.close()
