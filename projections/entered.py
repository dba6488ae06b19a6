"""A page of the log as it is read and taken into a fold, between the places before and after it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ledger.errors import LedgerError, Unavailable
from ledger.log.entry import entry_hash
from projections.folding import Unreadable
from projections.row_tables import Fold, Place

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ledger.application import LedgerApplication
    from ledger.record import Record
    from projections.folding import LogFold, Page


@dataclass(frozen=True, slots=True)
class Entered:
    """A page that a fold has taken in, not yet stored."""

    page: Page
    before: Place
    after: Place

    def finished(self, fold: LogFold) -> Fold:
        """What is to be stored of it, once it was begun."""
        rows, parked = fold.finish(self.page)
        return Fold(before=self.before, after=self.after, rows=rows.texts(), parked=parked)


def entered(application: LedgerApplication, fold: LogFold, place: Place, stop: int) -> Entered:
    """Read the entries from a place up to ``stop`` and take them into a fold.

    Raises Unavailable when what is concealed cannot be read now.
    """
    page = fold.enter(list(_read(application, place.position, stop)))
    last = application.store.entry(stop - 1)
    after = Place(place.generation, stop, entry_hash(last) if last is not None else "")
    return Entered(page, place, after)


def _read(application: LedgerApplication, start: int, stop: int) -> Iterator[Record | Unreadable]:
    try:
        found: Sequence[Record] = application.records(start, stop)
    except Unavailable:
        raise  # keys that are not at hand are no fault of an entry
    except LedgerError:
        found = ()
    if len(found) == stop - start:
        yield from found
        return
    for seq in range(start, stop):
        try:
            yield application.record(seq)
        except Unavailable:
            raise
        except LedgerError as error:
            yield Unreadable(seq, error)
