"""Where the rows of a report come from: stored projections at the head, a fresh fold before it."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from dataclasses import dataclass
from importlib import resources
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any, TypeAlias
from zoneinfo import ZoneInfo

from ledger.errors import RejectedInput, Unavailable
from ledger.log.entry import entry_hash
from ledger.log.tiles import node_fetcher
from ledger.log.tree import frontier_at
from ledger.rules.guards.closing import REVEALED
from ledger.rules.members import shapes, text
from ledger.storage.tree_reader import StoredTree
from ledger.vocabulary import vocabulary
from projections.enrolment import enrolment_view
from projections.folding import LogFold
from projections.kept import body_of
from projections.prefix import Prefix
from projections.report.basis import Basis, Head, Software
from projections.sections import deviation_order
from projections.times import holds_by, resolved

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from datetime import datetime

    from ledger.signing.strict_json import JsonObject
    from projections.reading import Projections, ReadableLedger

Rows: TypeAlias = "dict[str, dict[str, JsonObject]]"
"""Rows by projection, then by key."""

_TRIAL = "trial"
OVERSIGHT = (
    "refusals",
    "corrections",
    "voided",
    "late_entries",
    "unsigned",
    "stale_signatures",
    "personal_data",
)


READ = (
    "subject", "consent", "eligibility", "allocation", "product", "visits", "safety",
    "disposition", "deviations", "trial-deviations", "problems", "oversight", "register",
    "documents", "lots",
)  # fmt: skip
"""The projections whose rows a report holds; the audit trail's are only counted."""

_PAGE = 500


@dataclass(frozen=True, slots=True)
class Source:
    """The rows a report is made of, and how often each key signed."""

    rows: Rows
    signatures: list[JsonObject]


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a report is asked for: as of when, and whose replay it shows; None leaves it open."""

    as_of: datetime | None = None
    subject: str | None = None
    verification: Mapping[str, Any] | None = None


def read_basis(projections: Projections, ledger: ReadableLedger, wanted: Wanted) -> Basis:
    """Read all that a report rests on, all of it at one head.

    Raises RejectedInput when nothing was recorded by then or the subject named is not recorded.
    """
    size = (
        ledger.application.store.head().size
        if wanted.as_of is None
        else ledger.application.position_at(wanted.as_of)
    )
    if size == 0:
        raise RejectedInput(
            "report.before-the-trial", "Nothing was recorded by then; there is nothing to report."
        )
    source = _stored(projections, size) or _folded(projections, ledger, size)
    rows = source.rows
    head = _head(ledger, size)
    as_of = wanted.as_of or head.recorded_at
    zone = ZoneInfo(ledger.genesis.definition.protocol.sites[0].time_zone)
    sections = _sections(rows, as_of)
    deviations = _deviations(rows, as_of)
    replayed = replayed_subject(sections, deviations, wanted.subject)
    replay = projections.replay(replayed, known_at=size) if replayed is not None else None
    return Basis(
        genesis=ledger.genesis,
        definition=ledger.genesis.definition,
        zone=zone,
        as_of=as_of,
        head=head,
        vkey=ledger.genesis.vkey,
        software=own_software(),
        sections=sections,
        enrolment=enrolment_view(
            list(rows.get("disposition", {}).values()),
            ledger.genesis.definition.protocol,
            as_of,
        ),
        deviations=deviations,
        failed_rules=_failed(rows),
        register=rows.get("register", {}).get(_TRIAL, {}),
        documents=shapes(rows.get("documents", {}).get(_TRIAL, {}), "documents"),
        lots=[_at(body, as_of) for _, body in sorted(rows.get("lots", {}).items())],
        oversight=_oversight(rows),
        signatures={"counts": [*source.signatures]},
        replayed=replayed,
        replay=replay or {},
        verification=plain_json(wanted.verification),
        revelation=_revelation(ledger, size),
    )


def _revelation(ledger: ReadableLedger, size: int) -> JsonObject | None:
    """What was published when the list was opened, if that was before ``size``."""
    rows = ledger.application.stream("allocation/main")
    return next((row.data for row in rows if row.type == REVEALED and row.seq < size), None)


def plain_json(verification: Mapping[str, Any] | None) -> JsonObject | None:
    """A summary that may hold tuples and enumerations, as the JSON it will be."""
    if verification is None:
        return None
    found: JsonObject = json.loads(json.dumps(dict(verification)))
    return found


def _stored(projections: Projections, size: int) -> Source | None:
    """The stored rows, when they are those at ``size`` from beginning to end of the reading."""
    before = projections.store.place()
    if before.position != size:
        return None
    rows: Rows = {name: dict(_bodies(projections, name)) for name in READ}
    signatures = signature_counts(body for _, body in _bodies(projections, "audit"))
    return Source(rows, signatures) if projections.store.place() == before else None


def _bodies(projections: Projections, name: str) -> Iterator[tuple[str, JsonObject]]:
    after = ""
    while page := projections.store.rows(name, after=after, limit=_PAGE):
        yield from ((key, body_of(text)) for key, text in page)
        after = page[-1][0]


def _folded(projections: Projections, ledger: ReadableLedger, size: int) -> Source:
    """The rows at a position, folded from entry 0."""
    parked = {row.seq for row in projections.parked()}
    application = ledger.application
    fold = LogFold(ledger.genesis.definition, Prefix(application, 0, parked))
    records = [row for row in application.records(0, size) if row.seq not in parked]
    rows: Rows = {}
    for (projection, key), body in fold.take(records)[0].changed.items():
        if body is not None:
            rows.setdefault(projection, {})[key] = body
    return Source(rows, signature_counts(rows.get("audit", {}).values()))


def _head(ledger: ReadableLedger, size: int) -> Head:
    store = ledger.application.store
    last, covering = store.entry(size - 1), store.checkpoint_covering(size)
    if last is None or covering is None:
        raise Unavailable("report.no-head", "The head the report is about cannot be read.")
    second = store.entry(1) if size > 1 else None
    tree = node_fetcher(StoredTree(store.head().size, store))
    return Head(
        size=size,
        sha256=entry_hash(last),
        root=frontier_at(size, tree).root().hex(),
        recorded_at=ledger.application.record(size - 1).recorded_at,
        checkpoint=covering[1],
        checkpoint_size=covering[0],
        second_sha256=entry_hash(second) if second is not None else None,
    )


def own_software() -> Software:
    """The versions of this software and of its vocabulary."""
    try:
        own = version("trial-ledger")
    except PackageNotFoundError:
        own = "(not installed as a package)"
    data = resources.files("ledger.events").joinpath("vocabulary.json").read_bytes()
    return Software(own, len(vocabulary()), hashlib.sha256(data).hexdigest())


def _sections(rows: Rows, as_of: datetime) -> dict[str, JsonObject]:
    identified = rows.get("subject", {})
    names = ("subject", "consent", "eligibility", "allocation", "product", "visits", "safety")
    return {
        subject: {
            name: _at(rows[name][subject], as_of) for name in names if subject in rows.get(name, {})
        }
        for subject in sorted(identified)
    }


def _deviations(rows: Rows, as_of: datetime) -> list[JsonObject]:
    bodies = [*rows.get("deviations", {}).values(), *rows.get("trial-deviations", {}).values()]
    found = [dict(row) for body in bodies for row in shapes(body, "deviations")]
    return sorted((row for row in found if holds_by(row, as_of)), key=deviation_order)


def _failed(rows: Rows) -> list[JsonObject]:
    return [
        {"key": key, **row}
        for key, body in sorted(rows.get("problems", {}).items())
        for row in shapes(body, "problems")
    ]


def _oversight(rows: Rows) -> JsonObject:
    merged: JsonObject = {}
    for member in OVERSIGHT:
        found = [
            dict(row) for body in rows.get("oversight", {}).values() for row in shapes(body, member)
        ]
        merged[member] = [*sorted(found, key=in_log_order)]
    return merged


def signature_counts(audit: Iterable[JsonObject]) -> list[JsonObject]:
    """How often each key signed with which meaning in audit entries, and when first and last."""
    counts: Counter[tuple[str, ...]] = Counter()
    spans: dict[tuple[str, ...], tuple[str, str]] = {}
    names = ("name", "person", "kind", "kid", "meaning")
    for entry in audit:
        recorded = str(entry["recorded"])
        for block in shapes(entry, "signatures"):
            key = tuple(text(block, name) or "" for name in names)
            counts[key] += 1
            first, last = spans.get(key, (recorded, recorded))
            spans[key] = min(first, recorded), max(last, recorded)
    return [
        {
            **{name: value or None for name, value in zip(names, key, strict=True)},
            "count": counts[key],
            "first": spans[key][0],
            "last": spans[key][1],
        }
        for key in sorted(counts)
    ]


def replayed_subject(
    sections: Mapping[str, JsonObject], deviations: Iterable[JsonObject], named: str | None
) -> str | None:
    """The subject named, else the one with most deviations, the first of several by id."""
    if named is not None:
        if named not in sections:
            raise RejectedInput(
                "report.unknown-subject", f"Nothing is recorded of subject {named} by then."
            )
        return named
    counts = Counter(
        str(row["subject"])
        for row in deviations
        if row["standing"] == "deviation" and row["subject"] in sections
    )
    return min(sections, key=lambda subject: (-counts[subject], subject), default=None)


def _at(body: JsonObject, as_of: datetime) -> JsonObject:
    found = resolved(body, as_of)
    return found if isinstance(found, dict) else {}


def in_log_order(row: JsonObject) -> tuple[int, str]:
    """Sort key of rows: position, then field."""
    seq = row.get("seq")
    return (seq if isinstance(seq, int) else 0), str(row.get("field") or "")
