"""The client: signs, seals, posts, retries through faults, and believes no false receipt."""

from __future__ import annotations

import json
import stat
import uuid
from typing import TYPE_CHECKING, Any

import pytest

from api.client import Identity, LedgerClient, Rejected
from ledger.errors import IntegrityFailure, LedgerError, RejectedInput, TrustFailure, Unavailable
from ledger.log.note import VerifierKey
from ledger.log.proof import parse_receipt, verify_receipt
from ledger.signing.ledger_keys import LedgerKeys
from ledger.signing.rfc3339 import parse_rfc3339
from tests.api.relay import answer, between
from tests.build_ledger import COORDINATOR, EDC, INVESTIGATOR, ORIGIN, TRIAL, seed_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from http.server import BaseHTTPRequestHandler
    from pathlib import Path

    from api.identity import SignedEvent
    from tests.api.conftest import Running

AT = parse_rfc3339("2024-03-01T01:00:00Z")


@pytest.fixture
def coordinator(server: Running) -> Identity:
    """The coordinator, as her own programme holds her."""
    return Identity(COORDINATOR, server.built.parties[COORDINATOR].key).at(AT)


def identified(identity: Identity, number: int) -> SignedEvent:
    """The coordinator identifies a subject, with a member to be sealed."""
    subject = f"SY01-{number:04d}"
    return identity.sign(
        "subject.identified.v1",
        f"subject/{subject}",
        {
            "subject_id": subject,
            "sex": "female",
            "birth_date": {"value": "1968", "precision": "year"},
        },
        trial=TRIAL,
        time=AT,
        meaning="authorship",
    )


def connect(server: Running, url: str | None = None, **more: Any) -> LedgerClient:
    """A client that does not sleep."""
    vkey = more.pop("vkey", server.built.vkey)
    return LedgerClient(url or server.url, TRIAL, vkey=vkey, sleep=lambda _: None, **more)


def test_five_lines_post_an_event_and_keep_its_receipt(
    server: Running, coordinator: Identity, tmp_path: Path
) -> None:
    """The kept files alone prove the record offline."""
    event = identified(coordinator, 1)
    with connect(server, keep=tmp_path / "receipts") as ledger:
        answered = ledger.post(event, demonstration_time=AT)

    assert answered.recorded
    assert answered.result is not None
    assert answered.result.type == "command.accepted.v1"
    for one in (event.id, answered.result.id):
        receipt = parse_receipt((tmp_path / "receipts" / f"{one}.tlog-proof").read_text())
        entry = (tmp_path / "receipts" / f"{one}.entry.json").read_bytes()
        verify_receipt(receipt, entry, VerifierKey.parse(server.built.vkey))


def test_what_the_vocabulary_seals_is_sealed_without_asking(coordinator: Identity) -> None:
    """The signed bytes hold a digest; two signings of one value do not show that it is one."""
    first, second = identified(coordinator, 2), identified(coordinator, 2)
    assert first.media_type == "application/sd-jwt"
    assert [one.name for one in first.disclosures] == ["birth_date"]
    assert first.disclosures[0].digest != second.disclosures[0].digest
    assert uuid.UUID(first.id).version == 7


def test_posting_twice_gives_the_same_receipt(server: Running, coordinator: Identity) -> None:
    """The second answer says that it was there."""
    event = identified(coordinator, 3)
    with connect(server) as ledger:
        first, second = (ledger.post(event, demonstration_time=AT) for _ in range(2))
    assert (first.repeated, second.repeated) == (False, True)
    assert first.given == second.given


def test_a_refused_command_is_raised_with_its_rules(server: Running, coordinator: Identity) -> None:
    """It is in the log; both of its receipts were checked."""
    with connect(server) as ledger:
        ledger.post(identified(coordinator, 4), demonstration_time=AT)
        with pytest.raises(Rejected) as caught:
            ledger.post(identified(coordinator, 4), demonstration_time=AT)
    told = caught.value.answer
    assert told.refused
    assert told.result is not None
    assert [rule["id"] for rule in told.rules] == ["GS-02"]


def test_many_are_answered_one_by_one(server: Running, coordinator: Identity) -> None:
    """A refusal among them does not hold up the others."""
    events = [identified(coordinator, number) for number in (10, 11, 10, 12)]
    with connect(server) as ledger:
        answers = ledger.offer_all(events, demonstration_time=AT)
    assert [one.status for one in answers] == [201, 201, 409, 201]
    assert [one.event for one in answers] == events


def test_several_persons_sign_one_event(server: Running, coordinator: Identity) -> None:
    """General JSON, with the sealed member's disclosure beside it."""
    investigator = Identity(INVESTIGATOR, server.built.parties[INVESTIGATOR].key).at(AT)
    event = coordinator.sign(
        "subject.identified.v1",
        "subject/SY01-0013",
        {
            "subject_id": "SY01-0013",
            "sex": "male",
            "birth_date": {"value": "1970", "precision": "year"},
        },
        trial=TRIAL,
        time=AT,
        meaning="authorship",
        also=[investigator.signer("responsibility")],
    )
    with connect(server) as ledger:
        assert ledger.post(event, demonstration_time=AT).recorded
        assert ledger.offer_all([event])[0].repeated


@pytest.mark.parametrize("kind", ["dropped", "garbled", "503", "429"])
def test_a_fault_between_client_and_ledger_loses_and_doubles_nothing(
    kind: str, server: Running, coordinator: Identity
) -> None:
    """The answer is spoilt twice after the ledger recorded; the third attempt has the receipt."""
    spoilt: list[str] = []

    def fault(handler: BaseHTTPRequestHandler, _status: int, _body: bytes) -> bool:
        if len(spoilt) == 2:
            return False
        spoilt.append(kind)
        if kind in ("503", "429"):
            answer(handler, int(kind), b"")
        elif kind == "garbled":
            handler.wfile.write(b"\x00\x01garbage\r\n\r\n")
        handler.close_connection = True
        return True

    number = {"dropped": 20, "garbled": 21, "503": 22, "429": 23}[kind]
    event = identified(coordinator, number)
    with between(server, fault) as url, connect(server, url) as ledger:
        told = ledger.post(event, demonstration_time=AT)
    assert len(spoilt) == 2
    assert told.repeated


def test_a_ledger_that_stays_away_is_reported_after_bounded_attempts(
    server: Running, coordinator: Identity
) -> None:
    """Pauses grow to a cap; the event is kept by the caller and can be posted later."""
    pauses: list[float] = []
    client = LedgerClient(
        "http://127.0.0.1:9", TRIAL, vkey=server.built.vkey, attempts=9, sleep=pauses.append
    )
    with client, pytest.raises(Unavailable, match="9 attempts"):
        client.post(identified(coordinator, 24))
    assert len(pauses) == 8
    assert pauses == sorted(pauses)
    assert pauses[-1] == 5.0


def test_the_reason_of_a_ledger_that_takes_nothing_is_told(
    server: Running, coordinator: Identity
) -> None:
    """What its last problem said, and what it advised."""

    def fault(handler: BaseHTTPRequestHandler, _status: int, _body: bytes) -> bool:
        problem = {"detail": "The disk is full.", "remedy": "Make room."}
        answer(handler, 503, json.dumps(problem).encode())
        return True

    with (
        between(server, fault) as url,
        connect(server, url, attempts=2) as ledger,
        pytest.raises(Unavailable) as caught,
    ):
        ledger.post(identified(coordinator, 25), demonstration_time=AT)
    assert caught.value.code == "client.no-answer"
    assert "The disk is full (status 503)" in str(caught.value)
    assert "Make room. Keep the signed event" in str(caught.value)


def other_statement(told: dict[str, Any]) -> None:
    """Give the entry of another statement."""
    told["entry"] = told["result"]["entry"]
    told["receipt"] = told["result"]["receipt"]


def other_receipt(told: dict[str, Any]) -> None:
    """Give the receipt of another entry."""
    told["receipt"] = told["result"]["receipt"]


def altered_entry(told: dict[str, Any]) -> None:
    """Change one sign of the entry that is not the statement."""
    told["entry"] = told["entry"].replace('"stream_seq":0', '"stream_seq":9')


def other_result(told: dict[str, Any]) -> None:
    """Give the request itself as the result."""
    for name in ("entry", "receipt", "id"):
        told["result"][name] = told[name]


def no_receipt(told: dict[str, Any]) -> None:
    """Give a result without a receipt."""
    del told["result"]["receipt"]


def no_result(told: dict[str, Any]) -> None:
    """Keep the ledger's decision back."""
    del told["result"]


def nothing(told: dict[str, Any]) -> None:
    """Say that it was recorded and prove nothing."""
    told.clear()


@pytest.mark.parametrize(
    ("number", "lie"),
    [
        (30, other_statement),
        (31, other_receipt),
        (32, altered_entry),
        (33, other_result),
        (34, no_receipt),
        (35, no_result),
        (36, nothing),
    ],
)
def test_a_false_receipt_is_not_believed(
    number: int, lie: Callable[[dict[str, Any]], None], server: Running, coordinator: Identity
) -> None:
    """Somebody between client and ledger answers with something else."""

    def fault(handler: BaseHTTPRequestHandler, status: int, body: bytes) -> bool:
        told = json.loads(body)
        lie(told)
        answer(handler, status, json.dumps(told).encode())
        return True

    with (
        between(server, fault) as url,
        connect(server, url) as ledger,
        pytest.raises(LedgerError) as caught,
    ):
        ledger.post(identified(coordinator, number), demonstration_time=AT)
    assert isinstance(caught.value, IntegrityFailure | TrustFailure)


def test_a_refusal_told_as_a_success_is_not_believed(
    server: Running, coordinator: Identity
) -> None:
    """The status must be what the log decided."""

    def fault(handler: BaseHTTPRequestHandler, status: int, body: bytes) -> bool:
        told = json.loads(body)
        if status == 409:
            answer(handler, 201, json.dumps(told).encode())
        return status == 409

    with between(server, fault) as url, connect(server, url) as ledger:
        ledger.post(identified(coordinator, 37), demonstration_time=AT)
        with pytest.raises(IntegrityFailure, match="not what the log decided"):
            ledger.post(identified(coordinator, 37), demonstration_time=AT)


@pytest.mark.parametrize("check", ["entry", "checkpoint"])
def test_a_receipt_under_another_key_is_not_believed(
    check: Any, server: Running, coordinator: Identity
) -> None:
    """The verifier key came out of band; a log of the same name with another key is another."""
    vkey = str(LedgerKeys.from_seed(ORIGIN, seed_of("another ledger")).vkey)
    with connect(server, vkey=vkey, check=check) as ledger, pytest.raises(TrustFailure):
        ledger.post(identified(coordinator, 40), demonstration_time=AT)


def test_an_identity_is_kept_for_its_owner_alone(tmp_path: Path) -> None:
    """Saved with mode 600, never overwritten, not read once others could read it."""
    path = tmp_path / "edc.identity"
    identity = Identity.generate(EDC)
    identity.save(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert Identity.load(path) == identity
    with pytest.raises(FileExistsError):
        identity.save(path)
    path.chmod(0o640)
    with pytest.raises(TrustFailure, match="read by others"):
        Identity.load(path)


@pytest.mark.parametrize(("source", "meaning"), [(COORDINATOR, None), (EDC, "authorship")])
def test_a_person_signs_with_a_meaning_and_a_system_without(
    source: str, meaning: str | None
) -> None:
    """Found out before anything is sent."""
    with pytest.raises(RejectedInput, match="says what the signature means"):
        Identity.generate(source).sign(
            "demographics.recorded.v1",
            "subject/SY01-0001",
            {"sex": "male"},
            trial=TRIAL,
            meaning=meaning,
        )
