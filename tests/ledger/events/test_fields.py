"""Grammars of members: what passes, what does not, and what merely resembles it."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from marshmallow import ValidationError

from ledger.allocation.slot import is_stratum
from ledger.errors import RejectedInput
from ledger.events import fields, names
from ledger.signing.envelope import STREAM
from ledger.signing.rfc3339 import EARLIEST_YEAR, LATEST_YEAR, parse_rfc3339

GRAMMARS = {
    "code": (fields.code("."), ["W24", "K74.6", "10*6"]),
    "sha256": (names.sha256("."), [names.EXAMPLE_SHA256]),
    "salt": (names.salt("."), ["00" * 16, "ff" * 32]),
    "event_id": (names.event_id("."), [names.EXAMPLE_EVENT]),
    "site": (names.site_id("."), ["SY01"]),
    "subject": (names.subject_id("."), ["SY01-0007"]),
    "stratum": (names.stratum("."), ["all", "sex=f", "sex=female,child-pugh-class=B"]),
    "lot": (names.lot_id("."), ["L-2024-03"]),
    "person": (names.person_id("."), ["/sites/SY01/persons/pi-01", "/sponsor/persons/qa-01"]),
    "holder": (names.holder_id("."), ["/sites/SY01/systems/edc", "/sponsor/persons/qa-01"]),
    "scope": (names.scope("."), ["trial", "site/SY01"]),
    "pointer": (names.pointer("."), ["/time", "/data/value/value", "/data/a~1b"]),
    "decimal": (fields.decimal("."), ["0", "34.2", "-0.5", "60000000"]),
    "percent": (fields.percent("."), ["0", "92.5", "100", "100.0"]),
    "unit": (fields.unit("."), ["umol/L", "1", "{INR}"]),
    "day": (fields.day("."), ["2024-02-29"]),
    "instant": (fields.instant("."), ["2024-02-29T23:59:59.5+08:00"]),
    "language": (fields.language("."), ["zh", "zh-Hans", "en-GB"]),
    "scan": (fields.scan("."), ["]C1 0107", "B-0001"]),
}
NAMES = st.text("ab=,.-", min_size=1, max_size=9)
STRATA = st.builds(
    lambda pairs, tail: ",".join([*pairs, tail]),
    st.lists(st.sampled_from(["sex=f", "factor=level", "a" * 64 + "=" + "b" * 64]), max_size=90),
    st.sampled_from(["all", "sex=m"]) | NAMES,
)
# Years of a trial in which no offset leads out of them.
MOMENTS = st.datetimes().map(
    lambda m: m.replace(year=EARLIEST_YEAR + 1 + m.year % 300, day=min(m.day, 28))
)
PASSING = [(name, value) for name, (_, values) in GRAMMARS.items() for value in values]


def passes(field: Any, value: object) -> bool:
    """Whether a field takes a value."""
    try:
        field.deserialize(value)
    except ValidationError:
        return False
    return True


@pytest.mark.parametrize(("name", "value"), PASSING)
def test_a_well_formed_value_passes_and_stays_as_it_came(name: str, value: str) -> None:
    """Schemas validate, they do not convert."""
    assert GRAMMARS[name][0].deserialize(value) == value


@pytest.mark.parametrize(("name", "value"), PASSING)
def test_nothing_may_stand_around_a_value(name: str, value: str) -> None:
    """No blank, newline or NUL before or behind: the grammar holds for the whole string."""
    field = GRAMMARS[name][0]
    for around in (" ", "\n", "\t", "\x00", "\u2028"):
        assert not passes(field, value + around)
        assert not passes(field, around + value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("decimal", "1e5"),
        ("decimal", "+1"),
        ("decimal", "01"),
        ("decimal", ".5"),
        ("decimal", "1."),
        ("decimal", "NaN"),
        ("decimal", "٣"),  # a digit to Python's int(), none to us
        ("percent", "100.1"),
        ("percent", "-1"),
        ("day", "2023-02-29"),
        ("day", "20240229"),
        ("sha256", names.EXAMPLE_SHA256.upper()),
        ("event_id", names.EXAMPLE_EVENT.replace("-7", "-4")),
        ("event_id", names.EXAMPLE_EVENT.upper()),
        ("subject", "SY01-007"),
        ("subject", "SY01-00007"),
        ("person", "/sites/SY01/systems/edc"),
        ("person", "/sites/SY01/persons/../persons/pi-01"),
        ("pointer", ""),
        ("pointer", "/data/a~2"),
        ("scope", "site/"),
        ("stratum", "B"),
        ("stratum", "sex="),
        ("stratum", "sex=f,"),
        ("stratum", "sex=f,,age=1"),
        ("stratum", "sex=f=m"),
        ("stratum", ",".join(["factor=level"] * 79)),  # 1,026 characters
        ("code", "two words"),
    ],
)
def test_what_only_resembles_a_value_is_refused(name: str, value: str) -> None:
    """Traps that lenient parsers fall into."""
    assert not passes(GRAMMARS[name][0], value)


@given(
    st.one_of(
        st.from_regex(
            r"20[0-9]{2}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{0,8})?"
            r"(Z|z|[+-][0-9]{2}:[0-9]{2})?",
            fullmatch=True,
        ),
        st.text(max_size=40),
    )
)
def test_a_member_that_is_a_moment_follows_the_envelopes_rule(text: str) -> None:
    """Times in ``data`` and the event's own ``time`` never differ in what they allow."""
    try:
        parse_rfc3339(text)
    except RejectedInput:
        allowed = False
    else:
        allowed = True
    assert passes(fields.instant("."), text) == allowed


@given(STRATA)
def test_a_member_that_is_a_stratum_follows_the_lists_rule(text: str) -> None:
    """What the allocation list can hold can be recorded, and nothing else; length included."""
    assert passes(names.stratum("."), text) == is_stratum(text)


@pytest.mark.parametrize(("length", "allowed"), [(1024, True), (1025, False)])
def test_a_stratum_has_at_most_1024_characters(length: int, *, allowed: bool) -> None:
    """The longest name the list format has room for."""
    name = ",".join(["factor=level"] * 78)
    name += "," + "f" * (length - len(name) - 3) + "=l"
    assert len(name) == length
    assert passes(names.stratum("."), name) == allowed


@given(MOMENTS, st.integers(-23 * 60, 23 * 60))
def test_every_moment_with_offset_passes(moment: datetime, offset: int) -> None:
    """Whatever the zone, to the microsecond."""
    zone = timezone(timedelta(minutes=offset)) if offset else UTC
    assert passes(fields.instant("."), moment.replace(tzinfo=zone).isoformat())


@given(st.dates())
def test_every_day_a_trial_can_mean_passes(day: date) -> None:
    """Days at the ends of the calendar are refused: reckoning with them overflows."""
    expected = EARLIEST_YEAR <= day.year <= LATEST_YEAR
    assert passes(fields.day("."), day.isoformat()) == expected
    assert passes(fields.instant("."), f"{day.isoformat()}T12:00:00Z") == expected


@given(st.from_regex(STREAM, fullmatch=True))
def test_every_stream_the_envelope_knows_can_be_named(name: str) -> None:
    """One grammar of streams."""
    assert passes(names.stream("."), name)


@given(st.from_regex(names.SITE, fullmatch=True), st.integers(0, 9999))
def test_site_and_subject_ids_make_streams(site: str, number: int) -> None:
    """What the payload calls a subject, the envelope takes as a stream."""
    subject = f"{site}-{number:04d}"
    assert passes(names.site_id("."), site)
    assert passes(names.subject_id("."), subject)
    assert STREAM.fullmatch(f"subject/{subject}")
    assert STREAM.fullmatch(f"site/{site}")


@given(st.from_regex(names.LOT, fullmatch=True))
def test_lot_ids_make_streams(lot: str) -> None:
    """What the payload calls a lot, the envelope takes as a stream."""
    assert STREAM.fullmatch(f"lot/{lot}")


@given(st.text(alphabet=" \n\t.-_…!?", max_size=30))
def test_text_without_a_letter_or_digit_is_refused(blank: str) -> None:
    """Blank, a dot, dashes: no reason, no comment."""
    assert not passes(fields.text("."), blank)


def test_text_is_bounded_and_free_of_control_characters() -> None:
    """A field is no file, and hides no escape sequence."""
    assert passes(fields.text(".", limit=10), "0123456789")
    assert not passes(fields.text(".", limit=10), "01234567890")
    assert not passes(fields.text("."), "bell\x07")
    assert passes(fields.text("."), "first line\nsecond line")


@pytest.mark.parametrize("value", [1.0, True, "1", 2**53, -1])
def test_an_integer_is_a_json_integer_within_its_bounds(value: object) -> None:
    """No float, no boolean, no text, nothing beyond 2**53 - 1."""
    assert not passes(fields.whole("."), value)


@pytest.mark.parametrize("value", [1, 0, "true", "yes", None])
def test_a_flag_is_true_or_false(value: object) -> None:
    """Nothing that merely stands for yes."""
    assert not passes(fields.flag("."), value)
