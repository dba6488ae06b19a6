"""What the commands say of an altered ledger: exit status and findings, read as a machine would."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from click.testing import CliRunner

from api.cli import cli

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_LINE = re.compile(
    r"(?P<code>[a-z-]+\.[a-z-]+) at (?P<place>.*?)(?: \((?P<field>.*?)\))?: (?P<what>.*)",
    re.DOTALL,
)
_LAYERS = ("storage", "schema", "projections", "timestamps")


@dataclass(frozen=True, slots=True)
class Named:
    """One finding: its code, its range of positions, the artefact, and what to do."""

    code: str
    first: int | None
    last: int | None
    artefact: str
    remedy: str

    def covers(self, place: int | str) -> bool:
        """Whether it is about a position, or names an artefact."""
        if isinstance(place, str):
            return place in self.artefact
        return self.first is not None and self.first <= place <= (self.last or self.first)


@dataclass(frozen=True, slots=True)
class Seen:
    """A command's exit status, its findings in order, what it noted beside them, its output."""

    status: int
    findings: tuple[Named, ...]
    notices: tuple[Named, ...]
    output: str

    @property
    def codes(self) -> list[str]:
        """The codes of the findings, each once."""
        return list(dict.fromkeys(one.code for one in self.findings))

    def of(self, code: str) -> list[Named]:
        """The findings under a code."""
        return [one for one in self.findings if one.code == code]


def verified(*arguments: str) -> Seen:
    """What ``trial-ledger verify`` with these arguments says."""
    status, value = _run("verify", *arguments, "--json")
    found = [_finding(one) for one in value.get("findings", ())]
    for layer in _LAYERS:
        found += [_line(text) for text in value.get(layer) or ()]
    noted = [_finding(one) for name in ("notices", "doubtful") for one in value.get(name, ())]
    return Seen(status, tuple(found), tuple(noted), json.dumps(value)[:4_000])


def proved(*arguments: str) -> Seen:
    """What ``trial-ledger verify --receipt`` says: one reason at most."""
    status, value = _run("verify", *arguments, "--json")
    code = value.get("code")
    found = [] if code is None else [Named(code, None, None, "receipt", value["detail"])]
    return Seen(status, tuple(found), (), json.dumps(value))


def audited(*arguments: str) -> Seen:
    """What ``trial-ledger access-log verify`` says."""
    status, value = _run("access-log", "verify", *arguments, "--json")
    found = tuple(
        Named(one["code"], one["seq"], one["seq"], one["message"], one["message"])
        for one in value.get("flaws", ())
    )
    return Seen(status, found, (), json.dumps(value)[:4_000])


def _run(*arguments: str) -> tuple[int, dict[str, Any]]:
    outcome = CliRunner().invoke(cli, arguments)
    if outcome.exception is not None and not isinstance(outcome.exception, SystemExit):
        raise outcome.exception
    text = outcome.stdout
    return outcome.exit_code, json.loads(text) if text.startswith("{") else {
        "obstacle": outcome.output
    }


def _finding(one: dict[str, Any]) -> Named:
    names = (one["field"], one["subject"], one["event_id"])
    artefact = ", ".join(name for name in names if name)
    return Named(one["code"], one["first"], one["last"], artefact, one["remedy"])


def _line(text: str) -> Named:
    match = _LINE.fullmatch(text)
    if match is None:
        raise AssertionError(f"This is no line of a finding: {text}")
    artefact = ", ".join(part for part in (match["place"], match["field"]) if part)
    return Named(match["code"], None, None, artefact, match["what"])


def named_in(seen: Sequence[Named], codes: Sequence[str]) -> Iterator[Named]:
    """The findings under any of some codes."""
    return (one for one in seen if one.code in codes)
