"""A whole trial definition: its parts, the source of each value, its bytes and its digest."""

# ruff: noqa: TC001, TC003 - the reader resolves these annotations while it runs.
from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from ledger.signing.strict_json import JsonObject, parse_object
from ledger.trials.grammar import JsonPointer
from ledger.trials.protocol import Protocol
from ledger.trials.registry import RegistryRecord


class Source(StrEnum):
    """Where a value of the protocol comes from."""

    REGISTRY = "registry"
    ASSUMED = "assumed"


@dataclass(frozen=True, slots=True)
class Assumption:
    """A value, or all values beneath it, that the register does not state, and why it is so."""

    pointer: JsonPointer
    reason: str


@dataclass(frozen=True, slots=True)
class TrialParts:
    """The members of a trial file, as the file gives them."""

    registry: RegistryRecord
    protocol: Protocol
    from_registry: Mapping[str, JsonPointer]
    assumed: tuple[Assumption, ...]


@dataclass(frozen=True, slots=True)
class TrialDefinition:
    """A trial as data: what the register says, what the ledger acts on, and what is assumed.

    ``from_registry`` maps a pointer into the protocol to the pointer into the registry record
    it was taken from. ``canonical`` is the RFC 8785 spelling of the whole file; the equality of
    two definitions is the equality of those bytes.
    """

    registry: RegistryRecord = field(compare=False)
    protocol: Protocol = field(compare=False)
    from_registry: Mapping[str, str] = field(compare=False)
    assumed: tuple[Assumption, ...] = field(compare=False)
    canonical: bytes = field(repr=False)

    def canonical_bytes(self) -> bytes:
        """Give the canonical JSON of the whole definition (RFC 8785), for hashing and sending."""
        return self.canonical

    @property
    def sha256(self) -> str:
        """The lower-case hex SHA-256 of the canonical bytes."""
        return hashlib.sha256(self.canonical).hexdigest()

    def to_json(self) -> JsonObject:
        """Give a fresh JSON object of the whole definition, as `parse_trial` accepts it."""
        return parse_object(self.canonical)

    def source_of(self, pointer: str) -> Source | None:
        """Tell where the value at ``pointer`` (``/protocol/…``) comes from.

        None for a pointer that neither list covers; a loaded definition has no such leaf.
        """
        if pointer in self.from_registry:
            return Source.REGISTRY
        return Source.ASSUMED if self.assumption_for(pointer) else None

    def assumption_for(self, pointer: str) -> Assumption | None:
        """Give the assumption that covers ``pointer`` most closely, unless the register states it.

        ``/protocol/visits`` covers ``/protocol/visits/0/target_day``.
        """
        if pointer in self.from_registry:
            return None
        covering = [row for row in self.assumed if is_at_or_below(pointer, row.pointer)]
        return max(covering, key=lambda row: len(row.pointer), default=None)


def is_at_or_below(pointer: str, ancestor: str) -> bool:
    """Tell whether ``pointer`` names what ``ancestor`` names, or something inside it."""
    return pointer == ancestor or pointer.startswith(ancestor + "/")
