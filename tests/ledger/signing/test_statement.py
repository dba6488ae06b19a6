"""A statement has one text, names its keys, and verifies over exactly its bytes."""

from __future__ import annotations

import json
import warnings

import pytest
from hypothesis import given
from hypothesis import strategies as st
from joserfc import jws
from joserfc.errors import JoseError, SecurityWarning
from joserfc.jwk import ECKey, OKPKey

from ledger.errors import LedgerError, RejectedInput, TrustFailure
from ledger.signing import base64url
from ledger.signing.jwk import Algorithm, Curve, SigningKey
from ledger.signing.statement import (
    MAX_EVENT_BYTES,
    MEANING_SENTENCES,
    Meaning,
    Signature,
    Signer,
    Statement,
    parse_statement,
    sign_statement,
    signing_input,
    verify_signature,
)

SITE = SigningKey.from_seed(b"\x01" * 32)
PERSON = SigningKey.from_seed(b"\x02" * 32, curve=Curve.P256)
KEYS = {key.kid: key.public for key in (SITE, PERSON)}
PAYLOAD = b'{"id":"1"}'
SIGNERS = [
    Signer(key=SITE),
    Signer(key=PERSON, meaning=Meaning.AUTHORSHIP, iat=1_709_283_000),
]


def compact(header: bytes | dict[str, object], *, key: SigningKey = SITE) -> str:
    """A correctly signed compact JWS under a header of the test's choice."""
    raw = header if isinstance(header, bytes) else json.dumps(header).encode()
    text = f"{base64url.encode(raw)}.{base64url.encode(PAYLOAD)}"
    return f"{text}.{base64url.encode(key.sign(text.encode()))}"


def header(**changes: object) -> dict[str, object]:
    """A plain protected header with changes."""
    return {"alg": "Ed25519", "kid": SITE.kid, **changes}


def referee(statement: Statement, signature: Signature) -> bool:
    """The verdict of joserfc over the same signature, in compact form."""
    public = KEYS[signature.kid]
    members: dict[str, str | list[str]] = {n: str(v) for n, v in public.as_object().items()}
    key = ECKey.import_key(members) if public.y else OKPKey.import_key(members)
    registry = jws.JWSRegistry(algorithms=list(Algorithm), strict_check_header=False)
    text = signing_input(statement, signature) + b"." + base64url.encode_bytes(signature.signature)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SecurityWarning)
            jws.deserialize_compact(text, key, registry=registry)
    except (JoseError, ValueError):
        return False
    return True


def verdict(statement: Statement, signature: Signature) -> bool:
    """Our own verdict, as a boolean."""
    try:
        verify_signature(statement, signature, KEYS[signature.kid])
    except TrustFailure:
        return False
    return True


@given(
    st.binary(max_size=300),
    st.permutations(SIGNERS).flatmap(lambda s: st.integers(1, 2).map(lambda n: s[:n])),
)
def test_what_is_signed_is_read_back_and_verifies(payload: bytes, signers: list[Signer]) -> None:
    """Any bytes, one or two signers: same text, payload, signers; both verifiers agree."""
    statement = sign_statement(payload, signers)
    again = parse_statement(statement.text)
    assert again == statement
    assert again.payload == payload
    assert again.signers == {(signer.key.kid, signer.meaning) for signer in signers}
    assert again.text.startswith("{") == (len(signers) > 1)
    for signature in again.signatures:
        verify_signature(again, signature, KEYS[signature.kid])
        assert referee(again, signature)


@given(st.data())
def test_any_changed_bit_of_a_statement_is_refused(data: st.DataObject) -> None:
    """Payload, protected header or signature: one bit, and nothing verifies, in either library."""
    good = sign_statement(PAYLOAD, data.draw(st.sampled_from([SIGNERS[:1], SIGNERS[1:]])))
    parts = [base64url.decode(part) for part in good.text.split(".")]
    number = data.draw(st.integers(0, 2))
    position = data.draw(st.integers(0, len(parts[number]) * 8 - 1))
    changed = bytearray(parts[number])
    changed[position // 8] ^= 1 << position % 8
    parts[number] = bytes(changed)
    try:
        statement = parse_statement(".".join(base64url.encode(part) for part in parts))
    except RejectedInput:
        return
    (signature,) = statement.signatures
    if signature.kid in KEYS:
        assert not verdict(statement, signature)
        assert not referee(statement, signature)


@given(st.integers(0, 10_000), st.characters(exclude_categories=["Cs"]))
def test_any_changed_character_of_a_general_statement_is_refused(at: int, sign: str) -> None:
    """The text is parsed strictly enough that no character can be replaced."""
    good = sign_statement(PAYLOAD, SIGNERS)
    place = at % len(good.text)
    text = good.text[:place] + sign + good.text[place + 1 :]
    if text == good.text:
        return
    try:
        statement = parse_statement(text)
    except LedgerError:
        return
    assert not all(s.kid in KEYS and verdict(statement, s) for s in statement.signatures)


@pytest.mark.parametrize("algorithm", ["Ed25519", "EdDSA"])
def test_both_names_of_ed25519_are_read(algorithm: str) -> None:
    """RFC 9864 renamed the algorithm; libraries in the field still write the old name."""
    statement = parse_statement(compact(header(alg=algorithm)))
    (signature,) = statement.signatures
    verify_signature(statement, signature, SITE.public)
    assert referee(statement, signature)
    assert signature.algorithm == algorithm


def test_the_header_need_not_be_canonical() -> None:
    """A foreign library's spacing and member order are its own; the bytes are kept."""
    raw = b' {"typ":"JOSE",\n "kid" : "%s", "cty":"cloudevents+json", "alg":"Ed25519"} '
    text = compact(raw % SITE.kid.encode())
    statement = parse_statement(text)
    verify_signature(statement, statement.signatures[0], SITE.public)
    assert statement.text == text


@pytest.mark.parametrize(
    ("bad", "code"),
    [
        (header(alg="none"), "statement.algorithm"),
        (header(alg="HS256"), "statement.algorithm"),
        (header(alg="ES384"), "statement.algorithm"),
        (header(alg="ed25519"), "statement.algorithm"),
        (header(alg=["Ed25519"]), "strict-json.depth"),
        ({"kid": SITE.kid}, "statement.algorithm"),
        ({"alg": "Ed25519"}, "statement.kid"),
        (header(kid="pi-01"), "statement.kid"),
        (header(kid=SITE.kid + "\n"), "statement.kid"),
        (header(kid=7), "statement.kid"),
        (header(jwk={"kty": "OKP"}), "strict-json.depth"),
        (header(jwk="x"), "statement.header-member"),
        (header(x5c="x"), "statement.header-member"),
        (header(jku="https://example.org"), "statement.header-member"),
        (header(crit="exp"), "statement.header-member"),
        (header(b64=False), "statement.header-member"),
        (header(typ=5), "statement.header-member"),
        (header(typ="a b"), "statement.header-member"),
        (header(meaning="authorship"), "statement.meaning"),
        (header(iat=1), "statement.meaning"),
        (header(meaning="liking", iat=1), "statement.meaning"),
        (header(meaning=None, iat=1), "statement.meaning"),
        (header(meaning="review", iat=True), "statement.iat"),
        (header(meaning="review", iat="1"), "statement.iat"),
        (header(meaning="review", iat=-1), "statement.iat"),
        (header(meaning="review", iat=2**50), "statement.iat"),
        (header(meaning="review", iat=1.5), "strict-json.float"),
        (header(typ="x" * 600), "statement.header-size"),
        (b'{"alg":"none","alg":"Ed25519","kid":"x"}', "strict-json.duplicate-name"),
        (b'{"alg":"Ed25519","\\u0061lg":"Ed25519"}', "strict-json.duplicate-name"),
        (b"[]", "strict-json.not-an-object"),
        (b"", "strict-json.syntax"),
    ],
)
def test_a_protected_header_beyond_its_grammar_is_refused(
    bad: bytes | dict[str, object], code: str
) -> None:
    """Even correctly signed, a header says only what the register can answer."""
    with pytest.raises(RejectedInput) as caught:
        parse_statement(compact(bad))
    assert caught.value.code == code


def general(**changes: object) -> dict[str, object]:
    """The object of a general JSON statement with changed members."""
    value: dict[str, object] = json.loads(sign_statement(PAYLOAD, SIGNERS).text)
    return {**value, **changes}


def first(**changes: object) -> dict[str, object]:
    """A general JSON statement whose one signature has changed members."""
    signature = json.loads(sign_statement(PAYLOAD, SIGNERS).text)["signatures"][0]
    return general(signatures=[{**signature, **changes}])


GOOD = sign_statement(PAYLOAD, SIGNERS).text
ONE = json.loads(GOOD)["signatures"][0]


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "statement.malformed"),
        ("a.b", "statement.malformed"),
        (compact(header()) + ".x", "statement.malformed"),
        (compact(header()) + "\n", "statement.signature-length"),
        (compact(header()) + "=", "statement.signature-length"),
        (" " + compact(header()), "base64url.malformed"),
        (compact(header())[:-1] + "é", "statement.malformed"),
        (compact(header())[:-1] + "+", "base64url.malformed"),
        (" " + GOOD, "statement.malformed"),
        (GOOD + " ", "statement.not-minified"),
        (GOOD.replace(":", ": ", 1), "statement.not-minified"),
        (GOOD.replace("payload", "p\\u0061yload"), "statement.not-minified"),
        (json.dumps({"signatures": [ONE], "payload": "e30"}), "statement.not-minified"),
        (json.dumps(general(signatures=[])), "statement.signature-count"),
        (json.dumps(general(signatures=[ONE] * 17)), "statement.signature-count"),
        (json.dumps(general(signatures={})), "statement.malformed"),
        (json.dumps(general(payload=1)), "statement.malformed"),
        (json.dumps(general(header={})), "statement.malformed"),
        (json.dumps(general(signatures=["x"])), "statement.malformed"),
        (json.dumps(first(header={})), "strict-json.depth"),
        (json.dumps(first(header="x")), "statement.malformed"),
        (json.dumps(first(signature=1)), "statement.malformed"),
        (json.dumps({"payload": "e30", **ONE}), "statement.malformed"),
        (
            json.dumps(general(signatures=[ONE, ONE]), separators=(",", ":")),
            "statement.duplicate-key",
        ),
        (GOOD.replace("{", '{"payload":"",', 1), "strict-json.duplicate-name"),
    ],
)
def test_any_other_serialisation_is_refused(text: str, code: str) -> None:
    """Flattened, unprotected, spaced, padded or repeated: a statement has one text."""
    with pytest.raises(RejectedInput) as caught:
        parse_statement(text)
    assert caught.value.code == code


def test_general_json_with_one_signature_is_read() -> None:
    """A library that always writes general JSON may do so for one signer."""
    text = json.dumps(general(signatures=[ONE]), separators=(",", ":"))
    statement = parse_statement(text)
    verify_signature(statement, statement.signatures[0], SITE.public)


@pytest.mark.parametrize("count", [1, 16])
def test_the_largest_event_fits_with_all_signatures(count: int) -> None:
    """40 KiB pass, one byte more is too large, whoever signs."""
    keys = [SigningKey.from_seed(bytes([number]) * 32) for number in range(count)]
    signers = [Signer(key=key, meaning=Meaning.CONSENT_EXPLAINED, iat=1) for key in keys]
    assert len(sign_statement(b"x" * MAX_EVENT_BYTES, signers).signatures) == count
    for payload in (b"x" * (MAX_EVENT_BYTES + 1), b"x" * 60_000):
        with pytest.raises(RejectedInput) as caught:
            sign_statement(payload, signers)
        assert caught.value.code == "statement.too-large"


def test_a_signature_counts_only_for_the_key_it_names() -> None:
    """A key that happens to verify is not enough; the header must name it."""
    statement = parse_statement(compact(header(kid=PERSON.kid)))
    with pytest.raises(TrustFailure) as caught:
        verify_signature(statement, statement.signatures[0], SITE.public)
    assert caught.value.code == "signature.other-key"


def test_an_algorithm_of_another_key_type_is_refused() -> None:
    """The key decides which algorithms it verifies, not the header."""
    statement = parse_statement(compact(header(kid=PERSON.kid), key=PERSON))
    with pytest.raises(TrustFailure) as caught:
        verify_signature(statement, statement.signatures[0], PERSON.public)
    assert caught.value.code == "signature.algorithm"
    assert not referee(statement, statement.signatures[0])


def test_a_foreign_library_s_statement_is_accepted() -> None:
    """What joserfc signs, compact, is a statement."""
    private = PERSON.to_private_jwk().items()
    members: dict[str, str | list[str]] = {name: str(value) for name, value in private}
    registry = jws.JWSRegistry(algorithms=["ES256"], strict_check_header=False)
    head = {"alg": "ES256", "kid": PERSON.kid, "meaning": "witness", "iat": 5}
    text = jws.serialize_compact(head, PAYLOAD, ECKey.import_key(members), registry=registry)
    statement = parse_statement(text)
    verify_signature(statement, statement.signatures[0], PERSON.public)
    assert statement.signers == {(PERSON.kid, Meaning.WITNESS)}


def test_each_meaning_has_a_sentence_of_its_own() -> None:
    """21 CFR 11.50: the meaning is shown to a reader in words."""
    assert set(MEANING_SENTENCES) == set(Meaning)
    assert len(set(MEANING_SENTENCES.values())) == len(Meaning)


def test_nobody_signs_twice_or_not_at_all() -> None:
    """An empty or doubled list of signers makes no statement."""
    for signers in ([], [SIGNERS[0], SIGNERS[0]]):
        with pytest.raises(RejectedInput):
            sign_statement(PAYLOAD, signers)


@given(st.text(max_size=60) | st.text(alphabet='{}[]":,.aA_-\\', max_size=60))
def test_no_text_breaks_the_reader(text: str) -> None:
    """Any text is refused as input, never by another error."""
    with pytest.raises(RejectedInput):
        parse_statement(text)
