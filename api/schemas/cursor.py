"""Opaque cursors: where a page ended, so that the next one begins behind it."""

from __future__ import annotations

from ledger.errors import LedgerError, RejectedInput
from ledger.signing import base64url, strict_json

MAX_CURSOR_CHARACTERS = 400


def encode_cursor(kind: str, key: str | int) -> str:
    """The cursor behind the row with this key in a listing of this kind."""
    return base64url.encode(strict_json.canonical([kind, key]))


def decode_cursor(kind: str, text: str) -> str | int:
    """The key in a cursor of this kind; raises RejectedInput ``query.cursor``."""
    try:
        if len(text) > MAX_CURSOR_CHARACTERS:
            raise _refusal()
        value = strict_json.parse(base64url.decode(text))
    except LedgerError:
        raise _refusal() from None
    if not isinstance(value, list) or len(value) != 2 or value[0] != kind:
        raise _refusal()
    key = value[1]
    if isinstance(key, bool) or not isinstance(key, str | int):
        raise _refusal()
    return key


def text_key(kind: str, text: str | None) -> str | None:
    """The text key in a cursor, if there is a cursor."""
    if text is None:
        return None
    key = decode_cursor(kind, text)
    if not isinstance(key, str):
        raise _refusal()
    return key


def number_key(kind: str, text: str | None) -> int | None:
    """The number key in a cursor, if there is a cursor."""
    if text is None:
        return None
    key = decode_cursor(kind, text)
    if not isinstance(key, int):
        raise _refusal()
    return key


def _refusal() -> RejectedInput:
    return RejectedInput(
        "query.cursor",
        "after: This is no cursor of this listing.",
        where="after",
        remedy="Use the member next of the page before, unchanged.",
    )
