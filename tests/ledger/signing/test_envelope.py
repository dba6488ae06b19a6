"""The envelope admits exactly the events whose place, time and author can be named."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.errors import RejectedInput
from ledger.signing.envelope import Event, event_bytes, parse_event
from ledger.signing.rfc3339 import format_recorded_at, parse_recorded_at, parse_rfc3339

MEMBERS: dict[str, object] = {
    "specversion": "1.0",
    "id": "018df8f3-8a40-7c3e-9b1a-5f2d3c4b5a69",
    "source": "/sites/SY01/persons/pi-01",
    "type": "consent.obtained.v1",
    "subject": "subject/SY01-0007",
    "time": "2024-03-01T09:30:00+08:00",
    "trialid": "XHNKKY-DFSC",
    "data": {"form": "3.0"},
}


def payload(**changes: object) -> bytes:
    """The event with changed members; ``...`` takes a member out."""
    members = {**MEMBERS, **changes}
    return json.dumps({n: v for n, v in members.items() if v is not ...}).encode()


def test_an_event_is_read_with_its_instant() -> None:
    """The members come back as sent, and the time also as an instant in UTC."""
    event = parse_event(payload(datacontenttype="application/json"))
    assert event.occurred_at == datetime(2024, 3, 1, 1, 30, tzinfo=UTC)
    for name in ("id", "source", "type", "subject", "time", "trialid", "data"):
        assert getattr(event, name) == MEMBERS[name]


def test_our_own_events_are_canonical_and_read_back() -> None:
    """What the ledger signs is RFC 8785 and the same event again."""
    event = parse_event(payload())
    assert parse_event(event_bytes(event)) == event
    assert event_bytes(event).startswith(b'{"data":{"form":"3.0"},"id":"018df8f3-')


@pytest.mark.parametrize(
    "subject",
    ["trial", "access", "site/SY01", "subject/SY01-0007", "treatment/SY01-0007",
     "allocation/main", "lot/L-2024-03"],
)  # fmt: skip
def test_every_stream_of_the_trial_is_accepted(subject: str) -> None:
    """The streams are those of the design."""
    assert parse_event(payload(subject=subject)).subject == subject


@pytest.mark.parametrize(
    "kind",
    ["trial.opened.v1", "subject.randomization-requested.v1", "command.refused.v12"],
)
def test_type_names_follow_the_pattern(kind: str) -> None:
    """Hyphens within words, a version at the end."""
    assert parse_event(payload(type=kind)).type == kind


REFUSED: dict[str, list[Any]] = {
    "specversion": ["1", "0.3", 10, None, "1.0 "],
    "id": [
        "018df8f3-8a40-4c3e-9b1a-5f2d3c4b5a69",
        "018df8f3-8a40-7c3e-7b1a-5f2d3c4b5a69",
        "018DF8F3-8A40-7C3E-9B1A-5F2D3C4B5A69",
        "018df8f38a407c3e9b1a5f2d3c4b5a69",
        "018df8f3-8a40-7c3e-9b1a-5f2d3c4b5a69\n",
        "",
        7,
    ],
    "source": ["", "/", "sites/SY01", "/sites//x", "/sites/SY01/", "/a/../b", "/a/.", "/é",
               "https://x/y", "/a b", "/a?b", "/a\n", "/" + "a" * 256, None],
    "type": ["opened.v1", "trial.opened", "trial.opened.v0", "trial.opened.v01", "Trial.opened.v1",
             "trial.opened.v1.x", "trial.-opened.v1", "trial.opened-.v1", "trial.opened.v1\n", 1],
    "subject": ["", "trial/", "Trial", "site/", "site/sy01", "subject/SY01", "subject/SY01-7",
                "subject/SY01-00071", "subject/SY01-000\uff17",
                "allocation/other", "lot/", "lot/a/b",
                "other/x", "trial\n", "subject/SY01-0007/x", []],
    "trialid": ["", "a b", "-x", "é", None, "x" * 65],
    "datacontenttype": ["text/plain", "application/json; charset=utf-8", None],
    "data": [[], "x", None, 1],
}  # fmt: skip


@pytest.mark.parametrize(
    ("name", "value"), [(name, value) for name, values in REFUSED.items() for value in values]
)
def test_a_member_beyond_its_grammar_is_refused(name: str, value: object) -> None:
    """The code and the place name the member."""
    with pytest.raises(RejectedInput) as caught:
        parse_event(payload(**{name: value}))
    assert (caught.value.code, caught.value.where) == (f"envelope.{name}", f"/{name}")


@pytest.mark.parametrize("name", sorted(MEMBERS))
def test_a_missing_member_is_named(name: str) -> None:
    """Each of the eight members is required."""
    with pytest.raises(RejectedInput) as caught:
        parse_event(payload(**{name: ...}))
    assert (caught.value.code, caught.value.where) == ("envelope.missing-member", f"/{name}")


@pytest.mark.parametrize("name", ["dataschema", "data_base64", "traceparent", "ID", ""])
def test_an_unknown_member_is_refused(name: str) -> None:
    """Nothing is signed that no reader looks at."""
    with pytest.raises(RejectedInput) as caught:
        parse_event(payload(**{name: "x"}))
    assert (caught.value.code, caught.value.where) == ("envelope.unknown-member", f"/{name}")


TIMES = {
    "2024-03-01T09:30:00": "without-offset",
    "2024-03-01T09:30:00.5": "without-offset",
    "2024-03-01t09:30:00Z": "malformed",
    "2024-03-01T09:30:00z": "malformed",
    "2024-03-01 09:30:00Z": "malformed",
    "2024-03-01T09:30Z": "malformed",
    "2024-03-01T09:30:00+0800": "malformed",
    "2024-03-01T09:30:00+24:00": "malformed",
    "2024-03-01T09:30:00+08:60": "malformed",
    "2024-03-01T09:30:00.Z": "malformed",
    "2024-03-01T09:30:00.1234567Z": "malformed",
    "2024-03-01T09:30:00,5Z": "malformed",
    "2024-03-01T09:30:00Z\n": "malformed",
    "\uff12024-03-01T09:30:00Z": "malformed",
    "2024-03-01": "malformed",
    "": "malformed",
    "2024-03-01T09:30:00-00:00": "unknown-offset",
    "2016-12-31T23:59:60Z": "leap-second",
    "2023-02-29T00:00:00Z": "not-a-date",
    "2024-13-01T00:00:00Z": "not-a-date",
    "2024-00-01T00:00:00Z": "not-a-date",
    "2024-04-31T00:00:00Z": "not-a-date",
    "2024-03-01T24:00:00Z": "not-a-date",
    "2024-03-01T09:60:00Z": "not-a-date",
    "2024-03-01T09:30:61Z": "not-a-date",
    "0000-01-01T00:00:00Z": "not-a-date",
    "0001-01-01T00:00:00+01:00": "not-a-date",
    "9999-12-31T23:59:59-01:00": "not-a-date",
}


@pytest.mark.parametrize(("text", "reason"), TIMES.items())
def test_a_time_without_one_meaning_is_refused(text: str, reason: str) -> None:
    """The same reason is given for a time alone and for the envelope's."""
    with pytest.raises(RejectedInput) as caught:
        parse_rfc3339(text)
    assert caught.value.code == f"time.{reason}"
    with pytest.raises(RejectedInput) as caught:
        parse_event(payload(time=text))
    assert (caught.value.code, caught.value.where) == (f"envelope.time-{reason}", "/time")


@pytest.mark.parametrize("time", [1709256600, None, {}])
def test_a_time_must_be_a_text(time: object) -> None:
    """A number of seconds has no offset either."""
    with pytest.raises(RejectedInput) as caught:
        parse_event(payload(time=time))
    assert caught.value.code == "envelope.time"


OFFSETS = st.integers(-23 * 60 - 59, 23 * 60 + 59).map(lambda m: timezone(timedelta(minutes=m)))
INSTANTS = st.datetimes(
    min_value=datetime(1900, 1, 1),  # noqa: DTZ001
    max_value=datetime(2999, 1, 1),  # noqa: DTZ001
    timezones=OFFSETS,
)


@given(INSTANTS)
def test_any_instant_is_read_as_the_standard_library_reads_it(instant: datetime) -> None:
    """Agreement with datetime.fromisoformat over all offsets and fractions."""
    assert parse_rfc3339(instant.isoformat()) == instant
    assert parse_rfc3339(instant.isoformat()).utcoffset() == timedelta(0)


@given(INSTANTS)
def test_a_recorded_time_has_one_spelling(instant: datetime) -> None:
    """27 characters, in UTC, which sort as the instants do."""
    text = format_recorded_at(instant)
    assert len(text) == 27
    assert parse_recorded_at(text) == instant
    assert format_recorded_at(parse_recorded_at(text)) == text


@pytest.mark.parametrize(
    "text",
    ["2024-03-01T09:30:00Z", "2024-03-01T09:30:00.000Z", "2024-03-01T09:30:00.000000+00:00",
     "2024-02-30T09:30:00.000000Z", "2024-03-01T09:30:00.000000Z\n"],
)  # fmt: skip
def test_another_spelling_of_a_recorded_time_is_refused(text: str) -> None:
    """Entries are compared byte by byte."""
    with pytest.raises(RejectedInput):
        parse_recorded_at(text)


def test_a_naive_clock_is_a_programming_error() -> None:
    """The ledger never guesses a zone."""
    with pytest.raises(ValueError, match="time zone"):
        format_recorded_at(datetime(2024, 3, 1))  # noqa: DTZ001


def test_an_event_of_our_own_is_held_to_the_same_grammar() -> None:
    """No event exists that a sender could not have sent."""
    with pytest.raises(RejectedInput):
        Event(
            id="1", source="/x", type="a.b.v1", subject="trial", time="2024-03-01T00:00:00Z",
            trialid="T", data={},
        )  # fmt: skip


@given(st.binary(max_size=60))
def test_no_payload_breaks_the_reader(data: bytes) -> None:
    """Any bytes are refused as input, never by another error."""
    with pytest.raises(RejectedInput):
        parse_event(data)
