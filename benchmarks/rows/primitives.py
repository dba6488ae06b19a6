"""Raw primitives: what the machine does at most when nothing but the work itself is done."""

from __future__ import annotations

import itertools
import json
import os
import sqlite3
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from functools import partial
from multiprocessing import get_context
from typing import TYPE_CHECKING, Final, TypeAlias

import psycopg
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from psycopg import sql

from benchmarks.harness import NO_GOAL, Goal
from benchmarks.life import Clock, life
from benchmarks.naive import validate
from ledger.signing import base64url
from ledger.signing.ed25519 import libsodium
from ledger.signing.statement import parse_statement, signing_input

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from benchmarks.founding import Founded
    from benchmarks.harness import Bench, Sample
    from ledger.signing.ed25519 import Opinion
    from ledger.signing.statement import Statement

RAW: Final = "raw verification on all cores"
QUICK: Final = "raw verification on all cores by libsodium"
STATEMENTS: Final = 4_000
TRANSACTION: Final = 100
_SHARES: Final = 4

Public: TypeAlias = tuple[Ed25519PublicKey, bytes]
Signed: TypeAlias = tuple[Ed25519PublicKey, bytes, bytes, bytes]
Case: TypeAlias = "Callable[[], float]"


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


def keys_of(founded: Founded) -> dict[str, Public]:
    """The public keys of the sites, by thumbprint: as an object and as bytes."""
    found = {}
    for site in founded.sites:
        for staff in site.staff:
            public = base64url.decode(staff.identity.key.public.x)
            found[staff.identity.key.kid] = (Ed25519PublicKey.from_public_bytes(public), public)
    return found


def verification(founded: Founded) -> dict[str, Callable[[], float]]:
    """Signatures verified a second on all processors: a library alone, threads, no parsing.

    By ``cryptography``, which the figures to reach are about, and by libsodium where it is there,
    which does it faster and is what our own verification asks first.
    """
    keys = keys_of(founded)
    signed = [
        _signed(parse_statement(text.partition("~")[0]), keys) for text in statements(founded)
    ]
    cases = {RAW: _on_all(_openssl, signed)}
    quick = libsodium()
    if quick is not None:
        cases[QUICK] = _on_all(partial(_sodium, quick), signed)
    return cases


def beside_raw(
    bench: Bench, about: tuple[str, str], taken: Mapping[str, Sample], name: str, *, unit: str,
    goal: Goal = NO_GOAL, database: str,
) -> None:  # fmt: skip
    """A row against raw verification by ``cryptography``, one without a goal by libsodium.

    ``about`` is the row's key and its work.
    """
    key, work = about
    for reference, its_key, its_goal in ((RAW, key, goal), (QUICK, f"{key}-libsodium", NO_GOAL)):
        if reference in taken:
            bench.row(
                its_key, work, taken[name], unit=unit, against=(reference, taken[reference]),
                goal=its_goal, database=database,
            )  # fmt: skip


def _on_all(verify: Callable[[Sequence[Signed]], None], signed: list[Signed]) -> Case:
    shares = [signed[start::_SHARES] for start in range(_SHARES)]

    def run() -> float:
        with ThreadPoolExecutor(processors()) as pool:
            began = time.perf_counter()
            list(pool.map(verify, shares))
            return len(signed) / (time.perf_counter() - began)

    return run


def bound(founded: Founded, insertion: Callable[[Sequence[str]], float]) -> Callable[[], float]:
    """The bound of batches: verify and validate on all processors, then insert by hundreds.

    Nothing else is done: no HTTP, no authority, no guards, no chain, no tree, no answer.
    """
    texts = statements(founded)
    keys = {kid: public for kid, (_, public) in keys_of(founded).items()}

    def run() -> float:
        shares = [texts[start :: processors()] for start in range(processors())]
        with get_context("spawn").Pool(processors(), _prepare, (keys,)) as pool:
            pool.map(_ready, range(processors()))
            began = time.perf_counter()
            pool.map(_check, shares, chunksize=1)
            checked = time.perf_counter() - began
        return len(texts) / (checked + insertion(texts))

    return run


def sqlite_insertion(directory: Path) -> Callable[[Sequence[str]], float]:
    """Seconds that inserting texts into a new SQLite file takes, by hundreds, durably."""
    directory.mkdir(exist_ok=True)
    numbers = itertools.count()

    def insert(texts: Sequence[str]) -> float:
        connection = sqlite3.connect(directory / f"{next(numbers)}.sqlite3", isolation_level=None)
        for setting in ("page_size = 16384", "journal_mode = WAL", "synchronous = FULL"):
            connection.execute(f"PRAGMA {setting}")
        connection.execute(
            "CREATE TABLE events (seq INTEGER PRIMARY KEY, stream TEXT NOT NULL, state BLOB)"
        )
        began = time.perf_counter()
        for rows in _groups(texts):
            connection.execute("BEGIN IMMEDIATE")
            connection.executemany("INSERT INTO events VALUES (?, ?, ?)", rows)
            connection.execute("COMMIT")
        took = time.perf_counter() - began
        connection.close()
        return took

    return insert


def postgres_insertion(url: str) -> Callable[[Sequence[str]], float]:
    """Seconds that copying texts into a new table of a PostgreSQL database takes, by hundreds."""
    numbers = itertools.count()

    def insert(texts: Sequence[str]) -> float:
        table = sql.Identifier(f"raw_{next(numbers)}")
        made = "CREATE TABLE {} (seq bigint PRIMARY KEY, stream text NOT NULL, state bytea)"
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(sql.SQL(made).format(table))
            copying = sql.SQL("COPY {} FROM STDIN (FORMAT BINARY)").format(table)
            began = time.perf_counter()
            for rows in _groups(texts):
                with connection.cursor() as cursor, cursor.copy(copying) as lines:
                    lines.set_types(["int8", "text", "bytea"])
                    for row in rows:
                        lines.write_row(row)
            return time.perf_counter() - began

    return insert


def _groups(texts: Sequence[str]) -> Iterator[list[tuple[int, str, bytes]]]:
    rows = [(n, f"subject/SY01-{n % 9999:04}", text.encode()) for n, text in enumerate(texts)]
    return (rows[start : start + TRANSACTION] for start in range(0, len(rows), TRANSACTION))


def _signed(statement: Statement, keys: Mapping[str, Public]) -> Signed:
    signature = statement.signatures[0]
    return (*keys[signature.kid], signing_input(statement, signature), signature.signature)


def _openssl(share: Sequence[Signed]) -> None:
    for key, _, message, signature in share:
        key.verify(signature, message)


def _sodium(accepts: Opinion, share: Sequence[Signed]) -> None:
    for _, public, message, signature in share:
        if not accepts(public, message, signature):
            raise ValueError("An honest signature was refused.")


_KEYS: dict[str, Public] = {}


def _prepare(keys: dict[str, bytes]) -> None:
    _KEYS.update({kid: (Ed25519PublicKey.from_public_bytes(x), x) for kid, x in keys.items()})


def _ready(_number: int) -> None:
    time.sleep(0.2)  # so that each process of the pool takes one and has begun


def _check(texts: Sequence[str]) -> int:
    for text in texts:
        compact, *disclosures = text.split("~")
        statement = parse_statement(compact)
        _openssl([_signed(statement, _KEYS)])
        validate(json.loads(statement.payload), disclosures)
    return len(texts)
