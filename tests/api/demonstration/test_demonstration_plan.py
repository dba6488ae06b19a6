"""The plan is the same each time, complete, in order, and made of valid signed events."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from functools import cache

import pytest

from api.demonstration.days import OPENED
from api.demonstration.dice import seed_bytes
from api.demonstration.mess import Mess
from api.demonstration.participants import ARM_STORIES, STORIES
from api.demonstration.people import member_of
from api.demonstration.plan import ENVELOPE, REQUESTED, plan
from api.demonstration.signing import Hand, identities
from api.demonstration.step import Expected, Step
from ledger.errors import RejectedInput
from ledger.events.registry import EVENT_TYPES
from ledger.signing.envelope import UUID7, parse_event
from ledger.signing.rfc3339 import parse_rfc3339
from ledger.signing.sealing import open_sealed
from ledger.signing.statement import parse_statement, verify_signature
from ledger.trials import load_trial
from ledger.vocabulary import Kind

LAST_DAY = datetime(2025, 3, 1, tzinfo=UTC)
NOT_A_SENDERS = {"trial.opened.v1", "dossier.issued.v1"}
NOT_SHOWN = {"personal-data.erased.v1", "personal-data.restricted.v1"}
"""Orders that take away what the demonstration is there to show; they have tests of their own."""


@cache
def steps(seed: int = 1) -> tuple[Step, ...]:
    """The plan of one seed."""
    return tuple(plan(load_trial("xhnkky-dfsc"), seed_bytes(seed)))


def test_the_same_seed_gives_the_same_steps() -> None:
    """Nothing but definition and seed decides."""
    assert tuple(plan(load_trial("xhnkky-dfsc"), seed_bytes(1))) == steps(1)


def test_another_seed_gives_other_steps() -> None:
    """The seed reaches ids and values."""
    assert not {step.id for step in steps(1)} & {step.id for step in steps(2)}


@pytest.mark.parametrize("seed", [1, 2, 3, 99])
def test_steps_come_in_the_order_in_which_they_are_recorded(seed: int) -> None:
    """The ledger's time never goes back."""
    times = [step.recorded_at for step in steps(seed)]
    assert times == sorted(times)
    assert times[0] > OPENED
    assert times[-1] < LAST_DAY


@pytest.mark.parametrize("seed", [1, 2, 3, 99])
def test_nothing_is_posted_before_it_happened(seed: int) -> None:
    """A demonstration does not report the future, and no step claims a naive time but the one."""
    naive = []
    for step in steps(seed):
        try:
            occurred = parse_rfc3339(step.time)
        except RejectedInput:
            naive.append(step.remark.mess)
            continue
        assert occurred <= step.recorded_at, step
    assert naive == [Mess.NAIVE_TIME]


@pytest.mark.parametrize("seed", [1, 2, 3, 99])
def test_every_kind_of_mess_is_shown(seed: int) -> None:
    """The summary never has to say that something is missing."""
    assert {step.remark.mess for step in steps(seed)} - {None} == set(Mess)


@pytest.mark.parametrize("seed", [1, 2, 3, 99])
def test_exactly_the_planned_number_is_randomized(seed: int) -> None:
    """91 by the ledger, one from an envelope, and one more asks in vain."""
    asked = [step for step in steps(seed) if step.type == REQUESTED]
    accepted = {step.stream for step in asked if step.expect is Expected.RECORDED}
    envelopes = [step for step in steps(seed) if step.type == ENVELOPE]
    full = [step for step in asked if step.remark.mess is Mess.TRIAL_FULL]
    planned = load_trial("xhnkky-dfsc").protocol.planned_number
    assert len(accepted) + len(envelopes) == planned
    assert [step.expect for step in full] == [Expected.REFUSED]
    assert full[0].recorded_at > max(step.recorded_at for step in asked if step.slot is not None)


@pytest.mark.parametrize("seed", [1, 2, 3, 99])
def test_every_slot_is_used_in_its_order(seed: int) -> None:
    """Slots of a stratum are foreseen from 1 on without a gap, envelope included."""
    used: dict[object, list[object]] = {}
    for step in steps(seed):
        if step.slot is not None:
            used.setdefault(step.slot[0], []).append(step.slot[1])
        if step.type == ENVELOPE:
            used.setdefault(step.data["stratum"], []).append(step.data["slot"])
    assert all(slots == list(range(1, len(slots) + 1)) for slots in used.values())


@pytest.mark.parametrize("seed", [1, 2, 3, 99])
def test_every_payload_satisfies_the_schema_of_its_type(seed: int) -> None:
    """Also what is to be refused is well-formed; what is rejected fails by its envelope."""
    for step in steps(seed):
        EVENT_TYPES[step.type].check(step.data)


def test_every_type_that_a_sender_can_post_is_used() -> None:
    """The demonstration shows the whole vocabulary."""
    senders = {
        name
        for name, row in EVENT_TYPES.items()
        if row.rule.kind is not Kind.RESULT and name not in NOT_A_SENDERS
    }
    assert {step.type for step in steps()} == senders - NOT_SHOWN


@pytest.mark.parametrize("seed", [1, 2, 3, 99])
def test_no_bag_is_infused_twice(seed: int) -> None:
    """Each infusion takes a bag of its own."""
    bags = [
        (str(step.data["lot"]), str(bag))
        for step in steps(seed)
        if step.type == "infusion.administered.v1" and isinstance(step.data["bag_ids"], list)
        for bag in step.data["bag_ids"]
    ]
    assert max(Counter(bags).values()) == 1


def test_ids_are_uuids_and_repeat_only_where_the_mess_wants_it() -> None:
    """An id names one event for ever."""
    ids = Counter(step.id for step in steps())
    assert all(UUID7.fullmatch(name) for name in ids)
    twice = {name for name, times in ids.items() if times > 1}
    shown = {step.id for step in steps() if step.remark.mess in (Mess.DUPLICATE, Mess.ID_REUSED)}
    assert twice == shown


def test_persons_sign_with_a_meaning_and_systems_without() -> None:
    """21 CFR 11.50(a)(3), and a system's key is nobody's signature."""
    for step in steps():
        for mark in step.marks:
            assert (mark.meaning is not None) == (member_of(mark.signer).kind == "person")
            if mark.meaning is not None:
                assert mark.meaning in EVENT_TYPES[step.type].rule.signing.meanings


def test_no_sealed_member_goes_out_in_clear_and_all_signatures_hold() -> None:
    """What is signed seals what must be sealed and opens to the plan's data again."""
    seed = seed_bytes(1)
    people = identities(seed)
    hand = Hand("XHNKKY-DFSC", seed, people)
    keys = {identity.key.kid: identity.key.public for identity in people.values()}
    for step in steps()[::7]:
        if step.remark.mess is Mess.NAIVE_TIME:
            continue
        signed = hand.sign(step)
        statement = parse_statement(signed.text)
        for signature in statement.signatures:
            verify_signature(statement, signature, keys[signature.kid])
        event = parse_event(statement.payload)
        assert not set(EVENT_TYPES[step.type].rule.sealed) & set(event.data)
        opened, _, missing = open_sealed(event.data, signed.disclosures)
        assert (opened, list(missing)) == (step.data, [])


def test_signing_a_step_twice_gives_the_same_bytes() -> None:
    """Otherwise the same seed would not give the same head."""
    seed = seed_bytes(1)
    first, second = (Hand("XHNKKY-DFSC", seed, identities(seed)) for _ in range(2))
    for step in steps()[::31]:
        assert first.sign(step) == second.sign(step)


def test_stories_fall_to_people_who_are_randomized() -> None:
    """No story waits in the life of somebody who never comes so far."""
    randomized = {step.subject for step in steps() if step.slot or step.type == ENVELOPE}
    assert {f"SY01-{number:04}" for number in STORIES} <= randomized
    assert {mess for mess, _ in ARM_STORIES}.isdisjoint(STORIES.values())
