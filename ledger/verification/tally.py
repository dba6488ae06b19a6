"""Part of checks 13 to 15: that nothing published was taken away again, by the counts kept of it.

A removed row leaves no hole that a signature would show. The file counts what was ever added and
adds up the sizes, so that one row too few is named by its size.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from ledger.verification.evidence import PublishedSource, StoredTally
    from ledger.verification.report import Findings

CHECKPOINTS: Final = "published_checkpoints"
COSIGNATURES: Final = "cosignatures"
TIMESTAMPS: Final = "timestamps"

_MISSING: Final = {
    CHECKPOINTS: "published.missing",
    COSIGNATURES: "cosignatures.missing",
    TIMESTAMPS: "timestamps.missing",
}
_MOST_KEYS: Final = 10_000


class Tally:
    """Counts rows as they are read; memory is bounded by the number of cosigners."""

    def __init__(self) -> None:
        self._seen: dict[tuple[str, str], tuple[int, int]] = {}
        self._kept: dict[tuple[str, str], tuple[int, int]] | None = None
        self._spoiled: set[str] = set()
        self.missing: set[int] = set()
        """Sizes whose published checkpoint was counted and is not there."""

    def take(self, kind: str, size: object, vkey: object = "") -> None:
        """Count one row."""
        key = (kind, vkey if isinstance(vkey, str) else "")
        if type(size) is not int or (key not in self._seen and len(self._seen) >= _MOST_KEYS):
            self.spoil(kind)
            return
        rows, sizes = self._seen.get(key, (0, 0))
        self._seen[key] = rows + 1, sizes + size

    def spoil(self, kind: str) -> None:
        """A row of this kind is named for something else, so its count says nothing more."""
        self._spoiled.add(kind)

    def read(self, source: PublishedSource, findings: Findings) -> None:
        """Take in what the source says it was ever given."""
        stated = source.tallies()
        self._kept = None if stated is None else {}
        for one in stated or ():
            read = _read(one)
            if read is None:
                findings.add("published.count", None, found="no count", field=_named(one))
                self.spoil(str(one.kind))
            elif self._kept is not None:
                self._kept[read[0]] = read[1]

    def compare(self, kind: str, findings: Findings) -> None:
        """Compare the rows of one kind, all of which were read, with how many there must be."""
        if self._kept is None or kind in self._spoiled:
            return
        for key in sorted(self._kept.keys() | self._seen.keys()):
            if key[0] == kind:
                self._compare(key, self._kept.get(key, (0, 0)), findings)

    def _compare(self, key: tuple[str, str], kept: tuple[int, int], findings: Findings) -> None:
        rows, sizes = self._seen.get(key, (0, 0))
        if kept == (rows, sizes):
            return
        kind, vkey = key
        size = kept[1] - sizes
        about = vkey.partition("+")[0] or None
        if kept[0] == rows + 1 and size > 0:
            findings.add(
                _MISSING[kind], size - 1, expected=f"the row of size {size}", found="none",
                field=f"{kind} {size}", subject=about,
            )  # fmt: skip
            if kind == CHECKPOINTS:
                self.missing.add(size)
        elif kept[0] > rows:
            findings.add(
                _MISSING[kind], None, expected=f"{kept[0]} rows", found=f"{rows} rows", field=kind,
                subject=about,
            )  # fmt: skip
        else:
            findings.add(
                "published.count", None, expected=f"{rows} rows of sizes that make {sizes}",
                found=f"{kept[0]} rows of sizes that make {kept[1]}", field=kind, subject=about,
            )  # fmt: skip


def _read(one: StoredTally) -> tuple[tuple[str, str], tuple[int, int]] | None:
    kind, vkey, rows, sizes = one.kind, one.vkey, one.rows, one.sizes
    if not isinstance(kind, str) or kind not in _MISSING or not isinstance(vkey, str):
        return None
    if type(rows) is not int or type(sizes) is not int:
        return None
    return (kind, vkey), (rows, sizes)


def _named(one: StoredTally) -> str:
    return f"count of {str(one.kind)[:60]}"
