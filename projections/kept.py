"""The rows a fold goes on from: what earlier pages left, under what this page changes."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final, Protocol

from ledger.signing.strict_json import Limits, parse_object

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ledger.signing.strict_json import JsonObject
    from projections.row_tables import RowKey

_WRITER: Final = json.JSONEncoder(
    ensure_ascii=False, sort_keys=True, separators=(",", ":"), allow_nan=False, check_circular=False
)

_LIMITS: Final = Limits(size=1 << 30, depth=64, members=1 << 26)
"""Rows are our own; the limits for foreign JSON do not bind them."""


def text_of(body: JsonObject) -> str:
    """The text a row is stored as: the same for the same body.

    All in it was read as strict JSON or derived from such, so it is not checked again.
    """
    return _WRITER.encode(body)


def body_of(text: str) -> JsonObject:
    """The body of a stored row."""
    return parse_object(text.encode(), limits=_LIMITS)


class KeptRows(Protocol):
    """Rows by projection and key, as they stood before the page."""

    def one(self, projection: str, key: str) -> JsonObject | None:
        """The body of a row."""

    def keys(self, projection: str, first: str, stop: str) -> Sequence[str]:
        """The keys of a projection with ``first <= key < stop``, in order."""


class NothingKept:
    """What there is before the first page."""

    def one(self, projection: str, key: str) -> JsonObject | None:  # noqa: ARG002 - a protocol
        """None."""
        return None

    def keys(self, projection: str, first: str, stop: str) -> Sequence[str]:  # noqa: ARG002
        """None."""
        return ()


class PageRows:
    """The rows a page changes, read over those that are kept.

    ``changed`` holds bodies, None where a row is taken away; ``written`` holds the texts of rows
    that came as they are stored. No row is in both.
    """

    def __init__(self, kept: KeptRows) -> None:
        self.kept = kept
        self.changed: dict[RowKey, JsonObject | None] = {}
        self.written: dict[RowKey, str] = {}

    def put(self, projection: str, key: str, body: JsonObject | None) -> None:
        """Give a row its body, or take it away."""
        self.written.pop((projection, key), None)
        self.changed[projection, key] = body

    def write(self, projection: str, key: str, text: str) -> None:
        """Give a row the text it is stored as."""
        self.changed.pop((projection, key), None)
        self.written[projection, key] = text

    def texts(self) -> dict[RowKey, str | None]:
        """The rows as they are stored."""
        return {
            **{
                place: None if body is None else text_of(body)
                for place, body in self.changed.items()
            },
            **self.written,
        }

    def one(self, projection: str, key: str) -> JsonObject | None:
        """The body of a row as this page leaves it so far."""
        place = projection, key
        if place in self.written:
            return body_of(self.written[place])
        return self.changed[place] if place in self.changed else self.kept.one(projection, key)

    def keys(self, projection: str, first: str, stop: str) -> list[str]:
        """The keys with ``first <= key < stop`` as this page leaves them so far, in order."""
        found = set(self.kept.keys(projection, first, stop))
        found.update(
            key for name, key in self.written if name == projection and first <= key < stop
        )
        for (name, key), body in self.changed.items():
            if name == projection and first <= key < stop:
                if body is None:
                    found.discard(key)
                else:
                    found.add(key)
        return sorted(found)
