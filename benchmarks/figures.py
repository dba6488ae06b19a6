"""The figures asked for, in the order they are shown, with what each one means in plain words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.harness import Row

NAMES: Final = {"sqlite": "SQLite", "postgresql": "PostgreSQL", "bundle": "a file"}
"""How a database is called where people read."""

SECTIONS: Final[dict[str, dict[str, tuple[str, str]]]] = {
    "Taking statements in": {
        "single-16": (
            "Single statements, 16 senders",
            (
                "Sixteen sites each send one signed statement after the other and wait for the "
                "signed receipt; more is better."
            ),
        ),
        "latency-16": (
            "Slowest answers, 16 senders",
            "The time within which 99 of 100 of those statements are answered; less is better.",
        ),
        "single-64": ("Single statements, 64 senders", "The same with sixty-four senders."),
        "batch": (
            "Batches of 100",
            (
                "A site sends what has waited, a hundred signed statements at once; each is "
                "checked and answered by itself."
            ),
        ),
        "restore": (
            "A bundle restored",
            (
                "After a disaster the log is put back from a file that somebody else kept, and "
                "everything in it is verified before it is served."
            ),
        ),
    },
    "Verifying": {
        "verify-database": (
            "Every signature, by database",
            "Somebody who trusts nobody checks every signature and every link of the log.",
        ),
        "verify-bundle": (
            "Every signature, by bundle",
            "The same, offline, from the one file that is handed to an inspector.",
        ),
        "verify-url": (
            "Every signature, by URL",
            "The same over the network, on the two processors that also serve what is read.",
        ),
        "verify-whole": (
            "Signatures, schema, projections",
            (
                "The same, then every payload against its schema, and every page that is shown "
                "against the log."
            ),
        ),
        "integrity": (
            "Integrity only",
            "Only whether a byte was changed since the log signed it; no statement is looked into.",
        ),
    },
    "Showing": {
        "rebuild": (
            "All projections rebuilt",
            "Everything that is shown is thrown away and made again from the log.",
        ),
        "known-at": (
            "What was known of a subject",
            (
                "One subject as it stood at an earlier size of the log; little of the growth of "
                "the log may be felt."
            ),
        ),
        "audit-page": ("A page of the audit trail", "Fifty entries from the middle of the log."),
        "deviations-page": (
            "A page of deviations",
            "Twenty-five deviations, after the first so many.",
        ),
    },
    "Growing": {
        "receipt": (
            "A receipt",
            "The proof that an entry is in the log, from a large log and from a small one.",
        ),
        "ingest": (
            "Recording at the end",
            "The same statements recorded behind a large log and behind a small one.",
        ),
        "start": ("Start of the service", "From the command until it takes statements."),
        "memory-verify": ("Memory: verify", "The most that one of its processes ever holds."),
        "memory-rebuild": ("Memory: rebuild", "The same, making all projections again."),
        "memory-report": ("Memory: report", "The same, writing the audit report."),
        "memory-export": ("Memory: export", "The same, writing the evidence bundle."),
        "disk": (
            "Bytes on disk",
            (
                "What the database takes for an entry, indexes, proofs and openings included, "
                "against the entry's own bytes."
            ),
        ),
    },
}

REFERENCES: Final = (
    (
        "**A naive honest service**: what one would write in an afternoon, on the same database: "
        "Flask, marshmallow with our schemas, one verified signature, one chained durable commit a "
        "request, served by granian at the number of threads that suits it best "
        "(`benchmarks/naive.py`). It has no authority, no rules, no tree and no receipts."
    ),
    (
        "**Verifying, validating and inserting alone**: the least that must be done for a batch, "
        "on all processors, without HTTP, order or answer."
    ),
    (
        "**Raw verification on all cores**: Ed25519 signatures verified by `cryptography`, in "
        "threads, with nothing else done. Our verification asks libsodium first, which is faster; "
        "so the same figures stand beside libsodium's raw speed below, without a goal."
    ),
    (
        "**The same folds as the library's runner does it**: our own views, folded and stored by "
        "one event and one transaction at a time, as eventsourcing's runner would (which itself "
        "does not run on SQLite)."
    ),
    (
        "**The same at 1,000 or 10,000 entries**: our own work in a smaller log. Whatever grows "
        "with the log shows here."
    ),
)


def named(row: Row) -> str:
    """The short name of a row's work, its own words where it has none."""
    for section in SECTIONS.values():
        if row.key in section:
            return section[row.key][0]
    return row.work


def asked_for(rows: Sequence[Row], section: str) -> list[Row]:
    """The rows of a section that have a goal, in its order, a work's databases together."""
    order = list(SECTIONS[section])
    found = [row for row in rows if row.key in order and row.goal is not None]
    return sorted(found, key=lambda row: order.index(row.key))


def without_goal(rows: Sequence[Row]) -> list[Row]:
    """The rows that are there for comparison alone."""
    return [row for row in rows if row.goal is None]
