"""Entry 0: whether it opens this log, by its own keys and by the root of trust handed over."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from ledger.errors import LedgerError
from ledger.log.note import ED25519, ML_DSA_44_COSIGNATURE, VerifierKey
from ledger.signing import base64url
from ledger.signing.authority import self_certified
from ledger.signing.strict_json import JsonValue, canonical
from ledger.verification.reading import ReadEntry, read_row
from ledger.verification.statements import OPENED

if TYPE_CHECKING:
    from ledger.record import Record
    from ledger.verification.evidence import EvidenceSource
    from ledger.verification.report import Findings, RootOfTrust


def stated_key(source: EvidenceSource) -> VerifierKey | None:
    """The log's Ed25519 key as entry 0 states it, None when it states none that can be used."""
    return next((key for key in stated_keys(source) if key.type == ED25519), None)


def stated_keys(source: EvidenceSource) -> list[VerifierKey]:
    """All keys of the log as entry 0 states them, none when they cannot be used."""
    rows = source.rows(-1, 1)
    read = read_row(rows[0]) if rows else None
    if read is None or read.event is None or read.event.type != OPENED:
        return []
    return keys_of(read.event.data.get("log_vkeys"))


def own_cosigner(source: EvidenceSource, vkey: VerifierKey) -> VerifierKey | None:
    """The log's ML-DSA-44 key as entry 0 states it, under the name of its Ed25519 key."""
    return next(
        (
            key
            for key in stated_keys(source)
            if key.type == ML_DSA_44_COSIGNATURE and key.name == vkey.name
        ),
        None,
    )


def check_trust(read: ReadEntry, trust: RootOfTrust | None, findings: Findings) -> None:
    """Compare entry 0 with what was handed over out of band."""
    if trust is None:
        return
    if read.sha256 != trust.genesis_sha256:
        findings.add(
            "statements.genesis", 0, expected=trust.genesis_sha256, found=read.sha256,
            field="root of trust",
        )  # fmt: skip
    event = read.event
    if event is not None and trust.vkey not in keys_of(event.data.get("log_vkeys")):
        findings.add(
            "statements.genesis", 0, expected=trust.vkey, found=event.data.get("log_vkeys"),
            field="/data/log_vkeys",
        )  # fmt: skip


def check_genesis(record: Record, findings: Findings) -> None:
    """Check what entry 0 says about itself: its keys, their manner of signing, its protocol."""
    data = record.event.data
    try:
        brought = self_certified(record.event)
    except LedgerError:
        return  # named when the statement was judged
    sponsor, statement_key = data.get("sponsor"), data.get("statement_key")
    sponsor_jwk = sponsor.get("jwk") if isinstance(sponsor, dict) else None
    manner = {s.kid: s.meaning is not None for s in record.statement.signatures}
    ledger = next((k for k, jwk in brought.items() if jwk.as_object() == statement_key), None)
    other = next((k for k, jwk in brought.items() if jwk.as_object() == sponsor_jwk), None)
    log_keys = keys_of(data.get("log_vkeys"))
    stated: tuple[tuple[str, bool], ...] = (
        ("/data/statement_key", ledger is not None and manner.get(ledger) is False),
        ("/data/sponsor/jwk", other is not None and manner.get(other) is True and other != ledger),
        ("/data/trial_id", data.get("trial_id") == record.event.trialid),
        ("/data/log_vkeys", _are_the_logs(log_keys, data.get("origin"))),
        ("/data/statement_key", not _shared(brought[ledger].x if ledger else "", log_keys)),
        ("/data/protocol_sha256", data.get("protocol_sha256") == _sha256(data.get("protocol"))),
    )
    for field, holds in stated:
        if not holds:
            findings.add("statements.genesis", 0, event_id=record.id, subject="trial", field=field)


def keys_of(value: JsonValue) -> list[VerifierKey]:
    """The keys of a list of vkeys, none at all when one of them is malformed."""
    keys: list[VerifierKey] = []
    for text in value if isinstance(value, list) else ():
        try:
            keys.append(VerifierKey.parse(text if isinstance(text, str) else ""))
        except LedgerError:
            return []
    return keys


def _are_the_logs(keys: list[VerifierKey], origin: JsonValue) -> bool:
    """Whether an Ed25519 key comes first and further ones cosign, all under the log's name."""
    further = (ED25519, ML_DSA_44_COSIGNATURE)
    return (
        bool(keys)
        and keys[0].type == ED25519
        and all(key.name == origin and key.type in further for key in keys)
    )


def _shared(x: str, log_keys: list[VerifierKey]) -> bool:
    """Whether the statement key is a checkpoint key too, which would let one stand in for both."""
    return any(base64url.encode(key.public) == x for key in log_keys)


def _sha256(value: JsonValue) -> str:
    return hashlib.sha256(canonical(value)).hexdigest()
