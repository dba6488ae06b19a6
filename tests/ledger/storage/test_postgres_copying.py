"""A ledger carried between the engines: the same bytes, verified, under the same head file."""

from __future__ import annotations

import shutil
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from ledger.errors import RejectedInput, Unavailable
from ledger.service import TrialLedger
from ledger.storage.database import Database
from ledger.storage.open_evidence import open_evidence
from ledger.storage.postgres_copying import copy_to_postgres, copy_to_sqlite
from ledger.verification.run import verify
from tests.build_ledger import each, identify
from tests.ledger.build_service import answer, bag, look

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.build_ledger import BuiltLedger
    from tests.postgres_server import PostgresServer

TABLES = {
    "stored_events": "seq, originator_id, originator_version, topic, state, event_id",
    "checkpoints": "size, note, previous",
    "tree_tiles": "level, tile, hashes, root",
    "openings": "seq, number, disclosure",
    "ledger_head": "id, size, hash, recorded_at",
    "quarantine": "number, received_at, code, reason, statement",
}


def image(built: BuiltLedger) -> dict[str, list[tuple[object, ...]]]:
    """Every row of every table."""
    return {
        table: look(built, f"SELECT {names} FROM {table} ORDER BY 1, 2")
        for table, names in TABLES.items()
    }


def grow(built: BuiltLedger) -> None:
    """Over a tile's end, with openings and something in quarantine."""
    built.record_all(each(built, range(2, 30), identify))
    built.record_all([bag(built, number) for number in range(240)])
    built.ledger.quarantine.keep("a", received_at="t", code="event.x", reason="because")


def rename(source: Path, target: Path) -> None:
    """The files of a database under another one's name."""
    target.parent.mkdir(parents=True, exist_ok=True)
    for path in source.parent.iterdir():
        if path.name.startswith(f"{source.name}.") and path.is_file():
            shutil.copy2(path, target.parent / path.name.replace(source.name, target.name))


def require_sound(database: Database) -> None:
    """No finding, with the head file and the schema."""
    head = database.place.with_name(f"{database.place.name}.head")
    with open_evidence(database, head_file=head) as source:
        report = verify(source)
        assert [str(found) for found in (*report.findings, *source.storage())] == []
    assert report.obstacle is None


@pytest.fixture
def empty(postgres: PostgresServer, tmp_path: Path) -> Iterator[Database]:
    """An empty PostgreSQL database."""
    name = postgres.create()
    yield Database.parse(postgres.url(name), files=tmp_path / "moved")
    postgres.drop(name)


def test_a_ledger_goes_to_a_file_and_back_without_a_byte_changed(
    postgres_built: BuiltLedger, empty: Database, tmp_path: Path
) -> None:
    """PostgreSQL to SQLite while it is open, and from there to another PostgreSQL."""
    built = postgres_built
    grow(built)
    before = image(built)
    path = tmp_path / "copy" / "ledger.sqlite3"
    path.parent.mkdir()
    size = copy_to_sqlite(built.database, path)
    rename(built.database.place, path)
    assert size == built.ledger.application.store.head().size
    require_sound(Database.parse(f"sqlite:///{path}"))
    assert copy_to_postgres(path, empty) == size
    rename(path, empty.place)
    require_sound(empty)
    with closing(TrialLedger(empty)) as ledger:
        assert ledger.refusal is None
        signed = bag(built, 5000)
        built.close()
        built.url, built.files = empty.url, ledger.files
        assert image(built) == before
        given = ledger.submit(ledger.receive(signed.text, signed.disclosures), built.tick())
        assert given.outcome.seq == size
    require_sound(empty)


def test_nothing_is_copied_over_anything(
    postgres_built: BuiltLedger, built: BuiltLedger, tmp_path: Path
) -> None:
    """Neither a file that is there nor a database that holds entries."""
    answer(built, bag(built, 1))
    built.close()
    with pytest.raises(RejectedInput) as there:
        copy_to_sqlite(postgres_built.database, built.database.path)
    with pytest.raises(RejectedInput) as filled:
        copy_to_postgres(built.database.path, postgres_built.database)
    assert (there.value.code, filled.value.code) == ("copy.exists", "copy.exists")


def test_a_server_that_is_away_leaves_nothing_behind(tmp_path: Path) -> None:
    """And is named."""
    away = Database.parse("postgresql://nobody@127.0.0.1:1/ledger", files=tmp_path)
    target = tmp_path / "ledger.sqlite3"
    with pytest.raises(Unavailable) as refused:
        copy_to_sqlite(away, target)
    assert refused.value.code == "copy.failed"
    assert "127.0.0.1" in refused.value.message
    assert not target.exists()
