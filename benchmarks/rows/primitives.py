"""Raw primitives: what the machine does at most when nothing but the work itself is done."""

from __future__ import annotations

import itertools
import json
import os
import sqlite3
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from multiprocessing import get_context
from typing import TYPE_CHECKING, Final

from benchmarks.life import Clock, life
from benchmarks.naive import validate
from ledger.signing.statement import parse_statement, signing_input

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from benchmarks.founding import Founded
    from benchmarks.harness import Bench
    from ledger.signing.jwk import PublicJwk
    from ledger.signing.statement import Statement

STATEMENTS: Final = 4_000
TRANSACTION: Final = 100
_SHARES: Final = 4

Signed = tuple["PublicJwk", bytes, bytes]


def processors() -> int:
    """How many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def statements(founded: Founded, count: int = STATEMENTS) -> list[str]:
    """Statements of subjects that no ledger has seen, with their disclosures."""
    clock = Clock(datetime.now(UTC) - timedelta(days=1), timedelta(milliseconds=1))
    site = founded.sites[0]
    lives = (life(site, number, clock, randomize=False) for number in itertools.count(1))
    events = (offered.event for one in lives for offered in one)
    return [
        event.body.decode("ascii") if event.disclosures else event.text
        for event in itertools.islice(events, count)
    ]


def keys_of(founded: Founded) -> dict[str, PublicJwk]:
    """The public keys of the sites, by thumbprint."""
    return {
        staff.identity.key.kid: staff.identity.key.public
        for site in founded.sites
        for staff in site.staff
    }


def verification(founded: Founded) -> Callable[[], float]:
    """Signatures verified a second on all processors: the library alone, threads, no parsing."""
    keys = keys_of(founded)
    signed = [
        _signed(parse_statement(text.partition("~")[0]), keys) for text in statements(founded)
    ]
    shares = [signed[start::_SHARES] for start in range(_SHARES)]

    def run() -> float:
        with ThreadPoolExecutor(processors()) as pool:
            began = time.perf_counter()
            list(pool.map(_verify, shares))
            return len(signed) / (time.perf_counter() - began)

    return run


def bound(bench: Bench, founded: Founded) -> Callable[[], float]:
    """The bound of batches: verify and validate on all processors, then insert by hundreds.

    Nothing else is done: no HTTP, no authority, no guards, no chain, no tree, no answer.
    """
    texts = statements(founded)
    keys = {kid: key.x for kid, key in keys_of(founded).items()}
    directory = bench.scratch / "bound"
    directory.mkdir(exist_ok=True)
    count = itertools.count()

    def run() -> float:
        shares = [texts[start :: processors()] for start in range(processors())]
        with get_context("spawn").Pool(processors(), _prepare, (keys,)) as pool:
            pool.map(_ready, range(processors()))
            began = time.perf_counter()
            pool.map(_check, shares, chunksize=1)
            checked = time.perf_counter() - began
        inserted = insertion(directory / f"{next(count)}.sqlite3", texts)
        return len(texts) / (checked + inserted)

    return run


def insertion(database: Path, texts: Sequence[str]) -> float:
    """Seconds that inserting the rows takes, by hundreds, durably."""
    connection = sqlite3.connect(database, isolation_level=None)
    connection.execute("PRAGMA page_size = 16384")
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute(
        "CREATE TABLE events (seq INTEGER PRIMARY KEY, stream TEXT NOT NULL, state BLOB NOT NULL)"
    )
    rows = [(n, f"subject/SY01-{n % 9999:04}", text.encode()) for n, text in enumerate(texts)]
    began = time.perf_counter()
    for start in range(0, len(rows), TRANSACTION):
        connection.execute("BEGIN IMMEDIATE")
        connection.executemany(
            "INSERT INTO events VALUES (?, ?, ?)", rows[start : start + TRANSACTION]
        )
        connection.execute("COMMIT")
    took = time.perf_counter() - began
    connection.close()
    return took


def _signed(statement: Statement, keys: dict[str, PublicJwk]) -> Signed:
    signature = statement.signatures[0]
    return keys[signature.kid], signing_input(statement, signature), signature.signature


def _verify(share: Sequence[Signed]) -> None:
    for key, message, signature in share:
        key.verify(message, signature)


_KEYS: dict[str, PublicJwk] = {}


def _prepare(keys: dict[str, str]) -> None:
    from ledger.signing.jwk import PublicJwk  # noqa: PLC0415 - in the process that needs it

    _KEYS.update({kid: PublicJwk("OKP", "Ed25519", x) for kid, x in keys.items()})


def _ready(_number: int) -> None:
    time.sleep(0.2)  # so that each process of the pool takes one and has begun


def _check(texts: Sequence[str]) -> int:
    for text in texts:
        compact, *disclosures = text.split("~")
        statement = parse_statement(compact)
        _verify([_signed(statement, _KEYS)])
        validate(json.loads(statement.payload), disclosures)
    return len(texts)
