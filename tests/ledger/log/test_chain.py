"""The two chains: over all entries, and over each stream's links."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.errors import IntegrityFailure, RejectedInput
from ledger.log.chain import (
    ChainHead,
    Draft,
    Link,
    StreamHead,
    advance,
    append,
    append_all,
    check_link,
)
from ledger.log.entry import ZERO_HASH, Entry, parse_entry

NOON = "2024-03-01T12:00:00.000000Z"
DRAFTS = st.lists(
    st.builds(Draft, st.sampled_from(["trial", "access", "lot/L-1"]), st.text("abc", max_size=5)),
    min_size=1,
    max_size=12,
)


def chain_of(drafts: list[Draft]) -> list[Link]:
    """The drafts in their places behind an empty log."""
    return append_all(
        ChainHead(), drafts, recorded_at=NOON, stream_head=lambda _stream: StreamHead()
    )


def check(entries: list[Entry]) -> None:
    """Walk both chains; raises IntegrityFailure at the first break."""
    head, streams = ChainHead(), dict[str, StreamHead]()
    for entry in entries:
        check_link(head, streams.get(entry.stream, StreamHead()), entry)
        head, streams[entry.stream] = advance(Link(entry, entry.to_bytes()))


@given(DRAFTS)
def test_what_was_appended_checks(drafts: list[Draft]) -> None:
    """Positions run without gap, in the log and in each stream."""
    links = chain_of(drafts)
    check([parse_entry(link.data) for link in links])
    assert [link.entry.seq for link in links] == list(range(len(drafts)))
    for stream in {draft.stream for draft in drafts}:
        found = [link.entry.stream_seq for link in links if link.entry.stream == stream]
        assert found == list(range(len(found)))


@given(DRAFTS, st.data())
def test_any_entry_removed_swapped_doubled_or_changed_breaks_it(
    drafts: list[Draft], data: st.DataObject
) -> None:
    """Except at the very end, which only a head kept elsewhere can show."""
    entries = [link.entry for link in chain_of([*drafts, Draft("trial", "last")])]
    place = data.draw(st.integers(0, len(entries) - 2))
    found = entries[place]
    damaged = data.draw(
        st.sampled_from(
            [
                entries[:place] + entries[place + 1 :],
                [*entries[: place + 1], *entries[place:]],
                [*entries[:place], entries[place + 1], found, *entries[place + 2 :]],
                [*entries[:place], replace(found, statement="other"), *entries[place + 1 :]],
                [*entries[:place], replace(found, stream="site/SY01"), *entries[place + 1 :]],
            ]
        )
    )
    with pytest.raises(IntegrityFailure):
        check(damaged)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"seq": 9}, "chain.seq"),
        ({"prev": "f" * 64}, "chain.prev"),
        ({"recorded_at": "2024-03-01T11:59:59.999999Z"}, "chain.recorded-at"),
        ({"stream_seq": 9}, "chain.stream-seq"),
        ({"stream_prev": "f" * 64}, "chain.stream-prev"),
    ],
)
def test_the_member_that_breaks_the_chain_is_named(change: dict[str, object], code: str) -> None:
    """Each member alone."""
    first, second = chain_of([Draft("trial", "a"), Draft("trial", "b")])
    head, stream = advance(first)
    check_link(head, stream, second.entry)
    with pytest.raises(IntegrityFailure) as failure:
        check_link(head, stream, replace(second.entry, **change))  # type: ignore[arg-type]
    assert failure.value.code == code


def test_the_first_entry_and_each_streams_first_link_hang_on_zeros() -> None:
    """Sixty-four of them."""
    one, two = chain_of([Draft("trial", "a"), Draft("access", "b")])
    assert (one.entry.prev, one.entry.stream_prev, two.entry.stream_prev) == (ZERO_HASH,) * 3
    assert two.entry.prev != ZERO_HASH


@given(st.lists(st.datetimes(), min_size=2, max_size=8))
def test_time_never_runs_backwards_in_the_log(clock: list[object]) -> None:
    """A clock behind the head is held at the head."""
    head, times = ChainHead(), []
    for at in clock:
        text = at.isoformat(timespec="microseconds") + "Z"  # type: ignore[attr-defined]
        link = append(head, StreamHead(), Draft("trial", "a"), recorded_at=text)
        assert link.entry.recorded_at == max(text, head.recorded_at)
        head, _ = advance(link)
        times.append(link.entry.recorded_at)
    assert times == sorted(times)


def test_a_statement_too_long_for_a_leaf_is_refused() -> None:
    """The sender is told, before anything has a place."""
    with pytest.raises(RejectedInput) as refused:
        append(ChainHead(), StreamHead(), Draft("trial", "x" * 65_535), recorded_at=NOON)
    assert refused.value.code == "statement.too-large"


def test_a_group_continues_streams_that_are_already_long() -> None:
    """The head of a stream is asked for once and followed from there."""
    asked: list[str] = []

    def stream_head(stream: str) -> StreamHead:
        asked.append(stream)
        return StreamHead(41, "b" * 64)

    links = append_all(
        ChainHead(7, "c" * 64, NOON),
        [Draft("trial", "a"), Draft("trial", "b")],
        recorded_at=NOON,
        stream_head=stream_head,
    )
    assert [(link.entry.seq, link.entry.stream_seq) for link in links] == [(7, 41), (8, 42)]
    assert links[0].entry.stream_prev == "b" * 64
    assert asked == ["trial"]
