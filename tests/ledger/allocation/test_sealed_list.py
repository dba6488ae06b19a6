"""The sealed list as a value and as a file."""

from __future__ import annotations

import base64
import json
import os
import stat
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.allocation.generator import ListDesign
from ledger.allocation.sealed_list import SealedList, key_beside
from ledger.concealment.key_file import FileKey, create_key_file
from ledger.concealment.key_ring import KeyRing
from ledger.concealment.sealed_file import rewrap_sealed, write_sealed
from ledger.errors import IntegrityFailure, RejectedInput, TrustFailure, Unavailable
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
CLEAR = SEALED.document().encode()
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
    """Every byte is authenticated, or names the key and the form."""
    path = tmp_path_factory.mktemp("changed") / "list.json"
    SEALED.save(path)
    content = bytearray(path.read_bytes())
    content[place % len(content)] ^= mask
    path.write_bytes(content)
    with pytest.raises((IntegrityFailure, Unavailable)) as failure:
        SealedList.load(path)
    assert failure.value.code in (
        "allocation.list-malformed", "allocation.list-altered", "concealment.key-missing"
    )  # fmt: skip


def told_by(*paths: Path) -> list[str]:
    """Which secrets of the list stand in some files, in any of the ways they could be written."""
    held = b"".join(path.read_bytes() for path in paths)
    secrets = {"seed": SEED, "block sizes": b"[4,6]", "design": b"block_sizes"}
    secrets |= {f"salt {n}": bytes.fromhex(slot.salt) for n, slot in enumerate(SEALED.slots)}
    secrets |= {arm: arm.encode() for arm in ("single", "double")}
    found = []
    for name, value in secrets.items():
        # The base64 that the value alone decides, whole: four characters any ciphertext may hold.
        decided = len(value) * 8 // 6
        written = (value, value.hex().encode(), base64.b64encode(value)[:decided])
        if any(form in held for form in (*written, base64.urlsafe_b64encode(value)[:decided])):
            found.append(name)
    return found


def test_a_stolen_list_file_tells_nothing(stored: Path) -> None:
    """Neither seed, nor salts, nor arms, nor block sizes are in any byte of it."""
    assert told_by(stored) == []
    assert told_by(stored.parent / "list.json", key_beside(stored)) == []


def test_the_size_of_a_list_file_tells_nothing(tmp_path: Path) -> None:
    """Whatever the block sizes, the file is as long."""
    for number, sizes in enumerate([(2,), (4, 6), (2, 4, 6, 8)]):
        SealedList(replace(DESIGN, block_sizes=sizes), SEED).save(tmp_path / f"list-{number}")
    assert len({path.stat().st_size for path in tmp_path.glob("list-?")}) == 1


def test_a_list_needs_the_key_it_was_sealed_under(stored: Path) -> None:
    """Another ledger's key opens nothing; without any the operator hears what is missing."""
    key_beside(stored).unlink()
    with pytest.raises(TrustFailure) as missing:
        SealedList.load(stored)
    assert missing.value.code == "key-file.missing"
    create_key_file(key_beside(stored), bytes(32))
    with pytest.raises(Unavailable) as other:
        SealedList.load(stored)
    assert other.value.code == "concealment.key-missing"


def test_a_list_can_be_sealed_under_a_key_that_lies_elsewhere(tmp_path: Path) -> None:
    """No key file is made beside it then."""
    ring = KeyRing.of(FileKey(bytes(32)))
    SEALED.save(tmp_path / "list.json", ring)
    assert [path.name for path in tmp_path.iterdir()] == ["list.json"]
    assert SealedList.load(tmp_path / "list.json", ring) == SEALED


def test_a_list_changes_its_key_without_being_opened(tmp_path: Path) -> None:
    """The old key opens it no more, the ciphertext is the same."""
    path, old, new = tmp_path / "list.json", FileKey(bytes(32)), FileKey(bytes(31) + b"1")
    SEALED.save(path, KeyRing.of(old))
    before = json.loads(path.read_bytes())
    assert rewrap_sealed(path, kind=SealedList.KIND, ring=KeyRing.of(new, old))
    assert not rewrap_sealed(path, kind=SealedList.KIND, ring=KeyRing.of(new, old))
    assert json.loads(path.read_bytes())["ciphertext"] == before["ciphertext"]
    assert SealedList.load(path, KeyRing.of(new)) == SEALED
    with pytest.raises(Unavailable):
        SealedList.load(path, KeyRing.of(old))


def test_another_sealed_file_does_not_pass_for_a_list(tmp_path: Path) -> None:
    """The kind is part of what is authenticated."""
    ring = KeyRing.of(FileKey(bytes(32)))
    write_sealed(tmp_path / "x", SEALED.document(), kind="other", ring=ring)
    content = (tmp_path / "x").read_bytes()
    for change in (content, content.replace(b'"other"', b'"allocation-list"')):
        (tmp_path / "x").write_bytes(change)
        with pytest.raises(IntegrityFailure):
            SealedList.load(tmp_path / "x", ring)


@pytest.mark.parametrize(
    "content", [b"", b"{}", b"[]", b"\xff", b'{"design":{},"seed":"00"}', CLEAR]
)
def test_a_file_that_is_no_list_is_refused(stored: Path, content: bytes) -> None:
    """A crash while saving may leave anything, and a list in clear is none."""
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
