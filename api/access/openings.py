"""Which sealed members a reader is shown opened, by the purpose they were sealed for.

A site's own people see what they sealed in every view of their records. A monitor, auditor or
inspector opens identity one record at a time, on purpose (``?open=identity``), which is written
down beside the reading. Who needs no identity is never shown it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from api.access.table import TABLE, Operation, Reach
from ledger.errors import TrustFailure
from ledger.vocabulary import Purpose, vocabulary

if TYPE_CHECKING:
    from collections.abc import Mapping

    from api.access.reader import Reader
    from ledger.record import Record
    from ledger.signing.strict_json import JsonObject, JsonValue
    from ledger.vocabulary import Role

EVERYTHING: Final = frozenset(Purpose)
_OPERATIONS: Final[Mapping[Purpose, Operation]] = {
    Purpose.IDENTITY: Operation.IDENTITY,
    Purpose.TEXT: Operation.TEXT,
}
_ON_PURPOSE: Final = frozenset((Purpose.IDENTITY,))
"""Shown to readers of the trial only where a record is asked for by it."""


def shown_to(reader: Reader) -> frozenset[Purpose]:
    """The purposes whose members a reader sees opened in every view of a record.

    What is sealed for allocation is kept from masked readers; the views that hold it are denied
    to them anyway.
    """
    if reader.role is None:
        return EVERYTHING
    shown = {purpose for purpose in _OPERATIONS if _always(reader, purpose)}
    return frozenset(shown if reader.masked else {*shown, Purpose.ALLOCATION})


def hidden_from(reader: Reader) -> frozenset[Purpose]:
    """The purposes whose members are withheld from a reader."""
    return EVERYTHING - shown_to(reader)


def reason(reader: Reader, purpose: Purpose) -> str:
    """Why a member is withheld from a reader, or how to be shown it."""
    operation = _OPERATIONS.get(purpose)
    if operation is None:
        return "It tells the arm."
    if TABLE[operation].reach[_role(reader)] is Reach.GRANTED:
        return "Ask for this one event with ?open=identity; that is written down."
    return f"The role {reader.role} is not shown what is sealed for {purpose}."


def opened_members(
    record: Record, reader: Reader, shown: frozenset[Purpose]
) -> tuple[JsonObject, list[JsonValue]]:
    """The opened members of a record that a reader sees, and those kept back, with why."""
    seen: JsonObject = {}
    kept: list[JsonValue] = []
    for name, value in record.opened.items():
        purpose = purpose_of(record.type, name)
        if purpose in shown:
            seen[name] = value
        else:
            kept.append(
                {"member": name, "purpose": purpose.value, "reason": reason(reader, purpose)}
            )
    return seen, kept


def purpose_of(type_name: str, member: str) -> Purpose:
    """The purpose a member of a type is sealed for; identity for what this version cannot tell."""
    rule = vocabulary().get(type_name)
    return rule.sealed.get(member, Purpose.IDENTITY) if rule is not None else Purpose.IDENTITY


def _always(reader: Reader, purpose: Purpose) -> bool:
    reach = TABLE[_OPERATIONS[purpose]].reach[_role(reader)]
    if reach is Reach.OWN:
        return reader.site is not None
    return reach is Reach.GRANTED and purpose not in _ON_PURPOSE


def _role(reader: Reader) -> Role:
    if reader.role is None:
        raise TrustFailure("access.role", "Whoever reads an open demonstration has no role.")
    return reader.role
