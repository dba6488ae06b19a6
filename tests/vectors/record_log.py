"""Record the small log of ``docs/formats/vectors/log``, once: it must verify for ever.

``python -m tests.vectors.record_log`` refuses to touch a log that is there. Unlike the other
vectors this one is made by the ledger itself; ``test_recorded_log.py`` reads it.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from tests.build_ledger import (
    COORDINATOR,
    EDC,
    INVESTIGATOR,
    SITE,
    BuiltLedger,
    Signed,
    build_ledger,
    identify,
)
from tests.vectors.plain import canonical

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ledger.signing.strict_json import JsonObject

LOG = Path(__file__).parents[2] / "docs" / "formats" / "vectors" / "log"
SUBJECT = f"subject/{SITE}-0001"
REASON: JsonObject = {"code": "transcription-error", "text": "Misread in the ward book."}


def correction(built: BuiltLedger, target: str, old: str, new: str) -> Signed:
    """The coordinator corrects the subject's sex."""
    change: JsonObject = {"pointer": "/data/sex", "old": old, "new": new}
    data: JsonObject = {
        "target": target,
        "changes": [change],
        "reason": REASON,
        "source_ref": "Ward book, p. 17",
    }
    return built.sign("data.corrected.v1", SUBJECT, data, by=COORDINATOR, meaning="authorship")


def record(built: BuiltLedger) -> None:
    """A subject, corrections accepted and refused, a record voided, a signature, a revoked key."""
    first = built.record(identify(built, 1))
    second = built.record(identify(built, 2))
    allergy = built.state(
        "allergy.recorded.v1", SUBJECT, {"kind": "none-known"}, by=EDC, meaning=None
    )
    built.record(correction(built, first.id, "female", "male"))
    built.record_all([correction(built, first.id, "female", "male")])
    built.record(correction(built, first.id, "male", "female"))
    void: JsonObject = {"target": allergy.id, "reason": REASON, "source_ref": "Ward book, p. 18"}
    built.state("data.voided.v1", SUBJECT, void, by=COORDINATOR, meaning="authorship")
    built.state(
        "record.signed.v1",
        f"subject/{SITE}-0002",
        {"target": second.id, "statement": "I have reviewed this record."},
        by=INVESTIGATOR,
        meaning="review",
    )
    request: JsonObject = {"confirmation": first.id}
    built.record_all(
        [
            built.sign(
                "subject.randomization-requested.v1", SUBJECT, request, by=COORDINATOR,
                meaning="approval",
            )
        ]
    )  # fmt: skip
    built.state(
        "key.revoked.v1",
        "access",
        {"kid": built.parties[EDC].key.kid, "reason": REASON},
        by="/sponsor/persons/registrar-01",
    )


def main() -> int:
    """Record the log, unless it is there."""
    if LOG.exists():
        sys.stdout.write("The log was recorded before and is not made again.\n")
        return 1
    with tempfile.TemporaryDirectory() as directory:
        built = build_ledger(Path(directory))
        record(built)
        keep(built, LOG)
        built.close()
    return 0


def keep(built: BuiltLedger, log: Path) -> None:
    """Write what the ledger holds as a vector, all but what stands in it."""
    store = built.ledger.application.store
    size = store.head().size
    rows = [
        {"disclosure": text, "number": number, "seq": seq}
        for seq, texts in sorted(store.openings(0, size).items())
        for number, text in enumerate(opened(built, seq, texts))
    ]
    trust = {"key": built.vkey, "genesis": built.ledger.application.record(0).sha256}
    log.mkdir(parents=True)
    (log / "entries.jsonl").write_bytes(b"".join(one + b"\n" for _, one in store.entries(0, size)))
    (log / "openings.jsonl").write_bytes(b"".join(canonical(one) + b"\n" for one in rows))
    (log / "checkpoint").write_text(built.ledger.checkpoint(), encoding="utf-8")
    (log / "5.tlog-proof").write_text(built.ledger.receipt(5).text(), encoding="utf-8")
    (log / "root-of-trust.json").write_text(json.dumps(trust, indent=1) + "\n", encoding="utf-8")


def opened(built: BuiltLedger, seq: int, stored: Sequence[str]) -> list[str]:
    """The disclosures of an entry, however the ledger keeps them."""
    application = built.ledger.application
    if application.openings is None:
        return [*stored]
    record = application.record(seq)
    found = application.openings.reveal([(record.stream, record.id, text) for text in stored])
    texts = [one for one in found if isinstance(one, str)]
    if len(texts) < len(stored):
        raise ValueError(f"A disclosure of entry {seq} cannot be read.")
    return texts


if __name__ == "__main__":
    sys.exit(main())
