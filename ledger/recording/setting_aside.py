"""Statements turned away that are kept outside the log, and what their senders are told of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from eventsourcing.persistence import PersistenceError

from ledger.errors import LedgerError, Unavailable
from ledger.recording.answering import unavailable
from ledger.signing.rfc3339 import format_recorded_at

if TYPE_CHECKING:
    from datetime import datetime

    from ledger.recording.admission import Quarantined
    from ledger.recording.submission import Submission
    from ledger.storage.quarantine import Quarantine


def keep_aside(
    quarantine: Quarantine, submission: Submission, *, at: datetime, error: Quarantined
) -> LedgerError:
    """Keep a statement in quarantine; the error for its sender says under which number.

    Where it cannot be kept now, that is the error: the sender tries again.
    """
    try:
        number = quarantine.keep(
            submission.statement.text,
            received_at=format_recorded_at(at),
            code=error.code,
            reason=error.message,
        )
    except PersistenceError as fault:
        return unavailable(fault)
    except Unavailable as fault:
        return fault
    kept = (
        f"It is kept in quarantine under number {number}."
        if number is not None
        else "The quarantine is full, it was not kept."
    )
    cause = error.cause
    return type(cause)(
        cause.code, f"{cause.message} {kept}", where=cause.where, remedy=cause.remedy
    )
