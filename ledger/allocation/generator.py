"""The published generators of allocation lists: permuted blocks and simple randomization.

Everything a list is drawn from is a `ListDesign` and a 32-byte seed; ``docs/formats/
allocation-list.md`` says the same without Python, so that anyone can recompute a revealed list.
"""

from __future__ import annotations

import hmac
import itertools
import math
from dataclasses import dataclass, field
from hashlib import sha256
from typing import TYPE_CHECKING, Final, TypeAlias

from ledger.allocation.slot import (
    LARGEST_LIST,
    PERMUTED_BLOCKS,
    SIMPLE,
    is_arm,
    is_stratum,
    stratum_name,
)
from ledger.errors import RejectedInput

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ledger.trials.protocol import AllocationScheme

SEED_BYTES: Final = 32
"""Length of a seed in bytes."""

Blocks: TypeAlias = "tuple[tuple[str, ...], ...]"

_ALGORITHMS: Final = {"permuted-blocks": PERMUTED_BLOCKS, "simple": SIMPLE}
_WORD: Final = 2**32


@dataclass(frozen=True, slots=True)
class ListDesign:
    """All that a list depends on besides the seed, checked.

    ``ratio`` holds (arm, share) in ascending order of the arm ids' bytes; ``block_sizes`` stands
    in the statistician's order, a size listed twice is drawn twice as often, and is empty for
    simple randomization; ``strata`` names the strata in list order; each stratum is drawn for
    ``planned_number`` subjects.

    Raises:
        RejectedInput: ``allocation.algorithm-unknown``, ``.planned-number``, ``.ratio``,
            ``.block-size``, ``.strata`` or ``.list-too-long``.
    """

    planned_number: int
    ratio: tuple[tuple[str, int], ...]
    block_sizes: tuple[int, ...] = field(repr=False)
    strata: tuple[str, ...]
    algorithm: str = PERMUTED_BLOCKS

    @classmethod
    def of(
        cls, scheme: AllocationScheme, planned_number: int, *, block_sizes: tuple[int, ...]
    ) -> ListDesign:
        """The design that a protocol's scheme and planned number of subjects ask for.

        ``block_sizes`` is the statistician's choice, which the public protocol does not tell.

        Raises:
            RejectedInput: as the class, and ``allocation.scheme-unknown``.
        """
        algorithm = _ALGORITHMS.get(scheme.scheme)
        if algorithm is None:
            raise RejectedInput(
                "allocation.scheme-unknown", "No algorithm is published for this scheme."
            )
        return cls(
            planned_number=planned_number,
            ratio=tuple(sorted(scheme.ratio.items())),
            block_sizes=tuple(block_sizes),
            strata=_strata_of(scheme),
            algorithm=algorithm,
        )

    def __post_init__(self) -> None:
        """Refuse a design that gives no list, or one that no reader would accept."""
        if self.algorithm not in _DRAWS:
            raise RejectedInput("allocation.algorithm-unknown", "The algorithm is not published.")
        if not _is_count(self.planned_number):
            raise RejectedInput(
                "allocation.planned-number", "The planned number must be a positive integer."
            )
        arms = [arm for arm, _ in self.ratio]
        shares_fit = all(is_arm(arm) and _is_count(share) for arm, share in self.ratio)
        if not arms or not shares_fit or arms != sorted(set(arms)):
            raise RejectedInput(
                "allocation.ratio",
                "The ratio must name each arm once, in order, with a positive integer share.",
            )
        self._check_blocks()
        if not self.strata or len(set(self.strata)) != len(self.strata):
            raise RejectedInput("allocation.strata", "Each stratum must be named once.")
        if not all(is_stratum(stratum) for stratum in self.strata):
            raise RejectedInput("allocation.strata", "A stratum's name does not have its form.")
        _bound(len(self.strata), self.planned_number, self.block_sizes)

    def _check_blocks(self) -> None:
        total = sum(share for _, share in self.ratio)
        if self.algorithm == SIMPLE and self.block_sizes:
            raise RejectedInput("allocation.block-size", "Simple randomization has no blocks.")
        if self.algorithm != SIMPLE and not self.block_sizes:
            raise RejectedInput("allocation.block-size", "At least one block size is needed.")
        for position, size in enumerate(self.block_sizes):
            if not _is_count(size) or size % total:
                raise RejectedInput(
                    "allocation.block-size",
                    f"A block size must be a positive multiple of {total}, the ratio's sum.",
                    where=f"/block_sizes/{position}",
                )


@dataclass(slots=True)
class DrawStream:
    """The stream of 32-bit words of one stratum, and unbiased integers drawn from it.

    Word block n is HMAC-SHA256 (RFC 2104) under the seed of the lines algorithm, ``draw``,
    stratum and n in decimal, joined by line feeds; it is read as eight big-endian words.
    """

    seed: bytes = field(repr=False)
    stratum: str
    algorithm: str = PERMUTED_BLOCKS
    _counter: int = field(default=0, init=False, repr=False)
    _pending: bytes = field(default=b"", init=False, repr=False)

    def word(self) -> int:
        """The next word, from 0 to 2^32 - 1."""
        if not self._pending:
            message = f"{self.algorithm}\ndraw\n{self.stratum}\n{self._counter}"
            self._pending = hmac.digest(self.seed, message.encode("ascii"), sha256)
            self._counter += 1
        head, self._pending = self._pending[:4], self._pending[4:]
        return int.from_bytes(head, "big")

    def below(self, bound: int) -> int:
        """An integer from 0 to ``bound`` - 1, each equally likely; bound from 1 to 2^32.

        Words at or above the largest multiple of the bound are thrown away, since keeping them
        would favour the small results.
        """
        if not 1 <= bound <= _WORD:
            raise RejectedInput("allocation.bound", "A bound lies between 1 and 2^32.")
        limit = _WORD - _WORD % bound
        word = self.word()
        while word >= limit:
            word = self.word()
        return word % bound


def generate(
    scheme: AllocationScheme, planned_number: int, seed: bytes, *, block_sizes: tuple[int, ...]
) -> dict[str, tuple[str, ...]]:
    """Draw the list of every stratum: the arm ids in order of allocation, by stratum.

    Each list is long enough for all planned subjects, rounded up to whole blocks. The same
    arguments always give the same lists.

    Raises:
        RejectedInput: as `ListDesign.of`, and ``allocation.seed-length``.
    """
    design = ListDesign.of(scheme, planned_number, block_sizes=block_sizes)
    return {
        stratum: tuple(itertools.chain.from_iterable(blocks))
        for stratum, blocks in draw_blocks(design, seed).items()
    }


def draw_blocks(design: ListDesign, seed: bytes) -> dict[str, Blocks]:
    """As `generate`, with the blocks kept apart: by stratum, in list order.

    Raises:
        RejectedInput: ``allocation.seed-length`` unless the seed has 32 bytes.
    """
    if len(seed) != SEED_BYTES:
        raise RejectedInput("allocation.seed-length", f"A seed has {SEED_BYTES} bytes.")
    draw = _DRAWS[design.algorithm]
    return {
        stratum: draw(design, DrawStream(seed, stratum, design.algorithm))
        for stratum in design.strata
    }


def _permuted_blocks(design: ListDesign, stream: DrawStream) -> Blocks:
    total = sum(share for _, share in design.ratio)
    blocks: list[tuple[str, ...]] = []
    drawn = 0
    while drawn < design.planned_number:
        size = design.block_sizes[stream.below(len(design.block_sizes))]
        block = [arm for arm, share in design.ratio for _ in range(share * (size // total))]
        # Fisher-Yates from the end (Knuth, TAOCP vol. 2, algorithm 3.4.2 P).
        for last in range(size - 1, 0, -1):
            chosen = stream.below(last + 1)
            block[last], block[chosen] = block[chosen], block[last]
        blocks.append(tuple(block))
        drawn += size
    return tuple(blocks)


def _simple(design: ListDesign, stream: DrawStream) -> Blocks:
    """Each slot by itself: a number below the ratio's sum falls into one arm's share."""
    shares = [arm for arm, share in design.ratio for _ in range(share)]
    return tuple((shares[stream.below(len(shares))],) for _ in range(design.planned_number))


_DRAWS: Final[Mapping[str, Callable[[ListDesign, DrawStream], Blocks]]] = {
    PERMUTED_BLOCKS: _permuted_blocks,
    SIMPLE: _simple,
}


def _strata_of(scheme: AllocationScheme) -> tuple[str, ...]:
    # Counted before they are spelled out: a few factors multiply to more than memory holds.
    _bound(math.prod(len(row.levels) for row in scheme.strata), planned_number=1, block_sizes=(1,))
    factors = ([(row.factor, level) for level in row.levels] for row in scheme.strata)
    return tuple(stratum_name(levels) for levels in itertools.product(*factors))


def _bound(strata: int, planned_number: int, block_sizes: tuple[int, ...]) -> None:
    if strata * (planned_number + max(block_sizes, default=1) - 1) > LARGEST_LIST:
        raise RejectedInput(
            "allocation.list-too-long", f"A list has at most {LARGEST_LIST} slots in all."
        )


def _is_count(value: int) -> bool:
    return type(value) is int and value >= 1
