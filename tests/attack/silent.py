"""Stored values that may be changed without a finding, each with the reason why."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

ALLOWED: Final[Mapping[str, str]] = MappingProxyType(
    {
        "quarantine": "Statements that were turned away are no records: nothing signed by the "
        "ledger covers them. A person looks at them, and what is submitted again is checked anew.",
        "ledger_head.id": "It is always 1 and says nothing; the row is found by whatever it is.",
        "parked_entries": "It is empty while every entry could be folded; a row put there is named "
        "(projections.surplus).",
        "projection_rows.generation": "It separates rows being made from those that are shown; a "
        "row under another number is missing from the shown ones, which is named.",
        "projection_state.generation": "It says which rows are shown; with any other value none "
        "are, and the service folds them anew.",
        "projection_keys": "A key that opens no rows makes those of its generation unreadable, "
        "which is named; a generation that is not shown has none, and its key opens nothing.",
        "projection_heads": "It says up to which entry the rows were folded; with any other value "
        "the service folds them anew at its next start.",
    }
)
"""Tables and columns by name."""

OUTSIDE: Final = (
    ("Free pages, page layout and the header counters of an SQLite file",
     "SQLite's own; its integrity check (storage.file) names what no longer fits together."),
    ("The row that the event store's library keeps of its own schema (__migration__)",
     "It is the library's, and says nothing of the trial."),
    ("The files of keys, the allocation list and their key-encryption keys",
     ("They are secrets, not evidence: what was sealed in them was committed to in the log, and "
     "the service refuses to start with others.")),
    ("A whole deployment set back: database, head file, published checkpoints and projections",
     ("What is left agrees in itself. A witness, a monitor's state (`verify --url`), a receipt or "
     "any checkpoint that somebody else holds shows it (`head-file.held-rolled-back`), and the "
     "service asks its witnesses before it signs.")),
    ("The access log as a whole, with its head file",
     "It can be removed; a new one begins under another name and key, which the reader sees."),
    ("The openings of identity and text",
     "They may be withheld or erased: named as a notice (openings.withheld), never as damage."),
)  # fmt: skip
"""What else stays silent, or is no more than a notice, and why."""
