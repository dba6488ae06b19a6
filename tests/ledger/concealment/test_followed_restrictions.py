"""Restrictions followed as the log grows: read of what others recorded, not of one's own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ledger.concealment.following import FollowedRestrictions
from tests.build_ledger import INVESTIGATOR, build_ledger
from tests.ledger.build_service import STREAM, bag, correction, with_subject
from tests.ledger.concealment.orders import restriction

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ledger.record import Record
    from ledger.signing.strict_json import JsonObject
    from ledger.storage.store import LedgerStore
    from tests.build_ledger import BuiltLedger

TERM = "/data/term"
WORDS = "Fever; told by her brother Li Hua"


@pytest.fixture
def built(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BuiltLedger]:
    """Give a ledger with one subject."""
    opened = with_subject(build_ledger(tmp_path_factory.mktemp("followed")))
    yield opened
    opened.close()


@pytest.fixture
def log(built: BuiltLedger) -> LedgerStore:
    """Give its recorder."""
    return built.ledger.application.store


@pytest.fixture
def followed(log: LedgerStore) -> FollowedRestrictions:
    """Give what another process knows of it by now."""
    found = FollowedRestrictions(lambda: log)
    found.follow()
    return found


def fever(built: BuiltLedger) -> Record:
    """An adverse event whose term names somebody."""
    data: JsonObject = {"term": WORDS, "grade": 1}
    return built.state(
        "adverse-event.recorded.v1", STREAM, data, by=INVESTIGATOR, meaning="authorship"
    )


def since(built: BuiltLedger, size: int) -> list[Record]:
    """The records behind a position."""
    return built.ledger.application.records(size, built.ledger.application.store.head().size)


def test_what_was_recorded_oneself_and_restricts_nothing_is_not_read_again(
    built: BuiltLedger, log: LedgerStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Behind it the following goes on: what it skipped it never asks the log for."""
    followed = FollowedRestrictions(lambda: log)
    found = followed.follow()
    before = log.head().size
    built.record(bag(built, 1))
    followed.recorded(since(built, before))
    with monkeypatch.context() as patch:
        patch.setattr(type(log), "positions_of_types", None)
        assert followed.follow() == found
    target = fever(built)
    act = built.record(restriction(built, target.id, TERM))
    assert followed.follow() > found
    assert followed.restrictions.concerns(target.id) == act.id


def test_a_restriction_recorded_oneself_is_taken_in(
    built: BuiltLedger, log: LedgerStore, followed: FollowedRestrictions
) -> None:
    """Being one's own skips nothing that says what is no longer served."""
    target = fever(built)
    found = followed.follow()
    before = log.head().size
    act = built.record(restriction(built, target.id, TERM))
    followed.recorded(since(built, before))
    assert followed.follow() > found
    assert followed.restrictions.concerns(target.id) == act.id


def test_what_another_recorded_in_between_is_not_skipped(
    built: BuiltLedger, log: LedgerStore, followed: FollowedRestrictions
) -> None:
    """One's own group stands behind another's restriction that was not read yet."""
    target = fever(built)
    found = followed.follow()
    act = built.record(restriction(built, target.id, TERM))
    before = log.head().size
    built.record(bag(built, 1))
    followed.recorded(since(built, before))
    assert followed.follow() > found
    assert followed.restrictions.concerns(target.id) == act.id


def test_a_correction_that_may_repeat_the_words_makes_views_stale(
    built: BuiltLedger, log: LedgerStore, followed: FollowedRestrictions
) -> None:
    """Whoever read it before he knew that it is one of those holds the words in clear."""
    target = fever(built)
    unrestricted = followed.follow()
    built.record(restriction(built, target.id, TERM))
    found = followed.follow()
    assert found > unrestricted
    before = log.head().size
    built.record_all([correction(built, target, (TERM, WORDS, "Fever"), by=INVESTIGATOR)])
    repeated = since(built, before)[0]
    followed.recorded(since(built, before))
    repeatedly = followed.follow()
    assert repeatedly > found
    assert followed.restrictions.concerns(repeated.id) is not None
    built.record_all([bag(built, 1)])
    assert followed.follow() == repeatedly
