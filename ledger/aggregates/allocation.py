"""The allocation as the log shows it: the sealed list's commitment and the slots opened so far."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ledger.history import Fact, History

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ledger.record import Record

SEALED = "randomization-list.sealed.v1"
RANDOMIZED = "subject.randomized.v1"
ENVELOPE = "randomization.recorded.v1"


@dataclass(frozen=True, slots=True)
class Assignment:
    """One slot of the list given to a subject, by the ledger or from a backup envelope."""

    subject: str
    stratum: str
    slot: int
    seq: int
    type: str


class Allocation(History):
    """A fold over ``allocation/main`` and every record that assigns a slot."""

    def __init__(self, records: Iterable[Record] = ()) -> None:
        self.assignments: list[Assignment] = []
        super().__init__(records)

    def took_effect(self, fact: Fact) -> None:
        """Index an assignment."""
        if fact.type in (RANDOMIZED, ENVELOPE):
            self._assign(fact)

    def changed(self, fact: Fact) -> None:
        """Take a corrected slot as used beside the one stated before.

        A slot once named is never given again, whatever becomes of the record that named it.
        """
        if fact.type == ENVELOPE and fact.voided_by is None:
            self._assign(fact)

    @property
    def sealed_list(self) -> Fact | None:
        """The commitment to the list in force."""
        return self.last(SEALED)

    @property
    def from_envelopes(self) -> set[str]:
        """The subjects whose slot came from a backup envelope; their records may be corrected."""
        return {a.subject for a in self.assignments if a.type == ENVELOPE}

    @property
    def subjects(self) -> set[str]:
        """The subjects that have been randomized."""
        return {assignment.subject for assignment in self.assignments}

    def next_slot(self, stratum: str) -> int | None:
        """The lowest slot of a stratum that was never used, None when the list is exhausted."""
        sealed = self.sealed_list
        if sealed is None:
            return None
        strata = sealed.data.get("strata")
        sizes = {
            row["stratum"]: row["slots"]
            for row in (strata if isinstance(strata, list) else ())
            if isinstance(row, dict)
        }
        size = sizes.get(stratum)
        used = {a.slot for a in self.assignments if a.stratum == stratum}
        if not isinstance(size, int):
            return None
        return next((slot for slot in range(1, size + 1) if slot not in used), None)

    def _assign(self, fact: Fact) -> None:
        slot, stratum = fact.data.get("slot"), fact.data.get("stratum")
        self.assignments.append(
            Assignment(
                subject=fact.record.stream.removeprefix("treatment/"),
                stratum=stratum if isinstance(stratum, str) else "",
                slot=slot if isinstance(slot, int) else 0,
                seq=fact.seq,
                type=fact.type,
            )
        )
