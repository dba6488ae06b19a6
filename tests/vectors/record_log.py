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

if TYPE_CHECKING:
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
        store = built.ledger.application.store
        size = store.head().size
        entries = [data for _, data in store.entries(0, size)]
        openings = [
            {"disclosure": text, "number": number, "seq": seq}
            for seq, texts in sorted(store.openings(0, size).items())
            for number, text in enumerate(texts)
        ]
        receipt, note = built.ledger.receipt(5).text(), built.ledger.checkpoint()
        genesis = built.ledger.application.record(0).sha256
        vkey = built.vkey
        built.close()
    LOG.mkdir(parents=True)
    (LOG / "entries.jsonl").write_bytes(b"".join(one + b"\n" for one in entries))
    (LOG / "openings.jsonl").write_text(
        "".join(json.dumps(one, sort_keys=True) + "\n" for one in openings), encoding="utf-8"
    )
    (LOG / "checkpoint").write_text(note, encoding="utf-8")
    (LOG / "5.tlog-proof").write_text(receipt, encoding="utf-8")
    trust = {"key": vkey, "genesis": genesis}
    (LOG / "root-of-trust.json").write_text(json.dumps(trust, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
