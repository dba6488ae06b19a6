"""The generator: balance, length, repeatability, lack of bias, and what it refuses."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.allocation.generator import DrawStream, ListDesign, draw_blocks, generate
from ledger.errors import RejectedInput
from ledger.trials.protocol import AllocationScheme, StratificationFactor

SEEDS = st.binary(min_size=32, max_size=32)
SIZES = (4, 6)
TWO_FACTORS = (
    StratificationFactor("sex", ("female", "male")),
    StratificationFactor("child-pugh-class", ("B", "C")),
)


def scheme_of(
    shares: tuple[int, ...] = (1, 1),
    strata: tuple[StratificationFactor, ...] = (),
) -> AllocationScheme:
    """Build a scheme with the arms arm-0, arm-1 and so on."""
    ratio = {f"arm-{at}": share for at, share in enumerate(shares)}
    return AllocationScheme("permuted-blocks", ratio, "sealed-with-list", strata)


@st.composite
def schemes(draw: st.DrawFn) -> tuple[AllocationScheme, tuple[int, ...]]:
    """Schemes with any ratio, each with fitting block sizes."""
    shares = tuple(draw(st.lists(st.integers(1, 4), min_size=1, max_size=4)))
    multiples = draw(st.lists(st.integers(1, 3), min_size=1, max_size=3))
    factors = draw(st.sampled_from(((), TWO_FACTORS[:1], TWO_FACTORS)))
    return scheme_of(shares, factors), tuple(sum(shares) * multiple for multiple in multiples)


def chi_square(counts: Counter[object], categories: int) -> float:
    """Pearson's statistic against equal frequencies."""
    expected = counts.total() / categories
    seen = sum((count - expected) ** 2 / expected for count in counts.values())
    return seen + (categories - len(counts)) * expected


@given(drawn=schemes(), planned=st.integers(1, 60), seed=SEEDS)
def test_arms_stand_in_the_ratio_after_every_block(
    drawn: tuple[AllocationScheme, tuple[int, ...]], planned: int, seed: bytes
) -> None:
    """The purpose of blocks: at each border the arms are exactly balanced."""
    scheme, sizes = drawn
    total = sum(scheme.ratio.values())
    for blocks in draw_blocks(ListDesign.of(scheme, planned, block_sizes=sizes), seed).values():
        for block in blocks:
            assert len(block) in sizes
            share = {arm: n * len(block) // total for arm, n in scheme.ratio.items()}
            assert Counter(block) == share


@given(drawn=schemes(), planned=st.integers(1, 60), seed=SEEDS)
def test_each_stratum_has_room_for_all_planned_subjects_in_whole_blocks(
    drawn: tuple[AllocationScheme, tuple[int, ...]], planned: int, seed: bytes
) -> None:
    """All subjects may fall into one stratum; the last block is the one that reaches them."""
    scheme, sizes = drawn
    for blocks in draw_blocks(ListDesign.of(scheme, planned, block_sizes=sizes), seed).values():
        length = sum(map(len, blocks))
        assert length - len(blocks[-1]) < planned <= length


@given(drawn=schemes(), planned=st.integers(1, 60), seed=SEEDS)
def test_the_same_seed_gives_the_same_list(
    drawn: tuple[AllocationScheme, tuple[int, ...]], planned: int, seed: bytes
) -> None:
    """Also when the protocol's file names the arms in another order: objects have none."""
    scheme, sizes = drawn
    turned = replace(scheme, ratio=dict(reversed(list(scheme.ratio.items()))))
    first = generate(scheme, planned, seed, block_sizes=sizes)
    assert first == generate(turned, planned, seed, block_sizes=sizes)


def test_a_longer_list_begins_with_the_shorter_one() -> None:
    """Planning more subjects appends blocks and changes none."""
    short = generate(scheme_of(), 20, bytes(32), block_sizes=SIZES)["all"]
    assert generate(scheme_of(), 200, bytes(32), block_sizes=SIZES)["all"][: len(short)] == short


def test_strata_are_named_by_their_levels_in_the_protocols_order() -> None:
    """The last factor changes fastest."""
    assert list(generate(scheme_of(strata=TWO_FACTORS), 4, bytes(32), block_sizes=SIZES)) == [
        "sex=female,child-pugh-class=B",
        "sex=female,child-pugh-class=C",
        "sex=male,child-pugh-class=B",
        "sex=male,child-pugh-class=C",
    ]


def test_strata_are_drawn_independently() -> None:
    """One stratum's list tells nothing of another's."""
    lists = generate(scheme_of(strata=TWO_FACTORS), 60, bytes(32), block_sizes=SIZES)
    assert len(set(lists.values())) == 4


def test_every_order_of_a_block_is_equally_likely() -> None:
    """Six orders of two and two over 6,000 blocks; chi-square, 5 degrees, p = 0.001 at 20.5."""
    design = ListDesign.of(scheme_of(), 24_000, block_sizes=(4,))
    blocks = draw_blocks(design, bytes(range(32)))["all"]
    assert chi_square(Counter(blocks), 6) < 20.5


def test_every_order_of_three_different_arms_is_equally_likely() -> None:
    """Six orders of three arms: the shuffle itself, without repeated arms to hide a bias."""
    design = ListDesign.of(scheme_of((1, 1, 1)), 18_000, block_sizes=(3,))
    blocks = draw_blocks(design, bytes(range(1, 33)))["all"]
    assert chi_square(Counter(blocks), 6) < 20.5


def test_block_sizes_are_mixed_evenly() -> None:
    """Three sizes over some 5,000 blocks; chi-square, 2 degrees, p = 0.001 at 13.8."""
    design = ListDesign.of(scheme_of(), 20_000, block_sizes=(2, 4, 6))
    blocks = draw_blocks(design, bytes(range(32)))["all"]
    assert chi_square(Counter(map(len, blocks)), 3) < 13.8


def test_bounds_that_do_not_divide_the_word_are_drawn_without_bias() -> None:
    """Without rejection the lowest third of 3·2^30 would come up twice as often."""
    stream = DrawStream(bytes(32), "all")
    thirds = Counter(stream.below(3 << 30) >> 30 for _ in range(3_000))
    assert set(thirds) == {0, 1, 2}
    assert chi_square(Counter(thirds), 3) < 13.8


@pytest.mark.parametrize("bound", [0, -1, 2**32 + 1])
def test_an_impossible_bound_is_refused(bound: int) -> None:
    """A bound above the word would never reach its upper part."""
    with pytest.raises(RejectedInput, match="bound"):
        DrawStream(bytes(32), "all").below(bound)


@pytest.mark.parametrize(
    ("scheme", "planned", "sizes", "code"),
    [
        (scheme_of((1, 2)), 10, (4,), "allocation.block-size"),
        (scheme_of(), 10, (4, 0), "allocation.block-size"),
        (scheme_of(), 10, (), "allocation.block-size"),
        (scheme_of(()), 10, SIZES, "allocation.ratio"),
        (scheme_of((1, 0)), 10, SIZES, "allocation.ratio"),
        (scheme_of(), 0, SIZES, "allocation.planned-number"),
        (scheme_of(), True, SIZES, "allocation.planned-number"),
        (scheme_of(), 100_000, SIZES, "allocation.list-too-long"),
        (
            scheme_of(strata=(StratificationFactor("sex", ("f", "f")),)),
            9,
            SIZES,
            "allocation.strata",
        ),
        (scheme_of(strata=(StratificationFactor("sex", ()),)), 9, SIZES, "allocation.strata"),
        (scheme_of(strata=(StratificationFactor("a=1,b", ("f",)),)), 9, SIZES, "allocation.strata"),
    ],
)
def test_a_design_without_an_exact_list_is_refused(
    scheme: AllocationScheme, planned: int, sizes: tuple[int, ...], code: str
) -> None:
    """A slip is found before the list is sealed, not at the hundredth subject."""
    with pytest.raises(RejectedInput) as refusal:
        generate(scheme, planned, bytes(32), block_sizes=sizes)
    assert refusal.value.code == code


def test_many_factors_are_refused_before_their_strata_are_spelled_out() -> None:
    """Forty factors of ten levels would fill the memory, not the trial."""
    levels = tuple("0123456789")
    factors = tuple(StratificationFactor(f"factor-{at}", levels) for at in range(40))
    with pytest.raises(RejectedInput) as refusal:
        generate(scheme_of(strata=factors), 10, bytes(32), block_sizes=SIZES)
    assert refusal.value.code == "allocation.list-too-long"


@pytest.mark.parametrize("length", [0, 31, 33])
def test_a_seed_of_another_length_is_refused(length: int) -> None:
    """A short seed is a guessable list."""
    with pytest.raises(RejectedInput) as refusal:
        generate(scheme_of(), 10, bytes(length), block_sizes=SIZES)
    assert refusal.value.code == "allocation.seed-length"
