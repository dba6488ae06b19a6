"""The quick reading of an entry: for every text the general reader's verdict, and its entry."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ledger.errors import IntegrityFailure
from ledger.log import entry as entries
from ledger.log.entry import Entry, link_hash_in, parse_entry

SOME = Entry(
    seq=7,
    recorded_at="2024-02-01T04:05:00.000000Z",
    prev="a" * 64,
    stream="subject/SY01-0007",
    stream_seq=3,
    stream_prev="b" * 64,
    statement="eyJh.eyJi.c2ln",
)


def outcome(read: object, data: bytes) -> Entry | str:
    """What a reader gives: the entry, or the code of its refusal."""
    try:
        return read(data)  # type: ignore[operator]
    except IntegrityFailure as error:
        return error.code


@given(st.builds(
    Entry,
    seq=st.integers(0, 2**53 - 1),
    recorded_at=st.just(SOME.recorded_at),
    prev=st.just(SOME.prev),
    stream=st.text(max_size=20),
    stream_seq=st.integers(0, 2**53 - 1),
    stream_prev=st.just(SOME.stream_prev),
    statement=st.text(max_size=60) | st.text('eyJ.-_0"\\,:{}[]\x7f\x1f', max_size=60),
))  # fmt: skip
def test_an_entry_is_read_back_as_it_was_written(entry: Entry) -> None:
    """Whatever the texts hold, the quick and the general reader give the same entry."""
    data = entry.to_bytes()
    assert parse_entry(data) == entry
    assert entries._parsed(data) == entry


@given(st.data())
@example(None)
def test_a_changed_byte_gets_the_verdict_of_the_general_reader(data: st.DataObject | None) -> None:
    """No change of the bytes is accepted by one reader and refused by the other."""
    changed = bytearray(SOME.to_bytes())
    if data is not None:
        for _ in range(data.draw(st.integers(1, 2))):
            place = data.draw(st.integers(0, len(changed) - 1))
            if data.draw(st.booleans()):
                changed[place] = data.draw(st.integers(0, 255))
            elif data.draw(st.booleans()):
                changed.insert(place, data.draw(st.sampled_from(b' "\\{}[],:0-\n\x00')))
            else:
                del changed[place]
    assert outcome(parse_entry, bytes(changed)) == outcome(entries._parsed, bytes(changed))


@pytest.mark.parametrize("seq", [10**15 - 1, 10**15, 2**53 - 1])
def test_large_counts_are_exact(seq: int) -> None:
    """A count of 15 digits and one of 16 are read to the last digit."""
    data = Entry(seq, *(getattr(SOME, n) for n in Entry.__slots__[1:])).to_bytes()
    assert parse_entry(data).seq == seq


@given(st.text(max_size=40), st.text('"statement":', max_size=40))
def test_the_link_in_the_bytes_is_the_entrys_link(stream: str, statement: str) -> None:
    """A text that looks like the link's beginning does not move it."""
    entry = Entry(1, SOME.recorded_at, SOME.prev, stream, 0, SOME.stream_prev, statement)
    assert link_hash_in(entry.to_bytes()) == entry.link_hash()
