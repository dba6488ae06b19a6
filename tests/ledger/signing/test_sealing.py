"""Sealed members open only with what was signed, and only once."""

from __future__ import annotations

import base64
import hashlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.errors import RejectedInput
from ledger.signing import base64url
from ledger.signing.jwk import SigningKey
from ledger.signing.sealing import (
    Disclosure,
    decode_sd_jwt,
    decode_wrapper,
    digests_of,
    encode_sd_jwt,
    make_disclosure,
    open_sealed,
    parse_disclosure,
    seal,
)
from ledger.signing.statement import Signer, parse_statement, sign_statement

FAMILY_NAME = "WyJfMjZiYzRMVC1hYzZxMktJNmNCVzVlcyIsICJmYW1pbHlfbmFtZSIsICJNw7ZiaXVzIl0"
SALT = "A" * 22
VALUES = st.none() | st.booleans() | st.integers(-9, 9) | st.text("aé\U0001f600", max_size=5)
NAMES = st.text("abcé_.", min_size=1, max_size=4).filter(lambda name: name not in {"_sd", "..."})


def salt_of(name: str) -> str:
    """A repeatable salt for a member of a test."""
    return base64url.encode(hashlib.sha256(name.encode()).digest()[:16])


def raw(*parts: object) -> str:
    """The base64url text of a JSON array of any parts."""
    return base64url.encode(json.dumps(list(parts)).encode())


@pytest.mark.parametrize(
    ("text", "name", "value", "digest"),
    [
        (FAMILY_NAME, "family_name", "Möbius", "X9yH0Ajrdm1Oij4tWso9UzzKJvPoDxwmuEcO3XAdRC0"),
        (
            "WyIyR0xDNDJzS1F2ZUNmR2ZyeU5STjl3IiwgImdpdmVuX25hbWUiLCAiSm9obiJd",
            "given_name",
            "John",
            "jsu9yVulwQQlhFlM_3JlzMaSFzglhQG0DpfayQwLUK4",
        ),
        (
            "WyJlbHVWNU9nM2dTTklJOEVZbnN4QV9BIiwgImZhbWlseV9uYW1lIiwgIkRvZSJd",
            "family_name",
            "Doe",
            "TGf4oLbgwd5JQaHyKVQZU9UdGE0w5rtDsrZzfUaomLo",
        ),
    ],
)
def test_the_published_disclosures_have_their_digests(
    text: str, name: str, value: str, digest: str
) -> None:
    """RFC 9901 sections 4.2.1, 4.2.3 and 5.1."""
    disclosure = parse_disclosure(text)
    assert (disclosure.name, disclosure.value, disclosure.digest) == (name, value, digest)


@pytest.mark.parametrize(
    "array",
    [
        '["_26bc4LT-ac6q2KI6cBW5es","family_name","Möbius"]',
        '["_26bc4LT-ac6q2KI6cBW5es", "family_name", "M\\u00f6bius"]',
        '[\n"_26bc4LT-ac6q2KI6cBW5es",\n"family_name",\n"Möbius"\n]',
    ],
)
def test_another_spelling_has_another_digest(array: str) -> None:
    """RFC 9901 section 4.2.1: the text is what is hashed, not the value."""
    disclosure = parse_disclosure(base64url.encode(array.encode()))
    assert disclosure.value == parse_disclosure(FAMILY_NAME).value
    assert disclosure.digest != parse_disclosure(FAMILY_NAME).digest


@given(st.dictionaries(NAMES, VALUES, max_size=6), st.data())
def test_sealed_members_come_back(members: dict, data: st.DataObject) -> None:
    """Whatever is sealed and whatever is opened, clear + opened + missing is the whole."""
    names = data.draw(
        st.lists(st.sampled_from(sorted(members)), unique=True) if members else st.just([])
    )
    sealed, disclosures = seal(members, names, salt_of)
    assert not any(name in sealed for name in names)
    shown = [d for d in disclosures if data.draw(st.booleans())]
    text = encode_sd_jwt("h.p.s", shown)
    jws, parsed = decode_sd_jwt(text)
    assert (jws, parsed) == ("h.p.s", shown)
    merged, opened, missing = open_sealed(sealed, parsed)
    assert opened == {d.name: members[d.name] for d in shown}
    assert merged == {n: v for n, v in members.items() if n not in names or n in opened}
    assert set(missing) == {d.digest for d in disclosures if d not in shown}


def test_digests_are_sorted_and_hide_the_values() -> None:
    """Order and text of the sealed members tell nothing of them."""
    sealed, disclosures = seal({"b": "Doe", "a": 1, "c": 2}, ["b", "a"], salt_of)
    assert sealed == {"c": 2, "_sd": sorted(d.digest for d in disclosures)}
    for disclosure in disclosures:
        digest = hashlib.sha256(disclosure.text.encode()).digest()
        assert base64.urlsafe_b64encode(digest).rstrip(b"=").decode() in digests_of(sealed)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (raw(SALT, "FR"), "sealed.malformed"),
        (raw(SALT, "a", 1, 2), "sealed.malformed"),
        (raw(1, "a", 1), "sealed.malformed"),
        (raw(SALT, 1, 1), "sealed.malformed"),
        (base64url.encode(b'{"a":1}'), "sealed.malformed"),
        (raw("short", "a", 1), "sealed.salt"),
        (raw("A" * 21 + "=", "a", 1), "sealed.salt"),
        (raw("A" * 129, "a", 1), "sealed.salt"),
        (raw(SALT, "_sd", 1), "sealed.reserved-name"),
        (raw(SALT, "...", 1), "sealed.reserved-name"),
        (raw(SALT, "a", {"b": [{"_sd": []}]}), "sealed.nested"),
        (raw(SALT, "a", [{"...": "x"}]), "sealed.nested"),
        (raw(SALT, "a", 1.5), "strict-json.float"),
        (base64url.encode(b'["%s","a",{"b":1,"b":2}]' % (b"A" * 22)), "strict-json.duplicate-name"),
        (FAMILY_NAME + "=", "base64url.malformed"),
        (FAMILY_NAME[:-1] + "1", "base64url.malformed"),
        ("", "strict-json.syntax"),
        ("A" * 50_000, "sealed.too-large"),
    ],
)
def test_a_malformed_disclosure_is_refused(text: str, code: str) -> None:
    """Array elements, weak salts, reserved names and lax JSON are no disclosures."""
    with pytest.raises(RejectedInput) as caught:
        parse_disclosure(text)
    assert caught.value.code == code


def opened_with(data: dict, *disclosures: Disclosure) -> str:
    """The code with which opening is refused."""
    with pytest.raises(RejectedInput) as caught:
        open_sealed(data, disclosures)
    return caught.value.code


def test_only_what_was_signed_can_be_opened() -> None:
    """Foreign, repeated and clashing disclosures are each refused by name."""
    one, other = (make_disclosure("name", value, salt=SALT) for value in ("Li", "Wang"))
    data = {"_sd": [one.digest]}
    assert opened_with({}, one) == "sealed.unknown-digest"
    assert opened_with(data, other) == "sealed.unknown-digest"
    assert opened_with(data, one, one) == "sealed.duplicate"
    assert opened_with({**data, "name": 1}, one) == "sealed.name-clash"
    assert opened_with({"_sd": [one.digest, other.digest]}, one, other) == "sealed.name-clash"


@pytest.mark.parametrize(
    "digests", [None, "x", {}, [1], ["short"], ["A" * 43, "A" * 43], [["A" * 43]], ["A" * 44]]
)
def test_a_malformed_digest_list_is_refused(digests: object) -> None:
    """The list holds distinct SHA-256 digests and nothing else."""
    assert opened_with({"_sd": digests}) == "sealed.digests"


def test_sealing_within_a_member_is_refused() -> None:
    """Only members of data itself are sealed, so one rule opens all."""
    assert opened_with({"a": {"_sd": []}}) == "sealed.nested"
    assert opened_with({"a": [{"...": "A" * 43}]}) == "sealed.nested"
    assert opened_with({"...": "A" * 43}) == "sealed.reserved-name"


@pytest.mark.parametrize("names", [["absent"], ["a", "a"], ["_sd"]])
def test_only_present_members_are_sealed_once(names: list[str]) -> None:
    """A misspelt member is an error, not an unsealed value."""
    with pytest.raises(RejectedInput, match="absent"):
        seal({"a": 1}, names, salt_of)
    with pytest.raises(RejectedInput, match="already"):
        seal({"a": 1, "_sd": []}, ["a"], salt_of)


@pytest.mark.parametrize(
    "text",
    ["", "~", "h.p.s", "h.p.s~" + FAMILY_NAME, f"h.p.s~{FAMILY_NAME}~k.b.j", "h.p.s~~", "h.p.s~ ~"],
)
def test_an_sd_jwt_of_another_form_is_refused(text: str) -> None:
    """The text ends with a tilde, has a JWS first, no key binding and no empty disclosure."""
    with pytest.raises(RejectedInput):
        decode_sd_jwt(text)


def test_disclosures_are_bounded_in_number_and_size() -> None:
    """What stands beside a statement is as bounded as the statement."""
    many = [make_disclosure("a", number, salt=SALT) for number in range(65)]
    large = [make_disclosure("a", str(n) * 9_000, salt=SALT) for n in range(4)]
    for disclosures in (many, large):
        with pytest.raises(RejectedInput) as caught:
            decode_sd_jwt(encode_sd_jwt("h.p.s", disclosures))
        assert caught.value.code == "sealed.too-large"
        with pytest.raises(RejectedInput):
            decode_wrapper({"statement": "h.p.s", "disclosures": [d.text for d in disclosures]})


def test_a_wrapper_carries_a_general_statement() -> None:
    """The object in a wrapper becomes the minified text that the entry keeps."""
    signers = [Signer(key=SigningKey.from_seed(bytes([n]) * 32)) for n in (1, 2)]
    statement = sign_statement(b"{}", signers)
    for form in (statement.text, json.loads(statement.text)):
        text, disclosures = decode_wrapper({"statement": form, "disclosures": [FAMILY_NAME]})
        assert parse_statement(text) == statement
        assert disclosures == [parse_disclosure(FAMILY_NAME)]


@pytest.mark.parametrize(
    "value",
    [
        None,
        [],
        {},
        {"statement": "x"},
        {"statement": "x", "disclosures": {}},
        {"statement": 1, "disclosures": []},
        {"statement": "x", "disclosures": [1]},
        {"statement": "x", "disclosures": [], "more": 1},
    ],
)
def test_another_wrapper_is_refused(value: object) -> None:
    """The wrapper has exactly two members."""
    with pytest.raises(RejectedInput):
        decode_wrapper(value)  # type: ignore[arg-type]
