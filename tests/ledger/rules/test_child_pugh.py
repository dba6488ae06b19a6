"""The Child-Pugh score against its published table, at every boundary and in every unit."""

from __future__ import annotations

import dataclasses
import itertools
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.rules.child_pugh import (
    ChildPughIndeterminate,
    ChildPughInputs,
    ChildPughScore,
    Comparator,
    Measurement,
    score_child_pugh,
)
from ledger.trials import load_trial
from ledger.trials.protocol import ChildPughCutOff

DEFINITION = load_trial("xhnkky-dfsc").protocol.child_pugh
WITH_PT = dataclasses.replace(
    DEFINITION,
    coagulation_preference=("inr", "prothrombin-time-prolongation"),
    cut_offs=(
        *DEFINITION.cut_offs,
        ChildPughCutOff("prothrombin-time-prolongation", "s", Decimal(4), Decimal(6)),
    ),
)


def lab(value: str, unit: str, comparator: Comparator = "=") -> Measurement:
    """Make a laboratory value."""
    return Measurement(Decimal(value), unit, comparator)


BEST = ChildPughInputs(
    bilirubin=lab("10", "umol/L"),
    albumin=lab("45", "g/L"),
    inr=lab("1.0", "{INR}"),
    ascites="none",
    encephalopathy=0,
)
ITEMS = ("bilirubin", "albumin", "inr", "ascites", "encephalopathy")


def with_inputs(changes: dict[str, Any]) -> ChildPughInputs:
    """Give the best inputs with some of them changed."""
    return dataclasses.replace(BEST, **changes)


def scored(inputs: ChildPughInputs) -> ChildPughScore:
    """Score inputs that must give a score."""
    result = score_child_pugh(inputs, definition=WITH_PT)
    assert isinstance(result, ChildPughScore), result
    return result


def unscored(inputs: ChildPughInputs) -> ChildPughIndeterminate:
    """Score inputs that must not give a score."""
    result = score_child_pugh(inputs, definition=WITH_PT)
    assert isinstance(result, ChildPughIndeterminate), result
    return result


@pytest.mark.parametrize(
    ("item", "unit", "value", "points"),
    [
        ("bilirubin", "umol/L", "33.999", 1),
        ("bilirubin", "umol/L", "34", 2),
        ("bilirubin", "umol/L", "51", 2),
        ("bilirubin", "umol/L", "51.001", 3),
        ("bilirubin", "mg/dL", "1.999", 1),
        ("bilirubin", "mg/dL", "2.0", 2),
        ("bilirubin", "mg/dL", "3.00", 2),
        ("bilirubin", "mg/dL", "3.001", 3),
        ("albumin", "g/L", "35.001", 1),
        ("albumin", "g/L", "35", 2),
        ("albumin", "g/L", "28", 2),
        ("albumin", "g/L", "27.999", 3),
        ("albumin", "g/dL", "3.501", 1),
        ("albumin", "g/dL", "3.5", 2),
        ("albumin", "g/dL", "2.80", 2),
        ("albumin", "g/dL", "2.799", 3),
        ("inr", "1", "1.699", 1),
        ("inr", "1", "1.70", 2),
        ("inr", "1", "2.30", 2),
        ("inr", "1", "2.301", 3),
        ("inr", "{INR}", "1.699", 1),
        ("inr", "{INR}", "1.7", 2),
        ("inr", "{INR}", "2.3", 2),
        ("inr", "{INR}", "2.301", 3),
    ],
)
def test_a_laboratory_value_scores_as_the_table_says(
    item: str, unit: str, value: str, points: int
) -> None:
    """Pugh 1973: bilirubin 34-51 umol/L, albumin 28-35 g/L and INR 1.7-2.3 score two points."""
    result = scored(with_inputs({item: lab(value, unit)}))
    assert result.points["coagulation" if item == "inr" else item] == points  # type: ignore[index]
    assert result.total == 4 + points


@pytest.mark.parametrize(
    ("ascites", "points"), [("none", 1), ("slight", 2), ("moderate-severe", 3)]
)
def test_ascites_scores_by_its_degree(ascites: str, points: int) -> None:
    """Slight or controlled is two points, moderate to severe or refractory three."""
    assert scored(dataclasses.replace(BEST, ascites=ascites)).ascites == points


@pytest.mark.parametrize(("grade", "points"), [(0, 1), (1, 2), (2, 2), (3, 3), (4, 3)])
def test_encephalopathy_scores_by_its_west_haven_grade(grade: int, points: int) -> None:
    """Grades 1 and 2 are two points, 3 and 4 three."""
    assert scored(dataclasses.replace(BEST, encephalopathy=grade)).encephalopathy == points


def test_every_total_falls_into_its_class() -> None:
    """A is 5 to 6 points, B 7 to 9, C 10 to 15, over all 243 combinations."""
    classes: dict[int, set[str]] = {}
    combinations = itertools.product(
        ("10", "40", "60"),
        ("45", "30", "20"),
        ("1", "2", "3"),
        ("none", "slight", "moderate-severe"),
        (0, 1, 3),
    )
    for bilirubin, albumin, inr, ascites, grade in combinations:
        result = scored(
            ChildPughInputs(
                bilirubin=lab(bilirubin, "umol/L"),
                albumin=lab(albumin, "g/L"),
                inr=lab(inr, "{INR}"),
                ascites=ascites,
                encephalopathy=grade,
            )
        )
        classes.setdefault(result.total, set()).add(result.grade)
    letters = {total: {letter} for total, letter in zip(range(5, 16), "AABBBCCCCCC", strict=True)}
    assert classes == letters


@given(st.sets(st.sampled_from(ITEMS), min_size=1))
def test_missing_inputs_give_no_score_and_are_named(absent: set[str]) -> None:
    """Nothing is imputed: an absent value never counts as normal."""
    result = unscored(with_inputs(dict.fromkeys(absent)))
    assert set(result.missing) == {"coagulation" if item == "inr" else item for item in absent}
    assert result.unscorable == ()


def test_one_sample_can_score_differently_by_unit() -> None:
    """2.0 mg/dL is 34.2 umol/L; 3.0 mg/dL is 51.3 umol/L, beyond that unit's cut-off."""
    in_mg = scored(dataclasses.replace(BEST, bilirubin=lab("3.0", "mg/dL")))
    in_umol = scored(dataclasses.replace(BEST, bilirubin=lab("51.3", "umol/L")))
    assert (in_mg.bilirubin, in_umol.bilirubin) == (2, 3)


@pytest.mark.parametrize("unit", ["mmol/L", "umol/l", "μmol/L", "", "g/L"])
def test_a_unit_without_cut_offs_gives_a_reason_instead_of_a_score(unit: str) -> None:
    """Units are neither converted nor guessed from their spelling."""
    result = unscored(dataclasses.replace(BEST, bilirubin=lab("20", unit)))
    assert result.missing == ()
    assert [row.item for row in result.unscorable] == ["bilirubin"]
    assert f"'{unit}'" in result.reason


@pytest.mark.parametrize("value", ["-1", "NaN", "Infinity"])
def test_an_impossible_value_gives_no_score(value: str) -> None:
    """A slip of the keyboard must not become one point."""
    assert unscored(dataclasses.replace(BEST, inr=lab(value, "{INR}"))).unscorable


@pytest.mark.parametrize("grade", [-1, 5])
def test_a_grade_off_the_west_haven_scale_gives_no_score(grade: int) -> None:
    """The scale runs from 0 to 4."""
    assert unscored(dataclasses.replace(BEST, encephalopathy=grade)).unscorable


def test_an_unknown_degree_of_ascites_gives_no_score() -> None:
    """Words outside the protocol's list are not interpreted."""
    assert unscored(dataclasses.replace(BEST, ascites="some")).unscorable


TENTHS = st.integers(0, 1000).map(lambda n: Decimal(n) / 10)


@given(
    st.sampled_from(["bilirubin", "albumin"]),
    TENTHS,
    st.sampled_from(["<", "<=", ">", ">="]),
    st.lists(TENTHS, min_size=1),
)
def test_a_censored_value_scores_only_as_every_value_it_may_stand_for(
    item: str, limit: Decimal, comparator: Comparator, others: list[Decimal]
) -> None:
    """``<5`` is one point whatever the true value; ``<40`` could be one or two."""
    unit = "umol/L" if item == "bilirubin" else "g/L"
    censored = with_inputs({item: Measurement(limit, unit, comparator)})
    result = score_child_pugh(censored, definition=DEFINITION)
    holds = {
        "<": lambda v: v < limit,
        "<=": lambda v: v <= limit,
        ">": lambda v: v > limit,
        ">=": lambda v: v >= limit,
    }[comparator]
    if isinstance(result, ChildPughScore):
        for value in filter(holds, others):
            exact = scored(with_inputs({item: Measurement(value, unit)}))
            assert exact.points == result.points


@pytest.mark.parametrize(
    ("item", "value", "unit", "comparator", "points"),
    [
        ("bilirubin", "5", "umol/L", "<", 1),
        ("bilirubin", "34", "umol/L", "<", 1),
        ("bilirubin", "34", "umol/L", "<=", None),
        ("bilirubin", "51", "umol/L", ">", 3),
        ("bilirubin", "51", "umol/L", ">=", None),
        ("albumin", "28", "g/L", "<", 3),
        ("albumin", "35", "g/L", ">", 1),
        ("albumin", "35", "g/L", ">=", None),
    ],
)
def test_a_censored_value_at_a_cut_off(
    item: str, value: str, unit: str, comparator: Comparator, points: int | None
) -> None:
    """A limit on a cut-off is decided by whether the limit itself is meant."""
    inputs = with_inputs({item: lab(value, unit, comparator)})
    result = score_child_pugh(inputs, definition=DEFINITION)
    found = getattr(result, item) if isinstance(result, ChildPughScore) else None
    assert found == points


@given(TENTHS, TENTHS)
def test_a_worse_value_never_scores_fewer_points(one: Decimal, other: Decimal) -> None:
    """More bilirubin and less albumin are worse."""
    low, high = sorted((one, other))

    def points(item: str, value: Decimal, unit: str) -> int:
        return scored(with_inputs({item: Measurement(value, unit)})).total

    assert points("bilirubin", low, "umol/L") <= points("bilirubin", high, "umol/L")
    assert points("albumin", low, "g/L") >= points("albumin", high, "g/L")


def test_inr_is_preferred_to_prothrombin_time_where_the_protocol_prefers_it() -> None:
    """Both are at hand and disagree; the protocol's first choice is scored and named."""
    both = dataclasses.replace(BEST, prothrombin_time_prolongation=lab("7", "s"))
    result = scored(both)
    assert (result.coagulation, result.coagulation_measure) == (1, "inr")


@pytest.mark.parametrize(("seconds", "points"), [("3.9", 1), ("4", 2), ("6", 2), ("6.1", 3)])
def test_prothrombin_time_stands_in_where_the_protocol_allows_it(seconds: str, points: int) -> None:
    """Pugh 1973: a prolongation of 4 to 6 seconds scores two points."""
    inputs = dataclasses.replace(BEST, inr=None, prothrombin_time_prolongation=lab(seconds, "s"))
    assert scored(inputs).coagulation == points


def test_prothrombin_time_does_not_stand_in_where_the_protocol_has_inr_alone() -> None:
    """The first trial pins INR."""
    inputs = dataclasses.replace(BEST, inr=None, prothrombin_time_prolongation=lab("3", "s"))
    result = score_child_pugh(inputs, definition=DEFINITION)
    assert isinstance(result, ChildPughIndeterminate)
    assert result.missing == ("coagulation",)


def test_another_variant_is_another_configuration() -> None:
    """Tables with albumin 30 to 35 g/L exist; the cut-offs come from the protocol alone."""
    cut_offs = tuple(
        dataclasses.replace(cut, two_points_from=Decimal(30)) if cut.unit == "g/L" else cut
        for cut in DEFINITION.cut_offs
    )
    variant = dataclasses.replace(DEFINITION, variant="albumin-30", cut_offs=cut_offs)
    inputs = dataclasses.replace(BEST, albumin=lab("29", "g/L"))
    result = score_child_pugh(inputs, definition=variant)
    assert isinstance(result, ChildPughScore)
    assert (result.albumin, result.variant) == (3, "albumin-30")
