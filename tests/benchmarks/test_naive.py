"""The naive service is honest: what it answers for it has checked, chained and committed."""

from __future__ import annotations

import hashlib
import itertools
import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from benchmarks.life import Clock, life
from benchmarks.naive import build, create
from benchmarks.people import site
from ledger.signing import base64url

if TYPE_CHECKING:
    from pathlib import Path

    from flask.testing import FlaskClient

BEGIN = datetime(2024, 3, 1, tzinfo=UTC)


@pytest.fixture
def database(tmp_path: Path) -> Path:
    """An empty database of the naive service."""
    path = tmp_path / "naive.sqlite3"
    create(path)
    return path


@pytest.fixture
def client(database: Path) -> FlaskClient:
    """The service over it, knowing the keys of the first site."""
    keys = {
        staff.identity.key.kid: Ed25519PublicKey.from_public_bytes(
            base64url.decode(staff.identity.key.public.x)
        )
        for staff in site(1).staff
    }
    app = build(str(database), keys)
    app.testing = True
    return app.test_client()


def bodies(count: int) -> list[bytes]:
    """The first statements of a subject."""
    events = life(site(1), 1, Clock(BEGIN), randomize=False)
    return [offered.event.body for offered in itertools.islice(events, count)]


def test_each_statement_is_chained_to_the_one_before(client: FlaskClient, database: Path) -> None:
    """And committed when it is answered for."""
    for body in bodies(3):
        assert client.post("/events", data=body).status_code == 201
    previous = bytes(32)
    with closing(sqlite3.connect(database)) as connection:
        rows = connection.execute("SELECT statement, hash FROM events ORDER BY seq").fetchall()
    assert len(rows) == 3
    for statement, digest in rows:
        previous = hashlib.sha256(previous + statement.encode()).digest()
        assert digest == previous


def test_a_statement_whose_signature_does_not_hold_is_not_stored(
    client: FlaskClient, database: Path
) -> None:
    """One letter of the payload is another."""
    protected, payload, signature = bodies(2)[1].split(b".")
    altered = payload[:40] + (b"A" if payload[40:41] != b"A" else b"B") + payload[41:]
    with pytest.raises(InvalidSignature):
        client.post("/events", data=b".".join((protected, altered, signature)))
    with closing(sqlite3.connect(database)) as connection:
        assert connection.execute("SELECT count(*) FROM events").fetchone() == (0,)
