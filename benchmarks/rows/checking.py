"""Verification and projections: whole programs, beside the raw primitives they stand on."""

from __future__ import annotations

import sqlite3
import time
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Final

from benchmarks.growing import grow
from benchmarks.harness import Bench, Goal, compare
from benchmarks.processes import run, run_module
from benchmarks.rows.primitives import verification
from ledger.storage.evidence import DatabaseEvidence
from ledger.verification.report import Status
from ledger.verification.run import verify
from projections.projector import Projector
from projections.reading import Projections, opened
from projections.store import ProjectionStore

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.founding import Founded

SITES: Final = 4
ENTRIES: Final = 30_000
FEW: Final = 2_000
RAW: Final = "raw verification on all cores"


def verifying(bench: Bench) -> None:
    """Every signature checked: by the program on the database, by the kernel on a bundle."""
    begin = datetime.now(UTC) - timedelta(days=300)
    grown = grow(bench.scratch / "verifying", sites=SITES, at=begin)
    entries = grown.to(_entries(bench))
    founded = grown.founded
    bundle = bench.scratch / "verifying.zip"
    run(["bundle", "--database", founded.url, "--out", str(bundle)])
    by_bundle = ("kernel verification of a bundle, every signature", 0.8)
    by_database = ("kernel verification of a database, every signature", 0.8)
    whole = ("verification of a database with schema and authority", 0.65)

    def kernel() -> float:
        return entries / run_module("ledger.verification", [str(bundle)]).seconds

    def database() -> float:
        return entries / _timed(lambda: _verified(founded))

    def program() -> float:
        return entries / run(["verify", "--database", founded.url]).seconds

    cases = {
        "kernel": kernel,
        "database": database,
        "program": program,
        "raw": verification(founded),
    }
    taken = compare(cases, rounds=bench.rounds if bench.quick else 3)
    for name, (work, goal) in (
        ("kernel", by_bundle),
        ("database", by_database),
        ("program", whole),
    ):
        bench.row(
            work, taken[name], unit="entries/s", against=(RAW, taken["raw"]), goal=Goal(ratio=goal)
        )


def integrity(bench: Bench) -> None:
    """Chain, tree and tiles alone, beside reading the rows and hashing each once."""
    begin = datetime.now(UTC) - timedelta(days=300)
    grown = grow(bench.scratch / "integrity", sites=SITES, at=begin)
    entries = grown.to(_entries(bench))
    founded = grown.founded

    def alone() -> float:
        return entries / _timed(lambda: _verified(founded, integrity_only=True))

    def scan() -> float:
        return entries / _timed(lambda: _scanned(founded))

    taken = compare({"alone": alone, "scan": scan}, rounds=bench.rounds)
    bench.row(
        "integrity only: chain, tree, tiles",
        taken["alone"],
        unit="entries/s",
        against=("raw scan and SHA-256", taken["scan"]),
        goal=Goal(ratio=0.6),
    )


def projecting(bench: Bench) -> None:
    """All projections rebuilt and stored, beside the same folds with a transaction an event."""
    begin = datetime.now(UTC) - timedelta(days=300)
    grown = grow(bench.scratch / "projecting", sites=SITES, at=begin)
    entries = grown.to(FEW // 2 if bench.quick else FEW)
    with opened(grown.founded.url) as log:
        projections = Projections(log)
        first = bench.scratch / "one-by-one"
        first.mkdir()
        count = iter(range(1_000))

        def pages() -> float:
            return entries / _timed(projections.rebuild)

        def one_by_one() -> float:
            store = ProjectionStore(first / f"{next(count)}.sqlite3", log.genesis.record.sha256)
            projector = Projector(log.application, log.genesis.definition, store, page=1)
            try:
                return entries / _timed(projector.rebuild)
            finally:
                store.close()

        cases = {"pages": pages, "one by one": one_by_one}
        taken = compare(cases, rounds=1 if bench.quick else 2)
        projections.close()
    bench.row(
        "all projections rebuilt and stored",
        taken["pages"],
        unit="entries/s",
        against=("the same folds, one event and one transaction at a time", taken["one by one"]),
        goal=Goal(ratio=10.0),
    )


def _verified(founded: Founded, *, integrity_only: bool = False) -> None:
    path = _database(founded)
    with DatabaseEvidence(path, head_file=founded.files.head) as source:
        report = verify(source, integrity_only=integrity_only)
    if report.status is not Status.SOUND:
        message = f"The ledger that was made is {report.status}: {report.findings[:1]}"
        raise RuntimeError(message)


def _scanned(founded: Founded) -> None:
    connection = sqlite3.connect(_database(founded))
    for (data,) in connection.execute("SELECT state FROM stored_events ORDER BY seq"):
        sha256(data).digest()
    connection.close()


def _database(founded: Founded) -> Path:
    return Path(founded.url.removeprefix("sqlite:///"))


def _entries(bench: Bench) -> int:
    return FEW if bench.quick else ENTRIES


def _timed(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began
