"""The dossier of one subject for masked readers: its arm-neutral stream, whole, and no place.

No position, record time, receipt or checkpoint goes in: from outside their differences count the
records of treatment (docs/decisions/0012-what-a-masked-reader-can-learn.md).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, BinaryIO, Final

from ledger.errors import IntegrityFailure, LedgerError, RejectedInput
from ledger.publication.bundle_members import json_line
from ledger.publication.bundling import Beside, Bundled, vocabulary_bytes
from ledger.publication.dossiers import opening_lines
from ledger.publication.inventory import Inventory
from ledger.publication.redaction import Redaction
from ledger.recording.admission import DOSSIER_ISSUED, Commitment
from ledger.signing.authority import self_certified
from ledger.signing.register import Register
from ledger.verification.archive import Member
from ledger.verification.links import member_of
from ledger.verification.manifest import DOSSIER, FORMAT
from ledger.verification.masked_dossier import (
    DOES_NOT_PROVE,
    GENESIS,
    KEYS,
    NOT_PROVEN,
    PROVES,
)
from ledger.verification.redaction import MASKED
from ledger.vocabulary import Purpose

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from ledger.record import Record
    from ledger.service import TrialLedger
    from ledger.signing.strict_json import JsonObject

_NEVER_FOR_MASKED: Final = frozenset((Purpose.ALLOCATION,))
_WHY: Final = "the reader is masked, or asked for it without"
_README: Final = f"""\
Dossier of one subject, for readers who must not know the arm
=============================================================

streams/        the subject's arm-neutral records, one link a line, from the first to the
                ledger's commitment to all before it
genesis.json    entry 0 of the log: the trial, the ledger's key and the sponsor's root key
keys.jsonl      the registrations of the signers' keys, each signed under a key before it
openings.jsonl  the contents of sealed members, as far as they are kept and may be shown
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


def commit_to_stream(ledger: TrialLedger, subject: str, *, purpose: str, now: datetime) -> Record:
    """The ledger's commitment to a subject's arm-neutral stream, and to no other.

    It is recorded unless the stream ends with one for this purpose already, so that reading again
    what has not changed records nothing.

    Raises:
        RejectedInput: ``dossier.unknown-subject``; nothing was recorded then.
        Unavailable: when the ledger does not sign.
    """
    stream = f"subject/{subject}"
    records = ledger.application.stream(stream)
    if not records:
        raise RejectedInput("dossier.unknown-subject", f"There is no subject {subject}.")
    last = records[-1]
    if last.type == DOSSIER_ISSUED and last.data.get("purpose") == purpose:
        return last
    issued = ledger.submit(Commitment(stream, purpose), now)
    return ledger.application.record(issued.outcome.seq)


def write_masked_dossier(
    out: BinaryIO, ledger: TrialLedger, committed: Record, beside: Beside
) -> Bundled:
    """Write the stream that ``committed`` ends with; the same stream gives the same bytes.

    The pages ``beside`` are made from the masked view; they and the openings of the purposes that
    it leaves do not go along, and never those of the allocation. ``Bundled.size`` and ``head`` are
    for the maker alone.
    """
    stream = committed.stream
    links = [
        record
        for record in ledger.application.stream(stream)
        if record.entry.stream_seq <= committed.entry.stream_seq
    ]
    redaction = Redaction(_NEVER_FOR_MASKED | beside.leave, _WHY)
    members = [
        Member.of("README.txt", _README.encode()),
        Member.of("vocabulary.json", vocabulary_bytes()),
        Member.of(GENESIS, _genesis(ledger)),
        Member.of(
            KEYS, b"".join(json_line({"statement": s}) for s in _registrations(ledger, links))
        ),
        Member.of("openings.jsonl", opening_lines(ledger, {stream: links}, redaction)),
        Member.of(member_of(stream), b"".join(r.entry.link_bytes() + b"\n" for r in links)),
        *(Member.of(name, content) for name, content in beside.shown.items()),
    ]
    value: JsonObject = {
        "format": FORMAT,
        "genesis_sha256": ledger.genesis.record.sha256,
        "kind": DOSSIER,
        "not_proven": [*NOT_PROVEN],
        "origin": ledger.genesis.origin,
        "purpose": str(committed.data["purpose"]),
        "redaction": MASKED,
        "software": beside.software,
        "streams": {stream: len(links)},
        "subject": stream.partition("/")[2],
        "trial": ledger.trial,
        "vkey": str(ledger.keys.vkey),
        "withheld": [
            {"what": str(purpose), "why": _WHY}
            for purpose in Purpose
            if purpose in redaction.purposes
        ],
    }
    with Inventory(members) as inventory:
        manifest = inventory.write(out, value)
    return Bundled(committed.seq + 1, committed.sha256, manifest, len(members) + 1)


def _genesis(ledger: TrialLedger) -> bytes:
    data = ledger.application.store.entry(0)
    if data is None:
        raise IntegrityFailure("bundle.damaged", "Entry 0 is missing.")
    return data


def _registrations(ledger: TrialLedger, links: Sequence[Record]) -> list[str]:
    """The registrations that lead from the signers' keys to entry 0, registrars first.

    They are bare statements: the entries around them say where in the log they stand.
    """
    register = Register([ledger.genesis.record, *ledger.application.stream("access")])
    wanted = [s.kid for record in links for s in record.statement.signatures]
    found: dict[int, str] = {}
    while wanted:
        key = register.key(wanted.pop())
        if key is None or not key.registered or key.registered in found:
            continue  # unknown: the verifier names it; or brought by entry 0, or had before
        record = ledger.application.record(key.registered)
        found[key.registered] = record.entry.statement
        wanted += [s.kid for s in record.statement.signatures if s.kid not in _brought(record)]
    return [statement for _, statement in sorted(found.items())]


def _brought(record: Record) -> Iterable[str]:
    try:
        return self_certified(record.event)
    except LedgerError:
        return ()
