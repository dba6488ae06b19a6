"""What people read of a run says what the rows say, and no more."""

from __future__ import annotations

import itertools
import re
from xml.etree import ElementTree as ET

from benchmarks.figures import SECTIONS
from benchmarks.harness import Bench, Goal, Row, Sample
from benchmarks.model import A_SITE_A_DAY, DENSE_SECONDS, scaling
from benchmarks.page import page
from benchmarks.picture import picture

WIDE = 7.2
"""More pixels than a letter of the picture's size takes on average."""


def row(key: str, *, database: str = "sqlite", ratio: float = 1.0, most: bool = False) -> Row:
    """A row whose goal is 1."""
    return Row(
        key=key, work=key, database=database, value=100.0, unit="a second", reference="other",
        ratio=ratio, goal=1.0, goal_is="at most" if most else "at least", reference_value=50.0,
        ratio_low=ratio, ratio_high=ratio, turns=3,
    )  # fmt: skip


def every(ratio: float) -> list[Row]:
    """A row of each kind on both databases."""
    return [
        row(key, database=database, ratio=ratio)
        for section in SECTIONS.values()
        for key in section
        for database in ("sqlite", "postgresql")
    ]


def result(rows: list[Row]) -> dict[str, object]:
    """What stands in the file of results."""
    return {
        "machine": "A machine", "minutes": 1.0, "counts": True, "sizes": [1, 2, 3, 1_000],
        "rows": [one.as_object() for one in rows],
    }  # fmt: skip


def test_a_ratio_is_of_what_both_gave_in_one_turn() -> None:
    """A slow turn of both is no slow ratio: 10 of 5, 2 of 1 and 30 of 10 are 2, 2 and 3."""
    bench = Bench(scratch=None, say=lambda _: None)  # type: ignore[arg-type]
    found = bench.row(
        "k",
        "w",
        Sample((10, 2, 30)),
        unit="u",
        against=("r", Sample((5, 1, 10))),
        goal=Goal(ratio=2),
    )
    assert (found.ratio, found.ratio_low, found.ratio_high) == (2, 2, 3)
    assert found.value == 10
    assert found.reached


def test_the_share_of_a_goal_grows_as_the_work_gets_better() -> None:
    """Whether more or less is better."""
    assert row("k", ratio=0.5).share == 0.5
    assert row("k", ratio=0.5, most=True).share == 2
    assert row("k", ratio=2, most=True).share == 0.5


def test_the_page_counts_what_is_reached_and_names_what_is_not() -> None:
    """With the place where it is told why."""
    rows = [row("batch", ratio=2), row("restore", ratio=0.25, database="postgresql")]
    text = page(rows, result(rows))
    assert "**1 of 2 goals are reached.**" in text
    assert "## What is missed\n\n- A bundle restored: PostgreSQL\n\n" in text
    assert "(decisions/0014-" in text
    assert "mean nothing" in page(rows, {**result(rows), "counts": False})
    assert "mean nothing" not in text
    assert "| A bundle restored | PostgreSQL | 100 a second | other: 50 | **0.25**" in text
    assert "What is missed" not in page(rows[:1], result(rows[:1]))


def test_no_text_of_the_picture_lies_over_another() -> None:
    """However short or long the bars are."""
    for ratio in (0.01, 0.98, 1.0, 1.6, 40.0):
        tree = ET.fromstring(picture(every(ratio)))
        width = float(tree.attrib["width"])
        seen: dict[str, list[tuple[float, float]]] = {}
        for text in tree.iter("{http://www.w3.org/2000/svg}text"):
            length = len(text.text or "") * WIDE
            start = float(text.attrib["x"])
            start -= {"end": length, "middle": length / 2}.get(text.get("text-anchor", ""), 0)
            seen.setdefault(text.attrib["y"], []).append((start, start + length))
        for line in seen.values():
            ordered = sorted(line)
            assert all(a[1] < b[0] for a, b in itertools.pairwise(ordered)), ordered
            assert ordered[0][0] >= 0
            assert ordered[-1][1] <= width + 20


def test_the_picture_tells_what_is_reached_by_its_bars() -> None:
    """One bar a row, of the colour of its verdict."""
    drawn = picture([row("batch", ratio=1.0), row("restore", ratio=0.99), row("receipt", ratio=3)])
    bars = re.findall(r'<rect class="(yes|no)" x="\d+" y="\d+" width="\d+" height="14"', drawn)
    assert bars == ["yes", "no", "yes"]


def test_the_model_needs_a_whole_run() -> None:
    """A page with made-up constants would be worse than none."""
    assert scaling(result(every(1.0))) is not None
    assert scaling(result([one for one in every(1.0) if one.key != "integrity"])) is None


def test_the_model_gives_each_writer_no_more_than_half_of_what_it_can_take() -> None:
    """At 100 statements a second and a verification of 100 a second, the night is what is short."""
    text = scaling(result(every(1.0))) or ""
    line = next(one for one in text.splitlines() if one.startswith("| 100,000 |"))
    ledgers = int(line.rstrip(" |").rpartition(" ")[2].replace(",", ""))
    assert ledgers >= 100_000 * A_SITE_A_DAY / DENSE_SECONDS / 50
    assert ledgers == 845
