"""The dossier of one subject: committed to in the log, then written as a bundle of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, BinaryIO, Final

from ledger.concealment.envelope import stored_bytes
from ledger.errors import IntegrityFailure, LedgerError, RejectedInput
from ledger.log.checkpoint import parse_checkpoint
from ledger.log.note import split_note
from ledger.publication.bundle_members import json_line
from ledger.publication.bundling import Beside, Bundled, vocabulary_bytes
from ledger.publication.inventory import Inventory
from ledger.publication.redaction import Redaction
from ledger.record import read_record
from ledger.recording.admission import Commitment
from ledger.signing.authority import self_certified
from ledger.storage.tree_reader import StoredTree
from ledger.verification.archive import Member
from ledger.verification.dossier import DOES_NOT_PROVE, PROVES
from ledger.verification.manifest import DOSSIER, FORMAT

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from ledger.publication.log_reader import FurtherSigned
    from ledger.record import Record
    from ledger.service import TrialLedger
    from ledger.signing.strict_json import JsonObject
    from ledger.vocabulary import Purpose

_REGISTERED: Final = "key.registered.v1"
_README: Final = f"""\
Dossier of one subject of a clinical trial
==========================================

streams/        the subject's records, one link a line, from the first to the committed one
openings.jsonl  the contents of sealed members, as far as they are kept
proven.jsonl    entries of the log: entry 0, the signers' keys, the ledger's commitments
receipts/       for each of them, that it is in the log (C2SP tlog-proof)
checkpoint      the signed tree head the receipts lead to (C2SP signed note)
vkeys.txt       the log's keys as entry 0 states them
manifest.json   length and SHA-256 of every other member

It proves that {PROVES}.

It does not prove {DOES_NOT_PROVE}.

How to check it, without trusting whoever gave it to you: get the log's verifier key and the
SHA-256 of entry 0 from the sponsor on a way of its own; then, on any computer with Python 3.11 or
newer and the package `ledger` of the trial ledger's sources in the working directory:

  python -m pip install cryptography rfc8785
  python -m ledger.verification FILE --key KEY --genesis HASH

The formats are written down in docs/formats of the trial ledger's sources.
"""


def write_dossier(  # noqa: PLR0913 - one parameter a part
    out: BinaryIO,
    ledger: TrialLedger,
    subject: str,
    *,
    purpose: str,
    now: datetime,
    software: str,
    pages: Mapping[str, bytes],
    signed: FurtherSigned | None = None,
    leave: frozenset[Purpose] = frozenset(),
) -> Bundled:
    """Record ``dossier.issued.v1`` for each stream of a subject, then write the dossier.

    ``signed`` adds further signatures to the checkpoint that the dossier ends with; ``leave`` are
    purposes whose openings are left out, and with them the pages.

    Raises:
        RejectedInput: ``dossier.unknown-subject``; nothing was recorded then.
        Unavailable: when the ledger does not sign.
    """
    store = ledger.application.store
    streams = [f"{family}/{subject}" for family in ("subject", "treatment")]
    streams = [stream for stream in streams if store.stream_head(stream).size]
    if not streams:
        raise RejectedInput("dossier.unknown-subject", f"There is no subject {subject}.")
    issued = [ledger.submit(Commitment(stream, purpose), now) for stream in streams]
    last = issued[-1]
    note = last.note if signed is None else signed(last.size, last.note)
    commitments = [ledger.application.record(one.outcome.seq) for one in issued]
    links = {
        record.stream: [
            earlier
            for earlier in ledger.application.stream(record.stream)
            if earlier.entry.stream_seq < record.entry.stream_seq
        ]
        for record in commitments
    }
    proven = [*_entitled(ledger, links), *commitments]
    beside, redaction = Beside(software, pages, leave=leave), Redaction(leave)
    members = [
        Member.of("README.txt", _README.encode()),
        Member.of("checkpoint", note.encode()),
        Member.of("vkeys.txt", b"".join(f"{key}\n".encode() for key in ledger.keys.vkeys)),
        Member.of("vocabulary.json", vocabulary_bytes()),
        Member.of("openings.jsonl", opening_lines(ledger, links, redaction)),
        Member.of("proven.jsonl", b"".join(_entry(ledger, r.seq) + b"\n" for r in proven)),
        *(_receipt(ledger, record.seq, last.size, note) for record in proven),
        *(
            Member.of(
                f"streams/{name}.jsonl", b"".join(r.entry.link_bytes() + b"\n" for r in found)
            )
            for name, found in links.items()
        ),
        *(Member.of(name, content) for name, content in beside.shown.items()),
    ]
    value: JsonObject = {
        "format": FORMAT,
        "genesis_sha256": ledger.genesis.record.sha256,
        "kind": DOSSIER,
        "origin": ledger.genesis.origin,
        "purpose": purpose,
        "redaction": redaction.stated(),
        "root": parse_checkpoint(split_note(last.note)[0]).root.hex(),
        "size": last.size,
        "software": software,
        "streams": {name: len(found) for name, found in links.items()},
        "subject": subject,
        "trial": ledger.trial,
        "vkey": str(ledger.keys.vkey),
    }
    with Inventory(members) as inventory:
        manifest = inventory.write(out, value)
    return Bundled(last.size, commitments[-1].sha256, manifest, len(members) + 1)


def _entitled(ledger: TrialLedger, links: Mapping[str, Sequence[Record]]) -> list[Record]:
    """Entry 0 and the registrations of the keys that signed, in order of the log."""
    kids = {s.kid for found in links.values() for r in found for s in r.statement.signatures}
    store = ledger.application.store
    registrations = [
        read_record(_entry(ledger, seq)) for seq in store.positions_of_types((_REGISTERED,))
    ]
    return [
        ledger.genesis.record,
        *(record for record in registrations if kids & set(_brought(record))),
    ]


def _brought(record: Record) -> Sequence[str]:
    try:
        return [*self_certified(record.event)]
    except LedgerError:
        return ()


def _receipt(ledger: TrialLedger, seq: int, size: int, note: str) -> Member:
    tree = StoredTree(size, ledger.application.store)
    text = tree.receipt(seq, size=size, note=note).text()
    return Member.of(f"receipts/{seq}.tlog-proof", text.encode())


def opening_lines(
    ledger: TrialLedger, links: Mapping[str, Sequence[Record]], redaction: Redaction
) -> bytes:
    """The lines of ``openings.jsonl``, without those that were erased or are left out.

    Raises IntegrityFailure when an opening cannot be read, Unavailable when its key is not at hand.
    """
    redaction.begin()
    lines: list[bytes] = []
    for stream, found in links.items():
        for record in found:
            shown = [t for t in _opened(ledger, record) if redaction.keeps(record.type, t)]
            place: JsonObject = {"stream": stream, "stream_seq": record.entry.stream_seq}
            lines += [
                json_line({**place, "disclosure": text, "number": number})
                for number, text in enumerate(shown)
            ]
    return b"".join(lines)


def _opened(ledger: TrialLedger, record: Record) -> list[str]:
    """The disclosures of a record that can still be opened."""
    application = ledger.application
    kept = application.store.openings(record.seq, record.seq + 1).get(record.seq, ())
    rows = [(record.stream, record.id, text) for text in kept]
    if application.openings is None:
        return [text for text in kept if stored_bytes(text) is None]
    found: list[str] = []
    for outcome in application.openings.reveal(rows):
        if isinstance(outcome, IntegrityFailure):
            raise outcome
        if isinstance(outcome, str):
            found.append(outcome)
    return found


def _entry(ledger: TrialLedger, seq: int) -> bytes:
    data = ledger.application.store.entry(seq)
    if data is None:
        raise IntegrityFailure("bundle.damaged", f"Entry {seq} is missing.")
    return data
