"""The body of add-checkpoint: the specification's example, every malformed one, any bytes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.errors import IntegrityFailure
from ledger.witness.request import MAX_BODY_BYTES, AddCheckpoint
from tests.ledger.witness.build_log import Log, body

# C2SP tlog-witness, "Example request body".
SPEC = """old 20852014
PlRNCrwHpqhGrupue0L7gxbjbMiKA9temvuZZDDpkaw=
jrJZDmY8Y7SyJE0MWLpLozkIVMSMZcD5kvuKxPC3swk=
5+pKlUdi2LeF/BcMHBn+Ku6yhPGNCswZZD1X/6QgPd8=
/6WVhPs2CwSsb5rYBH5cjHV/wSmA79abXAwhXw3Kj/0=

example.com/behind-the-sofa
20852163
CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=

— example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=
— example.com/behind-the-sofa opLqBQsREYCgu6xQkYQwJr9fo45a62DN9EdmHXnZdXNqlcVGlCum2Wks+49/V6267UEjw6QUXTS5Rovnzv++qbSzm9Q=
"""  # noqa: E501 - the specification's own lines
LOG = Log.of(9)
NOTE = LOG.note()
HASH = "PlRNCrwHpqhGrupue0L7gxbjbMiKA9temvuZZDDpkaw=\n"


def test_the_example_of_the_specification_is_read() -> None:
    """Sizes, four hashes and the origin are those of the page; writing it gives the same bytes."""
    read = AddCheckpoint.parse(SPEC.encode())
    assert (read.old, len(read.proof), read.checkpoint.size) == (20852014, 4, 20852163)
    assert read.checkpoint.origin == "example.com/behind-the-sofa"
    assert read.body() == SPEC.encode()


MALFORMED = {
    "nothing": b"",
    "no old line": NOTE.encode(),
    "no empty line": f"old 0\n{NOTE}".replace("\n\n", "\n").encode(),
    "old without a space": f"old0\n\n{NOTE}".encode(),
    "two spaces": f"old  0\n\n{NOTE}".encode(),
    "upper case": f"Old 0\n\n{NOTE}".encode(),
    "leading zero": f"old 00\n\n{NOTE}".encode(),
    "sign": f"old +1\n\n{NOTE}".encode(),
    "not ASCII digits": f"old ٣\n\n{NOTE}".encode(),
    "beyond 64 bits": f"old {2**63}\n\n{NOTE}".encode(),
    "thousands of digits": f"old {'9' * 5000}\n\n{NOTE}".encode(),
    "trailing space": f"old 0 \n\n{NOTE}".encode(),
    "carriage returns": f"old 0\n\n{NOTE}".replace("\n", "\r\n").encode(),
    "byte order mark": b"\xef\xbb\xbf" + LOG.request(0),
    "not UTF-8": b"old 0\n\xff\n\n" + NOTE.encode(),
    "64 proof lines": f"old 1\n{HASH * 64}\n{NOTE}".encode(),
    "short hash": f"old 1\nAAAA\n\n{NOTE}".encode(),
    "hash without padding": f"old 1\n{HASH[:-2]}\n\n{NOTE}".encode(),
    "hash with idle bits": f"old 1\n{HASH.replace('kaw=', 'kax=')}\n{NOTE}".encode(),
    "space after a hash": f"old 1\n{HASH[:-1]} \n\n{NOTE}".encode(),
    "a second empty line": f"old 0\n\n\n{NOTE}".encode(),
    "no signatures": f"old 0\n\n{NOTE.partition(chr(10) * 2)[0]}\n".encode(),
    "last newline missing": LOG.request(0)[:-1],
    "extension line": b"old 0\n\n" + NOTE.replace("\n\n", "\nmore\n\n").encode(),
    "too long": LOG.request(0) + b"x" * MAX_BODY_BYTES,
}  # fmt: skip


@pytest.mark.parametrize("received", MALFORMED.values(), ids=MALFORMED.keys())
def test_a_malformed_body_is_refused(received: bytes) -> None:
    """There is one way to write a request; nothing is trimmed or guessed."""
    with pytest.raises(IntegrityFailure):
        AddCheckpoint.parse(received)


def test_63_proof_lines_are_read() -> None:
    """The longest proof the protocol allows."""
    received = body(NOTE, old=1, proof=(bytes(32),) * 63)
    assert len(AddCheckpoint.parse(received).proof) == 63


@given(st.one_of(st.binary(max_size=300), st.binary(max_size=30).map(lambda b: b"old 0\n" + b)))
def test_any_bytes_are_read_or_refused_in_the_one_way(received: bytes) -> None:
    """No other error ever leaves the parser, and what is read writes the same bytes again."""
    try:
        read = AddCheckpoint.parse(received)
    except IntegrityFailure:
        return
    assert read.body() == received


@given(st.data())
def test_a_changed_byte_never_yields_the_same_request(data: st.DataObject) -> None:
    """No two bodies mean the same."""
    original = LOG.request(5)
    place = data.draw(st.integers(0, len(original) - 1))
    changed = bytearray(original)
    changed[place] ^= data.draw(st.integers(1, 255))
    try:
        read = AddCheckpoint.parse(bytes(changed))
    except IntegrityFailure:
        return
    assert read != AddCheckpoint.parse(original)
