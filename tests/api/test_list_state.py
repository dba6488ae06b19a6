"""Whether the service can randomize is told before the first subject waits for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ledger.allocation.sealed_list import SealedList, key_beside
from tests.build_ledger import (
    STATISTICIAN,
    TRIAL,
    BuiltLedger,
    identify,
    made_ready,
    open_ledger,
    seed_of,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from flask import Flask
    from flask.testing import FlaskClient

    from ledger.record import Record


def told(client: FlaskClient) -> tuple[int, str | None, str | None]:
    """The status of readiness, and the list's state there and under /verification."""
    ready = client.get("/readyz")
    verification = client.get(f"/v1/trials/{TRIAL}/verification").get_json()
    return ready.status_code, ready.get_json().get("allocation"), verification["allocation"]


def without_list(built: BuiltLedger) -> None:
    """Stop the service and take the list away."""
    built.close()
    built.files.allocation.unlink()
    key_beside(built.files.allocation).unlink()


def test_the_list_that_was_committed_to_is_ready(client: FlaskClient) -> None:
    """In both places."""
    assert told(client) == (200, "ready", "ready")


def test_a_missing_list_is_named_and_facts_are_recorded(
    built: BuiltLedger, open_doors: Callable[..., Flask]
) -> None:
    """Readiness does not fail by it; a list that is put back is held from the next start on."""
    kept = [
        path.read_bytes() for path in (built.files.allocation, key_beside(built.files.allocation))
    ]
    without_list(built)
    client = open_doors(built.reopen()).test_client()
    assert told(client) == (200, "missing", "missing")
    signed = identify(built, 1)
    answer = client.post(
        f"/v1/trials/{TRIAL}/events", data=signed.body, content_type=signed.media_type
    )
    assert answer.status_code == 201
    for path, content in zip(
        (built.files.allocation, key_beside(built.files.allocation)), kept, strict=True
    ):
        path.touch(mode=0o600)
        path.write_bytes(content)
    assert told(client)[1] == "missing"
    assert told(open_doors(built.reopen()).test_client()) == (200, "ready", "ready")


def test_another_list_is_named(built: BuiltLedger, open_doors: Callable[..., Flask]) -> None:
    """Its root is not the one in the log."""
    without_list(built)
    protocol = built.definition.protocol
    SealedList.draw(
        protocol.allocation, protocol.planned_number, block_sizes=(4, 6), seed=seed_of("another")
    ).save(built.files.allocation)
    client = open_doors(built.reopen()).test_client()
    assert told(client) == (200, "other-list", "other-list")


def test_a_list_that_nobody_committed_to_is_named(
    tmp_path: Path, open_doors: Callable[..., Flask]
) -> None:
    """The statistician has not sealed it in the log yet."""
    built = open_ledger(tmp_path)
    client = open_doors(built.ledger).test_client()
    assert told(client) == (200, "uncommitted", "uncommitted")
    built.close()


def test_a_commitment_is_seen_as_soon_as_it_is_recorded(
    tmp_path: Path, open_doors: Callable[..., Flask]
) -> None:
    """No restart lies between; an answer given before is not given again."""
    built = open_ledger(tmp_path)
    client = open_doors(built.ledger).test_client()
    assert told(client)[1] == "uncommitted"
    made_ready(built)
    assert told(client) == (200, "ready", "ready")
    built.close()


def ask_to_seal_again(built: BuiltLedger) -> None:
    """A command that is refused, and stands in the list's stream with its refusal."""
    drawn = SealedList.load(built.files.allocation)
    data = drawn.commitment(
        generator=STATISTICIAN, protocol_version=built.definition.protocol.version
    )
    signed = built.sign("randomization-list.sealed.v1", "allocation/main", data, by=STATISTICIAN)
    assert built.ledger.submit(built.receive(signed), built.tick()).outcome.refused


def test_asking_again_folds_nothing_again(
    built: BuiltLedger, client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A balancer asks each second: the stream of the list is read when it has grown."""
    read: list[str] = []
    stream = built.ledger.application.stream

    def noted(name: str) -> Sequence[Record]:
        read.append(name)
        return stream(name)

    monkeypatch.setattr(built.ledger.application, "stream", noted)
    for number in range(1, 4):
        built.record(identify(built, number))
        read.clear()
        assert told(client) == (200, "ready", "ready")
        assert read.count("allocation/main") == (1 if number == 1 else 0)
    ask_to_seal_again(built)
    read.clear()
    assert told(client) == (200, "ready", "ready")
    assert read.count("allocation/main") == 1


@pytest.mark.parametrize("name", ["ready", "missing", "other-list", "uncommitted"])
def test_the_interface_names_every_state(client: FlaskClient, name: str) -> None:
    """With what it means."""
    schemas = client.get("/openapi.json").get_json()["components"]["schemas"]
    state = schemas["Readiness"]["properties"]["allocation"]
    assert name in state["enum"]
    assert name in state["description"]


def test_a_ledger_that_does_not_sign_says_nothing_of_its_list(
    built: BuiltLedger, open_doors: Callable[..., Flask]
) -> None:
    """Nothing is allocated then anyway."""
    built.close()
    built.files.head.unlink()
    client = open_doors(built.reopen()).test_client()
    assert told(client) == (503, None, None)
