"""One byte form per entry, and nothing else is one."""

from __future__ import annotations

import hashlib
import json

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from ledger.errors import IntegrityFailure
from ledger.log.entry import MAX_ENTRY_BYTES, Entry, entry_hash, parse_entry

HEX = st.text("0123456789abcdef", min_size=64, max_size=64)
SAFE = st.integers(0, 2**53 - 1)
TEXT = st.text(st.characters(codec="utf-8"), max_size=60)
ENTRIES = st.builds(
    Entry,
    seq=SAFE,
    recorded_at=st.datetimes().map(lambda t: t.isoformat(timespec="microseconds") + "Z"),
    prev=HEX,
    stream=TEXT,
    stream_seq=SAFE,
    stream_prev=HEX,
    statement=TEXT,
)
SAMPLE = Entry(
    7, "2024-03-01T09:30:00.000001Z", "0" * 64, "subject/SY01-0001", 2, "a" * 64, "e30.e30.AA"
)


@given(ENTRIES)
def test_reading_what_was_written_gives_the_entry_back(entry: Entry) -> None:
    """Whatever the members hold."""
    assert parse_entry(entry.to_bytes()) == entry


@given(ENTRIES)
def test_the_bytes_are_those_of_an_independent_rfc_8785_library(entry: Entry) -> None:
    """Seven members, canonical; so other people's tools can rebuild them."""
    members = {name: getattr(entry, name) for name in Entry.__slots__}
    assert entry.to_bytes() == rfc8785.dumps(members)


@given(ENTRIES, st.data())
def test_any_changed_byte_is_refused_or_another_entry(entry: Entry, data: st.DataObject) -> None:
    """No second spelling: what still reads says something else, in its own canonical bytes."""
    before = entry.to_bytes()
    changed = bytearray(before)
    place = data.draw(st.integers(0, len(before) - 1))
    changed[place] ^= data.draw(st.integers(1, 255))
    try:
        read = parse_entry(bytes(changed))
    except IntegrityFailure:
        return
    assert read != entry
    assert read.to_bytes() == bytes(changed)


def test_each_bit_of_an_entry_counts() -> None:
    """Every single bit flipped: refused, or an entry that says something else."""
    before = SAMPLE.to_bytes()
    for place in range(len(before) * 8):
        changed = bytearray(before)
        changed[place // 8] ^= 1 << place % 8
        try:
            read = parse_entry(bytes(changed))
        except IntegrityFailure:
            continue
        assert read != SAMPLE, place


@pytest.mark.parametrize(
    "spelling",
    [
        SAMPLE.to_bytes() + b"\n",
        b" " + SAMPLE.to_bytes(),
        SAMPLE.to_bytes().replace(b'":', b'": ', 1),
        SAMPLE.to_bytes().replace(b'"seq":7', b'"seq":7.0'),
        SAMPLE.to_bytes().replace(b'"seq":7', b'"seq":07'),
        SAMPLE.to_bytes().replace(b'"seq":7', b'"seq":-7'),
        SAMPLE.to_bytes().replace(b'"seq":7', b'"seq":true'),
        SAMPLE.to_bytes().replace(b'"seq":7', b'"seq":"7"'),
        SAMPLE.to_bytes().replace(b'"seq":7', b'"seq":7,"seq":7'),
        SAMPLE.to_bytes().replace(b'"seq":7,', b""),
        SAMPLE.to_bytes().replace(b'"seq":7', b'"seq":7,"and":1'),
        SAMPLE.to_bytes().replace(b"subject", b"sub\\u006aect"),
        SAMPLE.to_bytes().replace(b"a" * 64, b"A" * 64),
        SAMPLE.to_bytes().replace(b"000001Z", b"000001+00:00"),
        b"[" + SAMPLE.to_bytes() + b"]",
        b"\xef\xbb\xbf" + SAMPLE.to_bytes(),
        b"",
    ],
)
def test_other_spellings_of_an_entry_are_no_entries(spelling: bytes) -> None:
    """White space, escapes, doubled, missing and foreign members, other number forms."""
    with pytest.raises(IntegrityFailure):
        parse_entry(spelling)


def test_the_longest_entry_is_the_longest_a_bundle_can_frame() -> None:
    """65,535 bytes are an entry, one more is not (C2SP tlog-tiles, 16-bit length)."""
    room = MAX_ENTRY_BYTES - len(SAMPLE.to_bytes()) + len(SAMPLE.statement)
    longest = Entry(
        SAMPLE.seq, SAMPLE.recorded_at, SAMPLE.prev, SAMPLE.stream, 2, "a" * 64, "x" * room
    )
    assert parse_entry(longest.to_bytes()) == longest
    with pytest.raises(IntegrityFailure) as failure:
        parse_entry(longest.to_bytes().replace(b"xx", b"xxx", 1))
    assert failure.value.code == "entry.too-long"


@given(ENTRIES, SAFE, HEX, st.datetimes())
def test_a_link_tells_neither_position_nor_time(
    entry: Entry, seq: int, prev: str, at: object
) -> None:
    """Whatever place in the log and moment: the same link, so the stream can be shown alone."""
    moved = Entry(
        seq, f"{at}", prev, entry.stream, entry.stream_seq, entry.stream_prev, entry.statement
    )
    assert moved.link_bytes() == entry.link_bytes()
    assert set(json.loads(entry.link_bytes())) == {
        "statement",
        "stream",
        "stream_prev",
        "stream_seq",
    }


@given(ENTRIES)
def test_hashes_are_those_of_sha256sum(entry: Entry) -> None:
    """The chain can be checked without us."""
    assert entry_hash(entry.to_bytes()) == hashlib.sha256(entry.to_bytes()).hexdigest()
    assert entry.link_hash() == hashlib.sha256(entry.link_bytes()).hexdigest()
