"""Tables, numbers and the course of a subject as somebody reads them."""

from __future__ import annotations

from io import StringIO
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner
from rich.console import Console

from api.cli import cli
from api.cli.course import print_course
from api.cli.options import counted
from tests.build_ledger import BuiltLedger, build_ledger, identify

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def closed(tmp_path: Path) -> BuiltLedger:
    """A closed ledger with one subject."""
    one = build_ledger(tmp_path)
    one.record(identify(one, 1))
    one.close()
    return one


def test_a_table_that_goes_into_a_pipe_is_not_cut(closed: BuiltLedger) -> None:
    """Every key stands whole on the line of its owner."""
    done = CliRunner().invoke(cli, ["keys", "show", "--database", closed.url])
    assert done.exit_code == 0, done.output
    lines = done.stdout.splitlines()
    for one in closed.parties.values():
        (line,) = [line for line in lines if one.id in line]
        assert line.rstrip().endswith(one.key.public.thumbprint())
    assert "…" not in done.stdout


def test_the_first_state_of_a_subject_follows_upon_none(closed: BuiltLedger) -> None:
    """A dash, and no word of a programming language."""
    done = CliRunner().invoke(cli, ["replay", "SY01-0001", "--database", closed.url])
    assert done.exit_code == 0, done.output
    assert "— → " in done.stdout
    assert "None" not in done.stdout


@pytest.mark.parametrize(("size", "told"), [(1, "first 1 entry."), (2, "first 2 entries.")])
def test_a_course_says_from_how_many_entries_it_is_told(size: int, told: str) -> None:
    """One is singular."""
    shown = StringIO()
    head = {"as_of": "2024-03-12T00:00:00Z", "size": size}
    header = {"subject": "SY01-0001", "time_zone": "Europe/Berlin"}
    print_course(Console(file=shown, width=120), {"header": header, "head": head, "timeline": []})
    assert told in shown.getvalue()


@pytest.mark.parametrize(
    ("number", "expected"), [(0, "0 entries"), (1, "1 entry"), (2, "2 entries")]
)
def test_numbers_agree_with_their_nouns(number: int, expected: str) -> None:
    """One is singular."""
    assert counted(number, "entry", "entries") == expected


def test_an_access_log_that_is_missing_is_named_with_its_place(closed: BuiltLedger) -> None:
    """Whoever looks for it knows where."""
    done = CliRunner().invoke(cli, ["access-log", "show", "--database", closed.url])
    assert str(closed.directory) in str(done.exception)
