"""Policies against the example of C2SP tlog-policy, its rules one by one, and a slow reference."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.errors import TrustFailure
from ledger.log.cosignature import Cosignature, Cosigner
from ledger.log.note import ML_DSA_44_COSIGNATURE, NoteSigner
from ledger.log.policy import PolicyGroup, parse_policy

NAMES = ("X1", "X2", "X3", "Y1", "Y2", "Y3")
LOG = str(NoteSigner.from_seed("log.example/trial", b"\x09" * 32).verifier)
COSIGNERS = {
    name: Cosigner.from_seed(f"witness.example/{name}", bytes([n + 1]) * 32)
    for n, name in enumerate(NAMES)
}
W = {name: str(cosigner.vkey) for name, cosigner in COSIGNERS.items()}
WITNESSES = "".join(f"witness {name} {W[name]}\n" for name in NAMES)
EXAMPLE = (
    f"log {LOG}\n\n{WITNESSES}"
    "group X-witnesses 2 X1 X2 X3\n"
    "group Y-witnesses any Y1 Y2 Y3\n"
    "group X-and-Y all X-witnesses Y-witnesses\n"
    "quorum X-and-Y\n"
).encode()


def refused(text: str | bytes) -> str:
    """Give the code a policy is refused with."""
    with pytest.raises(TrustFailure) as caught:
        parse_policy(text.encode() if isinstance(text, str) else text)
    return caught.value.code


@pytest.mark.parametrize(
    ("names", "enough"),
    [
        ("X1 X2 Y1", True),
        ("X1 X2 X3 Y1 Y2 Y3", True),
        ("X1 X2", False),
        ("X1 Y1 Y2 Y3", False),
        ("", False),
        ("X-and-Y", False),
        ("X1 X1 Y1", False),
    ],
)
def test_the_example_of_the_specification_asks_for_two_and_one(names: str, *, enough: bool) -> None:
    """At least two of the X and one of the Y; a group cannot claim to be a witness."""
    assert parse_policy(EXAMPLE).satisfied(names.split()) is enough


@given(st.sets(st.sampled_from(NAMES)), st.integers(1, 3), st.sampled_from(["any", "all"]))
def test_a_quorum_is_judged_as_by_counting(names: set[str], k: int, word: str) -> None:
    """Nested groups, every threshold, against a plain count."""
    text = f"{WITNESSES}group x {k} X1 X2 X3\ngroup q {word} x Y1 Y2\nquorum q\n"
    x = len(names & {"X1", "X2", "X3"}) >= k
    members = [x, "Y1" in names, "Y2" in names]
    expected = any(members) if word == "any" else all(members)
    assert parse_policy(text.encode()).satisfied(names) is expected


def test_no_quorum_asks_for_nobody() -> None:
    """The predefined name none."""
    assert parse_policy(b"quorum none\n").satisfied([])


def test_a_single_witness_can_be_the_quorum() -> None:
    """The simplest policy with a witness."""
    policy = parse_policy(f"witness X1 {W['X1']}\nquorum X1\n".encode())
    assert policy.satisfied(["X1"])
    assert not policy.satisfied([])


def test_blanks_comments_and_addresses_are_read_as_written() -> None:
    """Tabs and spaces in sequences, before and after; a name may begin with a hash."""
    text = f"# who\n \t\n\t log\t{LOG}  https://log.example/ \nwitness #1 {W['X1']} http://w\n"
    policy = parse_policy(f"{text} # x\ngroup g 1 #1\nquorum g\n".encode())
    assert policy.logs[0].url == "https://log.example/"
    assert (policy.witnesses[0].name, policy.witnesses[0].url) == ("#1", "http://w")
    assert policy.groups == (PolicyGroup("g", 1, ("#1",)),)


def test_names_are_opaque_bytes() -> None:
    """The letter K and the Kelvin sign differ; bytes that are no UTF-8 are a name too."""
    text = f"witness K {W['X1']}\n".encode() + b"witness \xe2\x84\xaa " + W["X2"].encode() + b"\n"
    text += b"witness \xff " + W["X3"].encode() + b"\ngroup g 3 K \xe2\x84\xaa \xff\nquorum g\n"
    assert len({one.name for one in parse_policy(text).witnesses}) == 3


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "policy.quorum"),
        ("quorum none\nquorum none\n", "policy.quorum"),
        ("quorum none", "policy.last-line"),
        ("quorum\n", "policy.line"),
        ("quorum none x\n", "policy.line"),
        ("Quorum none\n", "policy.line"),
        ("log\n", "policy.line"),
        (f"log {LOG} u v\n", "policy.line"),
        ("group g all\nquorum none\n", "policy.line"),
        ("quorum none\r\n", "policy.character"),
        ("quorum\x0bnone\n", "policy.character"),
        (b"quorum none\x7f\n", "policy.character"),
        ("quorum X1\n", "policy.undefined"),
        (f"quorum X1\nwitness X1 {W['X1']}\n", "policy.undefined"),
        (f"group g all X1\nwitness X1 {W['X1']}\nquorum none\n", "policy.undefined"),
        ("group g all none\nquorum none\n", "policy.undefined"),
        ("group g all g\nquorum none\n", "policy.undefined"),
        (f"{WITNESSES}group g 0 X1\nquorum none\n", "policy.threshold"),
        (f"{WITNESSES}group g 2 X1\nquorum none\n", "policy.threshold"),
        (f"{WITNESSES}group g 01 X1\nquorum none\n", "policy.threshold"),
        (f"{WITNESSES}group g most X1\nquorum none\n", "policy.threshold"),
        (f"{WITNESSES}group g all X1 X1\nquorum none\n", "policy.member"),
        (f"{WITNESSES}group g all X1\ngroup h all X1\nquorum none\n", "policy.member"),
        (f"{WITNESSES}group X1 all X2\nquorum none\n", "policy.duplicate-name"),
        (f"witness none {W['X1']}\nquorum none\n", "policy.duplicate-name"),
        (f"witness a {W['X1']}\nwitness a {W['X2']}\nquorum none\n", "policy.duplicate-name"),
        (f"witness a {W['X1']}\nwitness b {W['X1']}\nquorum none\n", "policy.duplicate-key"),
        (f"log {LOG}\nlog {LOG}\nquorum none\n", "policy.duplicate-key"),
        (f"log {W['X1']}\nquorum none\n", "policy.key-type"),
        (f"witness a {LOG}\nquorum none\n", "policy.key-type"),
        ("witness a b\nquorum none\n", "policy.key"),
        (f"witness a {W['X1'].replace('X1', 'X2')}\nquorum none\n", "policy.key"),
        ("#" * 1_000_000 + "\n", "policy.too-long"),
    ],
)
def test_a_policy_that_breaks_a_rule_is_refused_by_its_name(text: str | bytes, code: str) -> None:
    """Each rule of tlog-policy."""
    assert refused(text) == code


def test_the_same_key_under_another_name_is_a_duplicate() -> None:
    """Two vkeys are duplicates when they wrap the same public key."""
    other = Cosigner.from_seed("elsewhere.example", b"\x01" * 32).vkey
    assert refused(f"witness a {W['X1']}\nwitness b {other}\nquorum none\n") == (
        "policy.duplicate-key"
    )


def test_a_refusal_names_the_line_and_can_be_printed() -> None:
    """Even when the name is no UTF-8."""
    with pytest.raises(TrustFailure) as caught:
        parse_policy(b"# comment\nquorum \xff\n")
    assert caught.value.where == "line 2"
    caught.value.message.encode()


def test_thirty_two_of_each_are_read() -> None:
    """What the specification strongly recommends to support; here with ML-DSA-44 keys."""
    seeds = [bytes([n]) * 32 for n in range(1, 33)]
    logs = [NoteSigner.from_seed(f"log.example/{n}", seed) for n, seed in enumerate(seeds)]
    keys = [
        Cosigner.from_seed(f"w.example/{n}", seed, kind=ML_DSA_44_COSIGNATURE).vkey
        for n, seed in enumerate(seeds)
    ]
    text = "".join(f"log {one.verifier}\n" for one in logs)
    text += "".join(f"witness w{n} {key}\n" for n, key in enumerate(keys))
    text += "group g0 any w0\n"
    text += "".join(f"group g{n} all g{n - 1} w{n}\n" for n in range(1, 32))
    policy = parse_policy(f"{text}quorum g31\n".encode())
    assert policy.satisfied([f"w{n}" for n in range(32)])
    assert policy.missing([f"w{n}" for n in range(31)]) == ("w31",)


def test_cosignatures_are_told_by_the_names_of_the_policy() -> None:
    """By key, whatever the witness calls itself; strangers are left out."""
    policy = parse_policy(f"witness ethics {W['X1']}\nquorum ethics\n".encode())
    found = [Cosignature(COSIGNERS[name].vkey, 7) for name in ("X1", "X2")]
    assert policy.times(found) == {"ethics": 7}


@given(st.binary(max_size=200))
def test_no_bytes_bring_the_parser_down(data: bytes) -> None:
    """A policy or a named refusal."""
    with contextlib.suppress(TrustFailure):
        parse_policy(data)
