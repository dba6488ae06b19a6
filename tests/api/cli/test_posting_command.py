"""``trial-ledger post``: what was signed outlives a failure and is recorded once."""

from __future__ import annotations

import json
import stat
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from api.cli import cli
from api.identity import Identity
from api.pending import Pending
from tests.api.relay import answer, between
from tests.build_ledger import COORDINATOR, EDC, TRIAL

if TYPE_CHECKING:
    from http.server import BaseHTTPRequestHandler
    from pathlib import Path

    from click.testing import Result

    from ledger.signing.strict_json import JsonObject
    from tests.api.conftest import Running


@pytest.fixture
def desk(tmp_path: Path, server: Running) -> Path:
    """A directory with the coordinator's identity and a subject to identify."""
    Identity(COORDINATOR, server.built.parties[COORDINATOR].key).save(tmp_path / "me.identity")
    return tmp_path


def post(server: Running, *words: str, url: str | None = None) -> Result:
    """Type the command."""
    about = ["--url", url or server.url, "--trial", TRIAL, "--key", server.built.vkey]
    return CliRunner().invoke(cli, ["post", *about, *words])


def identifying(desk: Path, number: int, *, subject: str = "subject_id") -> list[str]:
    """The words that identify a subject."""
    data = {
        subject: f"SY01-{number:04d}",
        "sex": "female",
        "birth_date": {"value": "1968", "precision": "year"},
    }
    (desk / "data.json").write_text(json.dumps(data))
    return [
        "--identity", str(desk / "me.identity"), "--meaning", "authorship",
        "--type", "subject.identified.v1", "--stream", f"subject/SY01-{number:04d}",
        "--time", "2024-03-01T09:00:00+08:00", "--data", str(desk / "data.json"),
        "--keep", str(desk / "kept"),
    ]  # fmt: skip


def statements(desk: Path) -> list[Path]:
    """The statements that are kept."""
    return sorted((desk / "kept").glob("*.statement"))


def test_a_recorded_statement_is_not_kept(server: Running, desk: Path) -> None:
    """Its receipt is."""
    done = post(server, *identifying(desk, 1))
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["status"] == 201
    assert statements(desk) == []
    assert len(list((desk / "kept").glob("*.tlog-proof"))) == 2


def test_what_was_signed_is_sent_again_byte_for_byte(server: Running, desk: Path) -> None:
    """The first answer was lost after it was recorded: with --again it is the same event."""

    def lose(handler: BaseHTTPRequestHandler, _status: int, _body: bytes) -> bool:
        answer(handler, 200, b"lost")
        return True

    with between(server, lose) as url:
        failed = post(server, *identifying(desk, 2), url=url)
    assert failed.exit_code == 2
    (kept,) = statements(desk)
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    first, second = failed.stderr.splitlines()[:2]
    assert "is not one of this ledger's" in first
    assert f"--again {kept}" in second
    again = post(server, "--again", str(kept))
    assert again.exit_code == 0, again.output
    told = json.loads(again.stdout)
    assert (told["id"], told["status"]) == (Pending.read(kept).event.id, 200)


def test_a_statement_refused_for_good_is_not_kept(server: Running, desk: Path) -> None:
    """The misspelt member is named, and the one that was meant."""
    refused = post(server, *identifying(desk, 3, subject="subjct_id"))
    assert refused.exit_code == 1
    assert "subjct_id" in refused.stderr
    assert "Did you mean subject_id?" in refused.stderr
    assert statements(desk) == []


def test_a_kept_statement_takes_nothing_beside_it(server: Running, desk: Path) -> None:
    """And a new one needs all that makes it."""
    words = identifying(desk, 4)
    event = Identity.load(desk / "me.identity").sign(
        "subject.identified.v1", "subject/SY01-0004", {}, trial=TRIAL, meaning="authorship"
    )
    kept = Pending.keep(desk, event).path
    assert post(server, "--again", str(kept), *words).exit_code == 2
    lacking = post(server, *words[4:])
    assert lacking.exit_code == 2
    assert "--identity" in lacking.stderr


@pytest.mark.parametrize("number", [1, 2])
def test_a_kept_statement_comes_back_as_it_was(desk: Path, number: int) -> None:
    """Compact or general, with disclosures and without."""
    signer = Identity.load(desk / "me.identity")
    also = [Identity.generate(EDC).signer()] * (number - 1)
    born: JsonObject = {"birth_date": {"value": "1968", "precision": "year"}}
    plain: JsonObject = {"sex": "male"}
    for data in (plain, born):
        event = signer.sign(
            "subject.identified.v1", "subject/SY01-0005", data,
            trial=TRIAL, meaning="authorship", also=also,
        )  # fmt: skip
        assert Pending.read(Pending.keep(desk, event).path).event == event
