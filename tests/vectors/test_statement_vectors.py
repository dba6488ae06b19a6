"""The ledger reads statements, keys, events and JSON as the published vectors say."""

from __future__ import annotations

import base64
import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
import rfc8785
from joserfc import jws
from joserfc.jwk import ECKey, OKPKey

from ledger.errors import LedgerError
from ledger.signing import strict_json
from ledger.signing.envelope import parse_event
from ledger.signing.jwk import parse_jwk
from ledger.signing.rfc3339 import format_recorded_at
from ledger.signing.statement import parse_statement, verify_signature

VECTORS = Path(__file__).parents[2] / "docs" / "formats" / "vectors"
JOSE_NAMES = ["Ed25519", "EdDSA", "ES256"]


def read(name: str) -> dict[str, Any]:
    """One file of vectors."""
    return json.loads((VECTORS / f"{name}.json").read_text(encoding="utf-8"))


def each(name: str, rows: str) -> pytest.MarkDecorator:
    """A test for each row of a list in a file."""
    found = read(name)[rows]
    ids = [str(row.get("name", number))[:40] for number, row in enumerate(found)]
    return pytest.mark.parametrize("row", found, ids=ids)


def keys_by_kid() -> dict[str, Any]:
    """The public keys of the statements, by thumbprint."""
    return {row["kid"]: row["jwk"] for row in read("statements")["keys"].values()}


@each("statements", "accepted")
def test_a_statement_is_read_and_its_signatures_hold(row: dict[str, Any]) -> None:
    """Text, signers and signatures."""
    statement = parse_statement(row["text"])
    assert hashlib.sha256(statement.text.encode()).hexdigest() == row["sha256"]
    assert [signature.kid for signature in statement.signatures] == row["kids"]
    for signature in statement.signatures:
        verify_signature(statement, signature, parse_jwk(keys_by_kid()[signature.kid]))


@pytest.mark.filterwarnings("ignore:EdDSA is deprecated")
@each("statements", "accepted")
def test_a_jose_library_agrees(row: dict[str, Any]) -> None:
    """Each signature, put alone into the compact form, is a JWS to joserfc."""
    statement = parse_statement(row["text"])
    registry = jws.JWSRegistry(algorithms=JOSE_NAMES, strict_check_header=False)
    registry.max_payload_length = 64_000
    for signature in statement.signatures:
        one = b".".join(
            base64.urlsafe_b64encode(part).rstrip(b"=")
            for part in (signature.protected, statement.payload, signature.signature)
        )
        jwk = keys_by_kid()[signature.kid]
        key = ECKey.import_key(jwk) if jwk["kty"] == "EC" else OKPKey.import_key(jwk)
        assert jws.deserialize_compact(one, key, registry=registry).payload == statement.payload


@each("statements", "refused")
def test_a_statement_of_another_form_is_refused(row: dict[str, Any]) -> None:
    """By the code that the page names."""
    with pytest.raises(LedgerError) as caught:
        parse_statement(row["text"])
    assert caught.value.code == row["code"]


@each("statements", "not_verified")
def test_a_signature_that_does_not_hold_is_refused(row: dict[str, Any]) -> None:
    """The form is right, the signature is not."""
    statement = parse_statement(row["text"])
    with pytest.raises(LedgerError) as caught:
        verify_signature(statement, statement.signatures[0], parse_jwk(row["jwk"]))
    assert caught.value.code == row["code"]


@each("statements", "same_again")
def test_the_same_again_is_told_from_another_statement(row: dict[str, Any]) -> None:
    """The payload's bytes, the signers and their meanings count; nothing else does."""
    first, second = parse_statement(row["first"]), parse_statement(row["second"])
    same = (first.payload, first.signers) == (second.payload, second.signers)
    assert same is row["same"]


@pytest.mark.parametrize("rows", ["accepted", "published"])
def test_keys_have_the_thumbprints_stated(rows: str) -> None:
    """RFC 7638."""
    for row in read("keys")[rows]:
        assert parse_jwk(row["jwk"]).kid == row["kid"]
        library = ECKey if row["jwk"]["kty"] == "EC" else OKPKey
        assert library.import_key(row["jwk"]).thumbprint() == row["kid"]


@each("keys", "refused")
def test_a_key_that_must_not_be_trusted_is_refused(row: dict[str, Any]) -> None:
    """Weak points, second spellings, other kinds."""
    with pytest.raises(LedgerError) as caught:
        parse_jwk(row["jwk"])
    assert caught.value.code == row["code"]


@each("events", "accepted")
def test_an_event_is_read(row: dict[str, Any]) -> None:
    """Its time is the instant stated."""
    event = parse_event(row["payload"].encode())
    assert format_recorded_at(event.occurred_at) == row["occurred_at"]


@each("events", "refused")
def test_a_payload_that_is_no_event_is_refused(row: dict[str, Any]) -> None:
    """By the member at fault."""
    with pytest.raises(LedgerError) as caught:
        parse_event(row["payload"].encode())
    assert caught.value.code == row["code"]


@each("strict-json", "accepted")
def test_a_json_text_is_read(row: dict[str, Any]) -> None:
    """Its canonical form is that of the vector, and of a library for RFC 8785."""
    value = strict_json.parse(base64.b64decode(row["data"]))
    if row["canonical"] is not None:
        assert strict_json.canonical(value).decode() == row["canonical"]
        assert rfc8785.dumps(value).decode() == row["canonical"]


@each("strict-json", "refused")
def test_a_json_text_that_readers_could_disagree_on_is_refused(row: dict[str, Any]) -> None:
    """By what is wrong with it."""
    with pytest.raises(LedgerError) as caught:
        strict_json.parse(base64.b64decode(row["data"]))
    assert caught.value.code == row["code"]
