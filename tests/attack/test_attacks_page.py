"""The page for auditors says what the bench does, no more and no less."""

from __future__ import annotations

import pytest

from ledger.verification.kinds import KINDS
from tests.attack.bench import ALTERATIONS
from tests.attack.page import OTHERS, PAGE, page
from tests.running_authority import openssl_stamps


@pytest.mark.skipif(not openssl_stamps(), reason="the rows about time stamps need openssl with ts")
def test_the_page_is_that_of_the_bench() -> None:
    """``python -m tests.attack.page`` writes it."""
    assert PAGE.read_text("utf-8") == page()


def test_each_finding_of_the_bench_is_explained() -> None:
    """In the kernel's table or on the page, and nothing is explained that no row shows."""
    shown = {row.code for row in ALTERATIONS}
    assert shown <= KINDS.keys() | OTHERS.keys()
    assert OTHERS.keys() <= shown


def test_every_kind_of_attack_and_every_place_has_a_row() -> None:
    """Flip, drop, insert … roll back and replay, over everything that is stored or issued."""
    from tests.attack.alteration import Kind, Target

    assert {row.kind for row in ALTERATIONS} == set(Kind)
    assert {row.target for row in ALTERATIONS} == set(Target)
