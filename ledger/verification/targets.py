"""Part of check 8: a record about another record stands in that one's stream."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

from ledger.verification.reading import read_row
from ledger.vocabulary import StreamFamily, vocabulary

if TYPE_CHECKING:
    from ledger.record import Record
    from ledger.verification.evidence import EvidenceSource

_MEMBERS = ("target", "anchor")
_BESIDE_ALLOCATION = ("subject.randomized.v1", "randomization.recorded.v1")
_SUBJECTS = ("subject", "treatment")


class TargetStreams:
    """Looks up the streams of the records that others name; remembers nothing."""

    def __init__(self, source: EvidenceSource) -> None:
        self._source = source

    def apart(self, record: Record, *, strictly: bool = False) -> str | None:
        """The stream of the record that this one names, when this one does not stand there.

        None also when no such record is found: a damaged one is named where it is. What a
        command changes stands in the command's own stream (``strictly``); a fact or judgement may
        stand in any stream that is folded together with its target's.
        """
        rule = vocabulary().get(record.type)
        if rule is None or rule.stream is not StreamFamily.TARGET:
            return None
        wanted = next((v for v in map(record.event.data.get, _MEMBERS) if v is not None), None)
        try:
            row = self._source.named(UUID(wanted if isinstance(wanted, str) else "").bytes)
        except ValueError:
            return None
        read = None if row is None else read_row(row)
        if read is None or read.entry is None or read.event is None or read.event.id != wanted:
            return None
        stream = read.entry.stream
        if stream == record.stream or (
            not strictly and _folded_together(record.stream, stream, read.event.type)
        ):
            return None
        return stream


def _folded_together(stream: str, target: str, target_type: str) -> bool:
    """Whether the fold of a stream holds a record of another stream too."""
    family, _, name = stream.partition("/")
    if family in _SUBJECTS:
        return target in {f"{other}/{name}" for other in _SUBJECTS}
    if family == "access":
        return target == "trial"
    return family == "allocation" and target_type in _BESIDE_ALLOCATION
