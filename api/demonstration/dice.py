"""Numbers drawn from the demonstration's seed, each by its own name.

A number depends on the seed and its name alone, never on how many were drawn before it, so that
a change in one life leaves all others as they were.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Sequence

T = TypeVar("T")


def seed_bytes(seed: int) -> bytes:
    """The 32 bytes that stand for the number given as ``--seed``."""
    return hashlib.sha256(f"trial-ledger demonstration {seed}".encode("ascii")).digest()


def derive(seed: bytes, purpose: str) -> bytes:
    """32 bytes for one purpose: a key's seed, a salt, the allocation list's seed."""
    return hmac.digest(seed, purpose.encode(), hashlib.sha256)


@dataclass(frozen=True, slots=True)
class Dice:
    """Draws under one name, such as a subject's id."""

    seed: bytes = field(repr=False)
    name: str

    def below(self, bound: int, what: str) -> int:
        """An integer from 0 to ``bound`` - 1."""
        drawn = int.from_bytes(derive(self.seed, f"draw/{self.name}/{what}"), "big")
        return drawn % bound

    def between(self, least: int, most: int, what: str) -> int:
        """An integer between two bounds, both included."""
        return least + self.below(most - least + 1, what)

    def chance(self, percent: int, what: str) -> bool:
        """True in so many cases of a hundred."""
        return self.below(100, what) < percent

    def one_of(self, choices: Sequence[T], what: str) -> T:
        """One of several, each equally likely."""
        return choices[self.below(len(choices), what)]

    def digest(self, what: str) -> str:
        """64 hexadecimal digits: the SHA-256 of a document that nobody wrote."""
        return derive(self.seed, f"document/{self.name}/{what}").hex()
