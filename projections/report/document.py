"""The report as a document: sections of blocks, in plain JSON, before anyone draws it.

Every renderer reads this one form, so that a person's copy and a machine's copy hold the same
rows (R-14, R-19). A section is ``{id, title, lead, blocks}``; a block is ``{block, …}`` with
``block`` one of ``facts``, ``table``, ``figure``, ``note``, ``steps``, ``verbatim``. It is plain
JSON but for the rows of tables, which are made when they are read and not held.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from ledger.signing.strict_json import JsonObject, JsonValue

Kind: TypeAlias = Literal[
    "text",
    "prose",
    "number",
    "time",
    "day",
    "code",
    "hash",
    "flag",
    "alarm",
    "result",
    "severity",
    "word",
    "person",
    "signers",
    "list",
    "ids",
]
"""How a cell reads: numbers stand right-aligned, times show the site's clock and UTC."""

Tone: TypeAlias = Literal["plain", "caution", "warning"]

Block: TypeAlias = dict[str, Any]
"""A block; plain JSON but for the ``rows`` of a table."""

Document: TypeAlias = dict[str, Any]
"""A whole report, its sections under ``sections``."""


class Rows:
    """The rows of a table, made anew at each reading.

    Each gets an ``id`` that is unique in the report and stable over runs, and keeps just the
    members that are ``shown``. Rows that would share an id differ in no value of ``within``.
    """

    def __init__(
        self,
        name: str,
        shown: Sequence[str],
        made: Callable[[], Iterable[Mapping[str, JsonValue]]],
        within: str | None,
    ) -> None:
        self._name, self._shown, self._made, self._within = name, shown, made, within
        self._count: int | None = None

    def __iter__(self) -> Iterator[JsonObject]:
        seen: dict[str, int] = {}
        scope: JsonValue = None
        for number, row in enumerate(self._made(), 1):
            if self._within is not None and row.get(self._within) != scope:
                scope = row.get(self._within)
                seen.clear()
            own = str(row.get("id") or row.get("event") or row.get("subject") or number)
            seen[own] = seen.get(own, 0) + 1
            row_id = f"{self._name}:{own}" if seen[own] == 1 else f"{self._name}:{own}:{seen[own]}"
            yield {**{key: row.get(key) for key in self._shown}, "id": row_id}

    def __len__(self) -> int:
        if self._count is None:
            self._count = sum(1 for _ in self._made())
        return self._count


def part(key: str, kind: Kind = "text", label: str | None = None) -> JsonObject:
    """One value of a row as a line of a cell, with a small label where it needs one."""
    return {"key": key, "kind": kind, "label": label}


def column(label: str, *parts: JsonObject) -> JsonObject:
    """A column: its heading and the values of the row it shows, one under the other."""
    return {"label": label, "parts": list(parts)}


def plain(label: str, key: str, kind: Kind = "text") -> JsonObject:
    """A column that shows one value."""
    return column(label, part(key, kind))


def table(
    name: str,
    caption: str,
    columns: Sequence[JsonObject],
    rows: Iterable[Mapping[str, JsonValue]] | Callable[[], Iterable[Mapping[str, JsonValue]]],
    *,
    wide: bool = False,
    group: str | None = None,
    within: str | None = None,
    empty: str = "None recorded.",
) -> Block:
    """A table; where it grows with the log, ``rows`` makes its rows each time they are asked for.

    ``within`` is a member whose value changes between rows that cannot share an id, so that few
    ids are remembered. A row keeps just the members that its columns show, so that no rendering
    tells more than another. ``group`` names the member whose changes begin a new group of rows;
    ``wide`` asks for a landscape page.
    """
    shown = [*_shown(columns), *([group] if group else [])]
    if callable(rows):
        made = rows
    else:
        held = [*rows]

        def made() -> Iterable[Mapping[str, JsonValue]]:
            return held

    return {
        "block": "table",
        "name": name,
        "caption": caption,
        "columns": list(columns),
        "rows": Rows(name, shown, made, within),
        "wide": wide,
        "group": group,
        "empty": empty,
    }


def facts(name: str, pairs: Iterable[tuple[str, JsonValue, Kind]]) -> JsonObject:
    """A list of labelled values; each is ``{label, value, kind}``."""
    return {
        "block": "facts",
        "name": name,
        "items": [{"label": label, "value": value, "kind": kind} for label, value, kind in pairs],
    }


def figure(name: str, kind: str, *, title: str, text: str, data: JsonObject) -> JsonObject:
    """A figure: what is drawn (``kind``), its numbers, its title and the same in words."""
    return {
        "block": "figure",
        "name": name,
        "kind": kind,
        "title": title,
        "text": text,
        "data": data,
    }


def note(text: str, *, tone: Tone = "plain") -> JsonObject:
    """A paragraph, or something the reader must not overlook."""
    return {"block": "note", "tone": tone, "text": text}


def steps(name: str, items: Iterable[tuple[str, str | None]]) -> JsonObject:
    """Numbered instructions, each with the command to type where there is one."""
    return {
        "block": "steps",
        "name": name,
        "items": [{"text": text, "command": command} for text, command in items],
    }


def verbatim(name: str, caption: str, text: str) -> JsonObject:
    """A text that must be read letter by letter, such as a signed note."""
    return {"block": "verbatim", "name": name, "caption": caption, "text": text}


def section(name: str, title: str, lead: str, *blocks: Block) -> Block:
    """A section with its anchor name, heading and one sentence on what it shows."""
    return {"id": name, "title": title, "lead": lead, "blocks": list(blocks)}


def _shown(columns: Sequence[JsonObject]) -> list[str]:
    return [
        str(one["key"])
        for entry in columns
        if isinstance(parts := entry["parts"], list)
        for one in parts
        if isinstance(one, dict)
    ]
