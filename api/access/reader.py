"""A reader: somebody whose right to read has been proved, or the open door of a demonstration."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from ledger.vocabulary import Role


@dataclass(frozen=True, slots=True)
class Reader:
    """``source`` reads as ``role``, of the whole trial or of one ``site``, ``masked`` or not.

    Without a role it is whoever reads a demonstration on this machine.
    """

    source: str
    role: Role | None
    site: str | None = None
    masked: bool = False

    def may_know(self, site: str | None) -> bool:
        """Whether what concerns a site (None: no single one) lies within this reader's reach."""
        return self.site is None or site == self.site


OPEN: Final = Reader("", None)
"""Reads a demonstration without a token: everything, as everybody on this machine may."""


def site_of_subject(subject_id: str) -> str:
    """The site that a subject id begins with."""
    return subject_id.rpartition("-")[0]


def home_of(source: str) -> str | None:
    """The site a source URI belongs to, None for the trial's own people and systems."""
    parts = source.split("/")
    return parts[2] if len(parts) > 2 and parts[1] == "sites" else None
