"""The ledgers that are measured: grown once, kept at some sizes, on both databases."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from benchmarks.growing import GROUP, Growing, growing

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from benchmarks.founding import Founded
    from benchmarks.life import Offered
    from benchmarks.postgres import Server

SITES: Final = 8
BEGIN: Final = datetime(2024, 3, 12, tzinfo=UTC)
SQLITE: Final = "sqlite"
POSTGRESQL: Final = "postgresql"


@dataclass(frozen=True, slots=True)
class Sizes:
    """How many entries: where growth is measured from, what checking is measured on, the end."""

    tiny: int = 1_000
    small: int = 10_000
    middle: int = 30_000
    large: int = 100_000

    @classmethod
    def quick(cls) -> Sizes:
        """Sizes that say nothing, but in which everything is tried."""
        return cls(600, 1_200, 1_800, 3_000)


@dataclass(frozen=True, slots=True)
class Standing:
    """A ledger of some size, and the statements that can be recorded next in it."""

    founded: Founded
    entries: int
    following: tuple[Offered, ...]


class Standings:
    """One database's ledgers, by size."""

    MOST_CARRIED: Final = 200_000
    """Larger ledgers are measured on SQLite alone."""

    def __init__(self, tiny: Standing, small: Standing, large: Standing) -> None:
        self.tiny, self.small, self.large = tiny, small, large

    @property
    def engine(self) -> str:
        """The database."""
        return self.large.founded.engine

    def against(self, standing: Standing) -> str:
        """How a smaller ledger is called as a reference."""
        return f"the same at {standing.entries:,} entries"

    @property
    def end(self) -> str:
        """How the large one is called."""
        return f"at {self.large.entries:,} entries"


@dataclass(slots=True)
class Stage:
    """Ledgers by database and size; each is made when it is first asked for."""

    directory: Path
    sizes: Sizes
    server: Server | None
    turns: int
    _opened: ExitStack
    _growing: Growing | None = None
    _kept: dict[int, Standing] = field(default_factory=dict)
    _carried: dict[int, Standing] = field(default_factory=dict)

    @property
    def engines(self) -> tuple[str, ...]:
        """The databases there are to measure on."""
        return (SQLITE,) if self.server is None else (SQLITE, POSTGRESQL)

    def at(self, engine: str, size: int) -> Standing:
        """The ledger of a size, one of ``sizes``, in a database."""
        if engine == SQLITE:
            return self._grown(size)
        if self.server is None:
            raise RuntimeError("There is no PostgreSQL server to measure on.")
        if size not in self._carried:
            self._carried[size] = self.carry(self._grown(size))
        return self._carried[size]

    def carry(self, standing: Standing) -> Standing:
        """A ledger of SQLite as it is now, in a new PostgreSQL database."""
        if self.server is None:
            raise RuntimeError("There is no PostgreSQL server to measure on.")
        url = self.server.create()
        name = url.partition("?")[0].rpartition("/")[2]
        carried = standing.founded.carried(url, self.directory / name)
        return Standing(carried, standing.entries, standing.following)

    def fresh(self, founded: Founded) -> Founded:
        """A copy of a ledger of SQLite in PostgreSQL."""
        return self.carry(Standing(founded, 0, ())).founded

    def _grown(self, size: int) -> Standing:
        if self._growing is None:
            place = growing(self.directory / "growing", sites=SITES, at=BEGIN)
            self._growing = self._opened.enter_context(place)
        sizes = (self.sizes.tiny, self.sizes.small, self.sizes.middle, self.sizes.large)
        for wanted in sorted(sizes):
            if wanted <= size and wanted not in self._kept:
                self._kept[wanted] = self._grow(wanted, last=wanted == max(sizes))
        return self._kept[size]

    def _grow(self, size: int, *, last: bool) -> Standing:
        grown = self._growing
        if grown is None:
            raise RuntimeError("The ledger has not begun to grow.")
        entries = grown.to(size)
        following = tuple(grown.feed.look(self.turns * 2 * GROUP))
        if last:
            return Standing(grown.founded, entries, following)
        return Standing(grown.founded.copy(self.directory / f"at-{size}"), entries, following)


@contextmanager
def stage(directory: Path, sizes: Sizes, server: Server | None, *, turns: int) -> Iterator[Stage]:
    """A stage in a directory; what it opened ends with it."""
    with ExitStack() as opened:
        yield Stage(directory, sizes, server, turns, opened)


def yesterday() -> datetime:
    """When load begins that a service records with the machine's clock."""
    return datetime.now(UTC) - timedelta(days=1)
