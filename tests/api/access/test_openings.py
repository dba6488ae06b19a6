"""What is sealed for a purpose is shown to whom the table says, over every route."""

from __future__ import annotations

import base64
import io
import re
import zipfile
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import pytest

from api.access.control import operation_of
from api.access.openings import hidden_from
from api.access.reader import OPEN, Reader
from api.access.table import COLUMNS, PUBLIC, TABLE, Operation, Reach
from api.context import KEY
from ledger.signing.rfc3339 import format_recorded_at
from ledger.vocabulary import Purpose, Role, vocabulary
from tests.api.access.build_readers import BASE, BEDSIDE, Readers
from tests.api.access.conftest import opened
from tests.build_ledger import DOCUMENT, INVESTIGATOR, SITE, TRIAL

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ledger.record import Record
    from ledger.signing.strict_json import JsonObject, JsonValue

SUBJECT = f"{SITE}-0042"
STREAM, TREATMENT = f"subject/{SUBJECT}", f"treatment/{SUBJECT}"
IDENTITY = ("1931-07-19", "1932-08-20", "ab" * 32, "Zhou Representative", "Qian Witness")
TEXT = tuple(f"words-{number:02}" for number in range(1, 12))
_CONSENT: JsonObject = {
    "icf_version": "1.0", "icf_sha256": DOCUMENT, "language": "zh-CN",
    "scopes": ["intervention", "visits"], "given_by": "representative", "can_read": True,
    "representative": {"relation": "spouse", "ground": "incapacity"},
    "representative_name": IDENTITY[3],
    "witness": {"impartial": True, "present_throughout": True}, "witness_name": IDENTITY[4],
    "leader": INVESTIGATOR, "copy_given": True, "medium": "paper",
}  # fmt: skip


@dataclass(slots=True)
class Sealed:
    """A subject whose every sealed member holds a mark of its own, and its readers."""

    readers: Readers
    records: list[Record]

    def answers(self, headers: dict[str, str], query: str = "") -> str:
        """All that a reader is told over every route he is let in by, with all queries."""
        readers, found = self.readers, []
        for rule in readers.app.url_map.iter_rules():
            operation = operation_of(readers.app, rule.endpoint)
            if (
                operation in PUBLIC
                or operation is Operation.BUNDLE
                or "GET" not in (rule.methods or ())
            ):
                continue
            for event in [one.id for one in self.records] if "event_id" in rule.arguments else [""]:
                values = {
                    "trial": TRIAL, "subject_id": SUBJECT, "event_id": event, "name": "000.p/1",
                }  # fmt: skip
                address = readers.app.url_map.bind("localhost").build(
                    rule.endpoint, {name: values[name] for name in rule.arguments}
                )
                found.append(address + (query if address.endswith(event or " ") else ""))
        found += [
            f"{BASE}/events?{ask}"
            for ask in ("limit=1000", "format=csv", f"subject={SUBJECT}&limit=1000")
        ]
        found += [
            f"{BASE}/report?format=json&subject={SUBJECT}",
            f"{BASE}/report?subject={SUBJECT}",
        ]
        told = [readers.client.get(address, headers=headers) for address in found]
        return "\n".join(answer.text for answer in told if answer.status_code == 200)

    def written(self) -> list[dict[str, Any]]:
        """The newest acts of the access log."""
        log = self.readers.app.extensions[KEY].access.journal.log
        return [asdict(row.access) for row in log.rows(after=log.size - 20, limit=20)]


@pytest.fixture(scope="module")
def sealed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sealed]:
    """A real ledger with that subject."""
    with opened(tmp_path_factory.mktemp("sealed")) as readers:
        yield Sealed(readers, _seal(readers))


def _seal(readers: Readers) -> list[Record]:
    built, records, words = readers.built, [], iter(TEXT)

    def say(
        type_name: str, data: JsonObject, stream: str = STREAM, meaning: str = "authorship"
    ) -> Record:
        records.append(built.state(type_name, stream, data, by=INVESTIGATOR, meaning=meaning))
        return records[-1]

    born: JsonObject = {"value": IDENTITY[0], "precision": "day"}
    identified = say(
        "subject.identified.v1",
        {"subject_id": SUBJECT, "sex": "male", "birth_date": born, "identity_check": IDENTITY[2]},
    )
    at = format_recorded_at(built.now)
    say(
        "consent.obtained.v1",
        {**_CONSENT, "participant_signed_at": at, "leader_signed_at": at},
        meaning="consent-explained",
    )
    say("screening.started.v1", {"screening_number": 1})
    diagnosis = say(
        "diagnosis.recorded.v1", {"term": "Cirrhosis", "ongoing": True, "comment": next(words)}
    )
    procedure: JsonObject = {"procedure": "ultrasound", "for_trial": False, "findings": next(words)}
    say("procedure.recorded.v1", procedure)
    judged: JsonObject = {
        "criterion_id": "IN02", "result": "MET", "basis": "judgement", "evidence": [],
        "comment": next(words),
    }  # fmt: skip
    say("criterion.assessed.v1", judged)
    event: JsonObject = {
        "term": "Fever", "onset_at": at, "grade": 1, "narrative": next(words),
    }  # fmt: skip
    say("adverse-event.recorded.v1", event)
    say(
        "deviation.reported.v1",
        {"anchor": diagnosis.id, "category": "conduct", "description": next(words)},
    )
    broken = say("blind.broken.v1", {"type": "emergency", "reason_text": next(words)}, TREATMENT)
    reason: JsonObject = {
        "unblinding": broken.id, "reason_code": "emergency", "reason_text": next(words),
    }  # fmt: skip
    say("unblinding-reason.recorded.v1", reason, TREATMENT)
    told: JsonObject = {"told_to": ["participant"], "cause": next(words)}
    say("accidental-unblinding.reported.v1", told, TREATMENT)
    for target, member, changes in (
        (identified, "identity_changes", _change("/data/birth_date/value", *IDENTITY[:2])),
        (diagnosis, "text_changes", _change("/data/comment", TEXT[0], next(words))),
    ):
        correction: JsonObject = {
            "target": target.id, "changes": [], member: changes, "source_ref": "Page 1",
            "reason": {"code": "transcription", "text": "Misread."},
        }  # fmt: skip
        say("data.corrected.v1", correction)
    say("consent.withdrawn.v1", {"reason_text": next(words)})
    say("death.recorded.v1", {"cause_text": next(words)})
    return records


def _change(pointer: str, old: str, new: str) -> list[JsonValue]:
    return [{"pointer": pointer, "old": old, "new": new}]


def bearer(sealed: Sealed, role: Role, scope: str = "") -> dict[str, str]:
    """Somebody who reads as a role as far as it goes."""
    place = f"site/{SITE}" if role in BEDSIDE else "trial"
    return sealed.readers.bearer(sealed.readers.enrol(role, place), scope)


def test_the_marks_stand_in_every_sealed_member_there_is(sealed: Sealed) -> None:
    """So that what follows means something; the unmasked investigator reads each of them."""
    told = sealed.answers(sealed.readers.bearer(INVESTIGATOR))
    assert [mark for mark in (*IDENTITY, *TEXT) if mark not in told] == []
    held = {(one.type, name) for one in sealed.records for name in one.opened}
    every = {
        name
        for rule in vocabulary().values()
        for name, purpose in rule.sealed.items()
        if purpose is not Purpose.ALLOCATION
    }
    assert {name for _, name in held} == every


@pytest.mark.parametrize("scope", ["", "masked"])
@pytest.mark.parametrize("role", COLUMNS)
def test_no_route_shows_a_role_what_the_table_withholds(
    role: Role, scope: str, sealed: Sealed
) -> None:
    """Every mark of a hidden purpose is missing from every answer."""
    told = sealed.answers(bearer(sealed, role, scope))
    for operation, marks in ((Operation.IDENTITY, IDENTITY), (Operation.TEXT, TEXT)):
        reach = TABLE[operation].reach[role]
        shown = reach is Reach.OWN or (reach is Reach.GRANTED and operation is Operation.TEXT)
        if not shown:
            assert [mark for mark in marks if mark in told] == [], operation
        elif not scope:
            assert any(mark in told for mark in marks), operation


@pytest.mark.parametrize("role", [Role.MONITOR, Role.AUDITOR, Role.INSPECTOR])
def test_who_verifies_source_data_opens_identity_on_purpose(role: Role, sealed: Sealed) -> None:
    """One event at a time, under a name of its own in the access log."""
    headers, identified = bearer(sealed, role), sealed.records[0]
    plain = sealed.readers.client.get(f"{BASE}/events/{identified.id}", headers=headers)
    assert plain.get_json()["opened"] == {}
    kept = {row["member"]: row for row in plain.get_json()["kept_back"]}
    assert set(kept) == {"birth_date", "identity_check"}
    assert "?open=identity" in kept["birth_date"]["reason"]
    address = f"{BASE}/events/{identified.id}?open=identity"
    asked = sealed.readers.client.get(address, headers=headers)
    assert asked.get_json()["opened"]["birth_date"]["value"] == IDENTITY[0]
    assert asked.headers["ETag"] != plain.headers["ETag"]
    rows = sealed.written()
    assert ("identity.open", SUBJECT, "served") in {
        (row["operation"], row["subject"], row["outcome"]) for row in rows if row["role"] == role
    }


@pytest.mark.parametrize("role", [Role.SPONSOR, Role.ETHICS_COMMITTEE])
def test_who_needs_no_identity_is_refused_it_and_that_is_written_down(
    role: Role, sealed: Sealed
) -> None:
    """Asking on purpose does not help."""
    address = f"{BASE}/events/{sealed.records[0].id}?open=identity"
    answer = sealed.readers.client.get(address, headers=bearer(sealed, role))
    assert (answer.status_code, answer.get_json()["code"]) == (403, "access.role")
    assert ("identity.open", "access.role") in {
        (row["operation"], row["outcome"]) for row in sealed.written() if row["role"] == role
    }


def test_what_is_kept_back_stands_in_its_place_with_the_reason(sealed: Sealed) -> None:
    """In the trail, also in corrections, and in the replay: nothing looks absent that is not."""
    headers = bearer(sealed, Role.SPONSOR)
    mark = {
        "withheld": "identity",
        "reason": "The role sponsor is not shown what is sealed for identity.",
    }
    client = sealed.readers.client
    rows = client.get(f"{BASE}/events?subject={SUBJECT}&limit=1000", headers=headers).get_json()
    changes = {(row["type"], row["field"]): (row["old"], row["new"]) for row in rows["items"]}
    assert changes["subject.identified.v1", "/data/birth_date/value"] == (None, mark)
    assert changes["data.corrected.v1", "/data/birth_date/value"] == (mark, mark)
    course = client.get(f"{BASE}/subjects/{SUBJECT}/replay", headers=headers).get_json()
    identified = next(row for row in course["timeline"] if row["type"] == "subject.identified.v1")
    assert identified["content"]["birth_date"] == mark
    assert identified["first_content"]["birth_date"] == mark
    assert course["header"]["sex"] == "male"


def test_allocation_is_hidden_from_whoever_is_masked() -> None:
    """Whatever else he may open; the open demonstration hides nothing."""
    for role in COLUMNS:
        assert Purpose.ALLOCATION in hidden_from(Reader("/x", role, SITE, masked=True))
        assert Purpose.ALLOCATION not in hidden_from(Reader("/x", role, SITE))
    assert not hidden_from(OPEN)


@pytest.mark.parametrize(
    ("role", "query", "opened"),
    [
        (Role.SPONSOR, "", {"text"}),
        (Role.INSPECTOR, "", {"text"}),
        (Role.INSPECTOR, "?open=identity", {"text", "identity"}),
    ],
    ids=["sponsor", "inspector", "inspector on purpose"],
)
def test_a_bundle_leaves_out_what_its_reader_is_not_shown(
    role: Role, query: str, opened: set[str], sealed: Sealed
) -> None:
    """Signatures, chain and proofs do not need it."""
    answer = sealed.readers.client.get(f"{BASE}/bundle{query}", headers=bearer(sealed, role))
    assert answer.status_code == 200
    data = answer.data
    answer.close()
    with zipfile.ZipFile(io.BytesIO(data)) as bundle:
        name = next(name for name in bundle.namelist() if name.endswith("openings.jsonl"))
        kept = bundle.read(name).decode()
    told = "".join(
        base64.urlsafe_b64decode(text + "==").decode("utf-8", "replace")
        for text in re.findall(r'"([A-Za-z0-9_-]{20,})"', kept)
    )
    assert (IDENTITY[0] in told) is ("identity" in opened)
    assert (TEXT[0] in told) is ("text" in opened)
