"""What the routes work with, kept on the application, and the questions they all ask."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import TYPE_CHECKING, Any, Final

from flask import current_app, g, request

from api.access.control import AccessControl, needs_masked_view
from api.access.control import reader as asking
from api.access.withholding import Withholding
from api.list_state import AllocationWatch
from ledger.errors import RejectedInput, TrustFailure, Unavailable
from ledger.signing.rfc3339 import is_plausible, parse_rfc3339

if TYPE_CHECKING:
    from api.access.reader import Reader
    from api.metrics import Metrics
    from ledger.publication.timestamp_follower import TimestampFollower
    from ledger.service import TrialLedger
    from ledger.worker import WatchedStamping
    from projections.interface import Reading
    from projections.masking import MaskedProjections
    from projections.reading import Projections

KEY: Final = "trial-ledger"
DEMONSTRATION_TIME: Final = "Demonstration-Time"
FOLLOW_SECONDS: Final = 5.0
"""How long a read waits for the projections to reach the head it began at."""

VERIFIERS: Final = 2
"""Threads that check the signatures of a batch; the cryptography runs outside the GIL."""


@dataclass(slots=True)
class Doors:
    """A ledger and its read models, as the routes see them.

    ``masked`` are the projections of the masked view; a masked reader is shown no others.
    """

    ledger: TrialLedger
    projections: Projections
    metrics: Metrics
    stamping: TimestampFollower | WatchedStamping | None = None
    masked: MaskedProjections | None = None
    access: AccessControl = field(init=False)
    allocation: AllocationWatch = field(init=False)
    verifiers: ThreadPoolExecutor = field(
        default_factory=lambda: ThreadPoolExecutor(VERIFIERS, thread_name_prefix="verify")
    )

    def __post_init__(self) -> None:
        self.access = AccessControl(self.ledger)
        self.allocation = AllocationWatch(self.ledger)

    def close(self) -> None:
        """Close what the doors opened themselves."""
        self.verifiers.shutdown()
        self.access.journal.close()

    def reading(self, reader: Reader | None = None) -> Reading[Any, Any]:
        """The projections that a reader sees, by default the one who asks: the one place to pick.

        Raises TrustFailure ``reader.masked-view-missing``.
        """
        shown = reader or asking()
        if not shown.masked:
            return self.projections
        if self.masked is None or not needs_masked_view(shown, g.operation):
            raise TrustFailure(
                "reader.masked-view-missing",
                "There is no masked view of this, and a masked reader is shown no other.",
                remedy="Ask a reader who is not masked.",
            )
        return self.masked

    def withholding(self) -> Withholding:
        """What the one who asks is not shown of sealed members."""
        return Withholding(asking(), self._type_of)

    def _type_of(self, event_id: str) -> str | None:
        record = self.ledger.find(event_id)
        return None if record is None else record.type

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
            return _demonstration_time(given)
        except RejectedInput as error:
            raise RejectedInput(
                "header.demonstration-time",
                error.message,
                where=DEMONSTRATION_TIME,
                remedy=error.remedy,
            ) from None

    def known_at(self, wanted: int | datetime | None) -> int | date | None:
        """The tree size that a ``known_at`` names, once the projections have reached it.

        For a masked reader it is the day of record, and nothing depends on positions.
        Raises RejectedInput ``query.beyond-head``, Unavailable ``projections.behind``, and for a
        masked reader's position TrustFailure ``reader.masked``.
        """
        if asking().masked:
            return self.day_of_record(wanted)
        head = self.head
        position_at = self.ledger.application.position_at
        size = position_at(wanted) if isinstance(wanted, datetime) else wanted
        if size is not None and size > head:
            raise RejectedInput(
                "query.beyond-head",
                f"known_at: The log has {head} entries, position {size} is not known yet.",
                where="known_at",
            )
        self.follow(head if size is None else size)
        return size

    def day_of_record(self, wanted: int | datetime | None) -> date | None:
        """The day of record that a masked reader names by an instant in it.

        Raises TrustFailure ``reader.masked`` for a position.
        """
        if isinstance(wanted, int):
            raise TrustFailure(
                "reader.masked",
                "Positions in the log can tell the arm; a masked reader names a record time.",
                where="known_at",
            )
        if wanted is None or self.masked is None:
            return None
        return wanted.astimezone(self.masked.zone).date()

    def follow(self, position: int | None = None) -> None:
        """Wait until the projections have read what was recorded before the request came.

        The masked view reads the log itself and waits for nothing.
        """
        if asking().masked:
            return
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


def _demonstration_time(given: str) -> datetime:
    instant = parse_rfc3339(given)
    if not is_plausible(instant):
        # recorded_at never decreases: one absurd time would hold the log there for ever.
        raise RejectedInput("time.out-of-range", "No demonstration takes place in that year.")
    return instant
