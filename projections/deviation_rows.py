"""Deviations in their order, one row each: what a page of them is read from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from ledger.rules.members import shapes
from projections.kept import text_of
from projections.sections import deviation_order
from projections.times import sortable, utc_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    from ledger.signing.strict_json import JsonObject
    from projections.kept import PageRows

DEVIATION: Final = "deviation"
"""The projection whose rows are single deviations, keyed by their places."""

ROWS: Final = "rows"
NOBODY: Final = "-"


def place_of(row: Mapping[str, object]) -> str:
    """Where a deviation stands among all others: rule, since, id, subject; sorts in that order.

    None of the four holds a space, which sorts before all that they hold.
    """
    rule, since, name = deviation_order(dict(row))  # type: ignore[arg-type]
    return f"{rule} {since} {name} {row.get('subject') or NOBODY}"


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which deviations are asked for, told by their places alone; ``until`` sorts as times do."""

    until: str
    rule: str | None = None
    subject: str | None = None
    site: str | None = None

    @classmethod
    def by(
        cls,
        at: datetime,
        *,
        rule: str | None = None,
        subject: str | None = None,
        site: str | None = None,
    ) -> Wanted:
        """Those that hold by an instant."""
        return cls(sortable(utc_text(at)), rule, subject, site)

    def takes(self, place: str) -> bool:
        """Whether the deviation there is asked for."""
        rule, since, _, subject = place.rsplit(" ", 3)
        return (
            sortable(since) <= self.until
            and self.rule in (None, rule)
            and self.subject in (None, subject)
            and self.site in (None, subject.rpartition("-")[0])
        )


def page_of(
    rows: Iterable[JsonObject], wanted: Wanted, *, after: str, limit: int | None
) -> list[JsonObject]:
    """The deviations asked for that stand behind ``after``, in order, ``limit`` at most.

    Deviations at one place stay together, so that a page ends between places.
    """
    placed = sorted(((place_of(row), row) for row in rows), key=_first)
    found = [(place, row) for place, row in placed if place > after and wanted.takes(place)]
    if limit is None or len(found) <= limit:
        return [row for _, row in found]
    last = found[limit - 1][0]
    return [row for place, row in found if place <= last]


def placed(body: Mapping[str, object]) -> dict[str, str]:
    """The rows that the deviations of a section are kept as, by their places."""
    found: dict[str, list[JsonObject]] = {}
    for row in shapes(body, "deviations"):  # type: ignore[arg-type]
        found.setdefault(place_of(row), []).append({**row})
    return {place: text_of({ROWS: [*listed]}) for place, listed in found.items()}


def replace_rows(rows: PageRows, before: Mapping[str, str], after: Mapping[str, str]) -> None:
    """Put the placed deviations of a section in the place of those it had."""
    for place in before.keys() - after.keys():
        rows.put(DEVIATION, place, None)
    for place, text in after.items():
        if before.get(place) != text:
            rows.write(DEVIATION, place, text)


def _first(pair: tuple[str, JsonObject]) -> str:
    return pair[0]
