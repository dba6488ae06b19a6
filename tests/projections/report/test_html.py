"""The HTML report: one file that loads and runs nothing, and that everybody can read."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from projections.report.html import css_string
from tests.projections.report.build_report import HOSTILE, Page, Reported, build_reported

if TYPE_CHECKING:
    from collections.abc import Iterator

LOADING = ("src", "srcset", "data", "action", "formaction", "poster", "background", "xlink:href")


@pytest.fixture(scope="module")
def content(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The report of a subject with a hostile remark, and of one with a verification in doubt."""
    reported: Reported = build_reported(tmp_path_factory.mktemp("html"))
    finding = {"check": 1, "code": HOSTILE, "first": 1, "last": 1, "what": HOSTILE}
    summary = {"status": HOSTILE, "findings": [finding], "doubtful": [finding], "schema": []}
    yield reported.html(subject="SY01-0001", verification=summary)
    reported.close()


@pytest.fixture(scope="module")
def page(content: str) -> Page:
    """The report as a browser reads it."""
    return Page(content)


def test_hostile_text_is_shown_and_never_obeyed(content: str, page: Page) -> None:
    """It stands in the file escaped, and adds no element."""
    assert "&lt;script&gt;alert(" in content
    assert not page.all("script")
    assert not page.all("img")
    assert not [name for _, found in page.elements for name in found if name.startswith("on")]


def test_the_file_stands_alone(content: str, page: Page) -> None:
    """No element loads anything, no style imports anything, no link leads out."""
    loads = [
        (tag, name)
        for tag, found in page.elements
        for name in found
        if name in LOADING or (name == "href" and not str(found[name]).startswith("#"))
    ]
    assert loads == []
    assert not {"link", "iframe", "object", "embed", "base"} & {tag for tag, _ in page.elements}
    (style,) = re.findall(r"<style>(.*?)</style>", content, re.DOTALL)
    assert "@import" not in style
    assert not re.search(r"url\s*\(", style)


def test_a_policy_in_the_file_forbids_scripts_and_loading(page: Page) -> None:
    """Also should a browser disagree about an escape."""
    policies = [row.get("content") for row in page.all("meta") if "http-equiv" in row]
    assert policies == ["default-src 'none'; style-src 'unsafe-inline'"]


def test_the_markup_is_balanced(page: Page) -> None:
    """Whatever the record holds."""
    assert page.unbalanced == []
    assert page.open == []


def test_ids_are_unique_and_every_reference_finds_its_place(page: Page) -> None:
    """Contents list, skip link, captions and figures' names."""
    ids = [str(found["id"]) for _, found in page.elements if found.get("id")]
    assert len(ids) == len(set(ids))
    wanted = {str(row["href"])[1:] for row in (*page.all("a"), *page.all("use"))}
    for _, found in page.elements:
        wanted |= set(str(found.get("aria-labelledby") or "").split())
    assert wanted <= set(ids)


def test_every_table_has_a_caption_and_scoped_headings(page: Page) -> None:
    """WCAG 1.3.1: rows and columns can be told without seeing them."""
    assert len(page.all("caption")) == len(page.all("table")) > 20
    assert all(
        found.get("scope") in {"col", "row", "rowgroup"} for tag, found in page.elements
        if tag == "th"
    )  # fmt: skip


def test_every_figure_is_an_image_with_a_title_and_a_description(page: Page) -> None:
    """WCAG 1.1.1: what the drawing shows is also said."""
    drawings = [found for found in page.all("svg") if found.get("role") == "img"]
    assert len(drawings) == 4
    assert len(page.all("title")) == 1 + len(drawings)
    assert len(page.all("desc")) == len(drawings)


def test_trial_head_and_page_numbers_stand_on_every_printed_page(content: str) -> None:
    """R-24 also on paper: margin boxes name the trial, the head, the time and the page."""
    assert "@top-left" in content
    assert "counter(page)" in content
    assert re.search(r'@top-right \{ content: "head " "[0-9a-f]{16}"', content)


@given(st.text())
def test_a_css_string_never_ends_early(text: str) -> None:
    """It reads back as the text, and holds nothing a style sheet or HTML could act on."""
    spelled = str(css_string(text))
    inner = spelled[1:-1]
    assert spelled[0] == spelled[-1] == '"'
    assert re.fullmatch(r"(?:[A-Za-z0-9 ]|\\[0-9a-f]{6})*", inner)
    assert re.sub(r"\\([0-9a-f]{6})", lambda found: chr(int(found[1], 16)), inner) == text
