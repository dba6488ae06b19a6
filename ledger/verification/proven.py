"""What a dossier proves to stand in the log: entry 0, the signers' keys, the commitments."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from ledger.errors import IntegrityFailure, LedgerError
from ledger.log.checkpoint import Checkpoint, open_checkpoint
from ledger.log.cosignature import verifier_of
from ledger.log.note import ML_DSA_44_COSIGNATURE, VerifierKey, open_note
from ledger.log.proof import parse_receipt, verify_receipt
from ledger.record import build_record
from ledger.signing.authority import self_certified
from ledger.signing.statement import Statement, verify_signature
from ledger.verification.chain import ISSUED
from ledger.verification.evidence import UNREADABLE, StoredRow
from ledger.verification.genesis import check_genesis, check_trust, keys_of
from ledger.verification.reading import ReadEntry, read_row
from ledger.verification.unpacked import lines

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ledger.log.entry import Entry
    from ledger.signing.envelope import Event
    from ledger.signing.jwk import PublicJwk
    from ledger.verification.archive import Archive
    from ledger.verification.report import Findings, RootOfTrust

_LONGEST_NOTE: Final = 1_000_000
_MOST_PROVEN: Final = 10_000


@dataclass(slots=True)
class Proven:
    """What the proven entries tell: the checkpoint, the signers' keys, what was committed to."""

    checkpoint: Checkpoint | None = None
    genesis: str | None = None
    origin: str | None = None
    vkey: str | None = None
    trial: str | None = None
    ledger_kid: str | None = None
    keys: dict[str, PublicJwk] = field(default_factory=dict)
    issued: dict[str, tuple[int, str]] = field(default_factory=dict)


def read_proven(archive: Archive, trust: RootOfTrust | None, findings: Findings) -> Proven:
    """Check every entry against its receipt and take what the proven ones tell."""
    found = Proven()
    reads = [_as_read(line) for line in _bounded(lines_of(archive, "proven.jsonl"))]
    first = next((r for r in reads if r.entry is not None and r.entry.seq == 0), None)
    vkey = trust.vkey if trust else stated_key(first)
    if first is None or vkey is None:
        findings.add("dossier.unproven", 0, found="no entry 0", field="proven.jsonl")
        if vkey is None:
            return found
    else:
        stated = "".join(f"{key}\n" for key in _stated(first)).encode()
        if "vkeys.txt" in archive and _content(archive, "vkeys.txt") != stated:
            findings.add("manifest.value", None, expected="entry 0's keys", field="vkeys.txt")
        found.genesis = first.sha256
        found.trial = None if first.event is None else first.event.trialid
        check_trust(first, trust, findings)
        _check_genesis(first, findings)
    found.origin, found.vkey = vkey.name, str(vkey)
    keys = [vkey] if first is None else [vkey, *own_cosigners(first, vkey)]
    note = _note(archive, keys, found, findings)
    for number, read in enumerate(reads, 1):
        if _is_proven(archive, read, number, vkey, note, findings):
            _learn(read, found, findings)
    return found


def _check_genesis(first: ReadEntry, findings: Findings) -> None:
    if first.entry is None or first.event is None or first.statement is None:
        return
    record = build_record(
        first.entry, sha256=first.sha256 or "", parsed=(first.statement, first.event)
    )
    check_genesis(record, findings)


def _as_read(line: bytes | None) -> ReadEntry:
    data = UNREADABLE if line is None else line
    read = read_row(StoredRow(-1, data))
    return read if read.entry is None else read_row(StoredRow(read.entry.seq, data))


def stated_key(first: ReadEntry | None) -> VerifierKey | None:
    """The log's key as entry 0 states it."""
    keys = [] if first is None else _stated(first)
    return keys[0] if keys else None


def own_cosigners(first: ReadEntry, vkey: VerifierKey) -> list[VerifierKey]:
    """The log's ML-DSA-44 keys as entry 0 states them."""
    return [k for k in _stated(first) if k.type == ML_DSA_44_COSIGNATURE and k.name == vkey.name]


def _stated(first: ReadEntry) -> list[VerifierKey]:
    return [] if first.event is None else keys_of(first.event.data.get("log_vkeys"))


def _note(
    archive: Archive, keys: list[VerifierKey], found: Proven, findings: Findings
) -> str | None:
    """The one checkpoint under which everything is proven; the log's every line in it holds."""
    try:
        note = archive.read("checkpoint", most=_LONGEST_NOTE)
        found.checkpoint = open_checkpoint(note, keys[0])
        open_note(note, [verifier_of(key) for key in keys])
        return note.decode()
    except LedgerError as error:
        findings.add("checkpoints.signature", None, found=error.message, field="checkpoint")
        return None


def _is_proven(
    archive: Archive,
    read: ReadEntry,
    number: int,
    vkey: VerifierKey,
    note: str | None,
    findings: Findings,
) -> bool:
    where = f"proven.jsonl line {number}"
    if read.entry is None or read.event is None or not isinstance(read.row.data, bytes):
        findings.add("dossier.unproven", None, found=read.fault, field=where)
        return False
    name = f"receipts/{read.entry.seq}.tlog-proof"
    try:
        receipt = parse_receipt(archive.read(name, most=_LONGEST_NOTE).decode())
        if receipt.index != read.entry.seq:
            raise IntegrityFailure("dossier.index", f"The receipt is for entry {receipt.index}.")
        verify_receipt(receipt, read.row.data, vkey)
        if note is not None and receipt.checkpoint_note != note:
            raise IntegrityFailure("dossier.checkpoint", "It is under another checkpoint.")
    except (LedgerError, UnicodeDecodeError) as error:
        findings.add(
            "dossier.unproven", read.entry.seq, found=str(error), event_id=read.event.id,
            subject=read.entry.stream, field=name,
        )  # fmt: skip
        return False
    return True


def _learn(read: ReadEntry, found: Proven, findings: Findings) -> None:
    """Take the keys an entry registers and the stream's end it commits to."""
    event, entry = read.event, read.entry
    if event is None or entry is None:
        return
    try:
        brought = self_certified(event)
    except LedgerError:
        brought = {}
    found.keys.update(brought)
    if entry.seq == 0:
        stated = event.data.get("statement_key")
        found.ledger_kid = next((k for k, j in brought.items() if j.as_object() == stated), None)
    if event.type == ISSUED:
        _commit(read, entry, event, found, findings)


def _commit(read: ReadEntry, entry: Entry, event: Event, found: Proven, findings: Findings) -> None:
    stream, number, link = (event.data.get(name) for name in ("stream", "stream_seq", "link"))
    kids = [] if read.statement is None else [s.kid for s in read.statement.signatures]
    fault = None
    if kids != [found.ledger_kid] or not signed(read.statement, found.keys):
        fault = "not signed by the ledger's statement key"
    elif not isinstance(stream, str) or type(number) is not int or not isinstance(link, str):
        fault = "no stream, position and link"
    elif (entry.stream, entry.stream_seq, entry.stream_prev) != (stream, number + 1, link):
        fault = "it does not stand right behind the link it names"
    elif stream in found.issued:
        fault = "a second commitment for the stream"
    else:
        found.issued[stream] = (number, link)
    if fault is not None:
        findings.add(
            "dossier.commitment", entry.seq, found=fault, event_id=event.id, subject=entry.stream
        )


def signed(statement: Statement | None, keys: dict[str, PublicJwk]) -> bool:
    """Whether every signature holds under a key that is known."""
    if statement is None:
        return False
    try:
        for signature in statement.signatures:
            verify_signature(statement, signature, keys[signature.kid])
    except (LedgerError, KeyError):
        return False
    return True


def lines_of(archive: Archive, name: str) -> Iterator[bytes | None]:
    """A member's lines as far as it can be read; that it cannot be is named elsewhere."""
    if name not in archive:
        return
    with suppress(IntegrityFailure):
        yield from lines(archive.chunks(name))


def _content(archive: Archive, name: str) -> bytes | None:
    try:
        return archive.read(name, most=_LONGEST_NOTE)
    except IntegrityFailure:
        return None


def _bounded(found: Iterator[bytes | None]) -> Iterator[bytes | None]:
    for _, line in zip(range(_MOST_PROVEN), found, strict=False):
        yield line
