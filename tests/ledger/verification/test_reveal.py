"""Check 10 at the reveal: the list that is opened is the one that was sealed and followed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ledger.allocation.sealed_list import SealedList
from ledger.storage.evidence import verify_ledger
from tests.build_ledger import STATISTICIAN, seed_of
from tests.ledger.verification.conftest import STRATUM, randomize
from tests.ledger.verification.damage import of

if TYPE_CHECKING:
    from ledger.signing.strict_json import JsonObject
    from ledger.verification.report import VerificationReport
    from tests.ledger.verification.forge import Forger


def reveal(forger: Forger, drawn: SealedList) -> int:
    """Publish a list in answer to the statistician; the position of what was published."""
    built = forger.built
    named = "018df74f-8400-71ee-85a3-c0db9a9865f7"
    asked: JsonObject = {"sealed_list": named, "locked": named}
    request = forger.write(
        built.sign("allocation.reveal-requested.v1", "allocation/main", asked, by=STATISTICIAN)
    )
    return forger.result(request, "allocation.revealed.v1", dict(drawn.revelation()), ()).seq


def held(forger: Forger) -> SealedList:
    """The list that was sealed."""
    return SealedList.load(forger.built.files.allocation)


def verified(forger: Forger) -> VerificationReport:
    """The report on what was written."""
    forger.close()
    return verify_ledger(forger.application.path, head_file=forger.built.files.head)


def test_the_list_sealed_and_followed_is_no_finding(forger: Forger) -> None:
    """Root and opened arms agree with what the seed draws."""
    randomize(forger, 4, 4)
    reveal(forger, held(forger))
    assert verified(forger).findings == ()


def test_another_list_than_the_sealed_one_is_named(forger: Forger) -> None:
    """Drawn by the same design from another seed: its root is not the committed one."""
    seq = reveal(forger, SealedList(held(forger).design, seed_of("another list")))
    assert of(verified(forger), "allocation.reveal") == [(seq, seq)]


@pytest.mark.parametrize("slot", [4, 5])
def test_an_allocation_to_another_arm_than_the_lists_is_named(forger: Forger, slot: int) -> None:
    """The allocation is the place of the finding, not the reveal."""
    for number in range(4, slot):
        randomize(forger, number, number)
    drawn = held(forger)
    arm = drawn.opening(STRATUM, slot).slot.arm
    other = next(name for name, _ in drawn.design.ratio if name != arm)
    seq = randomize(forger, slot, slot, arm=other)
    reveal(forger, drawn)
    assert of(verified(forger), "allocation.reveal") == [(seq, seq)]
