"""The report as a document: sections of blocks, in plain JSON, before anyone draws it.

Every renderer reads this one form, so that a person's copy and a machine's copy hold the same
rows (R-14, R-19). A section is ``{id, title, lead, blocks}``; a block is ``{block, …}`` with
``block`` one of ``facts``, ``table``, ``figure``, ``note``, ``steps``, ``verbatim``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

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
    rows: Iterable[Mapping[str, JsonValue]],
    *,
    wide: bool = False,
    group: str | None = None,
    empty: str = "None recorded.",
) -> JsonObject:
    """A table; each row gets an ``id`` that is unique in the report and stable over runs.

    A row keeps just the members that its columns show, so that no rendering tells more than
    another. ``group`` names the member whose changes begin a new group of rows; ``wide`` asks
    for a landscape page.
    """
    shown = [*_shown(columns), *([group] if group else [])]
    kept: list[JsonValue] = []
    seen: dict[str, int] = {}
    for row in rows:
        own = str(row.get("id") or row.get("event") or row.get("subject") or len(kept) + 1)
        seen[own] = seen.get(own, 0) + 1
        row_id = f"{name}:{own}" if seen[own] == 1 else f"{name}:{own}:{seen[own]}"
        kept.append({**{key: row.get(key) for key in shown}, "id": row_id})
    return {
        "block": "table",
        "name": name,
        "caption": caption,
        "columns": list(columns),
        "rows": kept,
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


def section(name: str, title: str, lead: str, *blocks: JsonObject) -> JsonObject:
    """A section with its anchor name, heading and one sentence on what it shows."""
    return {"id": name, "title": title, "lead": lead, "blocks": list(blocks)}


def tables(document: JsonObject) -> list[JsonObject]:
    """All tables of a document, in order."""
    return [block for block in blocks(document) if block["block"] == "table"]


def blocks(document: JsonObject) -> list[JsonObject]:
    """All blocks of a document, in order."""
    found = document["sections"]
    return [
        block
        for one in (found if isinstance(found, list) else [])
        if isinstance(one, dict) and isinstance(one["blocks"], list)
        for block in one["blocks"]
        if isinstance(block, dict)
    ]


def _shown(columns: Sequence[JsonObject]) -> list[str]:
    return [
        str(one["key"])
        for entry in columns
        if isinstance(parts := entry["parts"], list)
        for one in parts
        if isinstance(one, dict)
    ]
