"""``trial-ledger projections`` where it cannot do what it was asked."""

from __future__ import annotations

import sqlite3
import sys
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from api.cli import main
from api.cli.examining import examine
from projections.reading import Projections, projections_path
from tests.build_ledger import BuiltLedger, build_ledger

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def followed(tmp_path: Path) -> BuiltLedger:
    """A closed ledger whose projections a service has followed."""
    one = build_ledger(tmp_path)
    with closing(Projections(one.ledger)) as views:
        views.follow()
    one.close()
    return one


def refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *arguments: str
) -> str:
    """What a command that ends with exit status 2 says, in one line."""
    monkeypatch.setattr(sys, "argv", ["trial-ledger", *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    told = capsys.readouterr()
    assert told.out == ""
    return told.err.splitlines()[-1]


@pytest.mark.parametrize("command", ["rebuild", "check"])
def test_projections_under_keys_that_are_elsewhere_are_left_and_not_praised(
    followed: BuiltLedger,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    command: str,
) -> None:
    """They can be neither compared nor made again where they cannot be read."""
    place = followed.database.place
    place.with_name(f"{place.name}.kek").unlink()
    said = refused(monkeypatch, capsys, "projections", command, "--database", followed.url)
    assert "sealed under keys that are not here" in said
    with closing(sqlite3.connect(projections_path(place))) as file:
        assert file.execute("SELECT count(*) FROM projection_rows").fetchone()[0] > 0


def test_a_cut_file_of_projections_costs_a_verification_nothing_else(
    followed: BuiltLedger,
) -> None:
    """It is named among the findings; what was found before stays."""
    path = projections_path(followed.database.place)
    path.write_bytes(path.read_bytes()[:-4_096])
    found = examine(followed.database)
    assert found.derived is not None
    assert [line.partition(":")[0] for line in found.derived] == ["projections.unreadable at log"]


def test_a_configuration_that_cannot_be_read_is_named_without_a_traceback(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With its name and the place of the fault."""
    path = tmp_path / "ledger.toml"
    for content in (b"x = [", b"\xff\xfe"):
        path.write_bytes(content)
        said = refused(monkeypatch, capsys, "--config", str(path), "projections", "check")
        assert f"{path} is no TOML file" in said


def test_a_file_of_projections_that_is_no_database_is_named_without_a_traceback(
    followed: BuiltLedger, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """One sentence, as with every other fault."""
    projections_path(followed.database.place).write_bytes(b"no database at all " * 400)
    said = refused(monkeypatch, capsys, "projections", "rebuild", "--database", followed.url)
    assert said.startswith("trial-ledger: ")
    assert "not a database" in said
