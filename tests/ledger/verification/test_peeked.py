"""A look at the places of canonical bytes says what reading the line would say."""

from __future__ import annotations

import tracemalloc
from typing import TYPE_CHECKING
from uuid import UUID

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ledger.log.entry import Entry
from ledger.signing import base64url
from ledger.verification.peeked import peek, peek_whole
from ledger.verification.unpacked import LONGEST_LINE, Unpacked

if TYPE_CHECKING:
    from tests.ledger.verification.damage import Damaged

HASH = "ab" * 32
ID = "0190d6a2-0000-7000-8000-00000000000a"
OTHER = "0190d6a2-0000-7000-8000-00000000000b"
PIECES = st.sampled_from(
    [b'"', b"\\", b"{", b"}", b"[", b"]", b",", b":", b"\n", b"\x00", b"\xff", b"\xc3\xa9", b"",
     b',"id":"', b'"type":"x.y.v1"', ID.encode(), OTHER.encode(), b'"}', b'"}}', b"=", b".", b"e"]
)  # fmt: skip
# What stands between the data of an event and its end, in canonical order or not.
TAIL = (
    f',"id":"{ID}","source":"/sites/SY01/systems/edc","specversion":"1.0",'
    '"subject":"subject/SY01-0007","time":"2024-03-01T09:30:00+08:00","trialid":"T",'
    '"type":"sample.taken.v1"}'
)


def line_of(payload: bytes, *, seq: int = 7) -> bytes:
    """An entry's bytes around a compact statement of a payload."""
    statement = f"{base64url.encode(b'{}')}.{base64url.encode(payload)}.{base64url.encode(b's')}"
    entry = Entry(seq, "2024-03-01T01:30:00.000000Z", HASH, "subject/SY01-0007", 3, HASH, statement)
    return entry.to_bytes()


def cut_into(draw: st.DrawFn, data: bytes) -> bytes:
    """The bytes with a piece put in place of others, or nothing."""
    for _ in range(draw(st.integers(0, 3))):
        start = draw(st.integers(0, len(data)))
        end = draw(st.integers(start, min(len(data), start + 8)))
        data = data[:start] + draw(PIECES) + data[end:]
    return data


@st.composite
def lines(draw: st.DrawFn) -> bytes:
    """An entry whose event, whose statement or whose own bytes may be other than they should be."""
    before = draw(
        st.sampled_from(
            ['{"data":{}', '{"data":{"id":"x","type":"y"}', '{"data":{"text":",\\"id\\":\\""}',
             f'{{"data":{{"request":{{"id":"{OTHER}","seq":1}}}}', f'{{"id":"{OTHER}","data":{{}}',
             '{"data":{"text":"' + "é" * draw(st.integers(0, 700)) + '"}', "{", "", '"', "[{}"]
        )
    )  # fmt: skip
    event = (before + TAIL).encode()
    if draw(st.booleans()):
        event = event.replace(b"sample.taken.v1", b"protocol.amended.v1")
    data = line_of(cut_into(draw, event), seq=draw(st.sampled_from([0, 7, 10**15 - 1, 2**53])))
    return cut_into(draw, data)


@settings(max_examples=500, suppress_health_check=[HealthCheck.too_slow])
@given(lines())
def test_a_look_and_a_reading_agree(line: bytes) -> None:
    """Position and protocol are the same; an event id is, wherever reading finds one."""
    looked, read = peek(line), peek_whole(line)
    assert (looked.line, looked.seq, looked.protocol) == (read.line, read.seq, read.protocol)
    if read.event_id is not None:
        assert looked.event_id == read.event_id


def test_entries_as_the_ledger_writes_them_say_the_same(damaged: Damaged) -> None:
    """The agreement holds over a whole log."""
    states = [damaged.state(seq) for seq in range(damaged.size)]
    assert [*map(peek, states)] == [*map(peek_whole, states)]


def test_an_event_that_cannot_be_read_is_found_under_no_id() -> None:
    """What looks like its end gives no id; the next line that does state the id is found."""
    broken, whole = f'{{"data":}}{TAIL}'.encode(), f'{{"data":{{}}{TAIL}'.encode()
    unpacked = Unpacked()
    complaints = [*unpacked.take_entries([line_of(broken, seq=0), line_of(whole, seq=1)])]
    complaints += unpacked.take_openings([])
    event_id = UUID(ID).bytes
    assert (complaints, peek(line_of(broken)).event_id) == ([], event_id)
    assert [unpacked.named(event_id), unpacked.named(event_id)] == [(1, line_of(whole, seq=1))] * 2
    assert unpacked.named(UUID(OTHER).bytes) is None
    unpacked.close()


def test_long_lines_do_not_pile_up_in_memory() -> None:
    """A small zip file can hold hundreds of lines as long as any may be."""
    line = b"x" * (LONGEST_LINE - 1)
    tracemalloc.start()
    unpacked = Unpacked()
    try:
        assert [*unpacked.take_entries(bytes(bytearray(line)) for _ in range(64))] == []
        assert tracemalloc.get_traced_memory()[1] < 16 * LONGEST_LINE
    finally:
        unpacked.close()
        tracemalloc.stop()
