"""Wilson's interval, against published values and by its properties."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from projections.report.proportions import wilson


@pytest.mark.parametrize(
    ("count", "total", "low", "high"),
    [
        # R. G. Newcombe, Stat. Med. 17 (1998) 857-872, table I, method 3, as per cent.
        (81, 263, "25.5", "36.6"),
        (15, 148, "6.2", "16.0"),
        (0, 20, "0.0", "16.1"),
        (1, 29, "0.6", "17.2"),
    ],
)
def test_published_intervals_are_met(count: int, total: int, low: str, high: str) -> None:
    """To the decimal that is printed."""
    found = wilson(count, total)
    assert found is not None
    assert (found.low, found.high) == (Decimal(low), Decimal(high))


@given(st.integers(1, 10_000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_an_interval_holds_its_proportion_and_mirrors(sample: tuple[int, int]) -> None:
    """Within 0 and 100, around the observed share, and symmetric in success and failure."""
    count, total = sample
    found, mirrored = wilson(count, total), wilson(total - count, total)
    assert found is not None
    assert mirrored is not None
    assert 0 <= found.low <= found.percent <= found.high <= 100
    assert (found.low, found.high) == (100 - mirrored.high, 100 - mirrored.low)


def test_nobody_has_no_proportion() -> None:
    """An empty arm shows nothing rather than nought."""
    assert wilson(0, 0) is None


def test_more_than_all_is_no_proportion() -> None:
    """A count beyond the total is a mistake of the caller."""
    with pytest.raises(ValueError, match="not a proportion"):
        wilson(3, 2)
