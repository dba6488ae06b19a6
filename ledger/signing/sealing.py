"""Sealed members: SD-JWT digests in ``data``, disclosures beside it (RFC 9901)."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from ledger.errors import RejectedInput
from ledger.signing import base64url, strict_json

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from ledger.signing.strict_json import JsonObject, JsonValue

MAX_DISCLOSURES: Final = 64
MAX_DISCLOSURE_CHARACTERS: Final = 40 * 1024
DIGESTS: Final = "_sd"
_RESERVED: Final = frozenset({DIGESTS, "..."})
# RFC 9901 section 9.3 recommends 128 bits of salt: 22 characters of base64url.
_SALT: Final = re.compile(r"[A-Za-z0-9_-]{22,128}")
_DIGEST: Final = re.compile(r"[A-Za-z0-9_-]{43}")


@dataclass(frozen=True, slots=True)
class Disclosure:
    """One opened member: its salt, name and value, and the text whose digest was signed.

    ``text`` is kept as sent: the digest is over its characters, never over the decoded JSON.
    """

    salt: str
    name: str
    value: JsonValue
    text: str
    digest: str = field(init=False, compare=False)

    def __post_init__(self) -> None:
        digest = hashlib.sha256(self.text.encode("ascii")).digest()
        object.__setattr__(self, "digest", base64url.encode(digest))


def make_disclosure(name: str, value: JsonValue, *, salt: str) -> Disclosure:
    """The disclosure of a member, in the canonical JSON that our own clients write.

    Raises:
        RejectedInput: as `parse_disclosure`.
    """
    text = base64url.encode(strict_json.canonical([salt, name, value]))
    return parse_disclosure(text)


def parse_disclosure(text: str) -> Disclosure:
    """The disclosure of an object member (RFC 9901 section 4.2.1), in any JSON spacing.

    Array element disclosures and disclosures that hold further digests are not used.

    Raises:
        RejectedInput: ``sealed.too-large``, ``sealed.malformed``, ``sealed.salt``,
            ``sealed.reserved-name``, ``sealed.nested``; ``base64url.malformed``;
            ``strict-json.…``.
    """
    if len(text) > MAX_DISCLOSURE_CHARACTERS:
        raise RejectedInput("sealed.too-large", "A disclosure has more than 40 KiB.")
    parts = strict_json.parse(base64url.decode(text))
    if not isinstance(parts, list) or len(parts) != 3:
        raise RejectedInput(
            "sealed.malformed", "A disclosure is a JSON array of salt, name and value."
        )
    salt, name, value = parts
    if not isinstance(salt, str) or not isinstance(name, str):
        raise RejectedInput("sealed.malformed", "Salt and name of a disclosure are strings.")
    if _SALT.fullmatch(salt) is None:
        raise RejectedInput(
            "sealed.salt",
            "A salt has 22 to 128 base64url characters.",
            remedy="Draw 16 random bytes for each sealed member.",
        )
    if name in _RESERVED:
        raise RejectedInput("sealed.reserved-name", "The names _sd and ... are reserved.")
    _refuse_nested(value)
    return Disclosure(salt, name, value, text)


def _refuse_nested(value: JsonValue) -> None:
    pending = [value]
    while pending:
        item = pending.pop()
        if isinstance(item, dict):
            if not _RESERVED.isdisjoint(item):
                raise RejectedInput("sealed.nested", "Only members of data itself can be sealed.")
            pending.extend(item.values())
        elif isinstance(item, list):
            pending.extend(item)


def seal(
    data: JsonObject, members: Iterable[str], salt: Callable[[str], str]
) -> tuple[JsonObject, list[Disclosure]]:
    """Take ``members`` out of ``data`` and leave their sorted digests in ``_sd``.

    ``salt`` gives the salt of a named member: fresh randomness, but for a demonstration. The
    disclosures come in the order of ``members``. Sorting hides the members' order
    (RFC 9901 section 4.2.4.1). Without members ``data`` comes back unchanged.

    Raises:
        RejectedInput: ``sealed.absent`` for a member that ``data`` has not, ``sealed.twice`` when
            ``data`` already holds digests; otherwise as `parse_disclosure`.
    """
    if DIGESTS in data:
        raise RejectedInput("sealed.twice", "The data already hold sealed members.")
    clear = dict(data)
    disclosures = []
    for name in members:
        if name not in clear:
            raise RejectedInput(
                "sealed.absent", "The member to seal is absent.", where=strict_json.pointer(name)
            )
        disclosures.append(make_disclosure(name, clear.pop(name), salt=salt(name)))
    if not disclosures:
        return clear, disclosures
    clear[DIGESTS] = [*sorted(disclosure.digest for disclosure in disclosures)]
    digests_of(clear)
    return clear, disclosures


def digests_of(data: JsonObject) -> list[str]:
    """The digests of the sealed members of ``data``, in the order they stand there.

    Raises:
        RejectedInput: ``sealed.digests`` for anything but at most 64 distinct SHA-256 digests,
            ``sealed.nested``, ``sealed.reserved-name`` for a member named ``...``.
    """
    if "..." in data:
        raise RejectedInput("sealed.reserved-name", "The name ... is reserved.", where="/data/...")
    for name, value in data.items():
        if isinstance(value, dict | list) and name != DIGESTS:
            _refuse_nested(value)
    if DIGESTS not in data:
        return []
    found = data[DIGESTS]
    digests = (
        [item for item in found if isinstance(item, str) and _DIGEST.fullmatch(item)]
        if isinstance(found, list)
        else []
    )
    if (
        not isinstance(found, list)
        or len(set(digests)) != len(found)
        or len(found) > MAX_DISCLOSURES
    ):
        raise RejectedInput(
            "sealed.digests",
            f"The member _sd is a list of up to {MAX_DISCLOSURES} distinct SHA-256 digests.",
            where="/data/_sd",
        )
    return digests


def open_sealed(
    data: JsonObject, disclosures: Iterable[Disclosure]
) -> tuple[JsonObject, JsonObject, list[str]]:
    """Join ``data`` with what ``disclosures`` open (RFC 9901 section 7.1).

    Returns the merged object without ``_sd``, the opened members alone, and the digests that
    stay closed, in their order.

    Raises:
        RejectedInput: ``sealed.unknown-digest`` for a disclosure that was not signed,
            ``sealed.duplicate`` for one given twice, ``sealed.name-clash`` for a name that
            stands in clear or is opened twice; otherwise as `digests_of`.
    """
    digests = digests_of(data)
    merged: JsonObject = {name: value for name, value in data.items() if name != DIGESTS}
    opened: JsonObject = {}
    used: set[str] = set()
    for disclosure in disclosures:
        if disclosure.digest not in digests:
            raise RejectedInput(
                "sealed.unknown-digest",
                "A disclosure belongs to no digest that was signed.",
                where="/data/_sd",
                remedy="Send the disclosure text exactly as it was when the event was signed.",
            )
        if disclosure.digest in used:
            raise RejectedInput("sealed.duplicate", "A disclosure is given twice.")
        if disclosure.name in merged or disclosure.name in _RESERVED:
            raise RejectedInput("sealed.name-clash", "A sealed member's name is already taken.")
        used.add(disclosure.digest)
        merged[disclosure.name] = opened[disclosure.name] = disclosure.value
    return merged, opened, [digest for digest in digests if digest not in used]


def _parse_all(texts: Sequence[JsonValue]) -> list[Disclosure]:
    if len(texts) > MAX_DISCLOSURES:
        raise RejectedInput(
            "sealed.too-large", f"At most {MAX_DISCLOSURES} disclosures belong to a statement."
        )
    total = 0
    disclosures = []
    for text in texts:
        if not isinstance(text, str):
            raise RejectedInput("sealed.malformed", "A disclosure is a text.")
        total += len(text)
        if total > MAX_DISCLOSURE_CHARACTERS:
            raise RejectedInput("sealed.too-large", "The disclosures have more than 40 KiB.")
        disclosures.append(parse_disclosure(text))
    return disclosures


def encode_sd_jwt(jws_compact: str, disclosures: Iterable[Disclosure]) -> str:
    """The ``application/sd-jwt`` form ``JWS~disclosure~…~`` (RFC 9901 section 4)."""
    return "~".join([jws_compact, *(disclosure.text for disclosure in disclosures), ""])


def decode_sd_jwt(text: str) -> tuple[str, list[Disclosure]]:
    """The compact JWS and the disclosures of an SD-JWT; the JWS is not looked into.

    Raises:
        RejectedInput: ``sealed.malformed`` when the text does not end with ``~`` (a key binding
            is not used); otherwise as `parse_disclosure`.
    """
    parts = text.split("~", MAX_DISCLOSURES + 2)
    if len(parts) < 2 or not parts[0]:
        raise RejectedInput("sealed.malformed", "An SD-JWT is a JWS, a tilde and disclosures.")
    if len(parts) > MAX_DISCLOSURES + 2:
        raise RejectedInput(
            "sealed.too-large", f"At most {MAX_DISCLOSURES} disclosures belong to a statement."
        )
    jws, *texts, last = parts
    if last:
        raise RejectedInput(
            "sealed.malformed",
            "An SD-JWT ends with a tilde here; a key binding JWT is not used.",
        )
    return jws, _parse_all(texts)


def decode_wrapper(value: JsonValue) -> tuple[str, list[Disclosure]]:
    """The statement text and the disclosures of ``{"statement": …, "disclosures": […]}``.

    ``statement`` is a general JSON JWS as an object (its minified text is returned), or a
    statement as text. The statement itself is for `parse_statement` to check.

    Raises:
        RejectedInput: ``sealed.malformed``; otherwise as `parse_disclosure`.
    """
    if not isinstance(value, dict) or value.keys() != {"statement", "disclosures"}:
        raise RejectedInput(
            "sealed.malformed", "The wrapper has exactly the members statement and disclosures."
        )
    statement, texts = value["statement"], value["disclosures"]
    if not isinstance(texts, list):
        raise RejectedInput("sealed.malformed", "The disclosures are a list.", where="/disclosures")
    if isinstance(statement, dict):
        statement = strict_json.canonical(statement).decode("utf-8")
    if not isinstance(statement, str):
        raise RejectedInput(
            "sealed.malformed", "The statement is an object or a text.", where="/statement"
        )
    return statement, _parse_all(texts)
