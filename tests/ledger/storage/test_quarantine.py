"""Facts turned away for their key, subject or identifier are kept aside, bounded, once."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from eventsourcing.persistence import PersistenceError

from ledger.errors import RejectedInput
from ledger.signing.jwk import SigningKey
from ledger.signing.statement import Signer
from ledger.storage import quarantine
from tests.build_ledger import COORDINATOR, EDC, REGISTRAR, SITE, identify
from tests.ledger.build_service import (
    LOT,
    STREAM,
    again,
    answer,
    bag,
    bilirubin,
    code_of,
    database,
    plain,
)

if TYPE_CHECKING:
    from ledger.signing.strict_json import JsonObject
    from tests.build_ledger import BuiltLedger, Signed

STRANGER = SigningKey.from_seed(b"x" * 32)


def unknown_subject(built: BuiltLedger, number: int = 77) -> Signed:
    """A withdrawal of a subject nobody identified."""
    return built.sign("consent.withdrawn.v1", f"subject/{SITE}-{number:04d}", {}, by=EDC)


def test_a_fact_for_an_unknown_subject_is_kept_with_its_reason(built: BuiltLedger) -> None:
    """The statement byte for byte, when it came, why it was turned away; the log stays."""
    size = built.ledger.application.store.head().size
    signed = unknown_subject(built)
    with pytest.raises(RejectedInput, match="quarantine under number 1"):
        answer(built, signed)
    (kept,) = built.ledger.quarantine.listing()
    assert (kept.statement, kept.code) == (signed.text, "event.unknown-subject")
    assert kept.received_at.startswith(built.now.strftime("%Y-%m-%dT%H:%M"))
    assert built.ledger.application.store.head().size == size


def test_a_fact_under_a_revoked_key_is_kept(built: BuiltLedger) -> None:
    """It may be true; an authorised person can submit it again as transcribed."""
    data: JsonObject = {
        "kid": built.parties[EDC].key.kid,
        "reason": {"code": "lost", "text": "The server was stolen."},
    }
    built.state("key.revoked.v1", "access", data, by=REGISTRAR)
    assert code_of(built, signed := bag(built, 1)) == "authority.revoked-key"
    assert [kept.statement for kept in built.ledger.quarantine.listing()] == [signed.text]
    transcribed = dict(bilirubin(built, "34.2").event.data)
    transcribed["record"] = {"mode": "transcribed"}
    by_hand = built.sign("lab-result.recorded.v1", STREAM, transcribed, by=COORDINATOR,
                         meaning="authorship")  # fmt: skip
    assert code_of(built, by_hand) == ""


def test_the_same_statement_keeps_its_first_number(built: BuiltLedger) -> None:
    """A sender who retries fills nothing, also after a restart."""
    signed = unknown_subject(built)
    for _ in range(3):
        assert code_of(built, signed) == "event.unknown-subject"
    built.reopen()
    built.record_all([signed, signed])
    assert [kept.number for kept in built.ledger.quarantine.listing()] == [1]


def test_the_quarantine_is_bounded_and_says_when_it_is_full(
    built: BuiltLedger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is in it stays and keeps its number; the sender of one more is told."""
    monkeypatch.setattr(quarantine, "MAX_STRANGERS", 2)
    monkeypatch.setattr(quarantine, "MAX_ROWS", 5)
    kept = [unknown_subject(built, 70 + number) for number in range(3)]
    built.record_all(kept)
    with pytest.raises(RejectedInput, match="full, it was not kept"):
        answer(built, unknown_subject(built, 80))
    with pytest.raises(RejectedInput, match="under number 2"):
        answer(built, kept[1])
    assert len(built.ledger.quarantine.listing()) == 3
    assert code_of(built, bag(built, 1)) == ""


def test_strangers_cannot_fill_it(built: BuiltLedger, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keys nobody registered share a small part; true facts still find room."""
    monkeypatch.setattr(quarantine, "MAX_STRANGERS", 1)
    kept = built.ledger.quarantine

    def keep(text: str, code: str) -> int | None:
        return kept.keep(text, received_at="2024-02-01T00:00:00.000000Z", code=code, reason="?")

    assert keep("a", "authority.unknown-key") == 1
    assert keep("b", "authority.unknown-key") is None
    assert keep("c", "authority.revoked-key") == 2


def test_what_is_no_ones_statement_is_not_kept(built: BuiltLedger) -> None:
    """A signature that does not verify, and commands: nothing is lost with them."""
    genuine = bilirubin(built, "34.2")
    head, _, signature = genuine.text.rpartition(".")
    flipped = ("A" if signature[0] != "A" else "B") + signature[1:]
    with pytest.raises(Exception, match="signature"):
        built.ledger.receive(f"{head}.{flipped}", ())
    strange = again(identify(built, 5), Signer(key=STRANGER))
    assert code_of(built, strange) == "authority.unknown-key"
    assert built.ledger.quarantine.listing() == []


def test_pages_of_the_listing_join_without_gap(built: BuiltLedger) -> None:
    """Ask again after the last number seen."""
    built.record_all([unknown_subject(built, number) for number in range(10, 17)])
    pages, after = [], 0
    while page := built.ledger.quarantine.listing(after=after, limit=3):
        pages.append([kept.number for kept in page])
        after = page[-1].number
    assert pages == [[1, 2, 3], [4, 5, 6], [7]]


def test_a_fact_of_an_unknown_site_is_kept(built: BuiltLedger) -> None:
    """The lot says a site that was never activated."""
    signed = bag(built, 1, site="SY99")
    code = code_of(built, signed)
    assert code in ("authority.not-entitled", "event.unknown-site")
    assert [kept.code for kept in built.ledger.quarantine.listing()] == [code]
    assert built.ledger.application.stream(f"lot/{LOT}") == ()


def test_the_quarantine_lies_outside_the_log(built: BuiltLedger) -> None:
    """Its rows can be removed; entries cannot."""
    code_of(built, unknown_subject(built))
    with closing(plain(database(built))) as connection:
        assert connection.execute("DELETE FROM quarantine").rowcount == 1


def test_a_database_that_cannot_keep_it_is_named_to_the_sender(built: BuiltLedger) -> None:
    """As for every other write: send it again; nobody is told that it is kept."""
    with closing(plain(database(built))) as connection:
        connection.execute("DROP TABLE quarantine")
    assert code_of(built, unknown_subject(built)) == "storage.unavailable"
    with pytest.raises(PersistenceError, match="no such table"):
        built.ledger.quarantine.listing()
