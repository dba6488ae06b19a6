"""Payloads judged on the way by what the kernel does not know: the schema of their types."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ledger.signing.envelope import Event
    from ledger.signing.strict_json import JsonObject
    from ledger.verification.evidence import StoredOpening, StoredRow

Conforms: TypeAlias = "Callable[[Event, JsonObject, bool], bool]"
"""Whether a payload is as its type asks: event, data with what is opened, whether some is not."""


class PayloadCheck(Protocol):
    """Judges payloads while a verification reads them, so that they are read once."""

    @property
    def worker(self) -> str:
        """The module that runs in further processes; it begins `ledger.verification.worker`."""

    @property
    def conforms(self) -> Conforms:
        """Whether a payload conforms; asked of entries that are in order otherwise."""

    def judge(self, row: StoredRow, kept: Sequence[StoredOpening]) -> None:
        """Judge the payload of any other entry, and of one that does not conform, by itself."""
