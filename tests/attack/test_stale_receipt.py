"""A receipt said again: what it proves stays true, and its age shows by its size."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from ledger.log.checkpoint import Checkpoint, sign_checkpoint
from ledger.log.note import NoteSigner
from ledger.log.proof import Receipt, parse_receipt
from ledger.log.tree import inclusion_path, leaf_hash, root_of
from ledger.storage.evidence import DatabaseEvidence
from ledger.verification.evidence import HeadNote
from ledger.verification.held import check_held
from tests.attack.on_histories import go_on
from tests.attack.stand import IN_TILE, SIZE

if TYPE_CHECKING:
    from tests.attack.tampered import TamperedLedger

NAME = f"{IN_TILE}.tlog-proof"


def said(ledger: TamperedLedger) -> dict[str, object]:
    """What the command says that a receipt proves."""
    value: dict[str, object] = json.loads(ledger.verify_receipt(NAME).output)
    return value


def test_an_old_receipt_proves_the_same_after_the_log_has_grown(tampered: TamperedLedger) -> None:
    """A log only grows: the checkpoint in the receipt stays a prefix of it for ever."""
    before = said(tampered)
    go_on(tampered, SIZE + 3)
    assert tampered.size() == SIZE + 3
    assert said(tampered) == before
    with DatabaseEvidence(tampered.database) as source:
        note = HeadNote((tampered.issued / NAME).read_bytes(), NAME)
        assert check_held(source, [note], tampered.stand.built.keys.vkey) == ()


def test_a_stale_receipt_is_told_from_a_fresh_one_by_its_size(tampered: TamperedLedger) -> None:
    """It names the size of its checkpoint; the log's present size is in its newest checkpoint."""
    stale = said(tampered)["size"]
    assert isinstance(stale, int)
    assert stale < tampered.size()
    assert tampered.note_at(stale)
    fresh = _fresh(tampered)
    (tampered.issued / NAME).write_text(fresh.text(), "utf-8", newline="\n")
    assert said(tampered)["size"] == tampered.size()


def test_the_receipt_of_another_log_proves_nothing(tampered: TamperedLedger) -> None:
    """Under the log's name and another key, or another name."""
    receipt = parse_receipt((tampered.issued / NAME).read_text("utf-8"))
    origin = tampered.stand.built.keys.origin
    for name in (origin, "other.example/log"):
        signer = NoteSigner.from_seed(name, bytes(32))
        note = sign_checkpoint(Checkpoint(name, 294, bytes(32)), signer)
        other = Receipt(receipt.index, receipt.path, note)
        (tampered.issued / NAME).write_text(other.text(), "utf-8", newline="\n")
        assert tampered.verify_receipt(NAME).status == 1


def _fresh(tampered: TamperedLedger) -> Receipt:
    """A receipt of the entry under the newest checkpoint."""
    leaves = [leaf_hash(tampered.state(seq)) for seq in range(SIZE)]

    def node(level: int, index: int) -> bytes:
        return root_of(leaves[index << level : (index + 1) << level])

    return Receipt(IN_TILE, tuple(inclusion_path(IN_TILE, SIZE, node)), tampered.note_at(SIZE))
