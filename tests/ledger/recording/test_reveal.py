"""The reveal, end to end: after the lock everybody draws the whole list again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ledger.allocation.opening import verify_opening
from ledger.allocation.sealed_list import SealedList
from ledger.errors import RejectedInput
from tests.build_ledger import REGISTRAR, SPONSOR, STATISTICIAN, build_ledger, open_ledger
from tests.ledger.build_service import code_of, refusals

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from ledger.signing.strict_json import JsonObject
    from tests.build_ledger import BuiltLedger

WHY: JsonObject = {"reason": {"code": "last-visit-done", "text": "All queries are closed."}}


@pytest.fixture
def built(tmp_path: Path) -> Iterator[BuiltLedger]:
    """A ledger with a sealed list and nobody in the trial."""
    ledger = build_ledger(tmp_path)
    yield ledger
    ledger.close()


def reveal(built: BuiltLedger) -> JsonObject:
    """Close, lock and reveal; what the ledger published."""
    sealed = built.ledger.application.of_types(["randomization-list.sealed.v1"])[-1]
    built.state("enrolment.closed.v1", "trial", WHY, by=SPONSOR)
    locked = built.state("data.locked.v1", "trial", WHY, by=SPONSOR)
    asked: JsonObject = {"sealed_list": sealed.id, "locked": locked.id}
    request = built.state(
        "allocation.reveal-requested.v1", "allocation/main", asked, by=STATISTICIAN
    )
    answer = built.ledger.application.record(request.seq + 1)
    assert answer.type == "allocation.revealed.v1"
    return answer.data


def test_what_is_revealed_draws_the_sealed_list(built: BuiltLedger) -> None:
    """Its root is the one committed before the first subject, and each slot opens under it."""
    sealed = built.ledger.application.of_types(["randomization-list.sealed.v1"])[-1]
    drawn = SealedList.from_revelation(reveal(built))
    assert drawn.root == sealed.data["list_root"]
    opening = drawn.opening(drawn.design.strata[1], 7)
    verify_opening(sealed.data, opening.slot, path=opening.path, index=opening.index)


def test_a_changed_seed_draws_another_list(built: BuiltLedger) -> None:
    """Nobody can reveal a list that was not sealed."""
    published = reveal(built)
    seed = str(published["seed"])
    other = SealedList.from_revelation({**published, "seed": seed[:-1] + "0123456789abcdef"[
        (int(seed[-1], 16) + 1) % 16]})  # fmt: skip
    assert other.root != published["list_root"]


@pytest.mark.parametrize(
    "change", [{"seed": "00"}, {"ratio": []}, {"strata": "all"}, {"block_sizes": [3]}]
)
def test_a_malformed_revelation_is_refused(built: BuiltLedger, change: JsonObject) -> None:
    """Whatever it is, it draws no list."""
    with pytest.raises(RejectedInput):
        SealedList.from_revelation({**reveal(built), **change})


def test_the_list_stays_shut_while_the_data_are_open(built: BuiltLedger) -> None:
    """The refusal is recorded, the seed is not."""
    sealed = built.ledger.application.of_types(["randomization-list.sealed.v1"])[-1]
    asked: JsonObject = {"sealed_list": sealed.id, "locked": sealed.id}
    signed = built.sign("allocation.reveal-requested.v1", "allocation/main", asked, by=STATISTICIAN)
    assert refusals(built, signed) == ["GC-03"]
    seed = SealedList.load(built.files.allocation).seed.hex().encode()
    assert all(seed not in data for _, data in built.ledger.application.store.entries(0, 10_000))


def test_a_commitment_to_another_list_is_not_recorded(tmp_path: Path) -> None:
    """It would show only with the first subject waiting."""
    built = open_ledger(tmp_path)
    try:
        built.register(REGISTRAR, by=SPONSOR)
        built.grant(REGISTRAR, "registrar", "trial", by=SPONSOR)
        built.register(STATISTICIAN)
        built.grant(STATISTICIAN, "statistician", "trial")
        held = SealedList.load(built.files.allocation)
        other = SealedList(held.design, bytes(32))
        data = other.commitment(generator=STATISTICIAN, protocol_version="1.0")
        signed = built.sign(
            "randomization-list.sealed.v1", "allocation/main", data, by=STATISTICIAN
        )
        size = built.ledger.application.store.head().size
        assert code_of(built, signed) == "schema.other-list"
        assert built.ledger.application.store.head().size == size
    finally:
        built.close()
