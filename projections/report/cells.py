"""Cells of the HTML report: values as escaped markup, by the kind their column names."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from markupsafe import Markup, escape

from ledger.rules.members import text
from projections.report.words import ABSENT, clock, grouped, words

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from zoneinfo import ZoneInfo

    from ledger.signing.strict_json import JsonValue

_ABSENT = Markup('<span class="absent">{}</span>').format(ABSENT)
_TIME = Markup('<time datetime="{}">{}<span class="utc">{}</span></time>')
_SEVERITY = Markup(
    '<span class="sev {0}"><svg class="mark" aria-hidden="true" focusable="false">'
    '<use href="#mark-{0}"/></svg>{0}</span>'
)
_SEVERITIES = frozenset({"critical", "important", "minor", "indeterminate"})
_CLASSES = {"number": "n", "time": "t", "day": "t", "result": "c", "signers": "s"}
_PART = Markup('<div class="p">{}{}</div>')
_LINE = Markup('<div class="p k">{}{}</div>')
_UNBROKEN = frozenset({"flag", "alarm", "number", "day"})
_SIGNER = Markup('<div class="p">{}{}{}</div>')
_HEADING = Markup('<th scope="row"{}>{}</th>')
_DATA = Markup("<td{}>{}</td>")
_NAMES = frozenset({"subject", "lot", "bag"})
"""Members that hold short names, which do not break."""

_SHORT = 16
_SHORT_ITEM = 20
"""Items up to this length are listed on one line."""


class Cells:
    """Draws values; times on the clock of one site."""

    def __init__(self, zone: ZoneInfo) -> None:
        self._zone = zone

    def shown(self, value: JsonValue, kind: str, *, whole: bool = False) -> Markup:
        """A value as its kind reads; ``whole`` shows hashes in full length."""
        if _nothing(value):
            return _ABSENT
        if kind == "time":
            return self._time(value)
        if kind == "signers":
            return self._signers(value)
        if kind == "hash":
            return _hash(str(value), whole=whole)
        return _DRAWN.get(kind, _said)(value)

    def cell(self, row: Mapping[str, Any], column: Mapping[str, Any], *, heading: bool) -> Markup:
        """One cell of a row; the first of each row is its heading."""
        parts = column["parts"]
        if len(parts) == 1:
            one = parts[0]
            inner = self.shown(row.get(one["key"]), one["kind"])
            if one["label"] and row.get(one["key"]) is not None:
                inner = Markup('<span class="l">{}</span> {}').format(one["label"], inner)
        else:
            lines = [self._part(row, one) for one in parts]
            inner = Markup().join(line for line in lines if line is not None) or _ABSENT
        frame = _HEADING if heading else _DATA
        return frame.format(cell_class(column), inner)

    def _part(self, row: Mapping[str, Any], one: Mapping[str, Any]) -> Markup | None:
        value = row.get(one["key"])
        if _nothing(value):
            return None
        label = Markup('<span class="l">{}</span> ').format(one["label"]) if one["label"] else ""
        frame = _LINE if one["kind"] in _UNBROKEN else _PART
        return frame.format(label, self.shown(value, one["kind"]))

    def _time(self, value: JsonValue) -> Markup:
        read = clock(str(value), self._zone)
        return escape(words(value)) if read is None else _TIME.format(value, *read)

    def _signers(self, value: JsonValue) -> Markup:
        """Each signature with printed name, role, meaning, and the time the signer claims."""
        blocks = value if isinstance(value, list) else [value]
        return Markup().join(self._signer(one) for one in blocks if isinstance(one, dict))

    def _signer(self, block: Mapping[str, JsonValue]) -> Markup:
        meaning, signed = text(block, "meaning"), text(block, "signed_at")
        read = clock(signed, self._zone) if signed else None
        said = [text(block, "role"), meaning or f"{text(block, 'kind')}, no person"]
        said += [f"{read[0]} {read[1].partition(' ')[0]}"] if read else []
        doubt = Markup('<span class="no"> key in doubt</span>') if block.get("doubtful") else ""
        return _SIGNER.format(
            text(block, "name") or ABSENT,
            Markup().join(
                Markup('<span class="role">{}</span>').format(one) for one in said if one
            ),
            doubt,
        )


def cell_class(column: Mapping[str, Any]) -> Markup:
    """The class attribute of a column's cells: how they align and how wide they may get."""
    kinds = {str(one["kind"]) for one in column["parts"]}
    found = _CLASSES.get(next(iter(kinds))) if len(kinds) == 1 else None
    if "prose" in kinds:
        found = "x"
    elif column["parts"][0]["key"] in _NAMES:
        found = "k"
    if found is None and kinds & {"text", "list"} and len(column["parts"]) > 1:
        found = "w"
    return Markup(' class="{}"').format(found) if found else Markup()


def _nothing(value: JsonValue) -> bool:
    return value is None or value in ("", [])


def _said(value: JsonValue) -> Markup:
    return escape(words(value))


def _word(value: JsonValue) -> Markup:
    # Names of types are long and without blanks; they may break after a dot.
    return Markup(".<wbr>").join(words(value).replace("_", " ").split("."))


def _code(value: JsonValue) -> Markup:
    return Markup('<code class="id">{}</code>').format(words(value))


def _ids(value: JsonValue) -> Markup:
    listed = value if isinstance(value, list) else [value]
    return Markup().join(Markup('<code class="id">{}</code>').format(words(one)) for one in listed)


def _number(value: JsonValue) -> Markup:
    if isinstance(value, int) and not isinstance(value, bool):
        return escape(grouped(str(value)))
    return escape(words(value))


def _list(value: JsonValue) -> Markup:
    if not isinstance(value, list):
        return escape(words(value))
    said = [words(item) for item in value]
    if len(said) == 1 or all(len(item) <= _SHORT_ITEM for item in said):
        return escape(", ".join(said))
    items = Markup().join(Markup("<li>{}</li>").format(item) for item in said)
    return Markup('<ul class="list">{}</ul>').format(items)


def _plain_word(value: JsonValue) -> Markup:
    said = words(value)
    # What speaks against the subject or the record is set off by weight, not by colour.
    if said == "no" or said.isupper() or said == "?":
        return Markup('<span class="no">{}</span>').format(said)
    return escape(said)


def _alarm(value: JsonValue) -> Markup:
    said = escape(words(value))
    return Markup('<span class="no">{}</span>').format(said) if value is True else said


def _severity(value: JsonValue) -> Markup:
    said = str(value)
    return _SEVERITY.format(said) if said in _SEVERITIES else escape(said)


def _hash(value: str, *, whole: bool) -> Markup:
    if whole or len(value) <= _SHORT:
        return Markup('<code class="h">{}</code>').format(value)
    return Markup('<code class="h" title="{}">{}…</code>').format(value, value[:_SHORT])


def _person(value: JsonValue) -> Markup:
    if not isinstance(value, dict):
        return escape(words(value))
    name, role = text(value, "name") or text(value, "person") or ABSENT, text(value, "role")
    meaning = text(value, "meaning")
    under = ", ".join(one for one in (role, meaning) if one)
    if not under:
        return escape(name)
    return Markup('{}<span class="role">{}</span>').format(name, under)


_DRAWN: Mapping[str, Callable[[JsonValue], Markup]] = {
    "number": _number,
    "code": _code,
    "flag": _plain_word,
    "alarm": _alarm,
    "result": _plain_word,
    "severity": _severity,
    "word": _word,
    "person": _person,
    "list": _list,
    "ids": _ids,
}
"""How each kind is drawn; any other reads as its words."""
