"""Pages examined before they are stored, so that the cores work while entries are brought in.

What was found out about a page is put aside in a temporary file and given when the very same rows
are asked for later; rows that differ in any byte are examined as if nothing had been foreseen.
Nobody waits for it: a page that comes while all processes have enough to do is left for later.
"""

from __future__ import annotations

import marshal
from collections import deque
from hashlib import sha256
from tempfile import TemporaryFile
from typing import TYPE_CHECKING, Any, Final, Self

from ledger.verification.crew import Begun, Crew, ProcessCrew
from ledger.verification.evidence import PAGE
from ledger.verification.frames import framed, received

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ledger.verification.sound import Row, Verdict


_FORESEEN_AT_ONCE: Final = 2
"""As many times the pages that are begun at once otherwise: entries come in larger parcels."""

_MOST_BYTES: Final = 4_000_000
"""Bytes of entries in a page that is foreseen; a longer one is not even held."""


class ForeseeingCrew(Crew):
    """A crew that may be given rows beforehand; asked for pages, it answers in their order.

    Openings may be stored otherwise than they are at hand now: a row that has any is examined when
    it is asked for, as is any in which not everything was in order.
    """

    def __init__(self, crew: Crew) -> None:
        super().__init__(crew.executor, crew.pages, crew.payloads)
        self._crew = crew
        self._waiting: list[Row] = []
        self._held = 0
        self._going: deque[tuple[int, bytes | None, Begun]] = deque()
        self._known: dict[int, tuple[bytes | None, int]] = {}
        self._aside = TemporaryFile()  # noqa: SIM115 - closed by close()
        self._taught = False
        self._asked: deque[tuple[list[Verdict], list[int]] | None] = deque()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._aside.close()

    def teach(self, rows: Sequence[Row]) -> None:
        """Let the keys be known that some rows bring; those behind them are signed with these."""
        if rows and isinstance(self._crew, ProcessCrew):
            self._crew.verdicts(self._crew.begin(rows))
            self._taught = True

    def foresee(self, rows: Iterable[Row]) -> None:
        """Examine rows that follow one another, as they will be stored; the next that come too.

        Nothing is done in a crew without further processes, which would only wait for this one.
        """
        if not isinstance(self._crew, ProcessCrew):
            return
        for row in rows:
            # Pages are asked for at multiples of their length.
            if not self._waiting and row[0] % PAGE:
                continue
            self._waiting.append(row)
            self._held += len(row[1]) if isinstance(row[1], bytes) else 0
            if self._held > _MOST_BYTES:
                self._page()  # it is examined when it is asked for
            elif len(self._waiting) == PAGE:
                self._begin_closed(self._page())

    def foresee_rest(self) -> None:
        """Examine what waits for its page to be full: no more will come."""
        self._begin_closed(self._page())

    def begin(self, rows: Sequence[Row]) -> Begun:
        """Begin to examine what was not foreseen of a page."""
        while self._going:
            self._put_aside()
        known = self._known.get(rows[0][0]) if rows else None
        if known is None or known[0] is None or known[0] != _digest(rows):
            self._asked.append(None)
            return self._crew.begin(rows)
        self._aside.seek(known[1])
        verdicts: list[Verdict] = received(self._aside)
        again = [n for n, row in enumerate(rows) if row[3] or verdicts[n][0] is None]
        self._asked.append((verdicts, again))
        return self._crew.begin([rows[number] for number in again]) if again else []

    def verdicts(self, begun: Begun) -> list[Verdict]:
        """Wait for the page that was begun first of those not yet waited for."""
        found = self._crew.verdicts(begun)
        foreseen = self._asked.popleft()
        if foreseen is None:
            return found
        verdicts, again = foreseen
        for number, verdict in zip(again, found, strict=True):
            verdicts[number] = verdict
        return verdicts

    def _page(self) -> list[Row]:
        """The page that waited, which waits no longer."""
        page, self._waiting, self._held = self._waiting, [], 0
        return page

    def _begin_closed(self, page: Sequence[Row]) -> None:
        while self._going and all(part.done() for part in self._going[0][2]):
            self._put_aside()
        # The first page brings the keys that nearly all others are signed with.
        known = self._taught or (not self._going and page and page[0][0] == 0)
        if not page or not known or len(self._going) >= _FORESEEN_AT_ONCE * self._crew.pages:
            return
        closed: list[Row] = [
            (seq, None if texts else data, columns, ()) for seq, data, columns, texts in page
        ]
        self._going.append((closed[0][0], _digest(page), self._crew.begin(closed)))

    def _put_aside(self) -> None:
        first, digest, begun = self._going.popleft()
        verdicts = self._crew.verdicts(begun)
        self._taught = True
        self._known[first] = digest, self._aside.seek(0, 2)
        self._aside.write(framed(verdicts))


def _digest(rows: Sequence[Row]) -> bytes | None:
    """SHA-256 over positions, bytes and columns; None where a value could not be read."""
    plain: list[Any] = [row[:3] for row in rows]
    try:
        # Version 0 writes equal values alike, wherever they come from.
        return sha256(marshal.dumps(plain, 0)).digest()
    except ValueError:
        return None
