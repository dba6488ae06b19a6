"""The pages made from the vocabulary are those in the repository."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from ledger.events.catalogue import main, page, pages
from ledger.events.registry import EVENT_TYPES
from ledger.vocabulary import vocabulary

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(("path", "content"), pages().items(), ids=lambda value: str(value)[-20:])
def test_a_page_in_the_repository_is_current(path: Path, content: bytes) -> None:
    """Run ``python -m ledger.events.catalogue`` after a change to the vocabulary."""
    assert path.read_bytes() == content


def test_the_kernel_reads_the_same_rules_that_the_vocabulary_declares() -> None:
    """A verifier without the schema library judges as the service does."""
    assert dict(vocabulary()) == {name: row.rule for name, row in EVENT_TYPES.items()}


def test_checking_current_pages_succeeds() -> None:
    """Status 0, and nothing is written."""
    assert main(["--check"]) == 0


def test_checking_finds_a_page_that_is_not_current(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Status 1 and the page's name; writing puts it right."""
    (tmp_path / "docs").mkdir()
    (tmp_path / "ledger" / "events").mkdir(parents=True)
    arguments = ["--root", str(tmp_path)]
    assert main(["--check", *arguments]) == 1
    assert "docs/events.md" in capsys.readouterr().out
    assert main(arguments) == 0
    assert main(["--check", *arguments]) == 0


def test_the_page_shows_every_type_with_an_example_that_passes() -> None:
    """What a programmer copies from the page is accepted."""
    sections = page().split("\n### ")[1:]
    shown = {section.split("\n", 1)[0]: section for section in sections}
    for name, row in EVENT_TYPES.items():
        block = shown[name].split("```json\n", 1)[1].split("\n```", 1)[0]
        row.check(json.loads(block))
