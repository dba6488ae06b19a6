"""Before anything is altered nothing is found, by any of the commands."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.attack.stand import ALLOCATED, IN_EDGE, IN_TILE, SIZE, TEXT

if TYPE_CHECKING:
    from tests.attack.tampered import TamperedLedger


def test_the_sound_ledger_and_all_that_was_issued_have_no_findings(
    tampered: TamperedLedger,
) -> None:
    """Each with exit status 0; what the alterations are about stands where they say."""
    commands = (
        tampered.verify(), tampered.audit(), tampered.verify_file("bundle.zip"),
        tampered.verify_file("dossier.zip"), tampered.verify_receipt(f"{IN_TILE}.tlog-proof"),
    )  # fmt: skip
    assert [(one.status, one.findings) for one in commands] == [(0, ())] * 5
    assert tampered.size() == SIZE
    kept = dict(tampered.rows.ask("SELECT seq, topic FROM stored_events"))
    assert kept[IN_TILE] == kept[IN_EDGE] == "subject.identified.v1"
    assert (kept[ALLOCATED], kept[TEXT]) == ("subject.randomized.v1", "deviation.reported.v1")
