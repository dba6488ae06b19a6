"""Database URLs: what they name, where files lie, and that passwords show nowhere."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.errors import RejectedInput
from ledger.service import LedgerFiles
from ledger.storage.database import Database, Engine

SECRETS = st.text("abcXYZ0189", min_size=12, max_size=20)


def test_files_lie_beside_an_sqlite_file_unless_told_otherwise() -> None:
    """With suffixes, as ever."""
    database = Database.parse("sqlite:////data/ledger.sqlite3")
    assert (database.engine, database.path) == (Engine.SQLITE, Path("/data/ledger.sqlite3"))
    assert LedgerFiles.of(database).keys == Path("/data/ledger.sqlite3.keys")
    elsewhere = Database.parse("sqlite:////data/ledger.sqlite3", files=Path("/safe"))
    assert elsewhere.path == database.path
    assert LedgerFiles.of(elsewhere, head=Path("/h")).head == Path("/h")
    assert LedgerFiles.of(elsewhere).keys == Path("/safe/ledger.sqlite3.keys")


def test_files_of_a_postgresql_ledger_lie_in_a_directory_named_after_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Or in the one that is named; its owner alone may enter what is made."""
    monkeypatch.chdir(tmp_path)
    database = Database.parse("postgresql://h/trial-1")
    database.prepare()
    assert LedgerFiles.of(database).keys == Path("trial-1/trial-1.keys")
    assert (tmp_path / "trial-1").stat().st_mode & 0o777 == 0o700
    named = Database.parse("postgres://h/trial-1", files=Path("/safe"))
    assert LedgerFiles.of(named).published == Path("/safe/trial-1.published")
    with pytest.raises(RejectedInput):
        _ = named.path


@given(SECRETS, st.sampled_from(["", "?sslmode=require", "?password={}", "?sslpassword={}"]))
def test_a_password_shows_in_no_text(secret: str, query: str) -> None:
    """However it stands in the URL; what remains can be read."""
    url = f"postgresql://me:{secret}@one.example:5433,two.example/trial{query.format(secret)}"
    database = Database.parse(url)
    shown = f"{database} {database!r} {database.place}"
    assert secret not in shown
    assert "me@one.example:5433,two.example" in shown
    assert secret in database.settings["password"]


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://me:se-cret@h/../d",
        "postgresql://me:se-cret@h/",
        "postgresql://me:se-cret@h/.d",
        "postgresql://me:se-cret@h/d?nonsense=1",
        "postgresql://me:se-cret%zz@h/d",
        "mysql://me:se-cret@h/d",
        "me:se-cret@h/d",
    ],
)
def test_a_url_that_is_not_understood_is_not_repeated(url: str) -> None:
    """It may hold a password; so may the reason that the driver gives."""
    with pytest.raises(RejectedInput) as refused:
        Database.parse(url)
    assert refused.value.code == "settings.database-url"
    assert "se-cret" not in str(refused.value)
    assert refused.value.__cause__ is None


def test_a_socket_s_directory_can_be_copied_from_what_is_shown() -> None:
    """The URL shown names the same server."""
    database = Database.parse("postgresql://me:pw@%2Frun%2Fpostgresql:5433/trial")
    assert str(database) == "postgresql://me@%2Frun%2Fpostgresql:5433/trial"
    assert Database.parse(str(database)).settings["host"] == "/run/postgresql"
