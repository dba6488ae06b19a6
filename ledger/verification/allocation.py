"""Check 10: the sealed list, and each slot opened from it in its order."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ledger.allocation.opening import index_of, verify_opening
from ledger.allocation.slot import Slot
from ledger.errors import LedgerError
from ledger.history import ACCEPTED
from ledger.verification.planned import PlannedNumber
from ledger.verification.reveal import REVEALED, Reveal

if TYPE_CHECKING:
    from ledger.record import Record
    from ledger.signing.strict_json import JsonObject, JsonValue
    from ledger.verification.report import Findings

SEALED: Final = "randomization-list.sealed.v1"
RANDOMIZED: Final = "subject.randomized.v1"
ENVELOPE: Final = "randomization.recorded.v1"


class AllocationCheck:
    """Folds commitment and assignments; memory is bounded by the list, not by the log."""

    def __init__(self, findings: Findings) -> None:
        self._planned = PlannedNumber()
        self._reveal = Reveal()
        self._findings = findings
        self._asked: Record | None = None
        self._list: JsonObject | None = None
        self._next: dict[str, int] = {}
        self._ahead: set[tuple[str, int]] = set()
        self._subjects: set[str] = set()
        self._seq = 0

    @property
    def waits(self) -> bool:
        """Whether the next entry, whatever it is, decides about the sealed list."""
        return self._asked is not None

    def take(self, seq: int, record: Record) -> None:
        """Take in one record that stands at ``seq``."""
        self._seq = seq
        self._planned.take(record)
        asked, self._asked = self._asked, None
        if record.type == SEALED:
            self._asked = record
        elif record.type == ACCEPTED and asked is not None:
            self._seal(asked)
        elif record.type in (RANDOMIZED, ENVELOPE):
            self._assign(record)
            self._reveal.keep(record)
        elif record.type == REVEALED:
            self._compare(record)

    def _seal(self, record: Record) -> None:
        if self._subjects:
            self._add("allocation.list", record, found="a list sealed after an allocation")
        self._list = record.data

    def _assign(self, record: Record) -> None:
        subject = record.stream.partition("/")[2]
        if subject in self._subjects:
            self._add("allocation.subject", record, found=subject)
        self._subjects.add(subject)
        # The ledger decides at the time it records; an envelope was opened when it says.
        planned = self._planned.at(
            record.recorded_at if record.type == RANDOMIZED else record.event.occurred_at
        )
        if planned is not None and len(self._subjects) > planned:
            self._add(
                "allocation.number", record, expected=f"at most {planned}",
                found=len(self._subjects),
            )  # fmt: skip
        if self._list is None:
            self._add("allocation.list", record, found="no sealed list before it", group="none")
        stratum, slot = record.data.get("stratum"), record.data.get("slot")
        if isinstance(stratum, str) and type(slot) is int:
            self._slot(record, stratum, slot)
        elif record.type == ENVELOPE:
            self._add("allocation.envelope", record, found="an envelope without its slot")
        else:
            self._add("allocation.slot", record, found=f"stratum {stratum}, slot {slot}")
        if record.type == RANDOMIZED and self._list is not None:
            self._opening(record, self._list)

    def _slot(self, record: Record, stratum: str, slot: int) -> None:
        following = self._next.get(stratum, 1)
        if slot < following or (stratum, slot) in self._ahead:
            self._add("allocation.slot", record, found=f"slot {slot} of {stratum} again")
            return
        if slot != following:
            code = "allocation.envelope" if record.type == ENVELOPE else "allocation.slot"
            self._add(code, record, expected=f"slot {following}", found=f"slot {slot}")
        self._ahead.add((stratum, slot))
        while (stratum, following) in self._ahead:
            self._ahead.remove((stratum, following))
            following += 1
        self._next[stratum] = following

    def _opening(self, record: Record, commitment: JsonObject) -> None:
        data = record.data
        if data.get("list_root") != commitment.get("list_root"):
            self._add(
                "allocation.opening", record, expected=commitment.get("list_root"),
                found=data.get("list_root"), field="/data/list_root",
            )  # fmt: skip
            return
        try:
            self._path(data, commitment)
        except LedgerError as error:
            self._add("allocation.opening", record, found=error.message, field=error.where)

    @staticmethod
    def _path(data: JsonObject, commitment: JsonObject) -> None:
        """Check the opened slot; where the opening is withheld, at least that the list has it."""
        stratum, slot = str(data.get("stratum")), data.get("slot")
        number = slot if type(slot) is int else 0
        if "arm" not in data or "slot_salt" not in data:
            index_of(stratum, number, strata=commitment.get("strata"))
            return
        opened = Slot(stratum, number, str(data["arm"]), str(data["slot_salt"]))
        verify_opening(commitment, opened, path=_texts(data.get("path")))

    def _compare(self, revealed: Record) -> None:
        for record, expected, found in self._reveal.differences(revealed, self._list):
            envelope = record.type == ENVELOPE
            self._add(
                "allocation.envelope" if envelope else "allocation.reveal", record,
                expected=expected, found=found, seq=record.seq,
            )  # fmt: skip

    def _add(
        self,
        code: str,
        record: Record,
        *,
        expected: object = "",
        found: object = "",
        field: str | None = None,
        group: str | None = None,
        seq: int | None = None,
    ) -> None:
        self._findings.add(
            code, self._seq if seq is None else seq, expected=expected, found=found,
            event_id=record.id, subject=record.stream, field=field, group=group,
        )  # fmt: skip


def _texts(value: JsonValue) -> list[str]:
    return [str(item) for item in value] if isinstance(value, list) else []
