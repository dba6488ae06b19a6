"""The page ``docs/attacks.md``, made from the bench: ``python -m tests.attack.page`` writes it."""

from __future__ import annotations

from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ledger.verification.kinds import KINDS
from tests.attack.alteration import COMMANDS, Alteration, Target
from tests.attack.bench import ALTERATIONS
from tests.attack.silent import ALLOWED, OUTSIDE

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

PAGE: Final = Path(__file__).parents[2] / "docs" / "attacks.md"

_INTRODUCTION: Final = """\
# What is found when something was altered

Made from the attack bench in `tests/attack`; change it there, then `python -m tests.attack.page`.

This page is for whoever audits a ledger. Each row is an alteration that the tests make to a sound
ledger, by somebody with every right over its files, past all triggers; where it says *with the
log's keys*, also with the keys that sign checkpoints. Each must be named by its one finding, at
its place, with exit status 1 and with what to do. *Also seen* are findings of other checks that
look at the same damage from another side; the tests fail when anything else is accused. *Swell*
puts in what is too large to be read, *retype* a value of a type that no ledger writes. Beyond these
rows, a property test changes any value of any table and any byte of any issued file.

The first step is always the same: keep a copy of everything as it was found, then read the findings
from the top. `docs/formats/findings.md` lists every finding, `docs/operations.md` the ways back.
"""

_STEPS: Final = """\
## When the whole history is another one

Somebody with the log's keys can write a second history in which every hash and signature is right.
Nothing that lies beside it can tell; only what others hold can:

| who holds what | what shows it |
|---|---|
| the ledger's own head file, kept on another disk | `verify --database` (`head-file.rolled-back`, `head-file.forked`) |
| the ledger's own file of published checkpoints | `verify --database` (`published.rolled-back`, `published.root`) |
| a monitor with its state | `verify --url URL --state FILE` (`head-file.rolled-back`, `head-file.forked`) |
| a witness | it refuses to cosign what does not continue what it saw (409), and the service stops signing (`head.witness-holds-another`, `head.witness-knows-more`) |
| two witnesses that were shown two heads | their notes: of one size under one key with two roots, these two files are the proof |
| anybody with a checkpoint, a witness's note, an older bundle's checkpoint or a receipt | `verify --checkpoint FILE` of a database or bundle (`head-file.held-forked`, `head-file.held-rolled-back`) |

## A receipt said again

A receipt proves that one entry stands in the log under one signed checkpoint. A log only grows, so
an old receipt never becomes untrue, and a replayed one proves the same of the same entry and of
nothing else. How old it is shows in what `verify --receipt` prints: *under its signed checkpoint of
N entries*. The log's newest checkpoint says how many there are now. That a record was not corrected
or voided since, no receipt can say: ask for the audit trail, or for a dossier.
"""  # noqa: E501 - rows of a table

OTHERS: Final = {
    "storage.protection-missing": (
        "A part of the schema that keeps the log append-only is gone.",
        "Find out who took it away and what was changed since; compare with receipts others hold.",
    ),
    "storage.foreign-trigger": (
        "A trigger stands in the database that no ledger made.",
        "Find out who made it and what it changed, then drop it.",
    ),
    "projections.unreadable": (
        "Rows were changed, moved or put under a key that does not open them.",
        "If the log is sound, run `trial-ledger projections rebuild`.",
    ),
    "projections.changed": (
        "A folded row is not what the log gives.",
        "If the log is sound, run `trial-ledger projections rebuild`.",
    ),
    "projections.missing": (
        "A folded row is not there.",
        "If the log is sound, run `trial-ledger projections rebuild`.",
    ),
    "projections.surplus": (
        "A row is there that the log does not give.",
        "If the log is sound, run `trial-ledger projections rebuild`.",
    ),
    "signature.invalid": (
        "An entry of the access log is not as the ledger signed it.",
        "Keep the file as evidence; what stands before this entry is still proven by its chain.",
    ),
    "chain.seq": (
        "An entry of the access log is missing before this one.",
        "Keep the file as evidence; look for a copy.",
    ),
    "entry.columns": (
        "A column beside an entry of the access log does not say what the entry says.",
        "Rely on the entry; find out who altered the file.",
    ),
    "head.row": (
        "The access log does not end where its head row says.",
        "Keep the file as evidence; compare its end with the head file.",
    ),
    "checkpoint.link": (
        "A checkpoint of the access log is missing.",
        "The later ones cover the entries; find out who altered the file.",
    ),
    "head.file": (
        "The head file of the access log is missing.",
        "Put it back; without it a cut tail does not show.",
    ),
    "note.no-signatures": (
        "This is no signed note any more.",
        "Ask for the receipt again; in the access log, find out who altered the file.",
    ),
    "note.bad-signature": (
        "A checkpoint is not as the log signed it.",
        "Ask for the receipt again; for the access log's head file, put it back.",
    ),
    "inclusion.root-mismatch": (
        "The receipt does not prove this entry under this checkpoint.",
        "Nothing is proved. Ask the ledger for the receipt again, and keep both.",
    ),
    "inclusion.path-too-short": (
        "The path of the receipt is not one of a tree of this size.",
        "Nothing is proved. Ask the ledger for the receipt again, and keep both.",
    ),
}
"""What findings mean that the kernel's table does not hold: of the layers above, of receipts."""


def page() -> str:
    """The page's text."""
    parts = [_INTRODUCTION]
    for target, rows in groupby(ALTERATIONS, key=lambda row: row.target):
        parts.append(_section(target, list(rows)))
    parts += [_STEPS, _silent()]
    return "\n".join(parts)


def _section(target: Target, rows: Sequence[Alteration]) -> str:
    command = COMMANDS.get(target, "trial-ledger verify --database …")
    lines = [f"## {target}", "", f"`{command}`", ""]
    lines += ["| what is altered | how | finding | at | also seen |", "|---|---|---|---|---|"]
    lines += [_row(row) for row in rows]
    lines += ["", "| finding | what it means | what to do |", "|---|---|---|"]
    lines += [_meaning(code) for code in dict.fromkeys(row.code for row in rows)]
    return "\n".join([*lines, ""])


def _row(row: Alteration) -> str:
    keys = " (with the log's keys)" if row.key_needed else ""
    place = f"entry {row.place}" if isinstance(row.place, int) else _code(row.place)
    also = ", ".join(_code(code) for code in sorted(row.also))
    return f"| {row.what}{keys} | {row.kind} | {_code(row.code)} | {place} | {also} |"


def _code(text: str) -> str:
    return f"`{text}`" if text else ""


def _meaning(code: str) -> str:
    kind = KINDS.get(code)
    meaning, remedy = (kind.meaning, kind.remedy) if kind is not None else OTHERS[code]
    return f"| `{code}` | {meaning} | {remedy} |"


def _silent() -> str:
    lines = ["## What may be altered without damage being found", ""]
    lines += ["| what | why |", "|---|---|"]
    lines += _reasons((f"`{name}`", why) for name, why in ALLOWED.items())
    lines += _reasons(OUTSIDE)
    return "\n".join([*lines, ""])


def _reasons(found: Iterable[tuple[str, str]]) -> Iterator[str]:
    return (f"| {what} | {why} |" for what, why in found)


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8", newline="\n")
