"""Rate limits, cursors and cells: small things that foreign input meets."""

from __future__ import annotations

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.door import MAX_CLIENTS, Buckets, RateLimit
from api.resources.trail import cell, csv_lines
from api.schemas.cursor import decode_cursor, encode_cursor, number_key, text_key
from ledger.errors import RejectedInput

# 48 control characters, six bytes each in JSON, are what the longest cursor holds.
KEYS = st.integers(0, 2**53 - 1) | st.text(st.characters(exclude_categories=["Cs"]), max_size=48)


@given(
    burst=st.integers(1, 20),
    per_second=st.integers(1, 50),
    steps=st.lists(st.floats(0, 3, allow_nan=False), max_size=60),
)
def test_nobody_gets_more_than_burst_and_rate(
    burst: int, per_second: int, steps: list[float]
) -> None:
    """In any stretch of time, at most the burst and what the rate adds."""
    clock = [0.0]
    buckets = Buckets(RateLimit(burst, per_second), lambda: clock[0])
    passed = 0
    for step in steps:
        clock[0] += step
        passed += buckets.wait("client") == 0.0
    assert passed <= burst + clock[0] * per_second + 1e-6


def test_one_client_does_not_use_up_anothers_share() -> None:
    """Each address has a bucket of its own."""
    buckets = Buckets(RateLimit(1, 0.001), lambda: 0.0)
    assert buckets.wait("a") == 0.0
    assert buckets.wait("a") > 0.0
    assert buckets.wait("b") == 0.0


def test_the_number_of_remembered_clients_is_bounded() -> None:
    """Many addresses cost no more memory than the bound."""
    buckets = Buckets(RateLimit(1, 0.001), lambda: 0.0)
    for number in range(MAX_CLIENTS + 50):
        buckets.wait(str(number))
    assert len(buckets._buckets) == MAX_CLIENTS


@given(key=KEYS)
def test_a_cursor_gives_its_key_back_to_its_own_listing_only(key: int | str) -> None:
    """Another listing's cursor is refused."""
    cursor = encode_cursor("trail", key)
    assert decode_cursor("trail", cursor) == key
    with pytest.raises(RejectedInput, match="no cursor"):
        decode_cursor("deviations", cursor)


@given(text=st.text(max_size=60))
def test_any_text_is_no_cursor(text: str) -> None:
    """What was not given out is refused with a sentence."""
    with pytest.raises(RejectedInput):
        decode_cursor("trail", text)


def test_a_cursor_with_the_wrong_kind_of_key_is_refused() -> None:
    """A number is no text and a text no number."""
    with pytest.raises(RejectedInput):
        text_key("trail", encode_cursor("trail", 7))
    with pytest.raises(RejectedInput):
        number_key("trail", encode_cursor("trail", "7"))


@given(value=st.none() | st.integers() | st.text() | st.lists(st.text()))
def test_no_cell_is_a_formula(value: object) -> None:
    """A spreadsheet must not run what a site wrote into a free text."""
    assert not cell(value).startswith(("=", "+", "-", "@", "\t", "\r", "\n"))


@given(texts=st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=20), max_size=5))
def test_csv_rows_stay_rows(texts: list[str]) -> None:
    """Quotes, commas and line breaks in a value do not make other cells or rows."""
    content = "".join(csv_lines(iter([{"field": text, "new": text} for text in texts])))
    rows = list(csv.DictReader(io.StringIO(content, newline="")))
    assert [row["field"].removeprefix("'") for row in rows] == [
        text.removeprefix("'") for text in texts
    ]
