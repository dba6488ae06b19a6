"""The report for people: one HTML file that needs nothing else, on screen and on paper."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from projections.report import figures
from projections.report.cells import Cells, cell_class
from projections.report.flow_figure import consort

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from projections.report.document import Document

_LAYOUTS = {
    "consort": consort,
    "recruitment": figures.recruitment,
    "estimates": figures.estimates,
    "strip": figures.strip,
}


def draw_html(document: Document) -> Iterator[str]:
    """The document as one HTML file piece by piece: styles and figures inside, no links out.

    All that comes from the record is escaped; a content security policy in the file forbids it
    to load or run anything all the same.
    """
    environment = _environment(Cells(ZoneInfo(str(document["report"]["time_zone"]))))
    loader = environment.loader
    style = loader.get_source(environment, "report.css")[0] if loader is not None else ""
    page = environment.get_template("report.html")
    return page.generate(**document, style=Markup(style))  # noqa: S704 - our own style sheet


def _environment(cells: Cells) -> Environment:
    environment = Environment(
        loader=PackageLoader("projections.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters.update(
        shown=cells.shown,
        cell=cells.cell,
        cell_class=cell_class,
        css_string=css_string,
        grouped=_grouped,
        laid_out=_laid_out,
    )
    return environment


def css_string(value: object) -> Markup:
    """Any text as a CSS string that can end neither the string nor the style element.

    Everything but ASCII letters, digits and blanks goes as an escape (CSS Syntax 3 section 4.3.7).
    """
    safe = "".join(
        character
        if character.isascii() and (character.isalnum() or character == " ")
        else f"\\{ord(character):06x}"
        for character in str(value)
    )
    return Markup('"{}"').format(Markup(safe))  # noqa: S704 - escaped just above


def _grouped(
    rows: Iterable[Mapping[str, Any]], member: str
) -> Iterator[tuple[Any, Iterator[Mapping[str, Any]]]]:
    return groupby(rows, key=lambda row: row[member])


def _laid_out(block: Mapping[str, Any]) -> object:
    return _LAYOUTS[str(block["kind"])](block["data"])
