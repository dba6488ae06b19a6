"""Checkpoints as the doors serve them: signed, cosigned, with age and who is missing."""

from __future__ import annotations

import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest
import urllib3

from ledger.log.cosignature import open_cosigned
from ledger.log.policy import parse_policy
from tests.api.conftest import ROOT
from tests.build_ledger import TRIAL, BuiltLedger, open_ledger
from tests.free_port import free_port
from tests.running_witness import RunningWitness, start_witness

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from flask import Flask

BASE = f"/v1/trials/{TRIAL}"


@pytest.fixture
def built(tmp_path: Path) -> Iterator[BuiltLedger]:
    """A ledger with entry 0."""
    one = open_ledger(tmp_path)
    yield one
    one.close()


@pytest.fixture
def witnesses(tmp_path: Path, built: BuiltLedger) -> Iterator[tuple[RunningWitness, ...]]:
    """One that runs and one that does not."""
    found = tuple(
        start_witness(tmp_path, name, [built.keys.vkey]) for name in ("ethics", "regulator")
    )
    found[1].stop()
    yield found
    found[0].stop()


def policy_of(witnesses: tuple[RunningWitness, ...]) -> str:
    """Either of them is enough."""
    lines = "".join(one.policy_line for one in witnesses)
    return f"{lines}group q any ethics regulator\nquorum q\n"


def until(holds: Callable[[], object]) -> None:
    """Wait for what a publisher does in a later round, where a witness was slow in the first."""
    deadline = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < deadline, "it did not come to pass"
        time.sleep(0.05)


def publish(built: BuiltLedger, witnesses: tuple[RunningWitness, ...]) -> None:
    """Publish to the witnesses; on return the one that runs has cosigned."""
    built.ledger.publish(parse_policy(policy_of(witnesses).encode()))
    publisher = built.ledger.publisher
    assert publisher is not None
    until(publisher.cosigned)


def test_without_witnesses_nothing_is_cosigned(
    built: BuiltLedger, open_doors: Callable[..., Flask]
) -> None:
    """404 with what to look at; the log-signed checkpoint is served all the same."""
    built.ledger.publish()
    client = open_doors(built.ledger).test_client()
    answer = client.get(f"{BASE}/log/checkpoint/cosigned")
    assert answer.status_code == 404
    assert answer.get_json()["code"] == "log.not-cosigned"
    assert client.get(f"{BASE}/log/checkpoint").status_code == 200


def test_a_ledger_that_does_not_publish_says_so(
    built: BuiltLedger, open_doors: Callable[..., Flask]
) -> None:
    """Null, and no error."""
    client = open_doors(built.ledger).test_client()
    assert client.get(f"{BASE}/verification").get_json()["publication"] is None
    assert client.get("/readyz").get_json()["publication"] is None
    assert client.get("/metrics").status_code == 200


def test_the_cosigned_checkpoint_is_served_with_age_and_missing_witnesses(
    built: BuiltLedger,
    witnesses: tuple[RunningWitness, ...],
    open_doors: Callable[..., Flask],
) -> None:
    """At its route, in /verification, /readyz and /metrics; an outage leaves the service ready."""
    publish(built, witnesses)
    client = open_doors(built.ledger).test_client()
    answer = client.get(f"{BASE}/log/checkpoint/cosigned")
    opened = open_cosigned(answer.text, built.keys.vkey, [witnesses[0].vkey])
    assert [one.vkey for one in opened.cosignatures] == [witnesses[0].vkey]
    assert 0 <= int(answer.headers["Age"]) < 60

    state = client.get(f"{BASE}/verification").get_json()["publication"]
    assert state["cosigned"]["witnesses"] == ["ethics"]
    assert state["cosigned"]["missing"] == ["regulator"]
    assert state["cosigned"]["entries_behind"] == 0
    assert [one["error"] and one["error"]["code"] for one in state["witnesses"]] == [
        None,
        "witness.unreachable",
    ]
    ready = client.get("/readyz")
    assert ready.status_code == 200
    assert ready.get_json()["publication"]["cosigned"]["missing"] == ["regulator"]
    measures = client.get("/metrics").text
    assert 'ledger_witness_up{witness="ethics"} 1.0' in measures
    assert 'ledger_witness_up{witness="regulator"} 0.0' in measures
    assert "ledger_cosigned_size 1.0" in measures


def test_a_refusal_because_of_a_witness_shows_at_the_doors(
    built: BuiltLedger, open_doors: Callable[..., Flask], witnesses: tuple[RunningWitness, ...]
) -> None:
    """Not ready, not signing; reads are served."""
    publish(built, witnesses)
    witnesses[0].cosign_longer(built.keys.checkpoint_signer)
    built.reopen().publish(parse_policy(policy_of(witnesses).encode()))
    until(lambda: built.ledger.refusal)
    client = open_doors(built.ledger).test_client()
    assert client.get("/readyz").status_code == 503
    found = client.get(f"{BASE}/verification").get_json()
    assert (found["state"], found["reason"]["code"]) == (
        "refuses-to-sign",
        "head.witness-knows-more",
    )
    assert client.get(f"{BASE}/log/checkpoint").status_code == 200
    assert "ledger_signing 0.0" in client.get("/metrics").text


def test_the_command_takes_the_policy_from_a_file(
    built: BuiltLedger, witnesses: tuple[RunningWitness, ...], tmp_path: Path
) -> None:
    """The real service, the real option."""
    file, port = tmp_path / "policy", free_port()
    file.write_text(policy_of(witnesses))
    built.ledger.close()
    command = [sys.executable, "-m", "api.cli", "serve", "--database", built.url]
    command += ["--port", str(port), "--witness-policy", str(file)]
    process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.DEVNULL)
    try:
        deadline, status = time.monotonic() + 60, 0
        url = f"http://127.0.0.1:{port}{BASE}/log/checkpoint/cosigned"
        while status != 200 and time.monotonic() < deadline:
            time.sleep(0.1)
            try:
                status = urllib3.request("GET", url, retries=False, timeout=5).status
            except urllib3.exceptions.HTTPError:
                continue
        assert status == 200
    finally:
        process.terminate()
        process.wait(timeout=60)


def test_a_faulty_policy_stops_the_command_before_it_serves(
    built: BuiltLedger, tmp_path: Path
) -> None:
    """With the line that is wrong."""
    file = tmp_path / "policy"
    file.write_text("quorum nobody\n")
    built.ledger.close()
    command = [sys.executable, "-m", "api.cli", "serve", "--database", built.url]
    command += ["--port", str(free_port()), "--witness-policy", str(file)]
    ended = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60
    )
    assert ended.returncode != 0
    assert "nobody is not defined" in ended.stderr
