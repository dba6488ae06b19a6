"""Proportions with their confidence interval, in decimal arithmetic: the same digits anywhere."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Decimal, localcontext

Z_95 = Decimal("1.959963984540054")
"""The 97.5 % point of the standard normal distribution."""


@dataclass(frozen=True, slots=True)
class Proportion:
    """``count`` of ``total`` in per cent with Wilson's 95 % limits; one decimal each."""

    count: int
    total: int
    percent: Decimal
    low: Decimal
    high: Decimal


def wilson(count: int, total: int) -> Proportion | None:
    """The proportion with its Wilson score interval, without continuity correction.

    E. B. Wilson, J. Am. Stat. Assoc. 22 (1927) 209-212. None when there is nothing to count;
    raises ValueError when ``count`` is not within ``total``.
    """
    if not 0 <= count <= total:
        raise ValueError(f"{count} of {total} is not a proportion")
    if total == 0:
        return None
    with localcontext() as context:
        context.prec = 40
        n, share, square = Decimal(total), Decimal(count) / Decimal(total), Z_95 * Z_95
        middle = share + square / (2 * n)
        spread = Z_95 * (share * (1 - share) / n + square / (4 * n * n)).sqrt()
        scale = 1 + square / n
        # At the ends the interval meets the observed share exactly; rounding must not pass it.
        low = Decimal(0) if count == 0 else (middle - spread) / scale
        high = Decimal(1) if count == total else (middle + spread) / scale
        return Proportion(count, total, _percent(share), _percent(low), _percent(high))


def _percent(share: Decimal) -> Decimal:
    return (share * 100).quantize(Decimal("0.1"), rounding=ROUND_HALF_EVEN)
