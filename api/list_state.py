"""What the doors say about the allocation list: whether this service can randomize."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Final

from ledger.aggregates.allocation import SEALED
from ledger.history import History

if TYPE_CHECKING:
    from ledger.log.chain import StreamHead
    from ledger.service import TrialLedger
    from ledger.signing.strict_json import JsonValue

_STREAM: Final = "allocation/main"


class ListState(StrEnum):
    """How the list that the service holds stands to the one the log commits to."""

    READY = "ready"
    MISSING = "missing"
    OTHER_LIST = "other-list"
    UNCOMMITTED = "uncommitted"


class AllocationWatch:
    """Tells how the allocation list stands, as often as it is asked.

    A balancer asks each second: the commitment is kept while its stream ends where it did, and an
    answer costs one row whatever was allocated. It tells nothing of what is in a list.
    """

    def __init__(self, ledger: TrialLedger) -> None:
        self._ledger = ledger
        self._known: tuple[StreamHead, JsonValue] | None = None

    def state(self) -> ListState | None:
        """How the list stands; a list put in place is held from the next start on.

        None while the ledger does not sign: nothing is allocated then, and its entries may not be
        legible.
        """
        if self._ledger.refusal is not None:
            return None
        held = self._ledger.list_root
        if held is None:
            return ListState.MISSING
        committed = self._committed()
        if committed is None:
            return ListState.UNCOMMITTED
        return ListState.READY if committed == held else ListState.OTHER_LIST

    def _committed(self) -> JsonValue:
        """The root in the commitment in force, None without one."""
        application, known = self._ledger.application, self._known
        # Looked at first: what is recorded meanwhile is read too early, and read again, never late.
        head = application.store.stream_head(_STREAM)
        if known is None or known[0] != head:
            sealed = History(application.stream(_STREAM)).last(SEALED)
            known = self._known = head, None if sealed is None else sealed.data.get("list_root")
        return known[1]
