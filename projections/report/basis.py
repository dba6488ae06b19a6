"""What a report rests on: rows of the projections and the head they belong to, read once.

Rows that grow with the log are given one by one, as often as they are asked for. The masked
rendering rests on the material alone; it knows no head.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from ledger.rules.members import shape, shapes

if TYPE_CHECKING:
    from datetime import datetime
    from zoneinfo import ZoneInfo

    from ledger.recording.genesis import Genesis
    from ledger.signing.strict_json import JsonObject, JsonValue
    from ledger.trials.definition import TrialDefinition

Row = Mapping[str, "JsonValue"]


class Listing(Protocol):
    """Rows in their order; each reading begins at the first. A list of rows is one."""

    def __iter__(self) -> Iterator[Row]:
        """The rows."""

    def __len__(self) -> int:
        """How many there are."""


class Sections(Mapping[str, Row]):
    """The sections of each subject's view, by subject, in order of their ids."""

    def of(self, section: str) -> Iterator[tuple[str, Row]]:
        """One section of every subject that has it."""
        for subject in self:
            found = shape(self[subject], section)
            if found is not None:
                yield subject, found


class HeldSections(Sections):
    """Sections that are held in memory."""

    def __init__(self, held: Mapping[str, Row]) -> None:
        self._held = dict(sorted(held.items()))

    def __getitem__(self, subject: str) -> Row:
        return self._held[subject]

    def __iter__(self) -> Iterator[str]:
        return iter(self._held)

    def __len__(self) -> int:
        return len(self._held)


@dataclass(frozen=True, slots=True)
class Head:
    """The end of the log that the report is about; hashes are lower-case hex.

    ``checkpoint`` is the first signed checkpoint that covers it, ``checkpoint_size`` its size.
    """

    size: int
    sha256: str
    root: str
    recorded_at: datetime
    checkpoint: str
    checkpoint_size: int
    second_sha256: str | None


@dataclass(frozen=True, slots=True)
class Software:
    """The versions a report names: of the software, the vocabulary and the rule sets (R-69)."""

    version: str
    vocabulary_types: int
    vocabulary_sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Material:
    """All that the contents of any report read; each row is as the projections give it.

    ``sections`` maps a subject to the sections of its view; ``oversight`` holds refusals,
    corrections, late entries and signatures of all streams; ``replay`` is that of ``replayed``.
    """

    genesis: Genesis
    definition: TrialDefinition
    zone: ZoneInfo
    as_of: datetime
    vkey: str
    software: Software
    sections: Sections
    enrolment: Row
    deviations: Listing
    failed_rules: Listing
    register: Row
    documents: Sequence[Row]
    oversight: Mapping[str, Listing]
    signatures: Row
    replayed: str | None
    replay: Row
    verification: Row | None

    @property
    def trial(self) -> str:
        """The trial's id."""
        return self.genesis.trial

    def of(self, section: str) -> Iterator[tuple[str, Row]]:
        """One section of every subject, in order of subjects."""
        return self.sections.of(section)

    def rows(self, section: str, member: str) -> Iterator[JsonObject]:
        """The rows of a list in one section of every subject, each with its ``subject``."""
        return (
            {"subject": subject, **row}
            for subject, found in self.of(section)
            for row in shapes(found, member)
        )

    def name_of(self, person: str) -> str:
        """The printed name of a person or system; the id where no key is registered for it."""
        return self._names().get(person, person)

    def _names(self) -> dict[str, str]:
        return {
            str(key.get("owner")): str(key.get("name")) for key in shapes(self.register, "keys")
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Basis(Material):
    """The material of the unmasked report, with the head it belongs to and the stock.

    ``allocations`` and ``unblindings`` are in order of the log; ``findings`` gives the rules that
    found something in an event, by its id. ``revelation`` is the data of
    ``allocation.revealed.v1``, once the list is open.
    """

    head: Head
    lots: Listing
    allocations: Listing
    unblindings: Listing
    findings: Callable[[str], list[str]]
    revelation: Row | None = None
