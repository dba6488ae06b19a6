"""The sealed list as a value and as a file."""

from __future__ import annotations

import json
import os
import stat
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.allocation.generator import ListDesign
from ledger.allocation.sealed_list import SealedList
from ledger.errors import IntegrityFailure, RejectedInput, TrustFailure
from ledger.events.registry import EVENT_TYPES
from ledger.trials.protocol import AllocationScheme

if TYPE_CHECKING:
    from pathlib import Path

DESIGN = ListDesign(
    planned_number=7,
    ratio=(("double", 1), ("single", 1)),
    block_sizes=(4, 6),
    strata=("child-pugh-class=B", "child-pugh-class=C"),
)
SEED = bytes(range(32))
SEALED = SealedList(DESIGN, SEED)
SEEDS = st.binary(min_size=32, max_size=32)


@pytest.fixture
def stored(tmp_path: Path) -> Path:
    """Give the path of a saved list."""
    path = tmp_path / "list.json"
    SEALED.save(path)
    return path


@given(first=SEEDS, second=SEEDS)
def test_seeds_and_roots_correspond(first: bytes, second: bytes) -> None:
    """Same seed, same root; other seed, other root, even where the arms happen to agree."""
    roots = (SealedList(DESIGN, first).root, SealedList(DESIGN, second).root)
    assert (roots[0] == roots[1]) == (first == second)


def test_no_two_slots_share_a_salt() -> None:
    """A shared salt would let an opened slot betray an unopened one of the same arm."""
    assert len({slot.salt for slot in SEALED.slots}) == SEALED.size


def test_the_scheme_of_a_protocol_draws_the_list() -> None:
    """The constructor for callers who hold the protocol."""
    scheme = AllocationScheme("permuted-blocks", {"single": 1, "double": 1}, "sealed-with-list", ())
    sealed = SealedList.draw(scheme, 7, block_sizes=(4, 6), seed=SEED)
    assert sealed.design.block_sizes == (4, 6)
    assert sealed.slots_per_stratum == {"all": sealed.size}
    assert sealed.size >= 7


def test_the_commitment_tells_neither_seed_nor_arms_nor_block_sizes() -> None:
    """It stands in the log from before the first subject on."""
    commitment = SEALED.commitment(generator="/sponsor/persons/stat-01", protocol_version="2.0")
    assert set(commitment) == {
        "algorithm", "generator", "list_root", "protocol_version", "strata", "total_slots"
    }  # fmt: skip
    text = json.dumps(commitment)
    assert not any(word in text for word in ("single", "double", "[4, 6]", SEED.hex()))


def test_the_commitment_of_a_stratified_list_can_be_recorded() -> None:
    """The vocabulary takes the strata and the algorithm as the list names them."""
    commitment = SEALED.commitment(generator="/sponsor/persons/stat-01", protocol_version="1.0")
    EVENT_TYPES["randomization-list.sealed.v1"].check(commitment)


def test_the_printed_list_tells_nothing() -> None:
    """A log line or a traceback must not read the list ahead."""
    printed = f"{SEALED} {SEALED.slots} {SEALED.opening('child-pugh-class=B', 1)}"
    assert not any(word in printed.replace("('double', 1), ('single', 1)", "") for word in (
        "single", "double", SEED.hex(), repr(SEED), SEALED.slots[0].salt, "(4, 6)"
    ))  # fmt: skip


@pytest.mark.parametrize("slot", [0, -1, 1000])
def test_a_slot_that_is_not_in_the_list_cannot_be_opened(slot: int) -> None:
    """Counting from the end is a Python habit, no allocation."""
    with pytest.raises(RejectedInput) as refusal:
        SEALED.opening("child-pugh-class=B", slot)
    assert refusal.value.code == "allocation.no-such-slot"


def test_a_saved_list_comes_back_the_same(stored: Path) -> None:
    """Design, seed, slots and root."""
    loaded = SealedList.load(stored)
    assert (loaded, loaded.slots, loaded.root) == (SEALED, SEALED.slots, SEALED.root)


def test_a_saved_list_is_readable_by_its_owner_only(tmp_path: Path) -> None:
    """Whatever the process's mask says."""
    before = os.umask(0)
    try:
        SEALED.save(tmp_path / "list.json")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "list.json").stat().st_mode) == 0o600


def test_a_list_is_never_overwritten(stored: Path) -> None:
    """The sealed list of a running trial must not vanish under a second draw."""
    before = stored.read_bytes()
    with pytest.raises(FileExistsError):
        SealedList(DESIGN, bytes(32)).save(stored)
    assert stored.read_bytes() == before


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o601])
def test_a_list_open_to_others_is_not_used(stored: Path, mode: int) -> None:
    """It may be known already, and the statistician must hear of it."""
    stored.chmod(mode)
    with pytest.raises(TrustFailure) as failure:
        SealedList.load(stored)
    assert failure.value.code == "allocation.list-open-to-others"


@given(place=st.integers(min_value=0), mask=st.integers(1, 255))
def test_a_file_with_any_byte_changed_is_refused(
    tmp_path_factory: pytest.TempPathFactory, place: int, mask: int
) -> None:
    """Every byte of the file is a consequence of its design and seed."""
    path = tmp_path_factory.mktemp("changed") / "list.json"
    SEALED.save(path)
    content = bytearray(path.read_bytes())
    content[place % len(content)] ^= mask
    path.write_bytes(content)
    with pytest.raises(IntegrityFailure) as failure:
        SealedList.load(path)
    assert failure.value.code in ("allocation.list-malformed", "allocation.list-not-reproduced")


def test_a_swapped_arm_is_found_at_its_slot_without_naming_it(stored: Path) -> None:
    """The finding points to the slot; the message stays silent on the arms."""
    value = json.loads(stored.read_bytes())
    value["slots"][3]["arm"] = "single" if value["slots"][3]["arm"] == "double" else "double"
    stored.write_text(json.dumps(value, sort_keys=True, separators=(",", ":")), "ascii")
    with pytest.raises(IntegrityFailure) as failure:
        SealedList.load(stored)
    assert failure.value.where == "/slots/3"
    assert "single" not in str(failure.value)
    assert "double" not in str(failure.value)


@pytest.mark.parametrize("content", [b"", b"{}", b"[]", b"\xff", b'{"design":{},"seed":"00"}'])
def test_a_file_that_is_no_list_is_refused(stored: Path, content: bytes) -> None:
    """A crash while saving may leave anything."""
    stored.write_bytes(content)
    with pytest.raises(IntegrityFailure) as failure:
        SealedList.load(stored)
    assert failure.value.code == "allocation.list-malformed"


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    """A path that is no regular file is refused at once."""
    os.mkfifo(tmp_path / "list.json", 0o600)
    with pytest.raises(IntegrityFailure) as failure:
        SealedList.load(tmp_path / "list.json")
    assert failure.value.code == "allocation.list-malformed"


def test_a_longer_plan_keeps_the_slots_already_drawn() -> None:
    """Slots, salts included, do not depend on how many follow."""
    longer = SealedList(replace(DESIGN, planned_number=50), SEED)
    short = [slot for slot in SEALED.slots if slot.stratum == DESIGN.strata[0]]
    assert list(longer.slots[: len(short)]) == short
