"""How well somebody who sees all past arms can guess the next one (selection bias)."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ledger.allocation.generator import ListDesign


@dataclass(frozen=True, slots=True)
class GuessingChance:
    """What a scheme leaves to the best guesser, per allocation and on average.

    ``correct`` is the share he guesses rightly, ``certain`` the share he knows beforehand,
    ``blind`` what he would reach by always naming the most frequent arm.
    """

    correct: Fraction
    certain: Fraction
    blind: Fraction


def guessing_chance(design: ListDesign) -> GuessingChance:
    """Compute the chances of a guesser who knows the ratio and where each block begins and ends.

    He always names the arm of which most is left in the block (the convergence strategy of
    Blackwell and Hodges, 1957). Whoever does not know the block sizes guesses no better, so the
    values are upper bounds; with one block size they are exact. Under simple randomization past
    arms tell nothing: nobody does better than naming the most frequent arm.
    """
    total = sum(share for _, share in design.ratio)
    blind = Fraction(max(share for _, share in design.ratio), total)
    if not design.block_sizes:
        return GuessingChance(blind, Fraction(int(blind == 1)), blind)
    correct = certain = Fraction(0)
    for size in design.block_sizes:
        counts = tuple(sorted(share * (size // total) for _, share in design.ratio))
        in_block = _block_chances(counts)
        correct += in_block[0]
        certain += in_block[1]
    slots = sum(design.block_sizes)
    return GuessingChance(correct / slots, certain / slots, blind)


def _block_chances(counts: tuple[int, ...]) -> tuple[Fraction, Fraction]:
    """Expected right guesses and expected certainties in one block of these counts (sorted)."""
    correct = certain = Fraction(0)
    states = {counts: Fraction(1)}
    for left in range(sum(counts), 0, -1):
        following: defaultdict[tuple[int, ...], Fraction] = defaultdict(Fraction)
        for state, chance in states.items():
            correct += chance * Fraction(state[-1], left)
            if state[-1] == left:
                certain += chance
            for arm, count in enumerate(state):
                if count:
                    after = tuple(sorted((*state[:arm], count - 1, *state[arm + 1 :])))
                    following[after] += chance * Fraction(count, left)
        states = following
    return correct, certain
