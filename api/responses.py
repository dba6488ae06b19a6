"""Responses as the doors give them: JSON, pages, and what never changes."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from flask import Response, request

from api.schemas.cursor import encode_cursor

if TYPE_CHECKING:
    from collections.abc import Sequence

JSON: Final = "application/json"


def encoded(value: Any) -> str:
    """Compact JSON without NaN."""
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def json_response(value: Any, status: int = 200) -> Response:
    """A JSON response that is not kept: it may change with the next entry."""
    response = Response(encoded(value), status=status, content_type=JSON)
    response.headers["Cache-Control"] = "no-store"
    return response


def text_response(text: str | bytes, content_type: str = "text/plain; charset=utf-8") -> Response:
    """A text response."""
    return Response(text, content_type=content_type)


def unchanging(response: Response, tag: str) -> Response:
    """A response that never changes, under its entity tag; 304 when the client has it."""
    response.set_etag(tag)
    response.headers["Cache-Control"] = "private, max-age=31536000, immutable"
    response.make_conditional(request)
    return response


def page(items: Sequence[Any], *, more: bool, kind: str, last: str | int | None) -> Response:
    """A page of a listing; ``next`` is the cursor of the following one, null at the end."""
    following = encode_cursor(kind, last) if more and last is not None else None
    return json_response({"items": list(items), "next": following})
