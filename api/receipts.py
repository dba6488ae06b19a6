"""Receipts on the sender's side: checked against the log's key, kept as files."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from ledger.errors import IntegrityFailure
from ledger.history import REFUSED
from ledger.log.checkpoint import Checkpoint, open_checkpoint
from ledger.log.entry import entry_hash, parse_entry
from ledger.log.proof import Receipt, parse_receipt
from ledger.log.tree import leaf_hash, verify_inclusion
from ledger.record import read_record
from ledger.vocabulary import Kind, vocabulary

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from api.identity import SignedEvent
    from ledger.log.note import VerifierKey

PROOF_SUFFIX: Final = ".tlog-proof"
ENTRY_SUFFIX: Final = ".entry.json"


@dataclass(frozen=True, slots=True)
class Given:
    """An entry with its receipt, as the ledger gave them; they have been checked.

    ``type`` and ``rules`` are there for a result.
    """

    id: str
    seq: int
    recorded_at: str
    sha256: str
    entry: str
    receipt: str
    type: str | None = None
    rules: tuple[Any, ...] = ()


class Checker:
    """Checks receipts under one log key.

    ``whole`` proves that the entry is in the tree; else only the checkpoint's signature is checked.
    """

    def __init__(self, vkey: VerifierKey, *, whole: bool = True) -> None:
        self._vkey = vkey
        self._whole = whole
        self._last: tuple[str, Checkpoint] | None = None

    def outcome(
        self, event: SignedEvent, members: Mapping[str, Any], *, recorded: bool
    ) -> tuple[Given, Given | None]:
        """Check an event's own place and, for a command, the decision that belongs to it.

        ``recorded`` is what the status said: a command is then accepted, else refused. Raises
        IntegrityFailure and TrustFailure.
        """
        given = self.request(event, members)
        if vocabulary()[event.type].kind is not Kind.COMMAND:
            return given, None
        result = members.get("result")
        if not isinstance(result, dict):
            raise IntegrityFailure("receipt.no-result", "A command was answered without a result.")
        decided = self.result(given, result)
        if recorded == (decided.type == REFUSED):
            raise IntegrityFailure(
                "receipt.other-decision", "The answer's status is not what the log decided."
            )
        return given, decided

    def request(self, event: SignedEvent, members: Mapping[str, Any]) -> Given:
        """Check that the entry holds exactly the statement sent, and stands in the log.

        Raises IntegrityFailure and TrustFailure.
        """
        given = self._given(event.id, members)
        if parse_entry(given.entry.encode()).statement != event.text:
            raise IntegrityFailure(
                "receipt.other-statement", "The entry holds another statement than was sent."
            )
        return given

    def result(self, request: Given, members: Mapping[str, Any]) -> Given:
        """Check that a result stands in the log and names the request by position and hash.

        Raises IntegrityFailure and TrustFailure.
        """
        given = self._given(str(members.get("id")), members)
        record = read_record(given.entry.encode())
        named = {"id": request.id, "seq": request.seq, "sha256": request.sha256}
        if record.data.get("request") != named or record.id != given.id:
            raise IntegrityFailure("receipt.other-result", "The result answers another request.")
        rules = record.data.get("rules")
        return Given(
            id=given.id,
            seq=given.seq,
            recorded_at=given.recorded_at,
            sha256=given.sha256,
            entry=given.entry,
            receipt=given.receipt,
            type=record.type,
            rules=tuple(rules) if isinstance(rules, list) else (),
        )

    def _given(self, event_id: str, members: Mapping[str, Any]) -> Given:
        entry_text, receipt_text = members.get("entry"), members.get("receipt")
        if not isinstance(entry_text, str) or not isinstance(receipt_text, str):
            raise IntegrityFailure("receipt.absent", "The answer has no entry or no receipt.")
        try:
            data = entry_text.encode()
        except UnicodeEncodeError:
            raise IntegrityFailure("receipt.not-utf-8", "The entry is not UTF-8.") from None
        entry, receipt = parse_entry(data), parse_receipt(receipt_text)
        if receipt.index != entry.seq:
            raise IntegrityFailure("receipt.other-index", "The receipt is for another position.")
        self._check(receipt, data)
        return Given(
            event_id, entry.seq, entry.recorded_at, entry_hash(data), entry_text, receipt_text
        )

    def _check(self, receipt: Receipt, data: bytes) -> None:
        note = receipt.checkpoint_note
        if self._last is None or self._last[0] != note:
            self._last = (note, open_checkpoint(note, self._vkey))
        checkpoint = self._last[1]
        if self._whole:
            verify_inclusion(
                index=receipt.index,
                size=checkpoint.size,
                leaf=leaf_hash(data),
                path=receipt.path,
                root=checkpoint.root,
            )


@dataclass(frozen=True, slots=True)
class ReceiptFolder:
    """A folder of ``<id>.tlog-proof`` files, each with its entry beside it."""

    path: Path

    def keep(self, given: Given) -> None:
        """Write the receipt and the entry; both are whole or absent."""
        self.path.mkdir(parents=True, exist_ok=True)
        _write(self.path / f"{given.id}{ENTRY_SUFFIX}", given.entry)
        _write(self.path / f"{given.id}{PROOF_SUFFIX}", given.receipt)


def _write(path: Path, text: str) -> None:
    staged = path.with_name(path.name + ".new")
    staged.write_bytes(text.encode())
    staged.replace(path)
