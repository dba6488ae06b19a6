"""Checks 1 to 3: entries and their columns, the chain, the streams' own chains."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from uuid import UUID

from ledger.log.entry import ZERO_HASH, Entry

if TYPE_CHECKING:
    from collections.abc import Callable

    from ledger.verification.evidence import StoredColumns
    from ledger.verification.reading import ReadEntry
    from ledger.verification.report import Findings
    from ledger.verification.sound import Sound

ISSUED: Final = "dossier.issued.v1"

_REMEMBERED: Final = 4_096
_BEGIN: Final = (0, bytes(32), -1)
_END: Final = ("stream", "stream_seq", "link")


class EntryCheck:
    """Check 1 of one row: it can be read, stands where it belongs, and its columns agree."""

    def __init__(self, findings: Findings) -> None:
        self._findings = findings

    def take(self, read: ReadEntry) -> None:
        """Check one row."""
        entry = read.entry
        if entry is None:
            self._findings.add("entries.unreadable", read.seq, found=read.fault, field="state")
            return
        if read.displaced:
            self._findings.add(
                "entries.position", read.seq, expected=f"entry {read.seq}",
                found=f"entry {entry.seq}", field="seq", event_id=_id(read), subject=entry.stream,
            )  # fmt: skip
        if read.row.columns is not None:
            self._columns(read, entry, read.row.columns)

    def _columns(self, read: ReadEntry, entry: Entry, columns: StoredColumns) -> None:
        wanted: list[tuple[str, object, object]] = [
            ("originator_id", entry.stream, columns.originator_id),
            ("originator_version", entry.stream_seq, columns.originator_version),
        ]
        if read.event is not None:
            wanted += [
                ("topic", read.event.type, columns.topic),
                ("event_id", UUID(read.event.id).bytes, columns.event_id),
            ]
        for name, expected, found in wanted:
            if type(expected) is not type(found) or expected != found:
                self._findings.add(
                    "entries.column", read.seq, expected=expected, found=found, field=name,
                    event_id=_id(read), subject=entry.stream,
                )  # fmt: skip


class ChainCheck:
    """Check 2: each entry's ``prev`` is the hash of the bytes that stand before it.

    One altered entry breaks the link behind it, and the one before it too when its own ``prev``
    was altered: a single broken link accuses the entry before it, a run of them the entries
    between the outer ones.
    """

    def __init__(self, findings: Findings, is_proven: Callable[[int], bool]) -> None:
        self._findings = findings
        self._is_proven = is_proven
        self._before: str | None = ZERO_HASH
        self._time = ""
        self._run: list[tuple[ReadEntry, str]] = []
        self._broken_after: dict[int, None] = {}

    def gap(self) -> None:
        """Entries are missing here: the next one's predecessor is not known."""
        self._settle()
        self._before, self._time = None, ""

    def take(self, read: ReadEntry) -> None:
        """Check one entry against the one before."""
        entry, before = read.entry, self._before
        self._before = read.sha256
        if entry is None or before is None or entry.prev == before:
            self._settle()
        else:
            self._run.append((read, before))
            self._remember(read.seq - 1)
        if entry is None:
            self._time = ""
            return
        if entry.recorded_at < self._time:
            self._findings.add(
                "chain.recorded-at", read.seq, expected=f"{self._time} or later",
                found=entry.recorded_at, field="recorded_at", event_id=_id(read),
                subject=entry.stream,
            )  # fmt: skip
        self._time = entry.recorded_at

    def end_so_far(self) -> tuple[str, str] | None:
        """What the next entry must name and not precede; None while something is open."""
        return None if self._run or self._before is None else (self._before, self._time)

    def pass_by(self, sha256: str, recorded_at: str) -> None:
        """Take entries that continue the chain, by the last of them."""
        self._before, self._time = sha256, recorded_at

    def broken_after(self, seq: int) -> bool:
        """Whether the entry behind ``seq`` was found to be chained to other bytes."""
        return seq in self._broken_after

    def end(self, last: int, *, head_hash: str | None) -> None:
        """All entries are read; ``head_hash`` is what the head row says of other last bytes."""
        self._settle()
        if head_hash is not None and self._before is not None:
            self._findings.add(
                "chain.broken", last, expected=head_hash, found=self._before, field="ledger_head"
            )

    def _remember(self, seq: int) -> None:
        self._broken_after[seq] = None
        if len(self._broken_after) > _REMEMBERED:
            self._broken_after.pop(next(iter(self._broken_after)))

    def _settle(self) -> None:
        """Name the entries that a run of broken links accuses."""
        run, self._run = self._run, []
        if not run:
            return
        read, before = run[0]
        entry = read.entry
        if len(run) == 1:
            itself = read.seq == 0 or read.displaced or self._is_proven(read.seq - 1)
            first = last = read.seq if itself else read.seq - 1
        else:
            first, last = read.seq, run[-1][0].seq - 1
        self._findings.add(
            "chain.broken", first, last, expected=entry.prev if entry else "", found=before,
            field="prev",
        )  # fmt: skip


class StreamCheck:
    """Check 3: each entry continues its stream.

    Holds the end of each stream, about 300 bytes for one: memory grows with the number of
    streams (two for a subject), not with the length of the log.
    """

    def __init__(self, findings: Findings, is_altered: Callable[[int], bool]) -> None:
        self._findings = findings
        self._is_altered = is_altered
        self._ends: dict[str, tuple[int, bytes, int]] = {}

    def take(self, read: ReadEntry) -> None:
        """Check one entry against the end of its stream."""
        entry = read.entry
        if entry is None:
            return
        count, link, before = self._ends.get(entry.stream, _BEGIN)
        if entry.stream_seq != count:
            self._findings.add(
                "streams.position", read.seq, expected=f"number {count} of {entry.stream}",
                found=f"number {entry.stream_seq}", field="stream_seq", event_id=_id(read),
                subject=entry.stream,
            )  # fmt: skip
        elif entry.stream_prev != link.hex():
            accused = before if before >= 0 and self._is_altered(before) else read.seq
            self._findings.add(
                "streams.broken", accused, expected=link.hex(), found=entry.stream_prev,
                field="stream_prev", subject=entry.stream,
            )  # fmt: skip
        else:
            self._commitment(read, entry)
        self._ends[entry.stream] = (
            entry.stream_seq + 1,
            bytes.fromhex(entry.link_hash()),
            read.seq,
        )

    def continues(self, sound: Sound) -> bool:
        """Whether a sound entry would be taken without anything to say."""
        count, link, _ = self._ends.get(sound.stream, _BEGIN)
        return sound.stream_seq == count and sound.stream_prev == link

    def pass_by(self, seq: int, sound: Sound) -> None:
        """Take one entry that `continues` its stream."""
        self._ends[sound.stream] = sound.stream_seq + 1, sound.link, seq

    def _commitment(self, read: ReadEntry, entry: Entry) -> None:
        """A dossier names the link it stands behind, which this entry continues."""
        if read.event is None or read.event.type != ISSUED:
            return
        data = read.event.data
        stated = [data.get(name) for name in _END]
        wanted = [entry.stream, entry.stream_seq - 1, entry.stream_prev]
        for name, expected, found in zip(_END, wanted, stated, strict=True):
            if type(expected) is not type(found) or expected != found:
                self._findings.add(
                    "streams.commitment", read.seq, expected=expected, found=found,
                    field=f"/data/{name}", event_id=_id(read), subject=entry.stream,
                )  # fmt: skip


def _id(read: ReadEntry) -> str | None:
    return read.event.id if read.event is not None else None
