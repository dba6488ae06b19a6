"""The report for machines: the document as JSON, members in order of their names."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from projections.report.document import Rows

if TYPE_CHECKING:
    from collections.abc import Iterator

    from projections.report.document import Document

_WRITER: Final = json.JSONEncoder(ensure_ascii=False, indent=1, sort_keys=True)


def draw_json(document: Document) -> Iterator[str]:
    """The document piece by piece, indented, ending in a newline."""
    yield from _value(document, "\n")
    yield "\n"


def _value(value: object, margin: str) -> Iterator[str]:
    """A value; ``margin`` is the line break that leads to where it begins."""
    if isinstance(value, dict) and value:
        names = sorted(value)
        opening, inner = "{", margin + " "
        for name in names:
            yield f"{opening}{inner}{_WRITER.encode(name)}: "
            yield from _value(value[name], inner)
            opening = ","
        yield margin + "}"
    elif isinstance(value, list | tuple | Rows):
        opening, inner = "[", margin + " "
        for item in value:
            yield opening + inner
            if isinstance(value, Rows):
                # No line break stands in a string of JSON, so those there are set lines apart.
                yield _WRITER.encode(item).replace("\n", inner)
            else:
                yield from _value(item, inner)
            opening = ","
        yield "[]" if opening == "[" else margin + "]"
    else:
        yield _WRITER.encode(value)
