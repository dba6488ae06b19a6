"""The two hash chains of the log: over all entries, and over each stream's links."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ledger.errors import IntegrityFailure, RejectedInput
from ledger.log.entry import MAX_ENTRY_BYTES, ZERO_HASH, Entry, entry_hash, link_hash_in

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


@dataclass(frozen=True, slots=True)
class ChainHead:
    """Where the chain ends: number of entries, hash of the last one, its ``recorded_at``."""

    size: int = 0
    hash: str = ZERO_HASH
    recorded_at: str = ""


@dataclass(frozen=True, slots=True)
class StreamHead:
    """Where one stream ends: number of its entries and the hash of its last link."""

    size: int = 0
    link: str = ZERO_HASH


@dataclass(frozen=True, slots=True)
class Draft:
    """A statement decided to be recorded, before it has a place: its stream and its text."""

    stream: str
    statement: str


@dataclass(frozen=True, slots=True)
class Link:
    """An entry in its place, with its bytes, so that they are built once."""

    entry: Entry
    data: bytes


def append(head: ChainHead, stream_head: StreamHead, draft: Draft, *, recorded_at: str) -> Link:
    """Give a draft its place behind ``head``; a clock behind the head is held at the head.

    Raises RejectedInput when the entry would exceed the size a log leaf may have.
    """
    entry = Entry(
        seq=head.size,
        recorded_at=max(recorded_at, head.recorded_at),
        prev=head.hash,
        stream=draft.stream,
        stream_seq=stream_head.size,
        stream_prev=stream_head.link,
        statement=draft.statement,
    )
    data = entry.to_bytes()
    if len(data) > MAX_ENTRY_BYTES:
        raise RejectedInput(
            "statement.too-large",
            f"The entry would take {len(data)} bytes; the log holds at most {MAX_ENTRY_BYTES}.",
            remedy="Send documents by their SHA-256, not by content.",
        )
    return Link(entry=entry, data=data)


def advance(link: Link) -> tuple[ChainHead, StreamHead]:
    """The heads after a link."""
    entry = link.entry
    return (
        ChainHead(size=entry.seq + 1, hash=entry_hash(link.data), recorded_at=entry.recorded_at),
        StreamHead(size=entry.stream_seq + 1, link=link_hash_in(link.data)),
    )


def check_link(head: ChainHead, stream_head: StreamHead, entry: Entry) -> None:
    """Check that an entry continues both chains; raises IntegrityFailure naming the member."""
    if entry.seq != head.size:
        raise IntegrityFailure("chain.seq", _differs("seq", head.size, entry.seq))
    if entry.prev != head.hash:
        raise IntegrityFailure("chain.prev", _differs("prev", head.hash, entry.prev))
    if entry.recorded_at < head.recorded_at:
        raise IntegrityFailure(
            "chain.recorded-at",
            _differs("recorded_at at least", head.recorded_at, entry.recorded_at),
        )
    if entry.stream_seq != stream_head.size:
        raise IntegrityFailure(
            "chain.stream-seq", _differs("stream_seq", stream_head.size, entry.stream_seq)
        )
    if entry.stream_prev != stream_head.link:
        raise IntegrityFailure(
            "chain.stream-prev", _differs("stream_prev", stream_head.link, entry.stream_prev)
        )


def append_all(
    head: ChainHead,
    drafts: Sequence[Draft],
    *,
    recorded_at: str,
    stream_head: Callable[[str], StreamHead],
) -> list[Link]:
    """Give several drafts their places, one behind the other."""
    links: list[Link] = []
    moved: dict[str, StreamHead] = {}
    for draft in drafts:
        before = moved.get(draft.stream) or stream_head(draft.stream)
        link = append(head, before, draft, recorded_at=recorded_at)
        head, moved[draft.stream] = advance(link)
        links.append(link)
    return links


def _differs(member: str, expected: object, found: object) -> str:
    return f"Expected {member} {expected}, found {found}."
