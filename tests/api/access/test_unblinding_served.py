"""The emergency against a real server: the client, and the command a physician types at night."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from importlib import resources
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner

from api.cli import cli
from api.client import LedgerReader
from api.identity import Identity
from ledger.errors import TrustFailure
from ledger.trials.loading import parse_trial
from tests.build_ledger import (
    COORDINATOR,
    INVESTIGATOR,
    SITE,
    TRIAL,
    made_ready,
    open_ledger,
    party,
)
from tests.projections.masking.build_twins import (
    ONE,
    THREE,
    TWO,
    Twin,
    build_twins,
    randomize,
    screen,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from tests.api.conftest import Running
    from tests.build_ledger import BuiltLedger

SECOND = f"/sites/{SITE}/persons/si-02"


@dataclass(frozen=True, slots=True)
class Served:
    """A server, and the arms of its subjects for the story alone."""

    running: Running
    arms: Mapping[str, str | None]

    @property
    def url(self) -> str:
        """The service's address."""
        return self.running.url


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """One trial behind a real server, with a second physician."""
    from tests.api.conftest import start

    twins = build_twins([tmp_path_factory.mktemp(name) for name in ("left", "right")])
    twin = twins.pair[0]
    twin.built.parties[SECOND] = party(SECOND, "Dr Ma")
    twin.built.register(SECOND)
    twin.built.grant(SECOND, "sub-investigator", f"site/{SITE}")
    arms = {name: twin.arm(name) for name in (ONE, TWO)}
    twins.close()
    running = start(twin.built)
    yield Served(running, arms)
    running.stop()


def identity(served: Served, source: str) -> Identity:
    """Somebody's identity."""
    return Identity(source, served.running.built.parties[source].key)


def unblind(served: Served, path: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Type the command."""
    return subprocess.run(
        [
            sys.executable, "-m", "api.cli", "unblind", "--url", served.url, "--trial", TRIAL,
            "--identity", str(path), *arguments,
        ],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )  # fmt: skip


def test_a_masked_physician_is_told_the_arm_in_one_call(served: Served) -> None:
    """And can read it again, but not another subject's."""
    physician = identity(served, INVESTIGATOR)
    with LedgerReader(served.url, TRIAL, physician, masked=True) as ledger:
        assert ledger.break_blind(ONE)["arm"] == served.arms[ONE]
        assert ledger.arm_of(ONE)["blind"]["reason"] == "due"
        with pytest.raises(TrustFailure) as caught:
            ledger.arm_of(TWO)
    assert caught.value.code == "unblinding.not-broken"
    # The client asks first: that stands there as the refusal it was, and once.
    assert asked_for(served.running, ONE) == ["unblinding.not-broken", "served", "served"]


def asked_for(running: Running, subject: str) -> list[str]:
    """How each asking for a subject's arm ended, as the access log has it."""
    done = CliRunner().invoke(
        cli, ["access-log", "show", "--json", "--database", running.built.url, "--subject", subject]
    )
    assert done.exit_code == 0, done.output
    rows = json.loads(done.stdout)
    return [row["outcome"] for row in rows if row["operation"] == "unblinding.read"]


def test_nothing_is_broken_for_who_would_be_told_nothing(served: Served) -> None:
    """A coordinator's call is refused before anything is posted."""
    with LedgerReader(served.url, TRIAL, identity(served, COORDINATOR)) as ledger:
        with pytest.raises(TrustFailure) as caught:
            ledger.break_blind(TWO)
        assert caught.value.code == "access.role"
        assert not ledger.json(f"/subjects/{TWO}")["flags"]["blind_broken"]


def count_of(served: Served, subject: str) -> int:
    """How often the blind of a subject was broken."""
    with LedgerReader(served.url, TRIAL, identity(served, INVESTIGATOR)) as ledger:
        return len(ledger.json(f"/subjects/{subject}")["unblindings"])


def test_the_command_shows_the_arm_and_until_when_the_reason_is_due(
    served: Served, tmp_path: Path
) -> None:
    """It breaks the blind for whom --told names; run again it reads once more."""
    path = tmp_path / "me.identity"
    identity(served, SECOND).save(path)
    shown = unblind(served, path, "--subject", TWO, "--yes", "--told", "participant")
    assert shown.returncode == 0, shown.stderr
    assert f"{TWO}: ARM {served.arms[TWO]}" in shown.stdout
    assert "Record the medical reason until" in shown.stdout
    assert "nothing was broken" not in shown.stdout
    again = unblind(served, path, "--subject", TWO, "--again", "--json")
    assert json.loads(again.stdout)["arm"] == served.arms[TWO]
    assert "had broken this blind before" in unblind(served, path, "--subject", TWO, "--yes").stdout
    assert count_of(served, TWO) == 1


def test_who_may_read_the_arm_anyway_breaks_nothing(served: Served, tmp_path: Path) -> None:
    """Where physicians are not masked, one reads it and is not even asked."""
    path, before = tmp_path / "me.identity", count_of(served, ONE)
    identity(served, SECOND).save(path)
    shown = unblind(served, path, "--subject", ONE)
    assert shown.returncode == 0, shown.stderr
    assert f"{ONE}: ARM {served.arms[ONE]}" in shown.stdout
    assert "You are not masked; nothing was broken" in shown.stdout
    assert count_of(served, ONE) == before


def test_the_command_asks_first_and_says_what_else_can_be_done(
    served: Served, tmp_path: Path
) -> None:
    """A wrong subject id must not break a blind; the reason stands first, then the envelopes."""
    path, before = tmp_path / "me.identity", count_of(served, ONE)
    identity(served, SECOND).save(path)
    unasked = unblind(served, path, "--subject", ONE, "--told", "participant")
    assert unasked.returncode == 1
    assert f"Break the blind of {ONE}" in unasked.stderr
    assert count_of(served, ONE) == before
    none = unblind(served, path, "--subject", THREE, "--yes")
    assert none.returncode == 2
    lines = none.stderr.splitlines()
    assert "has not been randomized" in lines[0]
    assert "envelope" in lines[1]


def test_the_command_breaks_the_blind_for_a_masked_physician(
    tmp_path: Path, serving: Callable[[BuiltLedger], Running]
) -> None:
    """Where the protocol masks investigators there is nothing to read before."""
    document: dict[str, Any] = json.loads(
        resources.files("ledger.trials").joinpath("xhnkky-dfsc.json").read_bytes()
    )
    document["protocol"]["masking"]["masked_roles"].append("principal-investigator")
    directory, path = tmp_path / "ledger", tmp_path / "me.identity"
    directory.mkdir()
    twin = Twin(made_ready(open_ledger(directory, definition=parse_trial(document))))
    screen(twin, ONE)
    randomize(twin, ONE)
    arms = {ONE: twin.arm(ONE)}
    twin.built.close()
    served = Served(serving(twin.built), arms)
    identity(served, INVESTIGATOR).save(path)
    shown = unblind(served, path, "--subject", ONE, "--yes")
    assert f"{ONE}: ARM {served.arms[ONE]}" in shown.stdout, shown.stderr
    assert "Record the medical reason until" in shown.stdout
    assert asked_for(served.running, ONE) == ["unblinding.not-broken", "served"]
    again = unblind(served, path, "--subject", ONE)
    assert "had broken this blind before" in again.stdout, again.stderr
