"""The attack bench: one alteration each over everything stored; each has its one named finding."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.attack.alteration import Alteration, Target
from tests.attack.bench import ALTERATIONS

if TYPE_CHECKING:
    from tests.attack.seen import Seen
    from tests.attack.tampered import TamperedLedger

DAMAGED = 1


def seen(ledger: TamperedLedger, row: Alteration) -> Seen:
    """What the command that has to name an alteration says."""
    if row.target is Target.BUNDLE:
        return ledger.verify_file("bundle.zip")
    if row.target is Target.DOSSIER:
        return ledger.verify_file("dossier.zip")
    if row.target is Target.ACCESS_LOG:
        return ledger.audit()
    if row.target is Target.RECEIPT:
        return ledger.verify_receipt("100.tlog-proof")
    return ledger.verify()


def marked(row: Alteration) -> object:
    """A row as a parameter; those for each member of a bundle are many and take long."""
    of_members = row.target is Target.BUNDLE and row.name.startswith(("flip-", "drop-"))
    return pytest.param(row, id=row.id, marks=[pytest.mark.long] if of_members else [])


@pytest.mark.parametrize("row", [marked(row) for row in ALTERATIONS])
def test_each_alteration_has_its_one_named_finding(
    row: Alteration, tampered: TamperedLedger
) -> None:
    """At its place, with exit status 1 and what to do; nothing unrelated is accused."""
    if row.target is not Target.PROJECTIONS:
        tampered.beside(".projections").unlink()
    row.make(tampered)
    found = seen(tampered, row)
    assert found.status == DAMAGED, found.output
    named = found.of(row.code)
    assert any(one.covers(row.place) for one in named), (found.codes, named)
    assert all(one.remedy for one in named)
    assert set(found.codes) <= {row.code} | row.also


def test_no_two_alterations_have_one_name() -> None:
    """The page refers to them by it."""
    names = [row.id for row in ALTERATIONS]
    assert len(names) == len(set(names))
