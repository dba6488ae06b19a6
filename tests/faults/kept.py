"""What senders keep, and what must hold of it after any fault: the promise put to the test."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from contextlib import closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ledger.errors import LedgerError
from ledger.log.proof import parse_receipt, verify_receipt
from ledger.service import LedgerFiles, TrialLedger
from ledger.signing.sealing import parse_disclosure
from ledger.storage.evidence import verify_ledger
from tests.build_ledger import EDC, REGISTRAR, identify
from tests.ledger.build_service import bag

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from pathlib import Path

    from ledger.recording.outcomes import Receipted
    from ledger.recording.submission import Submission
    from tests.build_ledger import BuiltLedger, Signed

TALLY: Counter[str] = Counter()
"""Faults injected, events acknowledged, lost and doubled, by name; printed at the end."""


@dataclass(frozen=True, slots=True)
class Sent:
    """A statement as its sender keeps it."""

    id: str
    text: str
    disclosures: tuple[str, ...] = ()

    @classmethod
    def of(cls, signed: Signed) -> Sent:
        """What is kept of a signed event."""
        return cls(signed.event.id, signed.text, tuple(d.text for d in signed.disclosures))

    def offer(self, ledger: TrialLedger) -> Submission:
        """The statement checked as at the door."""
        return ledger.receive(self.text, [parse_disclosure(text) for text in self.disclosures])


def post(ledger: TrialLedger, sent: Sent, now: datetime) -> tuple[str, ...]:
    """Submit a statement; its receipts as texts, the request's and the result's."""
    return receipts_of(ledger.submit(sent.offer(ledger), now))


def receipts_of(given: Receipted) -> tuple[str, ...]:
    """The receipts of an outcome as texts."""
    positions = [given.outcome.seq, given.outcome.result_seq]
    return tuple(
        given.tree.receipt(seq, size=given.size, note=given.note).text()
        for seq in positions
        if seq is not None
    )


def statements(built: BuiltLedger, count: int, *, first: int = 1000) -> list[Sent]:
    """Facts, with a command as every fourth."""
    return [
        Sent.of(identify(built, first + n) if n % 4 == 3 else bag(built, first + n))
        for n in range(count)
    ]


def copy_files(source: Path, target: Path) -> str:
    """Copy a closed ledger's directory; the copy's URL."""
    shutil.copytree(source, target)
    return f"sqlite:///{target / 'ledger.sqlite3'}"


@dataclass(slots=True)
class Keeper:
    """What all senders of a run were given, by event id."""

    now: datetime
    given: dict[str, tuple[str, ...]] = field(default_factory=dict)
    sent: dict[str, Sent] = field(default_factory=dict)

    def keep(self, sent: Sent, receipts: Sequence[str]) -> None:
        """Keep receipts; a later answer must be the same as the first."""
        first = self.given.setdefault(sent.id, tuple(receipts))
        assert first == tuple(receipts), f"{sent.id} was given another receipt"
        self.sent[sent.id] = sent

    def require_honoured(self, directory: Path, more: Sequence[Sent] = ()) -> None:
        """Reopen, verify all, and put every receipt and every statement to the test again.

        ``more`` are statements whose senders had no answer: they are sent again.
        """
        path = directory / "ledger.sqlite3"
        files = LedgerFiles.beside(path)
        with closing(TrialLedger(f"sqlite:///{path}", files)) as ledger:
            assert ledger.refusal is None, ledger.refusal
            self._require_receipts(ledger)
            for sent in (*self.sent.values(), *more):
                self.keep(sent, post(ledger, sent, self.now))
            self._require_receipts(ledger)
            self._require_once(ledger)
        report = verify_ledger(path, head_file=files.head)
        assert [str(found) for found in report.findings] == []
        assert report.obstacle is None
        TALLY["reopened and verified"] += 1

    def _require_receipts(self, ledger: TrialLedger) -> None:
        for event, receipts in self.given.items():
            for text in receipts:
                receipt = parse_receipt(text)
                data = ledger.application.store.entry(receipt.index)
                if data is None:
                    TALLY["lost"] += 1
                    raise AssertionError(f"{event} at {receipt.index} is lost")
                verify_receipt(receipt, data, ledger.keys.vkey)
            held = ledger.find(event)
            assert held is not None
            assert held.seq == parse_receipt(receipts[0]).index

    def _require_once(self, ledger: TrialLedger) -> None:
        """Every id stands once: counted over all entries, not by an index."""
        seen: Counter[str] = Counter()
        for start in range(0, ledger.application.store.head().size, 500):
            seen.update(record.id for record in ledger.application.records(start, start + 500))
        doubled = [event for event, times in seen.items() if times > 1]
        TALLY["doubled"] += len(doubled)
        assert doubled == []
        assert set(self.given) <= set(seen)


def read_kept(path: Path) -> dict[str, tuple[str, ...]]:
    """The receipts a driver wrote down before it died; a line cut short was not acknowledged."""
    return parse_kept(path.read_bytes())


def parse_kept(content: bytes) -> dict[str, tuple[str, ...]]:
    """The receipts in the lines of a driver."""
    kept = {}
    for line in content.split(b"\n")[:-1]:
        value = json.loads(line)
        kept[value["id"]] = tuple(value["receipts"])
    return kept


def revoke(built: BuiltLedger, owner: str = EDC) -> Signed:
    """The registrar revokes a party's key."""
    data = {"kid": built.parties[owner].key.kid, "reason": {"code": "lost", "text": "Replaced."}}
    return built.sign("key.revoked.v1", "access", data, by=REGISTRAR)  # type: ignore[arg-type]


def try_post(ledger: TrialLedger, sent: Sent, now: datetime) -> tuple[str, ...] | LedgerError:
    """The receipts, or the error the sender got."""
    try:
        return post(ledger, sent, now)
    except LedgerError as error:
        return error
