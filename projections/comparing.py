"""Stored rows beside those a fresh fold gives: each that differs is named."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ledger.signing.strict_json import JsonObject
    from projections.row_tables import Parked
    from projections.store import ProjectionStore


@dataclass(frozen=True, slots=True)
class Difference:
    """A stored row that is not what the log gives: ``changed``, ``missing`` or ``surplus``."""

    projection: str
    key: str
    kind: str
    stored: str | None
    expected: str | None

    def __str__(self) -> str:
        place = f"{self.projection} {self.key}".rstrip()
        return (
            f"projections.{self.kind} at {place}: not what the log gives. If the log is sound, run "
            "trial-ledger projections rebuild."
        )

    def to_json(self) -> JsonObject:
        """The difference as JSON."""
        return {
            "projection": self.projection,
            "key": self.key,
            "kind": self.kind,
            "stored": self.stored,
            "expected": self.expected,
        }


def differences(stored: ProjectionStore, fresh: ProjectionStore) -> Iterator[Difference]:
    """Each row and parked entry that two stores do not have alike, in order."""
    have, want = _all_rows(stored), _all_rows(fresh)
    left, right = next(have, None), next(want, None)
    while left is not None or right is not None:
        if right is None or (left is not None and left[:2] < right[:2]):
            surplus = left or ("", "", "")
            yield Difference(surplus[0], surplus[1], "surplus", surplus[2], None)
            left = next(have, None)
        elif left is None or right[:2] < left[:2]:
            yield Difference(right[0], right[1], "missing", None, right[2])
            right = next(want, None)
        else:
            if left[2] != right[2]:
                yield Difference(left[0], left[1], "changed", left[2], right[2])
            left, right = next(have, None), next(want, None)
    yield from _parked_differences(stored.parked(), fresh.parked())


def _parked_differences(stored: list[Parked], fresh: list[Parked]) -> Iterator[Difference]:
    for row in sorted(set(stored) ^ set(fresh), key=lambda row: row.seq):
        kind = "surplus" if row in stored else "missing"
        text = f"{row.code}: {row.message}"
        known = kind == "surplus"
        yield Difference(
            "parked", str(row.seq), kind, text if known else None, None if known else text
        )


def _all_rows(store: ProjectionStore) -> Iterator[tuple[str, str, str]]:
    after = ("", "")
    while page := store.dump(after=after):
        yield from page
        after = (page[-1][0], page[-1][1])
