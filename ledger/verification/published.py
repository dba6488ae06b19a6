"""Check 13: published checkpoints, each against the log's key, the tree and the log's end."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final

from ledger.errors import IntegrityFailure, LedgerError
from ledger.log.checkpoint import Checkpoint, open_checkpoint, parse_checkpoint
from ledger.log.note import split_note
from ledger.verification.cosignatures import CosignatureCheck, Lines, judge_lines
from ledger.verification.evidence import PAGE, all_published
from ledger.verification.tally import CHECKPOINTS, COSIGNATURES, TIMESTAMPS, Tally

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from concurrent.futures import Executor

    from ledger.log.note import NoteSignature, VerifierKey
    from ledger.verification.cosignatures import LogKeys
    from ledger.verification.evidence import (
        PublishedSource,
        StoredCosignature,
        StoredPublished,
    )
    from ledger.verification.report import Findings
    from ledger.verification.tree import TreeCheck

_PAGE: Final = PAGE // 4
_MOST_REMEMBERED: Final = 100_000
_MOST_STRAYS: Final = 1_000


@dataclass(frozen=True, slots=True)
class _Judged:
    """One published checkpoint: what its note says, or what is wrong; its lines."""

    checkpoint: Checkpoint | LedgerError
    lines: Lines


class PublishedCheck:
    """Reads every published checkpoint before the entries, and compares roots as they come."""

    def __init__(
        self,
        source: PublishedSource,
        keys: LogKeys,
        cosignatures: CosignatureCheck,
        tally: Tally,
        findings: Findings,
    ) -> None:
        self._source, self._keys = source, keys
        self._cosignatures, self._tally, self._findings = cosignatures, tally, findings
        self._refused: set[int] = set()
        self._elsewhere: set[int] = set()
        self._roots: Iterator[tuple[int, bytes]] = iter(())
        self._following: tuple[int, bytes] | None = None
        self.count = 0
        self.newest = 0
        """Size of the newest published checkpoint that the log signed."""

    def read(self, executor: Executor) -> None:
        """Check every signature line of every published checkpoint."""
        for artefact, sentence in self._source.faults():
            self._findings.add("published.store", None, found=sentence, field=artefact)
        judge = partial(
            _judge, keys=self._keys, policy=self._cosignatures.keys,
            alone=self._source.holds_own_lines_alone,
        )  # fmt: skip
        after: int | None = None
        while page := self._source.published(after, _PAGE):
            kept = self._lines(page)
            judged = executor.map(judge, page, [kept.get(one.size, []) for one in page])
            for stored, one in zip(page, judged, strict=True):
                self._take(stored, one)
            after = page[-1].size
        self._roots = self._valid()
        self._following = next(self._roots, None)

    @property
    def following(self) -> int | None:
        """The next size that was published with a note that holds, None when there is none."""
        return None if self._following is None else self._following[0]

    def reached(self, size: int, roots: Sequence[bytes], tree: TreeCheck) -> None:
        """The tree has grown to a size: compare with what was published for it."""
        while self._following is not None and self._following[0] <= size:
            at, root = self._following
            if at == size and root not in roots and not tree.contains(root):
                self._findings.add(
                    "published.root", size - 1, expected=root.hex(),
                    found=(tree.root() or b"").hex(), field=_named(size),
                )  # fmt: skip
            self._following = next(self._roots, None)

    def end(self, size: int) -> None:
        """The log ends here: nothing larger may have been published, and nothing may be gone."""
        if self.newest > size:
            self._findings.add(
                "published.rolled-back", size, self.newest - 1, expected=f"size {self.newest}",
                found=f"size {size}", field=self._source.where,
            )  # fmt: skip
        self._tally.read(self._source, self._findings)
        self._tally.compare(CHECKPOINTS, self._findings)
        self._strays()
        self._tally.compare(COSIGNATURES, self._findings)
        self._tally.compare(TIMESTAMPS, self._findings)

    def _strays(self) -> None:
        """Lines without their checkpoint: that one is missing or elsewhere, or they are moved."""
        accounted = self._tally.missing | self._elsewhere
        for stray in self._source.stray_cosignatures(_MOST_STRAYS):
            self._tally.take(COSIGNATURES, stray.size, stray.vkey)
            if stray.size not in accounted:
                self._tally.spoil(COSIGNATURES)
                position = stray.size - 1 if type(stray.size) is int and stray.size > 0 else None
                self._findings.add(
                    "cosignatures.stray", position, field=f"cosignature {stray.size}", group="stray"
                )

    def text(self, size: int) -> str | None:
        """The text published for a size, None where none is that holds."""
        page = self._source.published(size - 1, 1)
        if not page or page[0].size != size or size in self._refused:
            return None
        return _text(page[0].note)

    def _lines(self, page: Sequence[StoredPublished]) -> dict[object, list[StoredCosignature]]:
        kept: dict[object, list[StoredCosignature]] = {}
        for line in self._source.cosignatures(page[0].size, page[-1].size):
            kept.setdefault(line.size, []).append(line)
        return kept

    def _take(self, stored: StoredPublished, one: _Judged) -> None:
        found, size = one.checkpoint, stored.size
        position = max(size - 1, 0)
        self.count += 1
        self._tally.take(CHECKPOINTS, size)
        if isinstance(found, Checkpoint) and found.size == size:
            self.newest = size
        else:
            self._tally.spoil(CHECKPOINTS)
            if len(self._refused) < _MOST_REMEMBERED:
                self._refused.add(size)
            if isinstance(found, Checkpoint):
                if len(self._elsewhere) < _MOST_REMEMBERED:
                    self._elsewhere.add(found.size)
                self._findings.add(
                    "published.size", position, expected=size, found=found.size, field=_named(size)
                )
            else:
                self._findings.add(
                    "published.signature", position, found=found.message, field=_named(size)
                )
        self._cosignatures.take(size, one.lines, self._tally)

    def _valid(self) -> Iterator[tuple[int, bytes]]:
        """Sizes and roots of what held; read again, not verified again."""
        for stored in all_published(self._source):
            text = None if stored.size in self._refused else _text(stored.note)
            if text is not None:
                yield stored.size, parse_checkpoint(text).root


def _judge(
    stored: StoredPublished,
    kept: Sequence[StoredCosignature],
    *,
    keys: LogKeys,
    policy: frozenset[VerifierKey],
    alone: bool,
) -> _Judged:
    """Check one note's own line, the log's cosignature in it, and every further line."""
    text: str | None = None
    signatures: tuple[NoteSignature, ...] = ()
    result: Checkpoint | LedgerError
    try:
        if not isinstance(stored.note, str):
            raise IntegrityFailure("published.no-text", "The note is no text.")
        result = open_checkpoint(stored.note, keys.vkey)
        text, signatures = split_note(stored.note)
        if alone and not keys.are_whole(stored.note):
            result = IntegrityFailure("published.lines", "It holds lines that the log did not put.")
        elif result.size != stored.size:
            text = None  # what stands under another size is judged there, not here
    except LedgerError as error:
        result = error
    return _Judged(result, judge_lines(text, signatures, kept, keys=keys, policy=policy))


def _text(note: object) -> str | None:
    try:
        return split_note(note)[0] if isinstance(note, str) else None
    except LedgerError:
        return None


def _named(size: int) -> str:
    return f"published checkpoint {size}"
