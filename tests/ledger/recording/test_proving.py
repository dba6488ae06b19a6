"""Receipts that share their nodes are the receipts that each alone would be."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ledger.errors import RejectedInput
from ledger.log.proof import verify_receipt
from ledger.recording import proving
from ledger.recording.proving import Nodes, Prover
from ledger.storage.tree_reader import StoredTree
from tests.ledger.build_service import bag

if TYPE_CHECKING:
    from tests.build_ledger import BuiltLedger


def grow(built: BuiltLedger) -> list[tuple[int, str]]:
    """Three hundred entries more, over the edge of a full tile; the checkpoints of it."""
    for start in range(0, 300, 50):
        built.record_all([bag(built, number) for number in range(start, start + 50)])
    return built.ledger.application.store.checkpoints(after=0, limit=1_000)


def test_only_entries_of_its_own_tree_are_proved(built: BuiltLedger) -> None:
    """Neither one beyond the tree nor a tree of another size."""
    store = built.ledger.application.store
    size, note = store.checkpoints(after=0, limit=1_000)[-1]
    prover = Prover(StoredTree(size, store), {})
    for seq, wanted in ((size, size), (-1, size), (0, size - 1), (0, size + 1)):
        with pytest.raises(RejectedInput) as caught:
            prover.receipt(seq, size=wanted, note=note)
        assert caught.value.code == "tree.out-of-range"


def test_shared_nodes_prove_what_single_proofs_prove(
    built: BuiltLedger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At every size the log has had, for entries from both ends, also when nodes are let go."""
    checkpoints, store = grow(built), built.ledger.application.store
    nodes: Nodes = {}
    for most in (proving.MOST_NODES, 3):
        monkeypatch.setattr(proving, "MOST_NODES", most)
        for size, note in checkpoints:
            alone, shared = StoredTree(size, store), Prover(StoredTree(size, store), nodes)
            for seq in {0, size // 3, size - 2, size - 1} - {-1}:
                receipt = shared.receipt(seq, size=size, note=note)
                assert receipt == alone.receipt(seq, size=size, note=note)
    data = store.entry(5)
    assert data is not None
    size, note = checkpoints[-1]
    given = Prover(StoredTree(size, store), nodes).receipt(5, size=size, note=note)
    assert verify_receipt(given, data, built.keys.vkey).size == size
