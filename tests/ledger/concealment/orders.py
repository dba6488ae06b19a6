"""Orders about personal data, and words to be erased."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.build_ledger import INVESTIGATOR, SPONSOR
from tests.ledger.build_service import STREAM, SUBJECT

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ledger.signing.strict_json import JsonObject
    from tests.build_ledger import BuiltLedger, Signed

DECISION: JsonObject = {
    "ground": "erasure-right",
    "ground_reference": "PIPL Article 47",
    "decision": "Data protection file 2024-07",
    "approver": SPONSOR,
}


def erasure(built: BuiltLedger, *purposes: str, also: Sequence[str] = (SPONSOR,)) -> Signed:
    """The order of investigator and sponsor."""
    data: JsonObject = {**DECISION, "subject_id": SUBJECT, "purposes": [*purposes]}
    signers = [built.parties[name].signer("approval", built.now) for name in also]
    return built.sign("personal-data.erased.v1", STREAM, data, by=INVESTIGATOR, also=signers)


def restriction(built: BuiltLedger, target: str, *pointers: str) -> Signed:
    """The order of the same two that members of a record are no longer served."""
    data: JsonObject = {**DECISION, "target": target, "pointers": [*pointers]}
    approval = built.parties[SPONSOR].signer("approval", built.now)
    return built.sign("personal-data.restricted.v1", STREAM, data, by=INVESTIGATOR, also=[approval])


def said(built: BuiltLedger, words: str) -> Signed:
    """A screening failure with a reason in words."""
    data: JsonObject = {
        "criteria": ["EX06"], "reason_code": "criteria-not-met", "reason_text": words
    }  # fmt: skip
    return built.sign(
        "subject.screen-failed.v1", STREAM, data, by=INVESTIGATOR, meaning="authorship"
    )
