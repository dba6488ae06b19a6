"""A report as bytes, in any of its formats, a block at a time."""

from __future__ import annotations

from typing import IO, TYPE_CHECKING, Final, Literal, TypeAlias

from projections.report.html import draw_html
from projections.report.json import draw_json

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from projections.report.document import Document

Format: TypeAlias = Literal["html", "json"]
FORMATS: Final[tuple[Format, ...]] = ("html", "json")

_BLOCK: Final = 1 << 16


class Drawn:
    """A report whose document is at hand; it can be written as often as asked."""

    def __init__(self, document: Document) -> None:
        self._document = document

    def write(self, out: IO[bytes], *, format: Format) -> None:  # noqa: A002 - its name everywhere
        """Write it in UTF-8; where that fails, part of it may have been written."""
        pieces = draw_html(self._document) if format == "html" else draw_json(self._document)
        out.writelines(block.encode() for block in _blocks(pieces))


def _blocks(pieces: Iterable[str]) -> Iterator[str]:
    held: list[str] = []
    length = 0
    for piece in pieces:
        held.append(piece)
        length += len(piece)
        if length >= _BLOCK:
            yield "".join(held)
            held, length = [], 0
    yield "".join(held)
