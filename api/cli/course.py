"""The course of one subject as lines a person can read on a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.table import Table
from rich.text import Text

from api.cli.options import counted

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rich.console import Console

_LATE_SECONDS = 86_400
_LONGEST = 160


def print_course(console: Console, found: Mapping[str, Any]) -> None:
    """Print a replay: who the subject is, then event by event in order of occurrence."""
    header = found["header"]
    about = [header.get("sex"), _age(header.get("age_at_consent")), header.get("state")]
    console.print(f"[bold]{header['subject']}[/bold]  " + ", ".join(str(a) for a in about if a))
    head = found["head"]
    console.print(
        f"As of {head['as_of']}, from the first {counted(head['size'], 'entry', 'entries')}. "
        f"Times are local ({header['time_zone']}).\n"
    )
    table = Table("occurred", "recorded", "seq", "event", "by", box=None, pad_edge=False)
    for event in found["timeline"]:
        table.add_row(
            _minute(event["occurred_local"]),
            _recorded(event),
            str(event["seq"]),
            _told(event),
            _by(event),
        )
    console.print(table)


def _told(event: Mapping[str, Any]) -> Text:
    text = Text(event["type"].rsplit(".", 1)[0])
    content = "; ".join(f"{name}: {_plain(value)}" for name, value in event["content"].items())
    if content:
        text.append(f"\n{content[:_LONGEST]}{'…' if len(content) > _LONGEST else ''}", "dim")
    for line in _remarks(event):
        text.append(f"\n{line}", "bold")
    return text


def _remarks(event: Mapping[str, Any]) -> list[str]:
    found = []
    if event["status"] != "in effect":
        found.append(str(event["status"]))
    found += [f"corrected at {c.get('seq', '?')}" for c in event["corrections"]]
    if event["unsigned"]:
        found.append("not signed by a person yet")
    found += [
        f"{d.get('rule', '')} {d.get('standing', '')}: {d.get('message', '')}".strip()
        for d in event["deviations"]
    ]
    if event["state"]:
        change = event["state"]
        found.append(f"{change['from'] or '—'} → {change['to']}")
    return found


def _recorded(event: Mapping[str, Any]) -> str:
    late = " late" if event["lag_seconds"] > _LATE_SECONDS else ""
    return _minute(event["recorded_local"]) + late


def _by(event: Mapping[str, Any]) -> str:
    signers = [
        f"{s['name']}" + (f" ({s['meaning']})" if s["meaning"] else "") for s in event["signatures"]
    ]
    return "\n".join(signers)


def _minute(text: str) -> str:
    return text[:16].replace("T", " ")


def _age(years: object) -> str | None:
    return None if years is None else f"{years} years at consent"


def _plain(value: object) -> str:
    if isinstance(value, dict):
        if set(value) == {"unit", "value"}:
            return f"{value['value']} {value['unit']}"
        return " ".join(_plain(part) for part in value.values())
    if isinstance(value, list):
        return ", ".join(_plain(part) for part in value)
    return "yes" if value is True else "no" if value is False else str(value)
