"""The statement: a JWS over exactly an event's bytes (RFC 7515), kept byte for byte."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from ledger.errors import RejectedInput, TrustFailure
from ledger.signing import base64url, strict_json
from ledger.signing.jwk import SIGNATURE_BYTES, Algorithm, PublicJwk, SigningKey

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ledger.signing.strict_json import JsonObject

MAX_EVENT_BYTES: Final = 40 * 1024
# Leaves 1,535 bytes of an entry's 65,535 for its other members and the escaped quotes.
MAX_STATEMENT_CHARACTERS: Final = 64_000
MAX_SIGNATURES: Final = 16
MAX_HEADER_BYTES: Final = 512
LATEST_IAT: Final = 253_402_300_799  # 9999-12-31T23:59:59Z

_HEADER_LIMITS: Final = strict_json.Limits(size=MAX_HEADER_BYTES, depth=1, members=8)
_STATEMENT_LIMITS: Final = strict_json.Limits(size=MAX_STATEMENT_CHARACTERS, depth=3, members=64)
_HEADER_MEMBERS: Final = frozenset({"alg", "kid", "typ", "cty", "meaning", "iat"})
_KID: Final = re.compile(r"[A-Za-z0-9_-]{43}")
# Headers as the ledger and its client write them; any JSON reader reads a match alike.
_PLAIN_HEADER: Final = re.compile(
    rb'\{"alg":"(Ed25519|EdDSA|ES256)",(?:"iat":(0|[1-9][0-9]{0,10}),)?'
    rb'"kid":"([A-Za-z0-9_-]{43})"(?:,"meaning":"([a-z-]{1,32})")?\}'
)
_MEDIA_TYPE: Final = re.compile(r"[A-Za-z0-9!#$&^_.+/-]{1,64}")


class Meaning(StrEnum):
    """What a person means by signing (21 CFR 11.50(a)(3))."""

    AUTHORSHIP = "authorship"
    REVIEW = "review"
    APPROVAL = "approval"
    RESPONSIBILITY = "responsibility"
    CONSENT_GIVEN = "consent-given"
    CONSENT_EXPLAINED = "consent-explained"
    WITNESS = "witness"


MEANING_SENTENCES: Final[dict[Meaning, str]] = {
    Meaning.AUTHORSHIP: "I wrote this record, and it is true and complete to my knowledge.",
    Meaning.REVIEW: "I have reviewed this record and agree with what it says.",
    Meaning.APPROVAL: "I approve this record and what follows from it.",
    Meaning.RESPONSIBILITY: "I take responsibility for what this record says was done.",
    Meaning.CONSENT_GIVEN: "Consent was given, freely and after information, as recorded here.",
    Meaning.CONSENT_EXPLAINED: "I explained the trial to the person named and answered questions.",
    Meaning.WITNESS: "I was present as an impartial witness throughout what is recorded here.",
}

_ALGORITHMS: Final = {one.value.encode("ascii"): one for one in Algorithm}
_MEANINGS: Final = {one.value.encode("ascii"): one for one in Meaning}


@dataclass(frozen=True, slots=True)
class Signature:
    """One signature of a statement, read but not yet verified.

    ``meaning`` and ``iat`` (the signer's claimed time, Unix seconds) stand together or not at
    all. ``protected`` are the bytes of the protected header, ``signature`` 64 raw bytes.
    """

    kid: str
    algorithm: Algorithm
    meaning: Meaning | None
    iat: int | None
    protected: bytes
    signature: bytes


@dataclass(frozen=True, slots=True)
class Statement:
    """What senders signed: ``text`` as kept in the entry, and the event's bytes in it."""

    text: str
    payload: bytes
    signatures: tuple[Signature, ...]

    @property
    def signers(self) -> frozenset[tuple[str, Meaning | None]]:
        """Who signed with what meaning; decides whether a second statement is the same again."""
        return frozenset((signature.kid, signature.meaning) for signature in self.signatures)


@dataclass(frozen=True, slots=True, kw_only=True)
class Signer:
    """A key about to sign; a person also gives the meaning and the time claimed."""

    key: SigningKey
    meaning: Meaning | None = None
    iat: int | None = None


def parse_statement(text: str) -> Statement:
    """The statement in a compact JWS or in a minified general JSON one; nothing is verified.

    General JSON has exactly ``{"payload":…,"signatures":[{"protected":…,"signature":…}…]}``
    with 1 to 16 signatures under distinct keys. The flattened form and unprotected headers
    (RFC 7515 section 7.2) are refused, as is any second spelling of the same statement.

    Raises:
        RejectedInput: ``statement.too-large`` (event over 40 KiB, or text over 64,000
            characters), ``statement.malformed``, ``.not-minified``, ``.signature-count``,
            ``.duplicate-key``, ``.signature-length``, ``.header-member``, ``.algorithm``,
            ``.kid``, ``.meaning``, ``.iat``; ``base64url.malformed``; ``strict-json.…``.
    """
    if len(text) > MAX_STATEMENT_CHARACTERS:
        raise _too_large(f"The statement has over {MAX_STATEMENT_CHARACTERS} characters.")
    if not text.isascii():
        raise RejectedInput("statement.malformed", "A statement is written in ASCII alone.")
    payload, pairs = _general(text) if text.startswith("{") else _compact(text)
    if len(payload) > base64url.encoded_length(MAX_EVENT_BYTES):
        raise _too_large(f"The event has more than {MAX_EVENT_BYTES} bytes.")
    signatures = tuple(
        _signature(protected, signature, where=f"/signatures/{number}")
        for number, (protected, signature) in enumerate(pairs)
    )
    _require_distinct_keys([signature.kid for signature in signatures])
    return Statement(text, base64url.decode(payload, where="/payload"), signatures)


def _too_large(message: str) -> RejectedInput:
    return RejectedInput(
        "statement.too-large", message, remedy="Refer to documents by their SHA-256."
    )


def _compact(text: str) -> tuple[str, list[tuple[str, str]]]:
    parts = text.split(".", 3)
    if len(parts) != 3:
        raise RejectedInput(
            "statement.malformed",
            "A compact statement has three parts between two dots.",
            remedy="Send header.payload.signature, or the general JSON form.",
        )
    protected, payload, signature = parts
    return payload, [(protected, signature)]


def _general(text: str) -> tuple[str, list[tuple[str, str]]]:
    value = strict_json.parse_object(text.encode("ascii"), limits=_STATEMENT_LIMITS)
    payload = _members(value, ("payload", "signatures"), where="")["payload"]
    entries = value["signatures"]
    if not isinstance(payload, str) or not isinstance(entries, list):
        raise RejectedInput(
            "statement.malformed", "A payload text and a list of signatures belong."
        )
    if not 1 <= len(entries) <= MAX_SIGNATURES:
        raise RejectedInput(
            "statement.signature-count",
            f"A statement has 1 to {MAX_SIGNATURES} signatures.",
            where="/signatures",
        )
    pairs = []
    for number, entry in enumerate(entries):
        where = f"/signatures/{number}"
        if not isinstance(entry, dict):
            raise RejectedInput("statement.malformed", "A signature is an object.", where=where)
        members = _members(entry, ("protected", "signature"), where=where)
        protected, signature = members["protected"], members["signature"]
        if not isinstance(protected, str) or not isinstance(signature, str):
            raise RejectedInput("statement.malformed", "A signature has texts.", where=where)
        pairs.append((protected, signature))
    if text != _general_text(payload, pairs):
        raise RejectedInput(
            "statement.not-minified",
            "A general JSON statement must be minified, with its members in their fixed order.",
        )
    return payload, pairs


def _members(value: JsonObject, names: tuple[str, str], *, where: str) -> JsonObject:
    if value.keys() != set(names):
        raise RejectedInput(
            "statement.malformed",
            f"The object must have exactly the members {names[0]} and {names[1]}.",
            where=where,
            remedy="Unprotected headers and the flattened form are not accepted.",
        )
    return value


def _general_text(payload: str, pairs: Sequence[tuple[str, str]]) -> str:
    signatures = ",".join(f'{{"protected":"{p}","signature":"{s}"}}' for p, s in pairs)
    return f'{{"payload":"{payload}","signatures":[{signatures}]}}'


def _require_distinct_keys(kids: Sequence[str]) -> None:
    if len(set(kids)) != len(kids):
        raise RejectedInput(
            "statement.duplicate-key", "Each key signs a statement once.", where="/signatures"
        )


def _signature(protected: str, signature: str, *, where: str) -> Signature:
    if len(protected) > base64url.encoded_length(MAX_HEADER_BYTES):
        raise RejectedInput(
            "statement.header-size", f"A header has at most {MAX_HEADER_BYTES} bytes.", where=where
        )
    header = base64url.decode(protected, where=f"{where}/protected")
    kid, algorithm, meaning, iat = _read_header(header, where=f"{where}/protected")
    if len(signature) != base64url.encoded_length(SIGNATURE_BYTES):
        raise RejectedInput(
            "statement.signature-length", "A signature has 64 bytes.", where=f"{where}/signature"
        )
    raw = base64url.decode(signature, where=f"{where}/signature")
    return Signature(kid, algorithm, meaning, iat, header, raw)


def _read_header(header: bytes, *, where: str) -> tuple[str, Algorithm, Meaning | None, int | None]:
    """The protected header, held to six members and to the controlled values of each."""
    plain = _read_plain(header)
    if plain is not None:
        return plain
    # The strict reader goes first: a duplicate "alg" means two things to two verifiers.
    members = strict_json.parse_object(header, limits=_HEADER_LIMITS)
    if unknown := members.keys() - _HEADER_MEMBERS:
        raise RejectedInput(
            "statement.header-member",
            "The protected header has a member that is not allowed (RFC 7515 section 4.1.11).",
            where=where + strict_json.pointer(min(unknown)),
            remedy="Only alg, kid, typ, cty, meaning and iat may stand there; keys go by kid.",
        )
    algorithm, kid = members.get("alg"), members.get("kid")
    if not isinstance(algorithm, str) or algorithm not in list(Algorithm):
        raise RejectedInput(
            "statement.algorithm", "The alg must be Ed25519, EdDSA or ES256.", where=f"{where}/alg"
        )
    if not isinstance(kid, str) or _KID.fullmatch(kid) is None:
        raise RejectedInput(
            "statement.kid", "The kid must be an RFC 7638 SHA-256 thumbprint.", where=f"{where}/kid"
        )
    for name in ("typ", "cty"):
        media_type = members.get(name, "JOSE")
        if not isinstance(media_type, str) or _MEDIA_TYPE.fullmatch(media_type) is None:
            raise RejectedInput(
                "statement.header-member", "The value is no media type.", where=f"{where}/{name}"
            )
    meaning, iat = _read_meaning(members, where=where)
    return kid, Algorithm(algorithm), meaning, iat


def _read_plain(
    header: bytes,
) -> tuple[str, Algorithm, Meaning | None, int | None] | None:
    """A header in the common spelling; None for any other, which the general reader judges."""
    found = _PLAIN_HEADER.fullmatch(header)
    if found is None:
        return None
    algorithm, iat, kid, meaning = found.groups()
    if iat is None and meaning is None:
        return kid.decode("ascii"), _ALGORITHMS[algorithm], None, None
    if iat is None or meaning not in _MEANINGS:
        return None
    return kid.decode("ascii"), _ALGORITHMS[algorithm], _MEANINGS[meaning], int(iat)


def _read_meaning(members: JsonObject, *, where: str) -> tuple[Meaning | None, int | None]:
    if ("meaning" in members) != ("iat" in members):
        raise RejectedInput(
            "statement.meaning",
            "The members meaning and iat stand in a header together or not at all.",
            where=where,
            remedy="A person signs with both, a system with neither.",
        )
    if "meaning" not in members:
        return None, None
    meaning, iat = members["meaning"], members["iat"]
    if not isinstance(meaning, str) or meaning not in list(Meaning):
        raise RejectedInput(
            "statement.meaning",
            f"The meaning must be one of {', '.join(Meaning)}.",
            where=f"{where}/meaning",
        )
    if not isinstance(iat, int) or isinstance(iat, bool) or not 0 <= iat <= LATEST_IAT:
        raise RejectedInput(
            "statement.iat", "The iat must be whole seconds since 1970.", where=f"{where}/iat"
        )
    return Meaning(meaning), iat


def signing_input(statement: Statement, signature: Signature) -> bytes:
    """The bytes that ``signature`` signs (RFC 7515 section 5.2, step 8).

    Re-encoding is exact, for only the canonical base64url spelling was accepted.
    """
    if not statement.text.startswith("{"):
        return statement.text.rpartition(".")[0].encode("ascii")
    header = base64url.encode_bytes(signature.protected)
    return header + b"." + base64url.encode_bytes(statement.payload)


def verify_signature(statement: Statement, signature: Signature, key: PublicJwk) -> None:
    """Check one signature of ``statement`` under the registered ``key``.

    Raises:
        TrustFailure: ``signature.other-key`` when ``key`` is not the one the header names;
            ``signature.algorithm`` when the key is not for that algorithm;
            ``signature.invalid``.
    """
    if signature.kid != key.kid:
        raise TrustFailure("signature.other-key", f"The signature names key {signature.kid}.")
    if signature.algorithm not in key.algorithms:
        raise TrustFailure(
            "signature.algorithm",
            f"A key on {key.crv} does not verify {signature.algorithm} signatures.",
        )
    key.verify(signing_input(statement, signature), signature.signature)


def sign_statement(payload: bytes, signers: Sequence[Signer]) -> Statement:
    """Sign an event's bytes: compact for one signer, general JSON for several.

    Raises:
        RejectedInput: as `parse_statement`, for what a receiver would refuse.
    """
    body = base64url.encode(payload)
    pairs = []
    for signer in signers:
        members: JsonObject = {"alg": signer.key.algorithm.value, "kid": signer.key.kid}
        if signer.meaning is not None:
            members["meaning"] = signer.meaning.value
        if signer.iat is not None:
            members["iat"] = signer.iat
        header = base64url.encode(strict_json.canonical(members))
        raw = signer.key.sign(f"{header}.{body}".encode("ascii"))
        pairs.append((header, base64url.encode(raw)))
    if len(pairs) == 1:
        header, raw_text = pairs[0]
        return parse_statement(f"{header}.{body}.{raw_text}")
    return parse_statement(_general_text(body, pairs))
