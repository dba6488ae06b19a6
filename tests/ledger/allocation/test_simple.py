"""Simple randomization: each slot by itself, behind the same interface as permuted blocks."""

from __future__ import annotations

import hashlib
import hmac
import itertools
from collections import Counter
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.allocation.generator import ListDesign, draw_blocks
from ledger.allocation.guessing import guessing_chance
from ledger.allocation.opening import verify_opening
from ledger.allocation.sealed_list import SealedList
from ledger.allocation.slot import SIMPLE
from ledger.errors import RejectedInput

if TYPE_CHECKING:
    from pathlib import Path

SEEDS = st.binary(min_size=32, max_size=32)


def design(planned: int = 92, *strata: str, **ratio: int) -> ListDesign:
    """Build a design without blocks."""
    shares = tuple(sorted((ratio or {"double": 1, "single": 1}).items()))
    return ListDesign(planned, shares, (), strata or ("all",), SIMPLE)


def by_hand(seed: bytes, planned: int) -> list[str]:
    """Draw two equal arms with nothing but HMAC: the lowest bit of each word decides."""
    words: list[int] = []
    for number in range(planned):
        message = f"simple-hmac-sha256.v1\ndraw\nall\n{number}".encode()
        block = hmac.new(seed, message, hashlib.sha256).digest()
        words += [int.from_bytes(block[at : at + 4], "big") for at in range(0, 32, 4)]
    return [("double", "single")[word % 2] for word in words[:planned]]


@given(seed=SEEDS)
def test_the_list_is_what_the_page_says_by_hand(seed: bytes) -> None:
    """Two equal arms follow the parity of the published words."""
    drawn = draw_blocks(design(), seed)["all"]
    assert [arm for block in drawn for arm in block] == by_hand(seed, 92)


def test_arms_come_in_the_ratio_in_the_long_run() -> None:
    """30,000 slots at 2:1 hold two thirds, within four standard deviations (327)."""
    drawn = draw_blocks(design(30_000, a=2, b=1), bytes(32))["all"]
    assert Counter(arm for block in drawn for arm in block)["a"] == pytest.approx(20_000, abs=327)


def test_the_arm_before_tells_nothing_of_the_next() -> None:
    """After an `a` comes an `a` half of the time: no block ever has to close."""
    arms = [arm for (arm,) in draw_blocks(design(20_000, a=1, b=1), bytes(range(32)))["all"]]
    after = [following for arm, following in itertools.pairwise(arms) if arm == "a"]
    assert after.count("a") / len(after) == pytest.approx(0.5, abs=0.02)


def test_the_best_guesser_does_no_better_than_blind() -> None:
    """Past arms are of no use, so the chance is the share of the most frequent arm."""
    chance = guessing_chance(design(92, a=2, b=1))
    assert chance.correct == chance.blind
    assert not chance.certain


@given(seed=SEEDS, slot=st.integers(min_value=1, max_value=92))
def test_every_slot_opens_under_the_commitment(seed: bytes, slot: int) -> None:
    """The commitment and the proof are those of any other list."""
    sealed = SealedList(design(92, "sex=female", "sex=male"), seed)
    opening = sealed.opening("sex=male", slot)
    commitment = sealed.commitment(generator="/sponsor/persons/stat-01", protocol_version="1.0")
    verify_opening(commitment, opening.slot, path=opening.path, index=opening.index)


def test_block_sizes_are_refused() -> None:
    """Whoever names blocks means another scheme."""
    with pytest.raises(RejectedInput, match="no blocks"):
        ListDesign(92, (("a", 1), ("b", 1)), (4,), ("all",), SIMPLE)


def test_the_list_file_is_read_back(tmp_path: Path) -> None:
    """A list without blocks is kept and drawn again like any other."""
    sealed = SealedList(design(), bytes(range(32)))
    sealed.save(tmp_path / "list")
    assert SealedList.load(tmp_path / "list") == sealed
