"""Recording without HTTP: ours, the library's bare recorder, auditchain, and raw insertion."""

from __future__ import annotations

import itertools
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from auditchain import SqliteBackend, generate_keypair
from auditchain.sync import SyncAuditLog
from eventsourcing.persistence import StoredEvent
from eventsourcing.sqlite import SQLiteApplicationRecorder, SQLiteDatastore

from benchmarks.founding import found
from benchmarks.harness import Bench, Goal, compare
from benchmarks.life import load
from benchmarks.rows.primitives import insertion, processors, statements, verification
from ledger.errors import LedgerError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from benchmarks.life import Offered
    from ledger.recording.submission import Submission
    from ledger.service import TrialLedger

GROUP: Final = 500
SITES: Final = 4


def importing(bench: Bench) -> None:
    """Statements decided and recorded in groups, every check on, beside raw verification."""
    begin = datetime.now(UTC) - timedelta(days=1)
    founded = found(bench.scratch / "importing", sites=SITES, at=begin)
    source = load(founded.sites, subjects=1_000_000, begin=begin)
    count = 2_000 if bench.quick else 6_000
    with founded.open() as ledger, ThreadPoolExecutor(processors()) as pool:

        def ours() -> float:
            offered = list(itertools.islice(source, count))
            return rate_of(ledger, offered, pool)

        taken = compare({"ours": ours, "raw": verification(founded)}, rounds=bench.rounds)
    bench.row(
        "statements decided and recorded without HTTP, groups of 500",
        taken["ours"],
        unit="statements/s",
        against=("raw verification on all cores", taken["raw"]),
        goal=Goal(ratio=0.4),
    )


def storing(bench: Bench) -> None:
    """The same statements stored by others: how much of a raw insertion each reaches."""
    begin = datetime.now(UTC) - timedelta(days=1)
    founded = found(bench.scratch / "storing", sites=1, at=begin)
    texts = statements(founded, 1_000 if bench.quick else 4_000)
    directory, count = bench.scratch / "storing", itertools.count()

    def raw() -> float:
        return len(texts) / insertion(directory / f"raw-{next(count)}.sqlite3", texts)

    def library() -> float:
        datastore = SQLiteDatastore(str(directory / f"library-{next(count)}.sqlite3"))
        recorder = SQLiteApplicationRecorder(datastore)
        recorder.create_table()
        rows = [
            StoredEvent(f"subject/{n // 40}", n % 40, "benchmark", text.encode())
            for n, text in enumerate(texts)
        ]
        began = time.perf_counter()
        for start in range(0, len(rows), 100):
            recorder.insert_events(rows[start : start + 100])
        took = time.perf_counter() - began
        datastore.close()
        return len(rows) / took

    def auditchain() -> float:
        log = SyncAuditLog(
            SqliteBackend(str(directory / f"auditchain-{next(count)}.sqlite3")),
            signing_key=generate_keypair()[0],
        )
        began = time.perf_counter()
        for start in range(0, len(texts), 100):
            log.append_many(
                [("edc", "record", "SY01", {"statement": t}) for t in texts[start : start + 100]]
            )
        return len(texts) / (time.perf_counter() - began)

    cases = {"raw": raw, "library": library, "auditchain": auditchain}
    taken = compare(cases, rounds=bench.rounds)
    for name, work in (
        ("library", "statements stored by the bare eventsourcing recorder, by hundreds"),
        ("auditchain", "statements chained and signed by auditchain, by hundreds"),
    ):
        bench.row(
            work,
            taken[name],
            unit="statements/s",
            against=("raw insertion by hundreds", taken["raw"]),
            goal=Goal(ratio=None),
        )


def rate_of(ledger: TrialLedger, offered: Sequence[Offered], pool: ThreadPoolExecutor) -> float:
    """How many statements a second the ledger takes in, in groups; raises what it turns away."""
    began = time.perf_counter()
    groups = [offered[at : at + GROUP] for at in range(0, len(offered), GROUP)]
    for group, received in _received(ledger, groups, pool):
        for answer in ledger.submit_all(received, group[-1].at):
            if isinstance(answer, LedgerError):
                raise answer
    return len(offered) / (time.perf_counter() - began)


def _received(
    ledger: TrialLedger, groups: Sequence[Sequence[Offered]], pool: ThreadPoolExecutor
) -> Iterator[tuple[Sequence[Offered], list[Submission]]]:
    """Each group with its submissions; the next group is verified while one is recorded."""

    def receive(offered: Offered) -> Submission:
        return ledger.receive(offered.event.text, offered.event.disclosures)

    ahead = [(group, pool.map(receive, group)) for group in groups[:1]]
    for following in [*groups[1:], None]:
        group, coming = ahead.pop()
        received = list(coming)
        if following is not None:
            ahead.append((following, pool.map(receive, following)))
        yield group, received
