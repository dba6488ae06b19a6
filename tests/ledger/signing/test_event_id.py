"""Event ids are UUIDs of version 7 (RFC 9562 section 5.7)."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta

from hypothesis import example, given
from hypothesis import strategies as st

from ledger.signing.envelope import UUID7
from ledger.signing.event_id import event_id

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
INSTANTS = st.datetimes(
    datetime(1970, 1, 1),  # noqa: DTZ001 - the zone comes from the strategy
    datetime(9999, 12, 31),  # noqa: DTZ001
    timezones=st.just(UTC),
)


@given(INSTANTS, st.binary(max_size=40))
def test_an_id_is_a_valid_uuid_of_version_7(instant: datetime, material: bytes) -> None:
    """Version, variant and canonical spelling; the envelope's grammar takes it."""
    text = event_id(instant, material)
    value = uuid.UUID(text)
    assert (value.version, value.variant, str(value)) == (7, uuid.RFC_4122, text)
    assert UUID7.fullmatch(text)


@given(INSTANTS, st.binary(max_size=40))
@example(datetime(2024, 2, 1, 0, 0, 0, 1_000, tzinfo=UTC), b"")
@example(datetime(2262, 4, 11, 23, 47, 16, 854_999, tzinfo=UTC), b"")
def test_its_first_48_bits_are_the_millisecond(instant: datetime, material: bytes) -> None:
    """The millisecond that has begun, never the next one."""
    milliseconds = uuid.UUID(event_id(instant, material)).int >> 80
    assert timedelta(0) <= instant - EPOCH - timedelta(milliseconds=milliseconds)
    assert instant - EPOCH < timedelta(milliseconds=milliseconds + 1)


@given(INSTANTS, INSTANTS, st.binary(max_size=8), st.binary(max_size=8))
def test_ids_sort_by_time_and_repeat_only_for_the_same_question(
    one: datetime, other: datetime, material: bytes, more: bytes
) -> None:
    """Same instant and material, same id; later milliseconds sort later."""
    assert event_id(one, material) == event_id(one, material)
    assert (event_id(one, material) == event_id(one, more)) == (material == more)
    if other - one >= timedelta(milliseconds=1):
        assert event_id(one, material) < event_id(other, more)
