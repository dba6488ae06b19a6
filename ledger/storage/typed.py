"""Stored values as the types they were written with, or a failure that names the table."""

from __future__ import annotations

from ledger.errors import IntegrityFailure


def blob(value: object, table: str = "stored_events") -> bytes:
    """Bytes, which is all that was ever written there; raises IntegrityFailure for all else."""
    if not isinstance(value, bytes):
        raise other_type(table)
    return value


def text(value: object, table: str) -> str:
    """Text, which is all that was ever written there; raises IntegrityFailure for all else."""
    if not isinstance(value, str):
        raise other_type(table)
    return value


def other_type(table: str) -> IntegrityFailure:
    """The failure that a row holds a type that was never written."""
    return IntegrityFailure(
        "storage.column-type", f"A row of {table} holds another type than was ever written."
    )
