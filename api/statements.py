"""Media types of statements: from a body, or a line of many, to text and disclosures."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from api.problems import Problematic
from ledger.errors import RejectedInput
from ledger.signing.sealing import (
    MAX_DISCLOSURE_CHARACTERS,
    Disclosure,
    decode_sd_jwt,
    decode_wrapper,
)
from ledger.signing.statement import MAX_STATEMENT_CHARACTERS
from ledger.signing.strict_json import Limits, parse

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

COMPACT: Final = "application/jose"
GENERAL: Final = "application/jose+json"
SEALED: Final = "application/sd-jwt"
MANY: Final = "application/x-ndjson"

MAX_ONE_BYTES: Final = 128 * 1024
"""Longest body of one statement: 64,000 characters, its disclosures, and room for quotes."""

MAX_MANY_BYTES: Final = 8 * 1024 * 1024
MAX_LINES: Final = 1_000

_LIMITS: Final = Limits(
    size=MAX_STATEMENT_CHARACTERS + MAX_DISCLOSURE_CHARACTERS + 8_192, depth=6, members=512
)
_MEDIA_TYPE: Final = re.compile(r"([a-z]+/[a-z0-9.+-]+)(?:; ?charset=\"?utf-8\"?)?", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Offered:
    """A statement as offered: its text byte for byte and the disclosures beside it."""

    text: str
    disclosures: tuple[Disclosure, ...] = ()


def media_type_of(header: str | None, *, accepted: tuple[str, ...]) -> str:
    """The media type a Content-Type names, exactly one of those accepted.

    Raises Problematic ``body.media-type`` with the header Accept (RFC 9110 section 15.5.16).
    """
    match = _MEDIA_TYPE.fullmatch(header) if header is not None and len(header) < 100 else None
    name = match[1].lower() if match else None
    if name not in accepted:
        raise Problematic(
            "body.media-type",
            "The body has no Content-Type." if header is None else "The Content-Type is not taken.",
            where="Content-Type",
            remedy=f"Send one of {', '.join(accepted)}.",
            headers={"Accept": ", ".join(accepted)},
        )
    return name


def read_statement(media_type: str, body: bytes) -> Offered:
    """The statement in a body of one of the three media types.

    Raises RejectedInput ``body.…``, ``statement.…``, ``sealed.…``, ``strict-json.…``.
    """
    return _READERS[media_type](body)


def read_line(line: bytes) -> Offered:
    """The statement on one line of many.

    A JSON string holds a compact JWS or an SD-JWT; a JSON object is a general JSON JWS (minified,
    as it was signed) or the wrapper ``{statement, disclosures}``.
    """
    value = parse(line, limits=_LIMITS)
    if isinstance(value, str):
        return _sealed(value) if "~" in value else Offered(value)
    if isinstance(value, dict):
        return _general(line)
    raise RejectedInput(
        "body.line",
        "A line holds a JSON string with a compact statement, or a JSON object.",
        remedy="Write each statement on one line of its own.",
    )


def split_lines(body: bytes) -> list[bytes]:
    """The lines of a body of many; a newline at its end is not a line of its own.

    Raises RejectedInput ``body.empty`` or ``body.too-large``.
    """
    content = body.removesuffix(b"\n")
    if not content:
        raise RejectedInput("body.empty", "The body holds no statement.")
    if content.count(b"\n") >= MAX_LINES:
        raise RejectedInput(
            "body.too-large",
            f"The body has more than {MAX_LINES} lines.",
            remedy="Send the statements in several requests.",
        )
    return content.split(b"\n")


def _compact(body: bytes) -> Offered:
    return Offered(_ascii(body))


def _general(body: bytes) -> Offered:
    value = parse(body, limits=_LIMITS)
    if isinstance(value, dict) and "disclosures" in value:
        text, disclosures = decode_wrapper(value)
        return Offered(text, tuple(disclosures))
    return Offered(_ascii(body))


def _sealed(body: bytes | str) -> Offered:
    text, disclosures = decode_sd_jwt(body if isinstance(body, str) else _ascii(body))
    return Offered(text, tuple(disclosures))


def _ascii(body: bytes) -> str:
    if not body:
        raise RejectedInput("body.empty", "The body holds no statement.")
    try:
        return body.decode("ascii")
    except UnicodeDecodeError as error:
        raise RejectedInput(
            "statement.malformed",
            "A statement is written in ASCII alone.",
            where=f"byte {error.start}",
        ) from None


_READERS: Final[Mapping[str, Callable[[bytes], Offered]]] = {
    COMPACT: _compact,
    GENERAL: _general,
    SEALED: _sealed,
}
ONE: Final = tuple(_READERS)
ACCEPTED: Final = (*ONE, MANY)
