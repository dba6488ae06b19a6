"""Guards of the access stream: what keeps a registrar from locking everybody out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.build_ledger import REGISTRAR, SPONSOR

if TYPE_CHECKING:
    from ledger.signing.strict_json import JsonObject
    from tests.build_ledger import BuiltLedger

REASON: JsonObject = {"code": "lost", "text": "The token was lost on a journey."}


def revoked(built: BuiltLedger, owner: str, *, by: str) -> list[str]:
    """Revoke an owner's key; the ids of the rules that refused it."""
    kid = built.parties[owner].key.kid
    signed = built.sign(
        "key.revoked.v1", "access", {"kid": kid, "reason": REASON}, by=by, meaning="approval"
    )
    answer = built.record_all([signed])[0]
    result = built.ledger.application.record(answer.outcome.result_seq)  # type: ignore[union-attr, arg-type]
    rules = result.data["rules"]
    return [row["id"] for row in rules if isinstance(row, dict)]  # type: ignore[union-attr, misc]


def test_one_registrar_of_two_can_be_revoked(built: BuiltLedger) -> None:
    """A compromised root key can be ended as long as somebody is left to act."""
    assert revoked(built, SPONSOR, by=REGISTRAR) == []


def test_the_last_registrar_stays(built: BuiltLedger) -> None:
    """A registrar gone bad cannot leave the trial without anybody to register keys."""
    revoked(built, SPONSOR, by=REGISTRAR)

    assert revoked(built, REGISTRAR, by=REGISTRAR) == ["GA-11"]
