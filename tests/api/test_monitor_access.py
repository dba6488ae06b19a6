"""A monitor before a real trial's ledger: tiles are for registered readers, by token."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from api.access.entitlement import Wanted
from api.cli.verifying import COULD_NOT_CHECK, verify
from api.identity import Identity
from api.monitor import Access, RemoteLog, verify_url
from ledger.errors import TrustFailure
from ledger.verification.report import RootOfTrust, Status
from ledger.vocabulary import Role
from tests.api.access.build_readers import BASE, Readers, real_ledger, source_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.api.conftest import Running

INSPECTOR = source_of(Role.INSPECTOR, "trial")
ASSESSOR = source_of(Role.OUTCOME_ASSESSOR, "trial")


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A real ledger behind a real server."""
    from tests.api.conftest import start

    built, own, foreign = real_ledger(tmp_path_factory.mktemp("served"))
    readers = Readers(built, None, own, foreign)  # type: ignore[arg-type]  # no doors here
    for role in (Role.INSPECTOR, Role.OUTCOME_ASSESSOR):
        readers.enrol(role, "trial")
    built.close()
    running = start(built)
    yield running
    running.stop()


def access(served: Running, source: str, wanted: Wanted | None = None) -> Access:
    """Somebody's access, with the key that is registered."""
    return Access(Identity(source, served.built.parties[source].key), wanted or Wanted())


def test_a_registered_reader_verifies_over_the_network(served: Running, tmp_path: Path) -> None:
    """Under the root of trust, and goes on where it stopped."""
    built = served.built
    trust = RootOfTrust(built.keys.vkey, built.ledger.genesis.record.sha256)
    for _ in range(2):
        report = verify_url(
            f"{served.url}{BASE}", tmp_path / "state", trust=trust,
            access=access(served, INSPECTOR, Wanted(Role.INSPECTOR)),
        )  # fmt: skip
        assert (report.status, report.findings) == (Status.SOUND, ())


def test_without_a_token_nothing_could_be_checked(served: Running, tmp_path: Path) -> None:
    """The log says that it is not for everybody; that is neither sound nor damaged."""
    with pytest.raises(TrustFailure) as caught:
        verify_url(f"{served.url}{BASE}/log", tmp_path / "state")
    assert caught.value.code == "monitor.denied"
    assert "--identity" in (caught.value.remedy or "")


def test_a_role_that_may_not_read_tiles_is_told_so(served: Running, tmp_path: Path) -> None:
    """In the ledger's own words."""
    with pytest.raises(TrustFailure) as caught:
        verify_url(f"{served.url}{BASE}", tmp_path / "state", access=access(served, ASSESSOR))
    assert caught.value.code == "monitor.denied"
    assert "outcome-assessor" in caught.value.message


def test_a_token_that_ended_early_is_replaced(served: Running) -> None:
    """A server that was restarted knows none it gave before."""
    remote = RemoteLog(f"{served.url}{BASE}", access(served, INSPECTOR))
    try:
        assert remote._tokens is not None
        remote._tokens._token, remote._tokens._until = "ended", float("inf")
        assert len(remote.entries(0, 1)) == 1
    finally:
        remote.close()


def test_the_command_takes_an_identity_file(served: Running, tmp_path: Path) -> None:
    """And says what to do where it is missing or has no such role."""
    built, place = served.built, f"{served.url}{BASE}"
    file = tmp_path / "inspector.json"
    access(served, INSPECTOR).identity.save(file)
    given = ["--url", place, "--state", str(tmp_path / "state"), "--json", "--key", built.vkey,
             "--genesis", built.ledger.genesis.record.sha256]  # fmt: skip
    alone = CliRunner().invoke(verify, given)
    assert alone.exit_code == COULD_NOT_CHECK
    assert "monitor.denied" in alone.stderr or "--identity" in alone.stderr
    known = CliRunner().invoke(verify, [*given, "--identity", str(file), "--role", "inspector"])
    assert (known.exit_code, json.loads(known.stdout)["status"]) == (0, "sound")
    other = CliRunner().invoke(verify, [*given, "--identity", str(file), "--role", "sponsor"])
    assert other.exit_code == COULD_NOT_CHECK
    assert CliRunner().invoke(verify, [*given, "--role", "sponsor"]).exit_code == 2
