"""Short ways through the readers of signed bytes: the same verdict as the long ways, always."""

from __future__ import annotations

import binascii
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.errors import RejectedInput
from ledger.signing import base64url, statement, strict_json

KID = "A" * 43
ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


@given(
    st.text(ALPHABET, max_size=12)
    | st.text(ALPHABET + "+/=* \n\x00é", max_size=8)
    | st.binary(max_size=12).map(base64url.encode)
)
def test_base64url_is_accepted_exactly_when_it_is_what_encoding_gives(text: str) -> None:
    """One text for any bytes: decoding and encoding again gives the text, or it is refused."""
    try:
        data = base64url.decode(text)
    except RejectedInput:
        padded = text.replace("-", "+").replace("_", "/") + "=" * (-len(text) % 4)
        try:
            lenient = binascii.a2b_base64(padded)
        except (binascii.Error, ValueError):
            return
        assert base64url.encode(lenient) != text or {"+", "/", "="} & set(text)
        return
    assert base64url.encode(data) == text


headers = st.fixed_dictionaries(
    {"alg": st.sampled_from(["Ed25519", "EdDSA", "ES256", "none"]), "kid": st.just(KID)},
    optional={
        "iat": st.integers(-1, 10**13),
        "meaning": st.sampled_from(["approval", "authorship", "consent-given", "no-such"]),
        "typ": st.just("JOSE"),
    },
)


def outcome(read: object, header: bytes) -> object:
    """What a reader of headers gives: the members, or the code of its refusal."""
    try:
        return read(header, where="/h")  # type: ignore[operator]
    except RejectedInput as error:
        return error.code, error.where


@given(headers, st.data())
def test_a_plain_header_is_read_as_the_general_reader_reads_it(
    members: dict[str, object], data: st.DataObject
) -> None:
    """In canonical form, in another, and with a changed byte."""
    canonical = data.draw(st.booleans())
    text = json.dumps(
        members, sort_keys=canonical, separators=(",", ":") if canonical else None
    ).encode()
    changed = bytearray(text)
    if data.draw(st.booleans()):
        changed[data.draw(st.integers(0, len(changed) - 1))] = data.draw(st.integers(0, 127))
    header = bytes(changed)
    quick = outcome(statement._read_header, header)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(statement, "_read_plain", lambda _header: None)
        assert quick == outcome(statement._read_header, header)


json_texts = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.text(max_size=6) | st.floats(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=6,
).map(json.dumps)


@given(
    json_texts,
    st.sampled_from(["", " ", "\n", "x", "]", "}", ",", "\ufeff"]),
    st.sampled_from(["before", "behind"]),
)
def test_what_stands_around_a_value_changes_no_verdict(text: str, edge: str, place: str) -> None:
    """The short way, which looks for no white space, reads and refuses what the long way does."""
    data = (text + edge if place == "behind" else edge + text).encode()

    def verdict() -> object:
        try:
            return strict_json.parse(data)
        except RejectedInput as error:
            return error.code, error.message, error.where

    quick = verdict()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(strict_json, "_read", strict_json._READER.decode)
        assert quick == verdict()
