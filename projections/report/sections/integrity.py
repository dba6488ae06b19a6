"""Integrity: what was verified, the chain as a figure, and how to verify without us."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ledger.rules.members import shapes, text, texts, whole
from ledger.verification.kinds import CHECKED, Check
from projections.report.document import (
    column,
    facts,
    figure,
    note,
    part,
    plain,
    section,
    steps,
    table,
    verbatim,
)

if TYPE_CHECKING:
    from ledger.signing.strict_json import JsonObject, JsonValue
    from projections.report.basis import Basis, Row
    from projections.report.document import Block

_SHORT = 12

_OF_BUNDLES = frozenset((Check.MANIFEST, Check.DOSSIER))
"""Checks that a database has nothing to answer for."""

_ABOVE = {
    "storage": "The database file is whole, and its own refusals of changes are in place.",
    "schema": "Every payload is as its type's schema says.",
    "projections": "The stored projections are what a fresh fold over the log makes.",
}
"""Checks of the layers above the verifier's kernel; the summary lists their findings as text."""


def integrity(basis: Basis) -> Block:
    """What a verification found, or plainly that none was made (R-17, R-18)."""
    found = basis.verification
    blocks = [_strip(basis), _checkpoint(basis)]
    if found is None:
        blocks.append(
            note(
                "This report was made without a verification. Head, root and checkpoint are "
                "stated as the database gives them; whether every entry is intact is for "
                "trial-ledger verify to say.",
                tone="caution",
            )
        )
    else:
        blocks += _verified(found)
    return section(
        "integrity",
        "Integrity statement",
        "How the record is chained and signed, and what was checked of it for this report.",
        *blocks,
    )


def _strip(basis: Basis) -> Block:
    head = basis.head
    links: list[JsonValue] = [
        _link("Entry 0", ["trial.opened.v1", f"{basis.genesis.record.sha256[:_SHORT]}…"])
    ]
    if head.second_sha256 is not None:
        links.append(_link("Entry 1", ["names the hash of 0", f"{head.second_sha256[:_SHORT]}…"]))
    last = head.size - 1
    if last > 1:
        links.append(_link(f"Entry {last}", ["the head", f"{head.sha256[:_SHORT]}…"], gap=last > 2))
    links.append(
        _link("Checkpoint", [f"signed, size {head.checkpoint_size}", f"root {head.root[:_SHORT]}…"],
              final=True)
    )  # fmt: skip
    return figure(
        "chain",
        "strip",
        title="The hash chain from entry 0 to the signed checkpoint",
        text=f"{head.size} entries. Each names the SHA-256 of the one before; a tree over all of "
        "them has the root that the checkpoint signs.",
        data={"links": links},
    )


def _link(
    heading: str, lines: list[JsonValue], *, gap: bool = False, final: bool = False
) -> JsonObject:
    return {"heading": heading, "lines": lines, "gap": gap, "final": final}


def _checkpoint(basis: Basis) -> Block:
    return verbatim(
        "checkpoint",
        "The signed checkpoint (C2SP tlog-checkpoint in a signed note)",
        basis.head.checkpoint.rstrip("\n"),
    )


def _verified(found: Row) -> list[JsonObject]:
    status = text(found, "status") or "not stated"
    damage, doubtful = shapes(found, "findings"), shapes(found, "doubtful")
    blocks = [
        facts(
            "verification",
            [
                ("Result", status, "word"),
                ("Entries verified", whole(found, "size"), "number"),
                ("Head", text(found, "head"), "hash"),
                ("Root", text(found, "root"), "hash"),
                ("Damage found", len(damage), "number"),
                ("Records signed in doubt", len(doubtful), "number"),
                ("Sealed members without opening", whole(found, "withheld"), "number"),
            ],
        ),
        _checks(found, damage),
    ]
    if status != "sound":
        blocks.insert(0, note(f"The verification says: {status}.", tone="warning"))
    if found.get("internally_consistent_only") is True:
        blocks.append(
            note(
                "No root of trust was given to the verification: the log agrees with itself, "
                "which does not show whose log it is.",
                tone="caution",
            )
        )
    return [
        *blocks,
        _findings("damage", "Damage", damage),
        _findings("doubtful", "Signed by a key that may have been misused", doubtful),
        _findings("notices", "Notices", shapes(found, "notices")),
    ]


def _checks(found: Row, damage: tuple[Row, ...]) -> Block:
    done, left = texts(found, "checks_done"), texts(found, "not_checked")
    rows: list[JsonObject] = [
        {
            "id": check.label,
            "check": check.label,
            "holds": CHECKED[check],
            "done": check.label in done,
            "found": sum(1 for row in damage if _label(row) == check.label),
        }
        for check in Check
        if check not in _OF_BUNDLES or check.label in done
    ]
    for name, holds in _ABOVE.items():
        if isinstance(found.get(name), list):
            listed = texts(found, name)
            rows.append(
                {"id": name, "check": name, "holds": holds, "done": True, "found": len(listed)}
            )
    rows += [
        {"id": f"left/{name}", "check": name, "holds": None, "done": False, "found": None}
        for name in left
    ]
    return table(
        "verification-checks",
        "What was checked",
        [
            plain("Check", "check"),
            plain("What holds when nothing is found", "holds", "prose"),
            plain("Checked", "done", "flag"),
            plain("Findings", "found", "number"),
        ],
        rows,
    )


def _label(row: Row) -> str | None:
    number = whole(row, "check")
    return text(row, "check") if number is None else Check(number).label


def _findings(name: str, caption: str, rows: tuple[Row, ...]) -> Block:
    listed: list[JsonObject] = [
        {**row, "id": f"{row.get('code')}/{row.get('first')}/{number}", "check": _label(row)}
        for number, row in enumerate(rows, 1)
    ]
    return table(
        f"verification-{name}",
        caption,
        [
            column("Check", part("check", "word"), part("code", "code")),
            column("Entries", part("first", "number", "from"), part("last", "number", "to")),
            column("What", part("what", "prose"), part("subject"), part("event_id", "code")),
            column("Expected, found", part("expected", "prose"), part("found", "prose")),
            plain("What to do", "remedy", "prose"),
        ],
        listed,
        empty="None found.",
    )


def offline(basis: Basis) -> Block:
    """How a reader checks this report and its ledger on another machine (R-20)."""
    genesis, vkey = basis.genesis.record.sha256, basis.vkey
    return section(
        "offline",
        "How to verify this report offline",
        "Nothing here needs us, our server or a network. It needs the ledger's database or its "
        "bundle, and the root of trust from another hand.",
        steps(
            "offline-steps",
            [
                (_COMPARE, None),
                (
                    f"{_VERIFY} {basis.head.size} or larger.",
                    (
                        f"trial-ledger verify --database sqlite:///ledger.sqlite3 \\\n"
                        f"  --key '{vkey}' \\\n  --genesis {genesis}"
                    ),
                ),
                (_REPEAT, _again(basis)),
                (_FOLLOW, "sed -n 1p entries.jsonl | tr -d '\\n' | sha256sum"),
            ],
        ),
    )


_COMPARE = (
    "Have the log's verifier key and the SHA-256 of entry 0 from the sponsor by another way, and "
    "compare them with the certificate at the front."
)
_VERIFY = "Verify the ledger against that root of trust. It must say sound, with the size"
_REPEAT = (
    "Make the report again from the same ledger, as of the same instant, and compare the files: "
    "they must be the same bytes, when both were made with a verification or both without."
)
_FOLLOW = (
    "The chain alone can be followed with common tools: each line of the archive entries.jsonl is "
    "one entry, and its SHA-256 is the prev of the next."
)


def _again(basis: Basis) -> str:
    return "\n".join(
        (
            "trial-ledger report --database sqlite:///ledger.sqlite3 \\",
            f"  --as-of {_as_of(basis)} --format html > again.html",
            "sha256sum report.html again.html",
        )
    )


def _as_of(basis: Basis) -> str:
    return basis.as_of.isoformat().replace("+00:00", "Z")
