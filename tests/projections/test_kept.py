"""The rows of a page, read over those that earlier pages left."""

from __future__ import annotations

from projections.kept import NothingKept, PageRows, text_of


def test_a_row_is_read_as_it_was_given_last_be_it_body_or_text() -> None:
    """And taken away it is gone, however it was given."""
    rows = PageRows(NothingKept())
    rows.put("visits", "SY01-0001", {"a": 1})
    rows.write("visits", "SY01-0001", text_of({"a": 2}))
    rows.write("visits", "SY01-0002", text_of({"a": 3}))
    rows.put("visits", "SY01-0002", {"a": 4})
    rows.write("visits", "SY01-0003", text_of({"a": 5}))
    rows.put("visits", "SY01-0003", None)

    assert [rows.one("visits", f"SY01-000{number}") for number in (1, 2, 3)] == [
        {"a": 2},
        {"a": 4},
        None,
    ]
    assert rows.keys("visits", "", "~") == ["SY01-0001", "SY01-0002"]
    assert rows.texts() == {
        ("visits", "SY01-0001"): '{"a":2}',
        ("visits", "SY01-0002"): '{"a":4}',
        ("visits", "SY01-0003"): None,
    }
