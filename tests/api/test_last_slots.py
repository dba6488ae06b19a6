"""Fifty requests at once for the last ten slots, over HTTP to a real server."""

from __future__ import annotations

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import TYPE_CHECKING, Any

import pytest
import urllib3

from ledger.allocation.sealed_list import SealedList
from ledger.application import LedgerApplication
from ledger.record import read_record
from ledger.signing.rfc3339 import format_recorded_at
from tests.api.build_last_slots import SLOTS, WAITING, small_trial, waiting
from tests.build_screened import STRATUM

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from ledger.record import Record
    from tests.api.conftest import Running
    from tests.build_ledger import BuiltLedger, Signed

TELLING = ("slot_salt", '"slot"', '"arm"', '"path"', "single", "double")
"""What a refusal must not hold, neither its entries nor the statements in them."""


def all_at_once(server: Running, requests: list[Signed]) -> list[tuple[int, dict[str, Any]]]:
    """Post each request on a thread of its own, all let go in the same moment."""
    gate, now = Barrier(len(requests)), format_recorded_at(server.built.tick())

    def post(signed: Signed) -> tuple[int, dict[str, Any]]:
        with urllib3.PoolManager(retries=False, timeout=60) as pool:
            gate.wait(30)
            answer = pool.request(
                "POST",
                server.events,
                body=signed.body,
                headers={"Content-Type": signed.media_type, "Demonstration-Time": now},
            )
            return answer.status, json.loads(answer.data)

    with ThreadPoolExecutor(len(requests)) as threads:
        return [*threads.map(post, requests)]


def randomized(built: BuiltLedger) -> list[Record]:
    """The allocations in order of the log."""
    application = LedgerApplication(built.database, create=False)
    try:
        return [*application.of_types(("subject.randomized.v1",))]
    finally:
        application.close()


@pytest.mark.long
def test_fifty_requests_for_the_last_ten_slots_fill_them_in_order_and_no_more(
    tmp_path: Path, serving: Callable[[BuiltLedger], Running]
) -> None:
    """Ten are allocated, slot by slot; forty are refused by a named rule and learn no slot."""
    built = small_trial(tmp_path)
    drawn = SealedList.load(built.files.allocation)
    requests = waiting(built)
    built.close()
    server = serving(built)

    answers = all_at_once(server, requests)
    server.stop()

    allocated = [answer for status, answer in answers if status == 201]
    refused = [answer for status, answer in answers if status == 409]
    assert (len(allocated), len(refused)) == (SLOTS, WAITING - SLOTS)
    records = randomized(built)
    assert [record.data["slot"] for record in records] == [*range(1, SLOTS + 1)]
    assert {record.data["stratum"] for record in records} == {STRATUM}
    assert len({record.stream for record in records}) == SLOTS
    for answer in refused:
        assert {rule["id"] for rule in answer["rules"]} == {"GR-07", "GR-08"}
        said = json.dumps(answer) + "".join(
            json.dumps(read_record(part["entry"].encode()).data)
            for part in (answer, answer["result"])
        )
        assert [text for text in TELLING if text in said] == []
        assert not any(slot.salt in said for slot in drawn.slots)
    verified = subprocess.run(
        [sys.executable, "-m", "api.cli", "verify", "--database", built.url],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert verified.returncode == 0, verified.stdout + verified.stderr
