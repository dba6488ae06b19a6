"""Openings: every true one verifies, and nothing else does."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.allocation.generator import ListDesign
from ledger.allocation.opening import index_of, verify_opening, verify_slot
from ledger.allocation.sealed_list import Opening, SealedList
from ledger.errors import IntegrityFailure

DESIGN = ListDesign(
    planned_number=9,
    ratio=(("double", 1), ("single", 1)),
    block_sizes=(4, 6),
    strata=("child-pugh-class=B", "child-pugh-class=C"),
)
SEALED = SealedList(DESIGN, bytes(range(32)))
COMMITMENT = SEALED.commitment(generator="/sponsor/persons/stat-01", protocol_version="1.0")
PLACES = st.integers(0, SEALED.size - 1)


def opening_at(place: int) -> Opening:
    """Open the slot that stands at a place of the whole list."""
    return SEALED.opening(SEALED.slots[place].stratum, SEALED.slots[place].slot)


def arguments(opening: Opening) -> dict[str, Any]:
    """Give what `verify_slot` takes."""
    return {
        "list_root": SEALED.root,
        "size": opening.size,
        "index": opening.index,
        "path": list(opening.path),
        **opening.slot.members(),
    }


def flipped(text: str, at: int) -> str:
    """Change one hexadecimal digit."""
    digit = f"{int(text[at], 16) ^ 1:x}"
    return text[:at] + digit + text[at + 1 :]


@given(seed=st.binary(min_size=32, max_size=32), planned=st.integers(1, 40))
def test_every_slot_of_a_list_opens(seed: bytes, planned: int) -> None:
    """Each opening stands at the place its commitment implies and verifies there."""
    sealed = SealedList(replace(DESIGN, planned_number=planned), seed)
    commitment = sealed.commitment(generator="/sponsor/persons/s", protocol_version="1.0")
    for place, slot in enumerate(sealed.slots):
        opening = sealed.opening(slot.stratum, slot.slot)
        assert (opening.index, opening.slot) == (place, slot)
        assert index_of(slot.stratum, slot.slot, strata=commitment["strata"]) == place
        verify_opening(commitment, slot, path=opening.path, index=place)


@given(
    place=PLACES,
    member=st.sampled_from(("list_root", "salt", "arm", "slot", "stratum", "index", "path")),
    digit=st.integers(0, 63),
)
def test_an_opening_with_any_member_changed_fails(place: int, member: str, digit: int) -> None:
    """Arm, salt, slot, stratum, index, path and root are all bound to one another."""
    opening = opening_at(place)
    changed = arguments(opening)
    if member in ("list_root", "salt"):
        changed[member] = flipped(changed[member], digit)
    elif member == "path":
        step = digit % len(opening.path)
        changed["path"][step] = flipped(changed["path"][step], digit)
    elif member == "arm":
        changed["arm"] = "single" if changed["arm"] == "double" else "double"
    elif member == "stratum":
        changed["stratum"] = next(s for s in DESIGN.strata if s != opening.slot.stratum)
    elif member == "slot":
        changed["slot"] += 1 + digit
    else:
        changed["index"] = (opening.index + 1 + digit % (SEALED.size - 1)) % SEALED.size
    with pytest.raises(IntegrityFailure) as failure:
        verify_slot(**changed)
    assert failure.value.code.startswith("allocation.")


@given(place=PLACES, size=st.integers(1, 200))
def test_a_total_that_is_not_the_sum_of_the_strata_is_refused(place: int, size: int) -> None:
    """A path fixes the size only in part; the commitment's strata fix it wholly."""
    opening = opening_at(place)
    if size != SEALED.size:
        forged = {**COMMITMENT, "total_slots": size}
        with pytest.raises(IntegrityFailure, match="total"):
            verify_opening(forged, opening.slot, path=opening.path)


@given(place=PLACES, step=st.integers(0, 5), longer=st.booleans())
def test_a_path_longer_or_shorter_fails(place: int, step: int, longer: bool) -> None:  # noqa: FBT001
    """A proof has exactly as many steps as the tree."""
    opening = opening_at(place)
    path = list(opening.path)
    if longer:
        path.insert(step, SEALED.root)
    else:
        del path[step % len(path)]
    with pytest.raises(IntegrityFailure):
        verify_slot(**{**arguments(opening), "path": path})


@given(place=PLACES, other=PLACES)
def test_a_slot_cannot_be_opened_under_another_number(place: int, other: int) -> None:
    """A true leaf with its true path still fails at any place but its own."""
    if place != other:
        opening = opening_at(place)
        with pytest.raises(IntegrityFailure) as failure:
            verify_opening(COMMITMENT, opening.slot, path=opening.path, index=other)
        assert failure.value.code == "allocation.index-mismatch"


def test_strata_of_a_commitment_in_another_order_do_not_verify() -> None:
    """The order of the strata is part of what the root commits to."""
    rows = COMMITMENT["strata"]
    assert isinstance(rows, list)
    turned = {**COMMITMENT, "strata": rows[::-1]}
    opening = opening_at(0)
    with pytest.raises(IntegrityFailure):
        verify_opening(turned, opening.slot, path=opening.path)


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("list_root", SEALED.root.upper()),
        ("list_root", ""),
        ("size", 0),
        ("size", 10**9),
        ("index", -1),
        ("index", True),
        ("path", ["00"] * 5),
        ("path", ["0" * 64] * 1000),
        ("path", [None]),
        ("slot", 0),
        ("slot", True),
        ("slot", "1"),
        ("stratum", "child-pugh-class=B\n"),
        ("stratum", "\ud800"),
        ("stratum", "a=b," * 10_000 + "a=b"),
        ("arm", None),
        ("arm", "single "),
        ("salt", "00"),
    ],
)
def test_malformed_members_are_an_integrity_failure(member: str, value: object) -> None:
    """Foreign values reach the verifier; none may crash it or pass in another spelling."""
    with pytest.raises(IntegrityFailure) as failure:
        verify_slot(**{**arguments(opening_at(1)), member: value})
    assert failure.value.code == "allocation.opening-malformed"


@pytest.mark.parametrize(
    "strata",
    [
        None,
        [],
        [7],
        [{"stratum": "all"}],
        [{"stratum": "all", "slots": 4, "more": 1}],
        [{"stratum": "all", "slots": True}],
        [{"stratum": "all", "slots": 0}],
        [{"stratum": "", "slots": 4}],
        [{"stratum": "all", "slots": 4}, {"stratum": "all", "slots": 4}],
    ],
)
def test_malformed_strata_give_no_index(strata: Any) -> None:
    """Two strata of one name would let one slot stand at two places."""
    with pytest.raises(IntegrityFailure) as failure:
        index_of("all", 1, strata=strata)
    assert failure.value.code == "allocation.commitment-malformed"


@pytest.mark.parametrize(("stratum", "slot"), [("all", 0), ("all", 5), ("sex=m", 1)])
def test_a_slot_outside_its_stratum_has_no_index(stratum: str, slot: int) -> None:
    """Slot 5 of a stratum of four is not the first slot of the next stratum."""
    rows: Any = [{"stratum": "all", "slots": 4}, {"stratum": "sex=f", "slots": 4}]
    with pytest.raises(IntegrityFailure) as failure:
        index_of(stratum, slot, strata=rows)
    assert failure.value.code == "allocation.no-such-slot"


@pytest.mark.parametrize("algorithm", [None, "permuted-blocks", ["permuted-blocks"]])
def test_a_commitment_by_an_unknown_algorithm_is_not_judged(algorithm: Any) -> None:
    """A name the verifier does not know may mean other leaves and another order."""
    opening = opening_at(0)
    with pytest.raises(IntegrityFailure) as failure:
        verify_opening({**COMMITMENT, "algorithm": algorithm}, opening.slot, path=opening.path)
    assert failure.value.code == "allocation.algorithm-unknown"


def test_no_failure_tells_the_arm_or_the_salt() -> None:
    """Findings are printed for everybody, the arm is not."""
    opening = opening_at(0)
    with pytest.raises(IntegrityFailure) as failure:
        verify_slot(**{**arguments(opening), "list_root": "0" * 64})
    assert opening.slot.arm not in f"{failure.value} {failure.value!r} {opening!r}"
    assert opening.slot.salt not in f"{failure.value} {failure.value!r} {opening!r}"


def test_the_verifier_needs_neither_the_trial_nor_the_list() -> None:
    """Checking an opening loads no protocol reader, no generator and no schema library."""
    probe = "import sys, ledger.allocation.opening; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", probe], capture_output=True, text=True, check=True
    )  # fmt: skip
    loaded = set(done.stdout.split())
    assert not {name for name in loaded if name.startswith("ledger.trials")}
    assert not loaded & {"ledger.allocation.generator", "marshmallow", "eventsourcing"}
