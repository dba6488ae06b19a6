"""Personal data that came in unsealed: what is served afterwards, and what is not."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ledger.concealment.restricted import MARK, Restrictions
from tests.build_ledger import COORDINATOR, INVESTIGATOR, SPONSOR, build_ledger
from tests.ledger.build_service import STREAM, correction, require_sound, with_subject

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ledger.record import Record
    from ledger.signing.strict_json import JsonObject
    from tests.build_ledger import BuiltLedger, Signed

TERM = "/data/term"
WORDS = "Fever; told by her brother Li Hua"


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BuiltLedger]:
    """Give a ledger with one subject."""
    opened = with_subject(build_ledger(tmp_path_factory.mktemp("restricted")))
    yield opened
    opened.close()


def restriction(built: BuiltLedger, target: Record, *pointers: str) -> Signed:
    """The order of investigator and sponsor."""
    data: JsonObject = {
        "ground": "unlawful-processing",
        "ground_reference": "PIPL Article 47",
        "decision": "Data protection file 2024-07",
        "approver": SPONSOR,
        "target": target.id,
        "pointers": [*pointers],
    }
    approval = built.parties[SPONSOR].signer("approval", built.now)
    return built.sign(
        "personal-data.restricted.v1", target.stream, data, by=INVESTIGATOR, also=[approval]
    )


def fever(built: BuiltLedger) -> Record:
    """An adverse event whose term names somebody."""
    data: JsonObject = {"term": WORDS, "grade": 1}
    return built.state(
        "adverse-event.recorded.v1", STREAM, data, by=INVESTIGATOR, meaning="authorship"
    )


def followed(built: BuiltLedger, after: int = 0) -> Restrictions:
    """All restrictions of the log."""
    store = built.ledger.application
    return Restrictions(store.records(after, store.store.head().size))


def test_a_restricted_member_reads_redacted_and_the_rest_as_before(built: BuiltLedger) -> None:
    """The record itself is not changed, only what is served of it."""
    target = fever(built)
    act = built.record(restriction(built, target, TERM))
    known = followed(built)
    assert known.served(target.id, target.data) == {"term": MARK, "grade": 1}
    assert target.data["term"] == WORDS
    assert known.concerns(target.id) == act.id
    assert known.pointers(target.id) == (TERM,)


def test_other_records_are_served_as_they_are(built: BuiltLedger) -> None:
    """Without a copy being made."""
    other = fever(built)
    known = followed(built)
    assert known.served(other.id, other.data) is other.data
    assert known.concerns(other.id) is None


def test_the_same_words_in_a_correction_are_withheld_too(built: BuiltLedger) -> None:
    """Its old value repeats them; corrections of other members stay."""
    target = fever(built)
    corrected = built.record(
        correction(built, target, (TERM, WORDS, "Fever"), ("/data/grade", 1, 2), by=INVESTIGATOR)
    )
    act = built.record(restriction(built, target, TERM))
    known = followed(built)
    changes = known.served(corrected.id, corrected.data)["changes"]
    assert changes == [
        {"pointer": TERM, "old": MARK, "new": MARK},
        {"pointer": "/data/grade", "old": 1, "new": 2},
    ]
    assert known.concerns(corrected.id) == act.id


def test_a_refused_order_restricts_nothing(built: BuiltLedger) -> None:
    """Only what the ledger accepted takes effect."""
    target = fever(built)
    signed = built.sign(
        "personal-data.restricted.v1",
        STREAM,
        dict(restriction(built, target, TERM).event.data),
        by=COORDINATOR,
    )
    built.record_all([signed])
    assert followed(built).concerns(target.id) is None


def test_signatures_chain_and_proofs_hold_after_a_restriction(built: BuiltLedger) -> None:
    """The bytes stay in the archive, and everything is computed from them as before."""
    built.record(restriction(built, fever(built), TERM))
    assert len(require_sound(built)) == built.ledger.application.store.head().size
