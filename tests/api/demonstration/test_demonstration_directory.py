"""What a demonstration may replace, and how its requests are grouped."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from api.demonstration.dice import seed_bytes
from api.demonstration.directory import NOTICE, prepare, write_people
from api.demonstration.people import CAST, SUCCESSOR, key_of
from api.demonstration.plan import plan
from api.demonstration.posting import requests
from api.demonstration.signing import identities
from api.identity import Identity
from ledger.errors import RejectedInput
from ledger.trials import load_trial

if TYPE_CHECKING:
    from pathlib import Path


def url_in(directory: Path) -> str:
    """The usual database of a directory."""
    return f"sqlite:///{directory / 'ledger.sqlite3'}"


def test_a_directory_that_no_demonstration_left_is_not_touched(tmp_path: Path) -> None:
    """A wrong --dir costs nobody his files."""
    (tmp_path / "thesis.txt").write_text("important")
    with pytest.raises(RejectedInput, match="no demonstration left there"):
        prepare(tmp_path, url_in(tmp_path))
    assert (tmp_path / "thesis.txt").read_text() == "important"


def test_the_directory_of_an_earlier_demonstration_is_replaced(tmp_path: Path) -> None:
    """Each run begins with nothing."""
    directory = tmp_path / "demo"
    prepare(directory, url_in(directory))
    (directory / "ledger.sqlite3").write_text("old")
    prepare(directory, url_in(directory))
    assert [path.name for path in directory.iterdir()] == [NOTICE]


def test_a_database_elsewhere_is_never_replaced(tmp_path: Path) -> None:
    """Only what lies in the demonstration's directory is the demonstration's."""
    database = tmp_path / "real.sqlite3"
    database.write_text("a trial")
    with pytest.raises(RejectedInput, match="not in the demonstration's directory"):
        prepare(tmp_path / "demo", f"sqlite:///{database}")
    assert database.read_text() == "a trial"


def test_the_identity_files_of_the_people_can_be_used_to_sign(tmp_path: Path) -> None:
    """Whoever tries the client after the demonstration takes one of them."""
    people = identities(seed_bytes(1))
    write_people(tmp_path, people)
    loaded = Identity.load(tmp_path / "people" / "pi.identity")
    assert (loaded.source, loaded.key.public) == (people["pi"].source, people["pi"].key.public)


def test_everybody_has_a_key_of_his_own() -> None:
    """Also the new key of a person whose old one was revoked differs."""
    seed = seed_bytes(1)
    kids = [key_of(seed, name).kid for name in (*CAST, SUCCESSOR)]
    assert len(set(kids)) == len(kids)


def test_steps_of_one_request_share_their_time_and_keep_their_order() -> None:
    """A request has one Demonstration-Time; grouping neither loses nor moves a step."""
    steps = list(plan(load_trial("xhnkky-dfsc"), seed_bytes(1)))
    groups = list(requests(steps))
    assert [step for group in groups for step in group] == steps
    assert all(len({step.recorded_at for step in group}) == 1 for group in groups)
    assert len(groups) < len(steps) / 3


def test_a_demonstration_that_is_still_served_is_not_replaced(tmp_path: Path) -> None:
    """A running service would go on with a deleted file, and answer 201."""
    directory = tmp_path / "demo"
    database = prepare(directory, url_in(directory))
    with closing(sqlite3.connect(database)) as served:
        served.execute("PRAGMA journal_mode = WAL")
        served.execute("CREATE TABLE anything (at INTEGER)")
        with pytest.raises(RejectedInput, match="open in another process"):
            prepare(directory, f"sqlite:///{database}")
    assert prepare(directory, f"sqlite:///{database}") == database
