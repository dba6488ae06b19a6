"""The naive honest service: what one would write in an afternoon, and nothing dishonest about it.

Flask and marshmallow before a database: each request is parsed, its one signature verified, its
payload validated by the same schemas as ours, and the statement is chained to the one before and
committed durably. No authority, no guards, no tree, no receipt.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import sqlite3
import threading
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import psycopg
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from flask import Flask, Response, request

from ledger.events.registry import EVENT_TYPES

if TYPE_CHECKING:
    from pathlib import Path

DATABASE: Final = "BENCHMARK_NAIVE_DATABASE"
KEYS: Final = "BENCHMARK_NAIVE_KEYS"

Connection: TypeAlias = "sqlite3.Connection | psycopg.Connection[tuple[Any, ...]]"

_POSTGRES: Final = "postgresql://"
_SQLITE_TABLE: Final = """
CREATE TABLE IF NOT EXISTS events (
    seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, type TEXT NOT NULL, subject TEXT NOT NULL,
    statement TEXT NOT NULL, disclosures TEXT NOT NULL, hash BLOB NOT NULL
)
"""
_POSTGRES_TABLE: Final = """
CREATE TABLE IF NOT EXISTS events (
    seq bigint PRIMARY KEY, id uuid NOT NULL UNIQUE, type text NOT NULL, subject text NOT NULL,
    statement text NOT NULL, disclosures text NOT NULL, hash bytea NOT NULL
)
"""
_LAST: Final = "SELECT seq, hash FROM events ORDER BY seq DESC LIMIT 1"
_ONE_AT_A_TIME: Final = "LOCK TABLE events IN EXCLUSIVE MODE"


def application() -> Flask:
    """The service over the database and key file that the environment names."""
    with open(os.environ[KEYS], encoding="ascii") as file:  # noqa: PTH123 - a name, no path object
        keys = {
            kid: Ed25519PublicKey.from_public_bytes(_decode(x))
            for kid, x in json.load(file).items()
        }
    return build(os.environ[DATABASE], keys)


def build(database: str, keys: dict[str, Ed25519PublicKey]) -> Flask:
    """The service over a database that ``create`` has made."""
    app = Flask("naive")
    local = threading.local()

    @app.post("/events")
    def post_event() -> Response:
        statement, *disclosures = request.get_data().decode("ascii").split("~")
        protected, payload, signature = statement.split(".")
        header = json.loads(_decode(protected))
        keys[header["kid"]].verify(_decode(signature), f"{protected}.{payload}".encode("ascii"))
        event = json.loads(_decode(payload))
        validate(event, disclosures)
        if not hasattr(local, "connection"):
            local.connection = connect(database)
        seq, digest = insert(local.connection, event, statement, "~".join(disclosures))
        body = json.dumps({"id": event["id"], "seq": seq, "hash": digest.hex()})
        return Response(body, status=201, content_type="application/json")

    return app


def validate(event: dict[str, Any], disclosures: list[str]) -> None:
    """Hold the payload, with what was sealed opened, to its type's schema."""
    data = {name: value for name, value in event["data"].items() if name != "_sd"}
    for text in disclosures:
        if text:
            _, name, value = json.loads(_decode(text))
            data[name] = value
    EVENT_TYPES[event["type"]].schema.load(data)


def create(database: str | Path) -> None:
    """Make the table."""
    connection = connect(database)
    table = _SQLITE_TABLE if isinstance(connection, sqlite3.Connection) else _POSTGRES_TABLE
    connection.execute(table)
    connection.close()


def connect(database: str | Path) -> Connection:
    """A connection as durable as ours, without transactions of its own accord."""
    if str(database).startswith(_POSTGRES):
        return psycopg.connect(str(database), autocommit=True)
    connection = sqlite3.connect(database, timeout=60, isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    return connection


def insert(
    connection: Connection, event: dict[str, Any], statement: str, disclosures: str
) -> tuple[int, bytes]:
    """Chain one statement to the last, in one committed transaction."""
    execute: Any = connection.execute
    lite = isinstance(connection, sqlite3.Connection)
    mark = "?" if lite else "%s"
    execute("BEGIN IMMEDIATE" if lite else "BEGIN")
    try:
        if not lite:
            execute(_ONE_AT_A_TIME)
        row = execute(_LAST).fetchone()
        seq, previous = (row[0] + 1, row[1]) if row else (0, bytes(32))
        digest = hashlib.sha256(previous + statement.encode("ascii")).digest()
        execute(
            f"INSERT INTO events VALUES ({', '.join([mark] * 7)})",  # noqa: S608 - marks alone
            (seq, event["id"], event["type"], event["subject"], statement, disclosures, digest),
        )
        execute("COMMIT")
    except (sqlite3.Error, psycopg.Error):
        execute("ROLLBACK")
        raise
    return seq, digest


def _decode(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
