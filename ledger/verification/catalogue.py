"""The page of findings: ``docs/formats/findings.md``, made from `ledger.verification.kinds`."""

from __future__ import annotations

from ledger.verification.kinds import CHECKED, KINDS, Check

_INTRODUCTION = """\
# Findings

Made from `ledger/verification/kinds.py`; change it there.

A verification reads everything stored once and lists **all** it finds. A finding has: `code`
(below), `check`, `first` and `last` (positions in the log, both included; none for an artefact
without one), `what`, `expected`, `found`, `remedy`, and where known `event_id`, `subject` (the
stream) and `field` (column, member or artefact). Neighbours of one kind are one finding; beyond
1,000 findings further ones are counted, not listed.

The report also states `size`, `head` (SHA-256 of the last entry) and `root` of the log as read,
`last_good`: the size of the last checkpoint before the first entry that is not as it was signed.
What that checkpoint covers stays provable, whatever happened behind it. *Doubtful* entries and
*notices* are named apart: nothing is damaged there. `not_checked` names what was left out; without
a root of trust the report says "internally consistent only".

`reasons` says why each of `not_checked` was left out. `publication` says what was published of the
log: how many checkpoints, the newest, the newest with the policy's quorum and who is missing there,
how many lines of unknown witnesses, how many time stamps.

`trial-ledger verify` adds lines of the layers above in the same manner: `storage.file` (SQLite's
own integrity check), `storage.protection-missing`, `storage.protection-altered` and
`storage.foreign-trigger` (the schema that keeps the log append-only), `schema.invalid` (payloads)
and the differences of the projections; with `--tsa-certificates` also `timestamps.untrusted`,
`timestamps.authority` and `timestamps.refused` (the authority's signature under a time stamp that
the kernel finds nothing wrong with). All of them are damage.

One damage is often seen by several checks. Where they name different ranges, the narrowest is the
place; results that stand behind an altered request are named because their hash no longer fits.
"""


def page() -> str:
    """The whole page."""
    lines = [_INTRODUCTION]
    for check in Check:
        lines += [f"## {check.value}. {check.label}", "", CHECKED[check], ""]
        lines += ["| code | meaning | what to do |", "|---|---|---|"]
        for kind in KINDS.values():
            if kind.check is check:
                notice = " *Notice.*" if kind.harmless else ""
                lines.append(f"| `{kind.code}` | {kind.meaning}{notice} | {kind.remedy} |")
        lines.append("")
    return "\n".join(lines).rstrip("\n") + "\n"
