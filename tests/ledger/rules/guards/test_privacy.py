"""Who may order that personal data are erased or no longer served."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ledger.recording.writer import Writer
from ledger.rules.guards.privacy import GUARDS
from ledger.rules.guards.request import Request
from ledger.signing.authority import verify_statement
from tests.api.test_personal_data import late_result
from tests.build_ledger import COORDINATOR, INVESTIGATOR, REGISTRAR, SPONSOR, STATISTICIAN
from tests.ledger.build_service import STREAM, SUBJECT, bilirubin

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
ERASED, RESTRICTED = "personal-data.erased.v1", "personal-data.restricted.v1"


def erasure(built: BuiltLedger, *also: str, by: str = INVESTIGATOR, approver: str = SPONSOR) -> (
    Signed
):  # fmt: skip
    """An order to erase the first subject's identity, signed by all of them."""
    data: JsonObject = {
        **DECISION, "approver": approver, "subject_id": SUBJECT, "purposes": ["identity"]
    }  # fmt: skip
    signers = [built.parties[name].signer("approval", built.now) for name in also]
    return built.sign(ERASED, STREAM, data, by=by, also=signers)


def restriction(
    built: BuiltLedger, target: str, pointers: Sequence[str], *, stream: str = STREAM
) -> Signed:
    """An order of two persons to serve members of a record no longer."""
    data: JsonObject = {**DECISION, "target": target, "pointers": [*pointers]}
    approval = built.parties[SPONSOR].signer("approval", built.now)
    return built.sign(RESTRICTED, stream, data, by=INVESTIGATOR, also=[approval])


def refusals_of(built: BuiltLedger, signed: Signed) -> list[str]:
    """The rule ids under which the guards of a type refuse."""
    assert isinstance(built.ledger.writer, Writer)
    state, submission = built.ledger.writer.state, built.receive(signed)
    signers = verify_statement(submission.statement, submission.event, state.register)
    request = Request(submission.event, submission.data, signers, state, built.tick())
    return [refusal.rule for guard in GUARDS[signed.event.type] for refusal in guard(request)]


def test_the_site_and_an_approver_may_order_an_erasure(built: BuiltLedger) -> None:
    """Two persons, one of them the principal investigator of the site."""
    assert refusals_of(built, erasure(built, SPONSOR)) == []


def test_nobody_orders_an_erasure_alone(built: BuiltLedger) -> None:
    """What is destroyed cannot come back."""
    assert refusals_of(built, erasure(built)) == ["GX-01"]
    assert refusals_of(built, erasure(built, approver=INVESTIGATOR)) == ["GX-01"]


def test_the_approver_must_not_be_the_sites_own(built: BuiltLedger) -> None:
    """Who works for the investigator does not check him; who holds no role checks nobody."""
    assert refusals_of(built, erasure(built, COORDINATOR, approver=COORDINATOR)) == ["GX-01"]


def test_no_authority_comes_back_by_restriction(built: BuiltLedger) -> None:
    """Keys, roles and dates are no free words: the register folds what stands there."""
    records = built.ledger.application.stream("access")
    granted = next(record for record in records if record.type == "role.granted.v1")
    registered = next(record for record in records if record.type == "key.registered.v1")
    for record, member in ((granted, "/data/role"), (registered, "/data/jwk/x")):
        order = restriction(built, record.id, [member], stream="access")
        assert refusals_of(built, order) == ["GX-03"]


def test_the_approver_must_have_signed(built: BuiltLedger) -> None:
    """Naming somebody is not his approval."""
    assert refusals_of(built, erasure(built, REGISTRAR)) == ["GX-01"]


@pytest.mark.parametrize("other", [REGISTRAR, STATISTICIAN, COORDINATOR])
def test_a_subject_is_never_erased_without_the_site(built: BuiltLedger, other: str) -> None:
    """Two of the sponsor's people, or a coordinator, are not the investigator (R-36)."""
    assert refusals_of(built, erasure(built, SPONSOR, by=other)) == ["GX-02"]


def test_only_words_in_clear_of_the_same_stream_are_restricted(built: BuiltLedger) -> None:
    """A sealed member is erased instead, a number identifies nobody, a stranger stays out."""
    seen = built.record(bilirubin(built, "34.2"))
    state = built.ledger.application.stream(STREAM)
    identified = next(r for r in state if r.type == "subject.identified.v1")
    late = built.record(late_result(built, "Told by the neighbour."))
    assert refusals_of(built, restriction(built, late.id, ["/data/record/reason/text"])) == []
    assert refusals_of(built, restriction(built, seen.id, ["/data/test_code"])) == ["GX-03"]
    assert refusals_of(built, restriction(built, seen.id, ["/data/value"])) == ["GX-03"]
    assert refusals_of(built, restriction(built, seen.id, ["/time"])) == ["GX-03"]
    assert refusals_of(built, restriction(built, identified.id, ["/data/birth_date"])) == ["GX-03"]
    assert refusals_of(built, restriction(built, "0" * 8 + seen.id[8:], ["/data/x"])) == ["GX-03"]
