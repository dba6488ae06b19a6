"""The reveal of the allocation list: drawn again from its seed, compared slot by slot."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ledger.allocation.sealed_list import SealedList
from ledger.errors import LedgerError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ledger.record import Record
    from ledger.signing.strict_json import JsonObject

REVEALED: Final = "allocation.revealed.v1"


class Reveal:
    """Keeps the arms as they were opened, at most one a slot, until the whole list is open."""

    def __init__(self) -> None:
        self._opened: dict[tuple[str, int], tuple[str, Record]] = {}

    def keep(self, record: Record) -> None:
        """Remember the arm an allocation or an envelope opened, where it is not withheld."""
        stratum, slot, arm = (record.data.get(name) for name in ("stratum", "slot", "arm"))
        if isinstance(stratum, str) and type(slot) is int and isinstance(arm, str):
            self._opened.setdefault((stratum, slot), (arm, record))

    def differences(
        self, record: Record, commitment: JsonObject | None
    ) -> Iterator[tuple[Record, str, str]]:
        """What does not agree with the list that a revelation draws: where, expected, found."""
        try:
            drawn = SealedList.from_revelation(record.data)
        except LedgerError as error:
            yield record, "design and seed that draw a list", error.message
            return
        sealed = (commitment or {}).get("list_root")
        if drawn.root != sealed or record.data.get("list_root") != sealed:
            yield record, f"a list of root {sealed}", f"a list of root {drawn.root}"
            return
        arms = {(slot.stratum, slot.slot): slot.arm for slot in drawn.slots}
        for place, (arm, allocated) in self._opened.items():
            if arms.get(place) != arm:
                stratum, slot = place
                yield allocated, f"{arms.get(place)} in slot {slot} of {stratum}", arm
