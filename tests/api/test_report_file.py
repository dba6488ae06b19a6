"""The report as a file and as an answer: there is one when it is whole, and not before."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from api.cli.reading import report
from api.resources import report as door
from ledger.errors import RejectedInput
from tests.build_ledger import TRIAL, BuiltLedger, build_ledger, identify

if TYPE_CHECKING:
    from pathlib import Path

    from flask.testing import FlaskClient


@pytest.fixture
def closed(tmp_path: Path) -> BuiltLedger:
    """A closed ledger with one subject."""
    one = build_ledger(tmp_path)
    one.record(identify(one, 1))
    one.close()
    return one


def test_a_report_that_fails_leaves_the_one_before_and_nothing_beside_it(
    closed: BuiltLedger, tmp_path: Path
) -> None:
    """An earlier file of that name stays as it was."""
    out = tmp_path / "report.html"
    asked = ["--database", closed.url, "--unverified", "--out", str(out)]
    out.write_bytes(b"the one before")
    with pytest.raises(RejectedInput, match="SY01-0099"):
        CliRunner().invoke(report, [*asked, "--subject", "SY01-0099"], catch_exceptions=False)
    assert out.read_bytes() == b"the one before"
    assert not list(tmp_path.glob("*.part"))
    assert CliRunner().invoke(report, asked, catch_exceptions=False).exit_code == 0
    assert out.read_bytes().endswith(b"</html>\n")
    assert not list(tmp_path.glob("*.part"))


@pytest.mark.parametrize("most", [0, 1 << 22])
def test_the_service_sends_the_report_the_command_writes(
    built: BuiltLedger,
    client: FlaskClient,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    most: int,
) -> None:
    """Byte for byte, from memory and from a temporary file, with its length said beforehand."""
    monkeypatch.setattr(door, "_MOST_HELD", most)
    out = tmp_path / "report.json"
    asked = ["--database", built.url, "--unverified", "--format", "json", "--out", str(out)]
    assert CliRunner().invoke(report, asked, catch_exceptions=False).exit_code == 0
    with client.get(f"/v1/trials/{TRIAL}/report?format=json") as answer:
        assert (answer.status_code, answer.content_type) == (200, "application/json")
        assert answer.content_length == out.stat().st_size
        assert answer.get_data() == out.read_bytes()


def test_a_report_that_cannot_be_made_is_answered_with_its_problem(client: FlaskClient) -> None:
    """Not with a part of a report and a status that says all is well."""
    with client.get(f"/v1/trials/{TRIAL}/report?subject=SY01-0099") as answer:
        assert answer.status_code >= 400
        assert answer.get_json()["code"] == "report.unknown-subject"
