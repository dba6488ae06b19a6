"""The report for machines: the document as JSON, members in order of their names."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ledger.signing.strict_json import JsonObject


def render_json(document: JsonObject) -> bytes:
    """The document in UTF-8, indented, ending in a newline."""
    return f"{json.dumps(document, ensure_ascii=False, indent=1, sort_keys=True)}\n".encode()
