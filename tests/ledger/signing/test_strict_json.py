"""The strict reader accepts what every reader agrees on, and nothing else."""

from __future__ import annotations

import json
import time

import pytest
import rfc8785
from hypothesis import example, given
from hypothesis import strategies as st

from ledger.errors import RejectedInput
from ledger.signing.strict_json import DEFAULT, LARGEST_INTEGER, Limits, canonical, parse

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
SCALARS = st.none() | st.booleans() | st.integers(-LARGEST_INTEGER, LARGEST_INTEGER) | TEXTS
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=20,
)

REFUSED = {
    # structure
    b"": "syntax",
    b" ": "syntax",
    b"[": "syntax",
    b"[1": "syntax",
    b"[1,": "syntax",
    b"[1,]": "syntax",
    b"[,1]": "syntax",
    b"[1 2]": "syntax",
    b"[1]]": "syntax",
    b"[1]x": "syntax",
    b"{}{}": "syntax",
    b"{1:1}": "syntax",
    b"{'a':1}": "syntax",
    b"{a:1}": "syntax",
    b'{"a"}': "syntax",
    b'{"a":}': "syntax",
    b'{"a":1,}': "syntax",
    b'{"a":1,,"b":2}': "syntax",
    b"[1]//": "syntax",
    b"/**/[1]": "syntax",
    b"[1\x0c]": "syntax",
    b"[\xc2\xa01]": "syntax",
    b"[1]\x00": "syntax",
    b"*": "syntax",
    # literals
    b"[True]": "syntax",
    b"[nul]": "syntax",
    b"[NaN]": "constant",
    b"[Infinity]": "constant",
    b"[-Infinity]": "constant",
    b"[nan]": "syntax",
    # numbers
    b"[1.0]": "float",
    b"[1e2]": "float",
    b"[1E400]": "float",
    b"[-0.0]": "float",
    b"[0e0]": "float",
    b"[-0]": "negative-zero",
    b"[01]": "syntax",
    b"[-01]": "syntax",
    b"[+1]": "syntax",
    b"[.5]": "syntax",
    b"[5.]": "syntax",
    b"[0x1F]": "syntax",
    b"[1_000]": "syntax",
    b"[-]": "syntax",
    "[\uff11]".encode(): "syntax",
    b"[9007199254740992]": "integer-range",
    b"[-9007199254740992]": "integer-range",
    b"[123456789012345678901234567890]": "integer-range",
    # strings
    b'["a': "syntax",
    b'["\\"]': "syntax",
    b'["\\x41"]': "syntax",
    b'["\\u12"]': "syntax",
    b'["\\u 123"]': "syntax",
    b'["\\u+123"]': "syntax",
    b'["a\nb"]': "syntax",
    b'["a\tb"]': "syntax",
    b'["\x00"]': "syntax",
    b'["\\ud800"]': "surrogate",
    b'["\\uDFFF"]': "surrogate",
    b'["\\udc00\\ud800"]': "surrogate",
    b'["\\ud83dx\\ude00"]': "surrogate",
    b'[{"x":{"\\ud800":1}}]': "surrogate",
    # encoding
    b"\xef\xbb\xbf{}": "byte-order-mark",
    b"\xff\xfe[\x00]\x00": "encoding",
    b'["\xc0\xaf"]': "encoding",
    b'["\xed\xa0\x80"]': "encoding",
    b'["\xf4\x90\x80\x80"]': "encoding",
    b'["\xe9"]': "encoding",
    # names
    b'{"a":1,"a":1}': "duplicate-name",
    b'{"a":1,"\\u0061":2}': "duplicate-name",
    b'{"":1,"":2}': "duplicate-name",
    b'[{"b":{"alg":"none","alg":"Ed25519"}}]': "duplicate-name",
    # size
    b"[" * 33 + b"]" * 33: "depth",
    b"[" * 60_000: "depth",
    b'{"a":' * 12_000: "depth",
    b"[" + b"1," * 9_000 + b"1]": "members",
    b" " * 65_537: "size",
}


@pytest.mark.parametrize(("text", "reason"), REFUSED.items(), ids=lambda item: str(item)[:40])
def test_a_hostile_text_is_refused_by_its_reason(text: bytes, reason: str) -> None:
    """Each class of the public JSON parsing suites has its stable code and a place."""
    with pytest.raises(RejectedInput) as caught:
        parse(text)
    assert caught.value.code == f"strict-json.{reason}"
    assert caught.value.where is not None


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (b'\t{ "a" : [ ] }\r\n', {"a": []}),
        (b"-9007199254740991", -LARGEST_INTEGER),
        (b"9007199254740991", LARGEST_INTEGER),
        (b"0", 0),
        (b'"\\ud83d\\ude00"', "\U0001f600"),
        (b'"\\\\ud800"', "\\ud800"),
        (b'"\\u0000\\/"', "\x00/"),
        (b'"\x7f"', "\x7f"),
        ('"é\u2028"'.encode(), "é\u2028"),
        ('{"é":1,"e\u0301":2}'.encode(), {"é": 1, "e\u0301": 2}),
        (b'"' + b"[{," * 10_000 + b'"', "[{," * 10_000),
        (b'"' + b'\\"[' * 10_000 + b'"', '"[' * 10_000),
    ],
)
def test_a_plain_text_is_accepted(text: bytes, value: object) -> None:
    """What interoperable JSON allows is read as it stands, without normalisation."""
    assert parse(text) == value


def test_depth_is_counted_exactly() -> None:
    """The deepest allowed value passes, brackets within strings do not count."""
    text = b"[" * 31 + b'["' + b"[" * 50 + b'"]' + b"]" * 31
    parse(text)
    with pytest.raises(RejectedInput, match="nested"):
        parse(b"[" + text + b"]")


@pytest.mark.parametrize(
    ("text", "where"),
    [
        (b'{"a":[1,{"b/c~":1.5}]}', "/a/1/b~1c~0"),
        (b'{"a":{"x":1,"x":2}}', "/a/x"),
        (b'{"a":[1,2,NaN]}', "/a/2"),
        (b'["\xc3\xa9" 1]', "byte 6"),
        (b'{"a":["\\ud800"]}', "/a/0"),
    ],
)
def test_the_place_of_a_fault_is_named(text: bytes, where: str) -> None:
    """A sender learns where, as a JSON pointer or a byte offset."""
    with pytest.raises(RejectedInput) as caught:
        parse(text)
    assert caught.value.where == where


@pytest.mark.parametrize(
    "text",
    [b'"' + b'\\"' * 32_000, b"[" + b"9" * 65_000 + b"]", b'"' * 65_000, b"[,{" * 20_000],
    ids=["escaped-quotes", "digits", "quotes", "brackets"],
)
def test_no_hostile_text_takes_long(text: bytes) -> None:
    """The bounds hold in linear time (the generous allowance is for a busy machine)."""
    taken: list[float] = []
    # The least of several: in one, the collector may look through all that a long session holds.
    for _ in range(5):
        started = time.thread_time()
        with pytest.raises(RejectedInput):
            parse(text)
        taken.append(time.thread_time() - started)
    assert min(taken) < 0.2


@given(st.binary(max_size=40) | TEXTS.map(lambda text: text.encode()))
@example(b'{"a":-0}')
def test_only_rejected_input_leaves_the_reader(data: bytes) -> None:
    """Any bytes give a value or a RejectedInput, never another error."""
    try:
        value = parse(data)
    except RejectedInput:
        return
    assert value == json.loads(data)


@given(st.text(alphabet='[]{}",:\\u0d8aeE.+-1 \n\ud800NI', max_size=30))
def test_json_like_noise_agrees_with_the_standard_reader(text: str) -> None:
    """Near-JSON is either refused or means the same to the lenient reader."""
    data = text.encode("utf-8", "surrogatepass")
    try:
        value = parse(data)
    except RejectedInput:
        return
    assert value == json.loads(data)
    assert parse(canonical(value)) == value


@given(VALUES, st.booleans())
def test_any_value_is_read_back_from_any_spelling(value: object, escaped: bool) -> None:  # noqa: FBT001
    """Escapes and spacing do not matter to the value."""
    text = json.dumps(value, ensure_ascii=escaped, indent=1)
    assert parse(text.encode()) == value


@given(VALUES)
@example({"\U0001f600": 1, "\ufb33": 2})
def test_the_canonical_form_is_that_of_the_reference_library(value: object) -> None:
    """Two independent writers of RFC 8785 give the same bytes."""
    assert canonical(value) == rfc8785.dumps(value)  # type: ignore[arg-type]


def test_the_sorting_example_of_rfc_8785_holds() -> None:
    """RFC 8785 section 3.2.3: names sort by UTF-16 code units."""
    names = ["\u20ac", "\r", "\ufb33", "1", "\U0001f600", "\x80", "\u00f6"]
    value = canonical(dict.fromkeys(names, 0))
    assert list(json.loads(value)) == [
        "\r", "1", "\x80", "\u00f6", "\u20ac", "\U0001f600", "\ufb33",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (1.0, "float"),
        ({"a": [float("nan")]}, "float"),
        (2**53, "integer-range"),
        ({1: 2}, "type"),
        ({"a": b"x"}, "type"),
        ("\ud800", "surrogate"),
        ({"\ud800": 1}, "surrogate"),
    ],
)
def test_what_cannot_be_read_cannot_be_written(value: object, reason: str) -> None:
    """The writer refuses what the reader would refuse."""
    with pytest.raises(RejectedInput) as caught:
        canonical(value)  # type: ignore[arg-type]
    assert caught.value.code == f"strict-json.{reason}"


def test_a_value_that_contains_itself_is_refused() -> None:
    """Endless nesting ends at the depth bound."""
    value: dict[str, object] = {}
    value["self"] = value
    with pytest.raises(RejectedInput, match="nested"):
        canonical(value)  # type: ignore[arg-type]


def test_limits_can_be_set_by_the_caller() -> None:
    """A smaller document, such as a header, is held to its own bounds."""
    assert parse(b"[[1]]", limits=DEFAULT) == [[1]]
    with pytest.raises(RejectedInput, match="nested"):
        parse(b"[[1]]", limits=Limits(depth=1))
