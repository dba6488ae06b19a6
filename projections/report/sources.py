"""Where the rows of a report come from: stored projections at the head, a fresh fold before it.

Either way they are put aside once (``projections.report.taken``), and drawn from there.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import partial
from importlib import resources
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any, Final
from zoneinfo import ZoneInfo

from ledger.errors import RejectedInput, Unavailable
from ledger.log.entry import entry_hash
from ledger.log.tiles import node_fetcher
from ledger.log.tree import frontier_at
from ledger.rules.guards.closing import REVEALED
from ledger.rules.members import shapes
from ledger.storage.tree_reader import StoredTree
from ledger.vocabulary import vocabulary
from projections.folding import LogFold
from projections.kept import body_of
from projections.prefix import Prefix
from projections.report.aside import Aside
from projections.report.basis import Basis, Head, Software
from projections.report.taken import DEVIATIONS, OVERSIGHT, PROBLEMS, Taken

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from datetime import datetime

    from ledger.signing.strict_json import JsonObject
    from projections.reading import Projections, ReadableLedger
    from projections.report.basis import Row, Sections

_PAGE: Final = 500


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a report is asked for: as of when, and whose replay it shows; None leaves it open."""

    as_of: datetime | None = None
    subject: str | None = None
    verification: Mapping[str, Any] | None = None


@contextmanager
def read_basis(projections: Projections, ledger: ReadableLedger, wanted: Wanted) -> Iterator[Basis]:
    """Read all that a report rests on, all of it at one head; its rows lie aside till the end.

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
    head = _head(ledger, size)
    with Taken(ledger.genesis.definition.protocol, wanted.as_of or head.recorded_at) as taken:
        if not _stored(taken, projections, size):
            _folded(taken, projections, ledger, size)
        yield _basis(taken, projections, ledger, wanted, head)


def _basis(
    taken: Taken, projections: Projections, ledger: ReadableLedger, wanted: Wanted, head: Head
) -> Basis:
    replayed = named_or_most(taken.sections, taken.deviating, wanted.subject)
    replay = projections.replay(replayed, known_at=head.size) if replayed is not None else None
    aside, genesis = taken.aside, ledger.genesis
    return Basis(
        genesis=genesis,
        definition=genesis.definition,
        zone=ZoneInfo(genesis.definition.protocol.sites[0].time_zone),
        as_of=taken.as_of,
        head=head,
        vkey=genesis.vkey,
        software=own_software(),
        sections=taken.sections,
        enrolment=taken.enrolment,
        deviations=aside.listing(DEVIATIONS),
        failed_rules=aside.listing(PROBLEMS),
        register=taken.register,
        documents=shapes(taken.documents, "documents"),
        lots=taken.lots,
        oversight={member: aside.listing(member) for member in OVERSIGHT},
        signatures={"counts": [*taken.signatures.listed()]},
        replayed=replayed,
        replay=replay or {},
        verification=plain_json(wanted.verification),
        revelation=_revelation(ledger, head.size),
        allocations=aside.listing("allocations"),
        unblindings=aside.listing("unblindings"),
        findings=taken.findings,
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


def _stored(taken: Taken, projections: Projections, size: int) -> bool:
    """Take the stored rows; whether they are those at ``size`` from beginning to end of it."""
    before = projections.store.place()
    if before.position != size:
        return False
    for _, entry in _bodies(projections, "audit"):
        taken.signatures.take(entry)
    taken.take(partial(_bodies, projections))
    if projections.store.place() == before:
        return True
    taken.clear()
    return False


def _bodies(projections: Projections, name: str) -> Iterator[tuple[str, JsonObject]]:
    after = ""
    while page := projections.store.rows(name, after=after, limit=_PAGE):
        yield from ((key, body_of(text)) for key, text in page)
        after = page[-1][0]


def _folded(taken: Taken, projections: Projections, ledger: ReadableLedger, size: int) -> None:
    """Take the rows at a position, folded from entry 0 a page at a time."""
    parked = {row.seq for row in projections.parked()}
    prefix = Prefix(ledger.application, 0, parked, cached=False)
    with closing(Aside()) as folded:
        fold = LogFold(ledger.genesis.definition, prefix, folded)
        for start in range(0, size, _PAGE):
            page = ledger.application.records(start, min(start + _PAGE, size))
            rows = fold.take([row for row in page if row.seq not in parked])[0]
            for (projection, key), text in rows.texts().items():
                if projection == "audit":
                    taken.signatures.take(rows.changed[projection, key] or {})
                else:
                    folded.put_texts([(projection, key, text)])
        taken.take(folded.rows)


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


def replayed_subject(
    sections: Sections, deviations: Iterable[Row], named: str | None
) -> str | None:
    """The subject named, else the one with most deviations, the first of several by id."""
    counts = Counter(
        str(row["subject"])
        for row in deviations
        if row["standing"] == "deviation" and row["subject"] in sections
    )
    return named_or_most(sections, counts, named)


def named_or_most(
    sections: Sections, deviating: Mapping[str, int], named: str | None
) -> str | None:
    """The subject named, else the one with most deviations as they were counted.

    Raises RejectedInput ``report.unknown-subject``.
    """
    if named is not None:
        if named not in sections:
            raise RejectedInput(
                "report.unknown-subject", f"Nothing is recorded of subject {named} by then."
            )
        return named
    return min(sections, key=lambda name: (-deviating.get(name, 0), name), default=None)
