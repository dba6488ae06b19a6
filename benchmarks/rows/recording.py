"""Recording without HTTP: a bundle restored, statements decided, and what others do with them."""

from __future__ import annotations

import itertools
import shutil
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Final

from auditchain import SqliteBackend, generate_keypair
from auditchain.sync import SyncAuditLog
from eventsourcing.persistence import StoredEvent
from eventsourcing.postgres import PostgresApplicationRecorder, PostgresDatastore
from eventsourcing.sqlite import SQLiteApplicationRecorder, SQLiteDatastore

from benchmarks.founding import found
from benchmarks.growing import GROUP, Feed, feeding, record_groups
from benchmarks.harness import Bench, Goal, Sample, compare, per_second
from benchmarks.processes import run
from benchmarks.rows.primitives import beside_raw, processors, statements, verification
from benchmarks.stage import SQLITE, yesterday
from ledger.service import LedgerFiles
from ledger.storage.backup import Backup, read_backup, write_backup
from ledger.storage.database import Database
from ledger.storage.restoring import restore
from ledger.storage.supplies import BundleSupply
from ledger.verification.bundle import BundleEvidence

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from benchmarks.stage import Stage, Standing
    from ledger.service import TrialLedger

SITES: Final = 4
APART: Final = (".kek", ".allocation.kek", ".concealed")
"""The keys of what is concealed, which are never in a backup."""

_LIBRARY: Final = "eventsourcing's own recorder, which stores and checks nothing"
_AUDITCHAIN: Final = "auditchain, which chains and signs and checks no sender"


def importing(bench: Bench, stage: Stage) -> None:
    """A small backup and a bundle of everything since, made one verified ledger again."""
    tiny, middle = (stage.at(SQLITE, n) for n in (stage.sizes.tiny, stage.sizes.middle))
    backup = _backup(bench, tiny)
    bundle = bench.scratch / "importing.zip"
    run(["bundle", *middle.founded.arguments, "--out", str(bundle)])
    numbers = itertools.count()

    def restored(engine: str) -> Callable[[], float]:
        def once() -> None:
            directory = bench.scratch / f"restored-{next(numbers)}"
            directory.mkdir(mode=0o700)
            url = f"sqlite:///{directory / 'ledger.sqlite3'}"
            if engine != SQLITE and stage.server is not None:
                url = stage.server.create()
            _restore(backup, bundle, Database.parse(url, files=directory), middle)

        return per_second(middle.entries - backup.size, once)

    cases = {engine: restored(engine) for engine in stage.engines}
    taken = compare({**cases, **verification(middle.founded)}, rounds=bench.few)
    about = ("restore", "a bundle restored without HTTP, everything checked")
    for engine in stage.engines:
        beside_raw(
            bench, about, taken, engine,
            unit="entries/s", goal=Goal(ratio=0.4), database=engine,
        )  # fmt: skip


def _backup(bench: Bench, standing: Standing) -> Backup:
    founded, out = standing.founded, bench.scratch / "backup"
    write_backup(
        founded.database, founded.files, out,
        now=yesterday(), software="benchmark", secrets=True,
    )  # fmt: skip
    return read_backup(out)


def _restore(backup: Backup, bundle: Path, database: Database, whole: Standing) -> None:
    kept = whole.founded.database.place
    for suffix in APART:
        source = kept.with_name(kept.name + suffix)
        shutil.copy(source, database.place.with_name(database.place.name + suffix))
    with BundleEvidence(bundle) as evidence:
        done = restore(
            backup, database, LedgerFiles.of(database), supplies=[BundleSupply(evidence)]
        )
    if done.refusal is not None or done.report.size != whole.entries:
        raise RuntimeError(f"Only {done.report.size} entries came back: {done.refusal}")


def recording(bench: Bench, stage: Stage) -> None:
    """Statements decided and recorded in groups, beside raw verification and beside others."""
    for engine in stage.engines:
        begin = yesterday()
        founded = found(bench.scratch / f"recording-{engine}", sites=SITES, at=begin)
        placed = founded if engine == SQLITE else stage.fresh(founded)
        count = GROUP if bench.quick else 8 * GROUP
        texts = statements(founded, count)
        with (
            feeding(SITES, begin=begin) as feed,
            placed.open() as ledger,
            ThreadPoolExecutor(processors()) as pool,
        ):
            cases = {"ours": _ours(ledger, feed, pool, count), **verification(founded)}
            cases[_LIBRARY] = _library(bench, stage, engine, texts)
            if engine == SQLITE:
                cases[_AUDITCHAIN] = _chained(bench, texts)
            taken = compare(cases, rounds=bench.rounds)
        _tell(bench, engine, taken)


def _ours(
    ledger: TrialLedger, feed: Feed, pool: ThreadPoolExecutor, count: int
) -> Callable[[], float]:
    def case() -> float:
        offered = feed.take(count)
        return per_second(count, lambda: record_groups(ledger, offered, pool))()

    return case


def _tell(bench: Bench, engine: str, taken: dict[str, Sample]) -> None:
    work = "statements checked, decided and recorded without HTTP, groups of 500"
    beside_raw(bench, ("recorded", work), taken, "ours", unit="statements/s", database=engine)
    for key, reference in (
        ("recorded-library", _LIBRARY),
        ("recorded-auditchain", _AUDITCHAIN),
    ):
        if reference in taken:
            bench.row(
                key,
                work,
                taken["ours"],
                unit="statements/s",
                against=(reference, taken[reference]),
                database=engine,
            )


def _library(bench: Bench, stage: Stage, engine: str, texts: Sequence[str]) -> Callable[[], float]:
    """The bare library: the same texts as stored events, a transaction a group."""
    numbers = itertools.count()
    rows = [
        StoredEvent(f"subject/{n // 40}", n % 40, "benchmark", text.encode())
        for n, text in enumerate(texts)
    ]

    def case() -> float:
        if engine == SQLITE or stage.server is None:
            path = bench.scratch / f"library-{next(numbers)}.sqlite3"
            kept = SQLiteDatastore(str(path), originator_id_type="text")
            recorder = SQLiteApplicationRecorder(kept)
            recorder.create_table()
            rate = per_second(len(rows), lambda: _insert(recorder, rows))()
            kept.close()
            return rate
        named = Database.parse(stage.server.create()).settings
        store = PostgresDatastore(
            named["dbname"], named["host"], named["port"], named["user"],
            named.get("password", ""), originator_id_type="text",
        )  # fmt: skip
        with store:
            served = PostgresApplicationRecorder(store)
            served.create_table()
            return per_second(len(rows), lambda: _insert(served, rows))()

    return case


def _insert(
    recorder: SQLiteApplicationRecorder | PostgresApplicationRecorder, rows: Sequence[StoredEvent]
) -> None:
    for start in range(0, len(rows), GROUP):
        recorder.insert_events(rows[start : start + GROUP])


def _chained(bench: Bench, texts: Sequence[str]) -> Callable[[], float]:
    """The audit chain of PyPI: the same texts as records that it signs itself."""
    numbers = itertools.count()

    def case() -> float:
        log = chain_log(bench.scratch / f"auditchain-{next(numbers)}.sqlite3")
        rate = per_second(len(texts), lambda: append_all(log, texts))()
        log.close()
        return rate

    return case


def chain_log(path: Path) -> SyncAuditLog:
    """A new log of auditchain in an SQLite file, signing with Ed25519."""
    return SyncAuditLog(SqliteBackend(str(path)), signing_key=generate_keypair()[0])


def append_all(log: SyncAuditLog, texts: Sequence[str]) -> None:
    """Append texts to a log of auditchain, in groups as ours are."""
    for start in range(0, len(texts), GROUP):
        group = texts[start : start + GROUP]
        log.append_many([("edc", "record", "SY01", {"statement": text}) for text in group])
