"""Stored openings as a verification or a bundle reads them: opened where the keys are at hand."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, TypeAlias

from ledger.concealment.envelope import stored_bytes
from ledger.errors import IntegrityFailure
from ledger.signing import base64url
from ledger.verification.evidence import AlteredOpening, ErasedOpening, StoredOpening
from ledger.verification.reading import read_row

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ledger.concealment.openings import Openings
    from ledger.concealment.vault import Erased
    from ledger.verification.evidence import StoredRow

    ReadRows: TypeAlias = Callable[[int | None, int], Sequence[StoredRow]]

Reveal: TypeAlias = "Callable[[ReadRows, Sequence[StoredOpening]], list[StoredOpening]]"
"""Opens stored openings; the entries beside them are read through the first argument."""


def revealing(openings: Openings, *, keep_erased: bool = True) -> Reveal:
    """What opens the openings of a source; without ``keep_erased`` what was erased is left out.

    What it gives raises Unavailable when keys are not at hand.
    """

    def reveal(rows: ReadRows, stored: Sequence[StoredOpening]) -> list[StoredOpening]:
        places = _places(rows, [one.seq for one in stored if _concealed(one)])
        known = [one for one in stored if one.seq in places and _concealed(one)]
        opened = openings.reveal([(*places[one.seq], str(one.disclosure)) for one in known])
        outcomes = iter(opened)
        found: list[StoredOpening] = []
        for one in stored:
            if one.seq not in places or not _concealed(one):
                found.append(one)
                continue
            outcome = next(outcomes)
            if isinstance(outcome, str):
                found.append(replace(one, disclosure=outcome))
            elif isinstance(outcome, IntegrityFailure):
                found.append(replace(one, disclosure=AlteredOpening(outcome.message)))
            elif keep_erased:
                found.append(replace(one, disclosure=_erased(outcome)))
        return found

    return reveal


def _erased(outcome: Erased) -> ErasedOpening:
    return ErasedOpening(base64url.encode(outcome.digest), outcome.act)


def _concealed(one: StoredOpening) -> bool:
    if not isinstance(one.seq, int) or not isinstance(one.disclosure, str):
        return False
    try:
        return stored_bytes(one.disclosure) is not None
    except IntegrityFailure:
        return True


def _places(rows: ReadRows, positions: Sequence[object]) -> dict[object, tuple[str, str]]:
    """Stream and event id of the entries at some positions, as far as they can be read."""
    wanted = {seq for seq in positions if isinstance(seq, int)}
    if not wanted:
        return {}
    first, last = min(wanted), max(wanted)
    found: dict[object, tuple[str, str]] = {}
    for row in rows(first - 1, last - first + 1):
        if row.seq in wanted:
            read = read_row(row)
            if read.entry is not None and read.event is not None:
                found[row.seq] = read.entry.stream, read.event.id
    return found
