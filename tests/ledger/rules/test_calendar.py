"""Calendar arithmetic: leap days, partial dates, local days and windows."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.errors import RejectedInput
from ledger.rules.calendar import (
    DaySpan,
    Precision,
    add_days,
    add_years,
    completed_years,
    completed_years_span,
    day_window,
    days_between,
    exact_day,
    local_date,
    parse_partial_date,
)

DAYS = st.dates(date(1900, 1, 1), date(2100, 12, 31))


@pytest.mark.parametrize(
    ("birth", "on", "years"),
    [
        (date(2006, 2, 1), date(2024, 1, 31), 17),
        (date(2006, 2, 1), date(2024, 2, 1), 18),
        (date(1943, 2, 2), date(2024, 2, 1), 80),
        (date(1943, 2, 1), date(2024, 2, 1), 81),
        (date(2004, 2, 29), date(2022, 2, 28), 17),
        (date(2004, 2, 29), date(2022, 3, 1), 18),
        (date(2004, 2, 29), date(2024, 2, 29), 20),
        (date(2024, 2, 1), date(2024, 1, 31), -1),
    ],
)
def test_age_is_counted_in_completed_years(birth: date, on: date, years: int) -> None:
    """80 years and 364 days are 80; the 18th birthday counts; leap births complete on 1 March."""
    assert completed_years(birth, on) == years


@given(DAYS, DAYS)
def test_age_is_the_number_of_birthdays_that_have_come(birth: date, on: date) -> None:
    """Counted by walking the calendar instead of comparing parts of dates."""
    birth, on = sorted((birth, on))
    birthdays = 0
    for year in range(birth.year + 1, on.year + 1):
        try:
            birthday = birth.replace(year=year)
        except ValueError:
            birthday = date(year, 3, 1)
        birthdays += birthday <= on
    assert completed_years(birth, on) == birthdays


@pytest.mark.parametrize(
    ("day", "years", "expected"),
    [
        (date(2024, 2, 29), -1, date(2023, 2, 28)),
        (date(2024, 2, 29), 4, date(2028, 2, 29)),
        (date(2023, 2, 28), 1, date(2024, 2, 28)),
        (date(2000, 2, 29), 100, date(2100, 2, 28)),
        (date(2025, 3, 1), -1, date(2024, 3, 1)),
    ],
)
def test_a_calendar_year_later_is_the_same_day(day: date, years: int, expected: date) -> None:
    """Only 29 February has no counterpart, and gives 28 February."""
    assert add_years(day, years) == expected


@given(DAYS, st.integers(-150, 150))
def test_adding_years_keeps_the_month_and_returns_but_for_a_leap_day(day: date, years: int) -> None:
    """There and back again."""
    there = add_years(day, years)
    assert (there.year, there.month) == (day.year + years, day.month)
    assert add_years(there, -years) in {day, day - timedelta(days=day.day == 29)}


@given(DAYS, DAYS)
def test_a_look_back_grows_with_its_reference_day(one: date, other: date) -> None:
    """A later reference never reaches further back."""
    earlier, later = sorted((one, other))
    assert add_years(earlier, -1) <= add_years(later, -1)


@pytest.mark.parametrize("years", [-2024, 7976])
def test_a_year_beyond_the_calendar_is_refused(years: int) -> None:
    """It is the sender's number, so it must not end in an internal error."""
    with pytest.raises(RejectedInput):
        add_years(date(2024, 1, 1), years)


@given(DAYS, st.sampled_from(["day", "month", "year"]))
def test_a_partial_date_spans_exactly_the_days_it_may_mean(day: date, precision: Precision) -> None:
    """The span holds the day, and the days just outside it are spelt differently."""
    length = {"day": 10, "month": 7, "year": 4}[precision]
    text = day.isoformat()[:length]
    span = parse_partial_date(text, precision)
    assert span.earliest <= day <= span.latest
    assert span.earliest.isoformat()[:length] == span.latest.isoformat()[:length] == text
    assert (span.earliest - timedelta(days=1)).isoformat()[:length] != text
    assert (span.latest + timedelta(days=1)).isoformat()[:length] != text


@pytest.mark.parametrize(
    ("value", "precision"),
    [
        ("2024-02-30", "day"),
        ("2024-13", "month"),
        ("2024-00", "month"),
        ("2024-01-00", "day"),
        ("0000", "year"),
        ("2024-03", "day"),
        ("2024-03-01", "month"),
        ("2024-3", "month"),
        ("2024 ", "year"),
        ("2024\n", "year"),
        ("٢٠٢٤", "year"),
        ("2024", "decade"),
    ],
)
def test_a_text_that_is_no_date_of_its_precision_is_refused(
    value: str, precision: Precision
) -> None:
    """No day is made up, and no precision is guessed from the length."""
    with pytest.raises(RejectedInput) as refusal:
        parse_partial_date(value, precision)
    assert refusal.value.code == "calendar.partial-date"


@given(DAYS, DAYS, DAYS)
def test_a_span_answers_only_what_all_its_days_agree_on(one: date, other: date, day: date) -> None:
    """Both ends decide; when they differ the answer is unknown."""
    span = DaySpan(*sorted((one, other)))
    after = {span.earliest >= day, span.latest >= day}
    before = {span.earliest <= day, span.latest <= day}
    assert span.on_or_after(day) is (after.pop() if len(after) == 1 else None)
    assert span.on_or_before(day) is (before.pop() if len(before) == 1 else None)
    assert span.exact == (one == other)


def test_a_span_that_ends_before_it_begins_cannot_be_made() -> None:
    """Such a span would answer every question wrongly."""
    with pytest.raises(ValueError, match="ends before"):
        DaySpan(date(2024, 1, 2), date(2024, 1, 1))


def test_the_age_by_a_year_of_birth_alone_is_uncertain_by_a_year() -> None:
    """Born in 2006, on 1 February 2024: 17 or 18."""
    birth = parse_partial_date("2006", "year")
    assert completed_years_span(birth, exact_day(date(2024, 2, 1))) == (17, 18)


@pytest.mark.parametrize(
    ("instant", "zone", "day"),
    [
        (datetime(2024, 1, 31, 15, 59, 59, tzinfo=UTC), "Asia/Shanghai", date(2024, 1, 31)),
        (datetime(2024, 1, 31, 16, 0, tzinfo=UTC), "Asia/Shanghai", date(2024, 2, 1)),
        (
            datetime(2024, 2, 1, 0, 30, tzinfo=timezone(timedelta(hours=9))),
            "Asia/Shanghai",
            date(2024, 1, 31),
        ),
        (datetime(2024, 3, 31, 22, 30, tzinfo=UTC), "Europe/Berlin", date(2024, 4, 1)),
        (datetime(2024, 3, 30, 22, 30, tzinfo=UTC), "Europe/Berlin", date(2024, 3, 30)),
    ],
)
def test_the_local_day_of_an_instant(instant: datetime, zone: str, day: date) -> None:
    """The site's zone decides, not the offset the sender wrote; summer time moves midnight."""
    assert local_date(instant, zone) == day


def test_a_time_without_an_offset_has_no_local_day() -> None:
    """A naive time is not an instant."""
    with pytest.raises(RejectedInput) as refusal:
        local_date(datetime(2024, 2, 1), "Asia/Shanghai")  # noqa: DTZ001 - the point of the test
    assert refusal.value.code == "calendar.naive-time"


@pytest.mark.parametrize("zone", ["Asia/Shenyang", "Asia", "/etc/localtime", "../UTC", "", "a\0b"])
def test_an_unknown_zone_is_refused(zone: str) -> None:
    """A name never reaches a file outside the zone database."""
    with pytest.raises(RejectedInput) as refusal:
        local_date(datetime(2024, 2, 1, tzinfo=UTC), zone)
    assert refusal.value.code == "calendar.unknown-zone"


def test_a_local_day_beyond_the_calendar_is_refused() -> None:
    """The last hours of the year 9999 lie in the year 10000 in Shanghai."""
    with pytest.raises(RejectedInput):
        local_date(datetime(9999, 12, 31, 23, tzinfo=UTC), "Asia/Shanghai")


@given(DAYS, st.integers(-30, 400), st.integers(0, 30), st.integers(0, 30), st.integers(-100, 500))
def test_a_window_holds_the_days_around_its_target_and_no_others(
    anchor: date, target: int, before: int, after: int, offset: int
) -> None:
    """The distance outside the window is zero exactly within it."""
    window = day_window(anchor, target_day=target, days_before=before, days_after=after)
    day = anchor + timedelta(days=offset)
    inside = target - before <= offset <= target + after
    assert (day in window) == inside
    assert (window.deviation_days(day) == 0) == inside
    assert days_between(anchor, window.target) == target


@pytest.mark.parametrize(("day", "outside"), [(153, -1), (154, 0), (182, 0), (183, 1), (190, 8)])
def test_the_distance_outside_a_window_is_signed(day: int, outside: int) -> None:
    """Week 24 with two weeks on either side."""
    anchor = date(2024, 2, 1)
    window = day_window(anchor, target_day=168, days_before=14, days_after=14)
    assert window.deviation_days(add_days(anchor, day)) == outside


def test_a_window_with_negative_days_cannot_be_made() -> None:
    """A protocol that says so is flawed."""
    with pytest.raises(ValueError, match="not negative"):
        day_window(date(2024, 2, 1), target_day=0, days_before=-1, days_after=0)


def test_a_window_beyond_the_calendar_is_refused() -> None:
    """A far date of the sender must not end in an internal error."""
    with pytest.raises(RejectedInput):
        day_window(date(9999, 12, 1), target_day=168, days_before=0, days_after=0)
