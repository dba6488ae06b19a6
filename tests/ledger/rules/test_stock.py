"""The balance of a lot closes for any sequence of movements, and names what speaks against it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from ledger.history import History
from ledger.rules.deviations.product import TRIAL_RULES
from ledger.rules.stock import (
    BagStanding,
    LotAccount,
    LotStanding,
    account,
    lot_standing,
    uses_by_lot,
)
from tests.ledger.rules.treated import BAG, GIVEN, LOT, SECOND_BAG, Treated, later

if TYPE_CHECKING:
    from ledger.history import Fact

BAGS = [f"B-{number:04d}" for number in range(1, 6)]
MOVES = st.lists(
    st.tuples(
        st.sampled_from(["receive", "infuse", "returned", "destroyed", "count"]),
        st.sampled_from(BAGS),
        st.integers(0, 3),
    ),
    max_size=14,
)
Move = tuple[str, str, int]
RECONCILED = next(rule for rule in TRIAL_RULES if rule.id == "DV-30")


def told_of(moves: list[Move]) -> Treated:
    """Records of the moves; equal hours are equal times of occurrence."""
    told = Treated()
    for number, (move, bag, hour) in enumerate(moves, start=1):
        at = later(GIVEN, hours=hour)
        if move == "receive":
            told.receive(bag, at=at)
        elif move == "infuse":
            told.infuse(at, number, bag)
        elif move == "count":
            told.count(at, bag)
        else:
            told.bag(move, bag, at)
    return told


def account_of(told: Treated) -> LotAccount:
    """The account of the lot."""
    overview = told.overview()
    return account(LOT, told.history(f"lot/{LOT}"), uses_by_lot(overview.subjects).get(LOT, []))


@given(MOVES)
def test_the_balance_closes_for_any_movements(moves: list[Move]) -> None:
    """Received = used + returned + destroyed + in stock, each bag counted once."""
    found = account_of(told_of(moves))
    assert found.received == sum(found.count(standing) for standing in BagStanding)
    assert found.received == len({bag for move, bag, _ in moves if move == "receive"})


@given(MOVES, st.randoms(use_true_random=False))
def test_the_order_of_recording_does_not_change_the_balance(
    moves: list[Move], random: object
) -> None:
    """What occurred at the same times gives the same account in any order of the log."""
    shuffled = [*moves]
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    one, other = account_of(told_of(moves)), account_of(told_of(shuffled))
    assert [(bag.bag, bag.standing) for bag in one.bags] == [
        (bag.bag, bag.standing) for bag in other.bags
    ]
    assert sorted((row.since, row.message) for row in one.discrepancies) == sorted(
        (row.since, row.message) for row in other.discrepancies
    )


@given(MOVES)
def test_each_discrepancy_is_one_finding_an_event(moves: list[Move]) -> None:
    """DV-30: findings and discrepancies name the same events, each event once."""
    told = told_of(moves)
    anchors = [finding.anchor for _, finding in RECONCILED.check(told.overview())]
    assert len(set(anchors)) == len(anchors)
    assert set(anchors) == {row.event for row in account_of(told).discrepancies}


class Asked(History):
    """A history that counts how often its facts are asked for."""

    times = 0

    def of(self, *types: str) -> list[Fact]:
        """As ever, and counted."""
        self.times += 1
        return super().of(*types)


def test_a_lot_of_many_bags_is_read_no_more_often_than_a_small_one() -> None:
    """Whoever posts thousands of receipts does not stop the projections."""
    times = []
    for bags in (2, 40):
        told = told_of([("receive", f"B-{number:04d}", 0) for number in range(bags)])
        records = Asked(row for row in told.records if row.stream == f"lot/{LOT}")
        account(LOT, records, [])
        times.append(records.times)
    assert times[0] == times[1]


def test_an_orderly_lot_shows_no_discrepancy() -> None:
    """A used bag whose rest is destroyed stays used; a bag in stock is found at the count."""
    told = Treated().treated()
    told.infuse()
    told.bag("destroyed", BAG, later(GIVEN, hours=2))
    told.count(later(GIVEN, hours=3), SECOND_BAG)
    found = account_of(told)
    assert found.discrepancies == ()
    assert found.count(BagStanding.USED) == found.count(BagStanding.IN_STOCK) == 1


def test_a_bag_missing_at_the_count_is_found() -> None:
    """DV-30: what should be in stock and is not."""
    told = Treated().treated()
    anchor = told.count(later(GIVEN, days=-5))
    ((subject, finding),) = RECONCILED.check(told.overview())
    assert (subject, finding.anchor) == (None, anchor)
    assert BAG in finding.message
    assert SECOND_BAG in finding.message


def test_a_bag_released_to_a_subject_need_not_be_in_the_store() -> None:
    """DV-30: a bag on its way to the bedside is no loss."""
    told = Treated().treated()
    told.count(later(GIVEN, minutes=-30), SECOND_BAG)
    assert list(RECONCILED.check(told.overview())) == []


def test_a_used_bag_found_in_stock_is_found() -> None:
    """DV-30: what cannot be there is a discrepancy too."""
    told = Treated().treated()
    told.infuse()
    told.count(later(GIVEN, hours=1), BAG, SECOND_BAG)
    ((_, finding),) = RECONCILED.check(told.overview())
    assert BAG in finding.message


def test_one_bag_in_two_subjects_is_found_at_the_second() -> None:
    """DV-30: the finding names the subject of the second use."""
    told = Treated().treated()
    told.infuse()
    second = told.infuse(later(GIVEN, hours=1), subject="SY01-0008")
    ((subject, finding),) = RECONCILED.check(told.overview())
    assert (subject, finding.anchor) == ("SY01-0008", second)


def test_a_voided_use_returns_the_bag_to_stock() -> None:
    """The balance reads voided records as not there."""
    told = Treated().treated()
    told.void(told.infuse(), "treatment/SY01-0007")
    assert account_of(told).count(BagStanding.IN_STOCK) == 2


def test_a_lot_is_released_until_it_is_barred() -> None:
    """A quarantine ends with a new release, a recall never does."""
    told = Treated().treated()
    told.bar_lot("quarantined", GIVEN)
    told.release_lot(later(GIVEN, hours=1))
    told.bar_lot("recalled", later(GIVEN, hours=2))
    told.release_lot(later(GIVEN, hours=3))
    lot = told.history(f"lot/{LOT}")
    start = lot.of("lot.quarantined.v1")[0].occurred_at
    hours = [lot.of("lot.released.v1")[1].occurred_at, lot.of("lot.recalled.v1")[0].occurred_at]
    last = lot.of("lot.released.v1")[2].occurred_at
    assert [lot_standing(lot, at) for at in (start, *hours, last)] == [
        LotStanding.QUARANTINED,
        LotStanding.RELEASED,
        LotStanding.RECALLED,
        LotStanding.RECALLED,
    ]
