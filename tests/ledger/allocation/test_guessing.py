"""The chance of guessing, against published closed forms and by playing the game."""

from __future__ import annotations

from fractions import Fraction
from math import comb

import pytest

from ledger.allocation.generator import ListDesign, draw_blocks
from ledger.allocation.guessing import guessing_chance


def design(ratio: dict[str, int], *sizes: int, planned: int = 1) -> ListDesign:
    """Build an unstratified design."""
    return ListDesign(planned, tuple(sorted(ratio.items())), sizes, ("all",))


@pytest.mark.parametrize("half", [1, 2, 3, 4, 8])
def test_two_equal_arms_follow_blackwell_and_hodges(half: int) -> None:
    """Right guesses in a block of 2m: m + 2^(2m-1)/C(2m,m) - 1/2; certain: 1/(m+1) of all."""
    chance = guessing_chance(design({"a": 1, "b": 1}, 2 * half))
    right = half + Fraction(2 ** (2 * half - 1), comb(2 * half, half)) - Fraction(1, 2)
    assert chance.correct == right / (2 * half)
    assert chance.certain == Fraction(1, half + 1)
    assert chance.blind == Fraction(1, 2)


def test_block_sizes_count_by_the_slots_they_fill() -> None:
    """Sizes 4 and 6 mixed evenly: (17/6 + 41/10) right guesses in ten slots."""
    chance = guessing_chance(design({"a": 1, "b": 1}, 4, 6))
    assert chance.correct == (Fraction(17, 6) + Fraction(41, 10)) / 10
    assert chance.certain == Fraction(17, 60)


def test_a_single_arm_is_known_beforehand() -> None:
    """Nothing is random about one arm."""
    chance = guessing_chance(design({"a": 1}, 3))
    assert {chance.correct, chance.certain, chance.blind} == {Fraction(1)}


def test_a_player_of_the_game_reaches_the_computed_chance() -> None:
    """Three arms 2:1:1 in blocks of 8 and 4, played through 5,000 blocks of a drawn list."""
    ratio = {"a": 2, "b": 1, "c": 1}
    game = design(ratio, 4, 8, planned=30_000)
    right = slots = 0
    for block in draw_blocks(game, bytes(range(32)))["all"]:
        left = {arm: share * len(block) // 4 for arm, share in ratio.items()}
        for arm in block:
            right += max(left, key=lambda name: left[name]) == arm
            left[arm] -= 1
            slots += 1
    assert right / slots == pytest.approx(float(guessing_chance(game).correct), abs=0.01)
