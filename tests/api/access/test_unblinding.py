"""Emergency unblinding over HTTP: the arm at once, of one subject, to who broke the blind."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from ledger.signing.rfc3339 import format_recorded_at
from tests.api.access.build_emergency import (
    ASSESSOR,
    BROKEN,
    NO_PHYSICIAN,
    OTHERS,
    SECOND,
    Emergency,
    emergencies,
)
from tests.api.access.build_readers import BASE
from tests.build_ledger import COORDINATOR, INVESTIGATOR
from tests.projections.masking.build_twins import FOUR, ONE, THREE, TWO, envelope

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Emergency, Emergency]]:
    """Both trials, in which the tests go on from each other; each breaks a blind of its own."""
    with emergencies([tmp_path_factory.mktemp(name) for name in ("left", "right")]) as opened:
        yield opened


@pytest.fixture
def one(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emergency]:
    """One trial for a test alone."""
    with emergencies([tmp_path_factory.mktemp(name) for name in ("left", "right")]) as opened:
        yield opened[0]


def test_who_broke_the_blind_is_told_the_arm_at_once_and_of_that_subject_alone(
    pair: tuple[Emergency, Emergency],
) -> None:
    """Before and for every other subject he gets the same refusal in both trials."""
    before = [night.read(ONE) for night in pair]
    assert before[0].get_json()["code"] == "unblinding.not-broken"
    assert before[0].data == before[1].data

    for night in pair:
        night.broken(ONE)
    told = [night.read(ONE) for night in pair]

    assert [answer.get_json()["arm"] for answer in told] == [night.twin.arm(ONE) for night in pair]
    assert {night.twin.arm(ONE) for night in pair} == {"single", "double"}
    other = [night.read(TWO) for night in pair]
    assert other[0].get_json()["code"] == "unblinding.not-broken"
    assert other[0].data == other[1].data


def test_neither_length_nor_tag_of_the_answer_tells_the_arm(
    pair: tuple[Emergency, Emergency],
) -> None:
    """Whoever watches the line learns that an arm was read."""
    for night in pair:
        night.broken(ONE)
    told = [night.read(ONE) for night in pair]
    assert told[0].get_json()["arm"] != told[1].get_json()["arm"]
    assert {*told[0].headers.keys()} == {*told[1].headers.keys()}
    assert told[0].headers["Content-Length"] == told[1].headers["Content-Length"]
    for answer in told:
        assert "ETag" not in answer.headers
        assert answer.headers["Cache-Control"] == "no-store"


def test_nobody_else_is_told_by_what_one_physician_did(one: Emergency) -> None:
    """No other physician, and no other role whatever it may read."""
    one.broken(ONE)
    assert one.code(ONE, by=SECOND) == "unblinding.not-broken"
    for source, scope in OTHERS:
        assert one.code(ONE, by=source, scope=scope) == "access.role", source
    assert one.code("SY02-0001") == "access.foreign-site"


def test_somebody_who_is_no_physician_is_recorded_and_told_nothing(one: Emergency) -> None:
    """The fact stands, with its deviation; it opens nothing."""
    one.broken(ONE, by=NO_PHYSICIAN)
    assert one.code(ONE, by=NO_PHYSICIAN) == "unblinding.not-entitled"
    one.broken(ONE, by=COORDINATOR)
    assert one.code(ONE, by=COORDINATOR, scope="") == "access.role"


def test_a_voided_breaking_opens_nothing(one: Emergency) -> None:
    """It was on the wrong subject; the record of it stays."""
    broken = one.broken(ONE)
    void = {
        "target": broken, "source_ref": "Call sheet 3",
        "reason": {"code": "wrong-subject", "text": "It was another's."},
    }  # fmt: skip
    one.post("data.voided.v1", f"treatment/{ONE}", void)  # type: ignore[arg-type]
    assert one.code(ONE) == "unblinding.not-broken"


def test_who_is_not_masked_reads_without_breaking_anything(one: Emergency) -> None:
    """The table says who; the demonstration's open door is everybody's."""
    told = one.read(ONE, scope="").get_json()
    assert (told["arm"], told["blind"]) == (one.twin.arm(ONE), None)
    address = f"{BASE}/subjects/{ONE}/allocation"
    assert one.readers.client.get(address).get_json()["arm"] == one.twin.arm(ONE)


def test_an_allocation_from_an_envelope_is_read_too(one: Emergency) -> None:
    """And said to be from one."""
    envelope(one.twin, THREE)
    one.broken(THREE)
    told = one.read(THREE).get_json()
    assert told["arm"] == one.twin.arm(THREE)
    assert [row["method"] for row in told["allocations"]] == ["envelope"]


def test_it_is_said_clearly_when_there_is_nothing_to_tell(one: Emergency) -> None:
    """No allocation, and no such subject."""
    one.broken(FOUR)
    for subject, code in ((FOUR, "allocation.none"), ("SY01-0999", "subject.not-found")):
        answer = one.read(subject)
        assert (answer.status_code, answer.get_json()["code"]) == (404, code)


def test_it_is_said_clearly_when_the_opening_cannot_be_read(one: Emergency) -> None:
    """With what to do instead of waiting."""
    one.broken(ONE)
    built = one.twin.built
    with closing(sqlite3.connect(built.directory / "ledger.sqlite3")) as database, database:
        database.execute("DELETE FROM openings")
    one.restart()
    answer = one.read(ONE)
    assert (answer.status_code, answer.get_json()["code"]) == (503, "allocation.not-readable")
    assert "envelope" in answer.get_json()["remedy"]


def test_it_works_from_any_state(one: Emergency) -> None:
    """After withdrawal and death as before."""
    one.post("consent.withdrawn.v1", f"subject/{ONE}", {}, by=COORDINATOR)
    one.broken(ONE)
    assert one.code(ONE) is None
    one.post("death.recorded.v1", f"subject/{TWO}", {})
    one.broken(TWO)
    assert one.code(TWO) is None


def test_each_reading_is_written_down_also_the_refused(one: Emergency) -> None:
    """Who, as what, of whom, with which outcome."""
    one.read(ONE)
    one.broken(ONE)
    one.read(ONE)
    rows = [row for row in one.readers.written() if row["operation"] == "unblinding.read"]
    assert [(row["source"], row["subject"], row["outcome"], row["masked"]) for row in rows] == [
        (INVESTIGATOR, ONE, "unblinding.not-broken", True),
        (INVESTIGATOR, ONE, "served", True),
    ]


def test_the_reason_is_demanded_until_it_is_recorded(one: Emergency) -> None:
    """DV-38 after the hours of the protocol; stated in time there is none."""

    def overdue(subject: str) -> bool:
        at = format_recorded_at(one.twin.built.now + timedelta(days=3))
        found = one.readers.client.get(f"{BASE}/deviations?rule=DV-38&as_of={at}").get_json()
        return subject in {row["subject"] for row in found["items"]}

    broken = one.broken(ONE)
    blind = one.read(ONE).get_json()["blind"]
    assert (blind["event"], blind["reason"]) == (broken, "due")
    assert overdue(ONE)
    reason: Any = {"unblinding": broken, "reason_code": "medical-emergency"}
    one.post("unblinding-reason.recorded.v1", f"treatment/{ONE}", reason)
    assert one.read(ONE).get_json()["blind"]["reason"] == "stated"
    assert not overdue(ONE)


@pytest.mark.parametrize("kind", ["emergency", "accidental"])
def test_everybody_concerned_sees_that_it_happened_and_not_the_arm(
    kind: str, pair: tuple[Emergency, Emergency]
) -> None:
    """A masked assessor, over HTTP: subject, flags, course and report, the same in both trials."""
    for night in pair:
        stream, arm = f"treatment/{TWO}", night.twin.arm(TWO)
        if kind == "emergency":
            night.post("blind.broken.v1", stream, {**BROKEN, "reason_text": f"It is {arm}."})
        else:
            told: Any = {"told_to": ["participant"], "cause": f"Said {arm} aloud."}
            night.post("accidental-unblinding.reported.v1", stream, told, by=COORDINATOR)
    seen = []
    for night in pair:
        headers = night.readers.bearer(ASSESSOR)
        answers = [
            night.readers.client.get(f"{BASE}/subjects/{TWO}{path}", headers=headers)
            for path in ("", "/replay")
        ]
        seen.append([answer.data for answer in answers])
        subject, replay = (answer.get_json() for answer in answers)
        assert subject["flags"]["blind_broken"]
        assert kind in [row["kind"] for row in subject["unblindings"]]
        assert subject["unblindings"][-1]["by"]["name"]
        assert kind in [
            row["content"]["type"]
            for row in replay["timeline"]
            if row["type"] in ("blind.broken.v1", "accidental-unblinding.reported.v1")
        ]
    assert seen[0] == seen[1]
