"""Verification and projections, beside the raw primitives that they stand on."""

from __future__ import annotations

import itertools
import sqlite3
from hashlib import sha256
from typing import TYPE_CHECKING, Final

import psycopg

from api.cli.examining import examine
from api.monitor import verify_url
from benchmarks.harness import Bench, Goal, Sample, compare, per_second
from benchmarks.life import TRIAL
from benchmarks.processes import run
from benchmarks.rows.primitives import beside_raw, statements, verification
from benchmarks.rows.recording import append_all, chain_log
from benchmarks.servers import ours
from benchmarks.stage import SQLITE
from ledger.storage.database import Engine
from ledger.storage.open_evidence import open_evidence
from ledger.verification.bundle import verify_bundle
from ledger.verification.report import Status
from ledger.verification.run import verify
from projections.projector import Projector
from projections.reading import Projections, opened
from projections.store import ProjectionStore

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.founding import Founded
    from benchmarks.stage import Stage
    from ledger.verification.report import VerificationReport
    from projections.reading import OpenedLog

EVERY: Final = Goal(ratio=0.8)
WHOLE: Final = Goal(ratio=0.65)
_AUDITCHAIN: Final = "auditchain's verification of as many records"
_SCAN: Final = "reading and hashing each entry once"
_LOOP: Final = "the same folds as the library's runner does it: an event, a transaction"


def verifying(bench: Bench, stage: Stage) -> None:
    """Every signature checked, by database, bundle and network; then everything there is."""
    middle = {engine: stage.at(engine, stage.sizes.middle) for engine in stage.engines}
    entries, founded = middle[SQLITE].entries, middle[SQLITE].founded
    bundle = bench.scratch / "verifying.zip"
    run(["bundle", *founded.arguments, "--out", str(bundle)])
    cases = verification(founded)
    cases["bundle"] = per_second(entries, lambda: _sound(verify_bundle(bundle)))
    for engine, standing in middle.items():
        run(["projections", "rebuild", *standing.founded.arguments])
        cases[f"database {engine}"] = per_second(entries, _kernel(standing.founded))
        cases[f"url {engine}"] = _by_url(bench, standing.founded, entries)
        cases[f"whole {engine}"] = per_second(entries, _whole(standing.founded))
    taken = compare(cases, rounds=bench.few)
    kernel = "every signature verified with the kernel"
    whole = "every signature, schema, authority and projections, by database"
    rows = [("verify-bundle", f"{kernel}, by bundle", "bundle", EVERY, "bundle")]
    for engine in stage.engines:
        rows += [
            ("verify-database", f"{kernel}, by database", f"database {engine}", EVERY, engine),
            ("verify-url", f"{kernel}, by URL", f"url {engine}", EVERY, engine),
            ("verify-whole", whole, f"whole {engine}", WHOLE, engine),
        ]  # fmt: skip
    for key, work, name, goal, engine in rows:
        beside_raw(bench, (key, work), taken, name, unit="entries/s", goal=goal, database=engine)


def chained(bench: Bench, stage: Stage) -> None:
    """Our verification of every signature beside auditchain's of its own."""
    standing = stage.at(SQLITE, stage.sizes.small)
    count = standing.entries
    log = chain_log(bench.scratch / "verified-auditchain.sqlite3")
    append_all(log, statements(standing.founded, count))
    signers = {"s0": log.public_key}

    def theirs() -> None:
        found = log.verify(signers=signers)
        if not found.ok or found.signed_records != count:
            raise RuntimeError(f"auditchain: {found}")

    cases = {
        "ours": per_second(count, _kernel(standing.founded)),
        _AUDITCHAIN: per_second(count, theirs),
    }
    taken = compare(cases, rounds=bench.few)
    log.close()
    bench.row(
        "verify-auditchain",
        "every signature verified with the kernel, by database",
        taken["ours"],
        unit="entries/s",
        against=(_AUDITCHAIN, taken[_AUDITCHAIN]),
    )


def integrity(bench: Bench, stage: Stage) -> None:
    """Chain, tree and tiles alone, beside reading the rows and hashing each once."""
    for engine in stage.engines:
        standing = stage.at(engine, stage.sizes.middle)
        founded, entries = standing.founded, standing.entries
        cases = {
            "alone": per_second(entries, _kernel(founded, integrity_only=True)),
            "scan": per_second(entries, lambda founded=founded: _scan(founded)),  # type: ignore[misc]
        }
        taken = compare(cases, rounds=bench.rounds)
        bench.row(
            "integrity",
            "integrity only: chain, tree, tiles",
            taken["alone"],
            unit="entries/s",
            against=(_SCAN, taken["scan"]),
            goal=Goal(ratio=0.6),
            database=engine,
        )


def projecting(bench: Bench, stage: Stage) -> None:
    """All projections rebuilt and stored, beside the same folds in the library's way."""
    numbers = itertools.count()
    for engine in stage.engines:
        standing = stage.at(engine, stage.sizes.tiny)
        with opened(standing.founded.database) as log:
            projections = Projections(log)

            def one_by_one(log: OpenedLog = log, like: ProjectionStore = projections.store) -> None:
                path = bench.scratch / f"one-by-one-{next(numbers)}.sqlite3"
                store = ProjectionStore(path, like.genesis_sha256, like.keys)
                try:
                    Projector(log.application, log.genesis.definition, store, page=1).rebuild()
                finally:
                    store.close()

            cases = {
                "pages": per_second(standing.entries, projections.rebuild),
                "one by one": per_second(standing.entries, one_by_one),
            }
            taken: dict[str, Sample] = compare(cases, rounds=bench.few)
            projections.close()
        bench.row(
            "rebuild",
            "all projections rebuilt and stored",
            taken["pages"],
            unit="entries/s",
            against=(_LOOP, taken["one by one"]),
            goal=Goal(ratio=10.0),
            database=engine,
        )


def _kernel(founded: Founded, *, integrity_only: bool = False) -> Callable[[], None]:
    def work() -> None:
        with open_evidence(founded.database, head_file=founded.files.head) as source:
            _sound(verify(source, integrity_only=integrity_only))

    return work


def _whole(founded: Founded) -> Callable[[], None]:
    def work() -> None:
        found = examine(founded.database)
        if found.damaged or found.derived is None:
            raise RuntimeError(f"Not sound, or not all checked: {found.above[:1]}")

    return work


def _by_url(bench: Bench, founded: Founded, entries: int) -> Callable[[], float]:
    """Read over the network from a service that is running already, nothing known before."""
    numbers = itertools.count()

    def case() -> float:
        with ours(founded, workers=1, until="/readyz") as port:
            url = f"http://127.0.0.1:{port}/v1/trials/{TRIAL}/log"
            state = bench.scratch / f"monitor-{founded.engine}-{next(numbers)}"
            return per_second(entries, lambda: _sound(verify_url(url, state)))()

    return case


def _sound(report: VerificationReport) -> None:
    if report.status is not Status.SOUND:
        message = f"The ledger that was made is {report.status}: {report.findings[:1]}"
        raise RuntimeError(f"{message} {report.obstacle or ''}")


def _scan(founded: Founded) -> None:
    if founded.database.engine is Engine.SQLITE:
        connection = sqlite3.connect(founded.database.path)
        for (data,) in connection.execute("SELECT state FROM stored_events ORDER BY seq"):
            sha256(data).digest()
        connection.close()
        return
    with psycopg.connect(founded.database.url) as server, server.cursor("scan") as cursor:
        cursor.itersize = 1_000
        cursor.execute("SELECT state FROM ledger.stored_events ORDER BY seq", binary=True)
        for (data,) in cursor:
            sha256(data).digest()
