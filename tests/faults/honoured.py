"""After faults, on whichever database: each receipt holds, nothing stands twice, all verifies."""

from __future__ import annotations

from collections import Counter
from contextlib import closing
from typing import TYPE_CHECKING

from ledger.log.note import VerifierKey
from ledger.log.proof import parse_receipt, verify_receipt
from ledger.service import TrialLedger
from ledger.storage.open_evidence import open_evidence
from ledger.verification.run import verify
from tests.faults.cluster import files_of
from tests.faults.kept import TALLY

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ledger.storage.database import Database
    from tests.faults.serving import Sender


def require_all_there(database: Database, vkey: str, senders: Sequence[Sender]) -> int:
    """Every receipt proves the entry it names, no event stands twice; the number of entries."""
    key = VerifierKey.parse(vkey)
    with closing(TrialLedger(database)) as ledger:
        assert ledger.refusal is None, ledger.refusal
        store = ledger.application.store
        size = store.head().size
        seen = Counter(
            record.id
            for start in range(0, size, 500)
            for record in ledger.application.records(start, start + 500)
        )
        lost = []
        for sender in senders:
            assert sender.faults == []
            for event, receipts in sender.given.items():
                for text in receipts:
                    receipt = parse_receipt(text)
                    data = store.entry(receipt.index)
                    if data is None or not seen[event]:
                        lost.append(event)
                        continue
                    verify_receipt(receipt, data, key)
    doubled = [event for event, times in seen.items() if times > 1]
    TALLY["acknowledged"] += sum(len(sender.given) for sender in senders)
    TALLY["lost"] += len(lost)
    TALLY["doubled"] += len(doubled)
    assert (lost, doubled) == ([], [])
    with open_evidence(database, head_file=files_of(database.url, database.place.parent).head) as s:
        report = verify(s)
        assert [str(found) for found in (*report.findings, *s.storage())] == []
    assert report.obstacle is None
    return size
