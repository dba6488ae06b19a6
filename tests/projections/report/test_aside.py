"""Rows that are put aside come back as they went in, in the order Python would sort them."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from projections.report.aside import Aside
from projections.report.document import plain, table

if TYPE_CHECKING:
    from ledger.signing.strict_json import JsonObject

TEXT = st.text(st.characters(codec="utf-8"), max_size=4)


@given(st.lists(st.tuples(st.integers(-9, 9), TEXT, TEXT), max_size=30))
def test_a_list_is_sorted_as_python_sorts_and_ties_stay_as_they_came(
    places: list[tuple[int, str, str]],
) -> None:
    """Texts by code points, rows at one place in the order they were put in."""
    with closing(Aside()) as aside:
        for number, place in enumerate(places):
            aside.add("some", place, {"number": number})
        found = [row["number"] for row in aside.listing("some")]
        assert len(aside.listing("some")) == len(places)
    assert found == sorted(range(len(places)), key=lambda number: places[number])


@given(st.dictionaries(TEXT.filter(bool), st.none() | TEXT, max_size=400))
def test_rows_come_back_by_key(rows: dict[str, str | None]) -> None:
    """All of them, in order of their keys, beyond a page too."""
    with closing(Aside()) as aside:
        aside.put("some", ((key, {"value": value}) for key, value in rows.items()))
        assert list(aside.rows("some")) == [(key, {"value": rows[key]}) for key in sorted(rows)]
        assert aside.keys("some", "", "\U0010ffff" * 5) == sorted(rows)


def test_rows_of_a_table_have_the_same_ids_at_each_reading() -> None:
    """Those that would share one are numbered."""
    rows: list[JsonObject] = [
        {"event": "a", "of": 1},
        {"event": "a", "of": 1},
        {"event": "b", "of": 2},
    ]
    made = table("t", "T", [plain("Of", "of")], lambda: rows, within="of")["rows"]
    assert [row["id"] for row in made] == ["t:a", "t:a:2", "t:b"]
    assert [row["id"] for row in made] == ["t:a", "t:a:2", "t:b"]
    assert len(made) == 3
