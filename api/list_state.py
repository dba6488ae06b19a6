"""What the doors say about the allocation list: whether this service can randomize."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

from ledger.aggregates.allocation import SEALED
from ledger.history import History

if TYPE_CHECKING:
    from ledger.service import TrialLedger


class ListState(StrEnum):
    """How the list that the service holds stands to the one the log commits to."""

    READY = "ready"
    MISSING = "missing"
    OTHER_LIST = "other-list"
    UNCOMMITTED = "uncommitted"


def allocation_state(ledger: TrialLedger) -> ListState | None:
    """How the allocation list stands; a list put in place is held from the next start on.

    It tells nothing of what is in a list. None while the ledger does not sign: nothing is
    allocated then, and its entries may not be legible.
    """
    if ledger.refusal is not None:
        return None
    held = ledger.list_root
    if held is None:
        return ListState.MISSING
    committed = History(ledger.application.stream("allocation/main")).last(SEALED)
    if committed is None:
        return ListState.UNCOMMITTED
    return ListState.READY if committed.data["list_root"] == held else ListState.OTHER_LIST
