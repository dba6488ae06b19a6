"""Who may say what, by what the log held at that moment."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from ledger.errors import LedgerError
from ledger.events.catalogue import example
from ledger.events.registry import EVENT_TYPES
from ledger.signing.jwk import SigningKey
from ledger.signing.register import LEDGER
from ledger.signing.statement import Meaning, Signer
from tests.build_ledger import (
    COORDINATOR,
    EDC,
    INVESTIGATOR,
    PHARMACIST,
    REGISTRAR,
    SITE,
    SPONSOR,
    STATISTICIAN,
    Party,
    identify,
    party,
)
from tests.ledger.build_service import (
    STREAM,
    SUBJECT,
    again,
    answer,
    bag,
    bilirubin,
    code_of,
    refusals,
    require_sound,
)

if TYPE_CHECKING:
    from ledger.signing.strict_json import JsonObject
    from tests.build_ledger import BuiltLedger, Signed

STRANGER = SigningKey.from_seed(b"x" * 32)
NURSE = "/sites/SY01/persons/crn-01"
SUB = "/sites/SY01/persons/si-01"
ELSEWHERE = "/sites/SY02/persons/pi-02"
REASON = {"code": "lost", "text": "The token was left in a taxi."}


def registration(
    built: BuiltLedger, who: Party, *, by: str = REGISTRAR, proof: bool = True, **owner: str
) -> Signed:
    """The registration of a key; with ``proof`` the new key signs too."""
    data: JsonObject = {
        "jwk": who.key.public.as_object(),
        "owner": {
            "kind": "person" if who.person else "system",
            "id": who.id,
            "name": who.name,
            **owner,
        },
    }
    if not who.person:
        data["source_prefix"] = who.id
    also = [Signer(key=who.key)] if proof else []
    return built.sign("key.registered.v1", "access", data, by=by, also=also)


def join(
    built: BuiltLedger, who: str, role: str | None = None, scope: str = f"site/{SITE}"
) -> None:
    """A further person with a key and perhaps a role."""
    built.parties[who] = party(who, f"Person {who[-5:]}")
    built.register(who)
    if role is not None:
        built.state(
            "role.granted.v1", "access", {"holder": who, "role": role, "scope": scope}, by=REGISTRAR
        )


def delegation(
    built: BuiltLedger,
    who: str,
    *tasks: str,
    first: str = "2024-02-01",
    last: str | None = None,
    physician: bool = False,
    by: str = INVESTIGATOR,
    site: str = SITE,
) -> Signed:
    """Tasks delegated to a person for some days."""
    data: JsonObject = {
        "person": who,
        "site": site,
        "qualification": {"physician": physician},
        "tasks": [*tasks],
        "from": first,
    }
    if last is not None:
        data["to"] = last
    return built.sign("staff.delegated.v1", "access", data, by=by)


def judgement(built: BuiltLedger, by: str, meaning: str = "authorship") -> Signed:
    """A criterion judged, which takes a physician with the duty."""
    data = dict(example(EVENT_TYPES["criterion.assessed.v1"].schema))
    data.pop("comment", None)
    return built.sign("criterion.assessed.v1", STREAM, data, by=by, meaning=meaning)


# --- authentic -------------------------------------------------------------------------------


def test_a_key_nobody_registered_signs_nothing(built: BuiltLedger) -> None:
    """Alone or beside a known key."""
    assert code_of(built, again(bag(built, 1), Signer(key=STRANGER))) == "authority.unknown-key"
    known = built.parties[EDC].key
    both = again(bag(built, 2), Signer(key=known), Signer(key=STRANGER))
    assert code_of(built, both) == "authority.unknown-key"


def test_every_signature_must_hold_not_just_one(built: BuiltLedger) -> None:
    """A forged second signature spoils the statement."""
    signed = bilirubin(built, "34.2")
    signers = [built.parties[who].signer("authorship", built.now) for who in
               (COORDINATOR, INVESTIGATOR)]  # fmt: skip
    text = again(signed, *signers).text
    last = text.rindex('"signature":"') + len('"signature":"')
    forged = text[:last] + ("B" if text[last] == "A" else "A") + text[last + 1 :]
    with pytest.raises(LedgerError) as refused:
        built.ledger.receive(forged, ())
    assert refused.value.code == "signature.invalid"


def test_a_revoked_key_signs_nothing_from_its_revocation_on(built: BuiltLedger) -> None:
    """What it signed before stays; what it signs afterwards is turned away, whatever its time."""
    before = answer(built, bag(built, 1)).outcome
    early = bag(built, 2)
    data: JsonObject = {"kid": built.parties[EDC].key.kid, "reason": dict(REASON)}
    revoked = built.state("key.revoked.v1", "access", data, by=REGISTRAR)
    assert code_of(built, early) == "authority.revoked-key"
    key = built.ledger.writer.state.register.key(str(data["kid"]))  # type: ignore[union-attr]
    assert key is not None
    assert (key.revoked is not None, key.compromised_since) == (True, None)
    assert before.seq < revoked.seq
    built.reopen()
    assert code_of(built, early) == "authority.revoked-key"


def test_a_compromised_key_keeps_since_when_it_is_doubtful(built: BuiltLedger) -> None:
    """The instant stands in the register, also after a restart; nothing is removed."""
    answer(built, bag(built, 1))
    since = "2024-02-01T09:30:00+08:00"
    data: JsonObject = {
        "kid": built.parties[EDC].key.kid,
        "reason": dict(REASON),
        "compromised_since": since,
    }
    size = built.state("key.revoked.v1", "access", data, by=REGISTRAR).seq + 2
    for _ in range(2):
        assert built.ledger.writer is not None
        key = built.ledger.writer.state.register.key(str(data["kid"]))
        assert key is not None
        assert key.compromised_since is not None
        assert key.compromised_since.isoformat() == "2024-02-01T01:30:00+00:00"
        assert built.ledger.application.store.head().size == size
        built.reopen()


def test_a_revoked_key_does_not_come_back(built: BuiltLedger) -> None:
    """Neither registered again nor for another owner (21 CFR 11.100(a))."""
    data: JsonObject = {"kid": built.parties[EDC].key.kid, "reason": dict(REASON)}
    built.state("key.revoked.v1", "access", data, by=REGISTRAR)
    one = built.parties[EDC]
    assert code_of(built, registration(built, one)) == "authority.revoked-key"
    assert code_of(built, bag(built, 1)) == "authority.revoked-key"


def test_a_person_signs_with_a_meaning(built: BuiltLedger) -> None:
    """21 CFR 11.50(a)(3): without it the signature is none."""
    signed = again(bilirubin(built, "34.2"), Signer(key=built.parties[COORDINATOR].key))
    assert code_of(built, signed) == "authority.person-without-meaning"


def test_a_system_signs_without_a_meaning(built: BuiltLedger) -> None:
    """A system's key never counts as a person."""
    key = built.parties[EDC].key
    signed = again(bag(built, 1), Signer(key=key, meaning=Meaning.AUTHORSHIP, iat=1706749200))
    assert code_of(built, signed) == "authority.system-with-meaning"


@pytest.mark.parametrize(
    ("source", "code"),
    [
        ("/sites/SY01/systems/edc", ""),
        ("/sites/SY01/systems/edc/module-1", ""),
        ("/sites/SY01/systems/edc-2", "authority.foreign-source"),
        ("/sites/SY01/systems/ed", "authority.foreign-source"),
        ("/sites/SY01/systems", "authority.foreign-source"),
        ("/sites/SY01/persons/pi-01", "authority.foreign-source"),
        ("/sites/SY02/systems/edc", "authority.foreign-source"),
        (LEDGER, "authority.foreign-source"),
    ],
)
def test_a_system_speaks_for_its_own_sources(built: BuiltLedger, source: str, code: str) -> None:
    """Its prefix ends at a path segment."""
    signed = built.sign("lot.received.v1", "lot/L-2024-01", bag(built, 1).event.data, by=EDC,
                        source=source)  # fmt: skip
    assert code_of(built, signed) == code


def test_a_person_speaks_for_himself_alone(built: BuiltLedger) -> None:
    """Another person's source is foreign, unless that person signs too."""
    signed = built.sign("lab-result.recorded.v1", STREAM, bilirubin(built, "3").event.data,
                        by=COORDINATOR, meaning="authorship", source=INVESTIGATOR)  # fmt: skip
    assert code_of(built, signed) == "authority.foreign-source"
    both = again(signed, *(built.parties[who].signer("authorship", built.now)
                           for who in (COORDINATOR, INVESTIGATOR)))  # fmt: skip
    assert code_of(built, both) == ""


# --- registration ----------------------------------------------------------------------------


def test_a_key_is_registered_with_proof_of_possession(built: BuiltLedger) -> None:
    """The new key signs the registration too; without it nothing of it enters the log."""
    nurse = party(NURSE, "Nurse He")
    size = built.ledger.application.store.head().size
    missing = registration(built, nurse, proof=False)
    assert code_of(built, missing) == "authority.no-proof-of-possession"
    assert built.ledger.application.store.head().size == size
    assert refusals(built, registration(built, nurse)) == []


def test_possession_is_proved_by_that_key_over_that_event(built: BuiltLedger) -> None:
    """A signature of the new key over another event is worth nothing."""
    nurse = party(NURSE, "Nurse He")
    one, other = registration(built, nurse), registration(built, nurse, name="Nurse Xu")
    pasted = one.text.replace(
        one.text[one.text.rindex('"signature":"') :],
        other.text[other.text.rindex('"signature":"') :],
    )
    with pytest.raises(LedgerError) as refused:
        built.ledger.receive(pasted, ())
    assert refused.value.code == "signature.invalid"


def test_a_key_alone_registers_nobody(built: BuiltLedger) -> None:
    """Self-certification is for entry 0; afterwards a registrar in force must sign."""
    nurse = party(NURSE, "Nurse He")
    alone = again(registration(built, nurse), Signer(key=nurse.key))
    assert code_of(built, alone) == "authority.foreign-source"
    assert refusals(built, registration(built, nurse, by=INVESTIGATOR)) == ["AU-04"]
    built.state("role.revoked.v1", "access", {"holder": REGISTRAR, "role": "registrar",
                "scope": "trial", "reason": dict(REASON)}, by=SPONSOR)  # fmt: skip
    assert refusals(built, registration(built, nurse)) == ["AU-04"]


def test_a_weak_key_is_refused_at_registration(built: BuiltLedger) -> None:
    """The identity point: under it anybody's signature would verify."""
    data: JsonObject = {
        "jwk": {
            "kty": "OKP",
            "crv": "Ed25519",
            "x": "AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
        },
        "owner": {"kind": "person", "id": NURSE, "name": "Nurse He"},
    }
    signed = built.sign("key.registered.v1", "access", data, by=REGISTRAR)
    size = built.ledger.application.store.head().size
    with pytest.raises(LedgerError, match="small order"):
        answer(built, signed)
    assert built.ledger.application.store.head().size == size


def test_nobody_registers_a_key_for_himself(built: BuiltLedger) -> None:
    """A registrar's own second key takes another registrar."""
    second = Party(REGISTRAR, "Registrar Chen", SigningKey.from_seed(b"2" * 32))
    assert refusals(built, registration(built, second)) == ["AU-05"]
    assert refusals(built, registration(built, second, by=SPONSOR)) == []


@pytest.mark.parametrize("also", [[], [SPONSOR]])
def test_nobody_grants_a_role_to_himself(built: BuiltLedger, also: list[str]) -> None:
    """Also when a second registrar signs beside him."""
    data: JsonObject = {"holder": REGISTRAR, "role": "sponsor", "scope": "trial"}
    signed = built.sign("role.granted.v1", "access", data, by=REGISTRAR)
    signers = [built.parties[who].signer("approval", built.now) for who in (REGISTRAR, *also)]
    assert refusals(built, again(signed, *signers)) == ["AU-05"]


def test_an_investigator_does_not_delegate_to_himself(built: BuiltLedger) -> None:
    """What he may do he may do without; qualification is for others to state."""
    signed = delegation(built, INVESTIGATOR, "unblinding", physician=True)
    assert refusals(built, signed) == ["AU-05"]


def test_a_key_belongs_to_one_owner_for_ever(built: BuiltLedger) -> None:
    """Registered once, never for a second owner; an owner keeps his name (21 CFR 11.100(a))."""
    taken = Party(NURSE, "Nurse He", built.parties[COORDINATOR].key)
    signed = registration(built, taken, proof=False)
    signers = [built.parties[who].signer("approval", built.now) for who in (REGISTRAR, COORDINATOR)]
    assert refusals(built, again(signed, *signers)) == ["GA-01"]
    renamed = Party(COORDINATOR, "Somebody Else", SigningKey.from_seed(b"3" * 32))
    assert refusals(built, registration(built, renamed)) == ["GA-02"]


@pytest.mark.parametrize("prefix", [EDC, f"{EDC}/module", "/sites/SY01/systems"])
def test_two_systems_never_share_a_source(built: BuiltLedger, prefix: str) -> None:
    """Neither equal nor one inside the other."""
    other = Party("/sites/SY01/systems/irt", "Site IRT", SigningKey.from_seed(b"4" * 32))
    data: JsonObject = {
        "jwk": other.key.public.as_object(),
        "owner": {"kind": "system", "id": other.id, "name": other.name},
        "source_prefix": prefix,
    }
    signed = built.sign("key.registered.v1", "access", data, by=REGISTRAR,
                        also=[Signer(key=other.key)])  # fmt: skip
    assert refusals(built, signed) == ["GA-03"]


def test_a_key_is_used_in_the_very_group_that_registered_it(built: BuiltLedger) -> None:
    """Sites send a registration and the first events in one batch."""
    nurse = built.parties[NURSE] = party(NURSE, "Nurse He")
    grant: JsonObject = {"holder": NURSE, "role": "study-nurse", "scope": f"site/{SITE}"}
    answers = built.record_all(
        [
            registration(built, nurse),
            built.sign("role.granted.v1", "access", grant, by=REGISTRAR),
            bilirubin(built, "34.2", by=NURSE),
        ]
    )
    assert [isinstance(given, LedgerError) for given in answers] == [False] * 3


def test_roles_go_to_owners_of_keys_and_end_once(built: BuiltLedger) -> None:
    """Granted to a stranger, revoked twice, a key revoked twice, the ledger's key revoked."""
    grant: JsonObject = {"holder": NURSE, "role": "study-nurse", "scope": f"site/{SITE}"}
    assert refusals(built, built.sign("role.granted.v1", "access", grant, by=REGISTRAR)) == [
        "GA-05"
    ]
    ended: JsonObject = {
        "holder": PHARMACIST,
        "role": "pharmacist",
        "scope": f"site/{SITE}",
        "reason": dict(REASON),
    }
    results = [refusals(built, built.sign("role.revoked.v1", "access", ended, by=REGISTRAR))
               for _ in range(2)]  # fmt: skip
    assert results == [[], ["GA-06"]]
    gone: JsonObject = {"kid": built.parties[PHARMACIST].key.kid, "reason": dict(REASON)}
    results = [refusals(built, built.sign("key.revoked.v1", "access", gone, by=REGISTRAR))
               for _ in range(2)]  # fmt: skip
    assert results == [[], ["GA-04"]]
    own: JsonObject = {"kid": built.keys.statement_key.kid, "reason": dict(REASON)}
    assert refusals(built, built.sign("key.revoked.v1", "access", own, by=SPONSOR)) == ["GA-04"]


# --- entitled --------------------------------------------------------------------------------


def test_a_person_of_another_site_records_nothing_here(built: BuiltLedger) -> None:
    """Not even with a role that holds in the whole trial."""
    join(built, ELSEWHERE, "principal-investigator", "trial")
    signed = bilirubin(built, "34.2", by=ELSEWHERE)
    size = built.ledger.application.store.head().size
    with pytest.raises(LedgerError, match="AU-06"):
        answer(built, signed)
    assert built.ledger.application.store.head().size == size


@pytest.mark.parametrize(
    ("time", "refused"),
    [
        ("2024-02-02T12:00:00+08:00", True),
        ("2024-02-03T00:00:00+08:00", False),
        ("2024-02-04T12:00:00+08:00", False),
        ("2024-02-05T23:59:59+08:00", False),
        ("2024-02-06T00:00:00+08:00", True),
    ],
)
def test_a_delegation_covers_its_first_and_its_last_day(
    built: BuiltLedger, time: str, *, refused: bool
) -> None:
    """Both inclusive; a judgement outside of them is turned away."""
    join(built, SUB)
    built.record(delegation(built, SUB, "eligibility", physician=True,
                            first="2024-02-03", last="2024-02-05"))  # fmt: skip
    built.tick(timedelta(days=30))
    signed = judgement(built, SUB)
    moved = built.sign(signed.event.type, STREAM, signed.event.data, by=SUB,
                       meaning="authorship", time=time)  # fmt: skip
    assert code_of(built, moved) == ("authority.not-entitled" if refused else "")


def test_a_delegation_that_ended_covers_its_last_day(built: BuiltLedger) -> None:
    """Ended by the investigator of that site, once."""
    join(built, SUB)
    begun = built.record(delegation(built, SUB, "eligibility", physician=True))
    data: JsonObject = {
        "delegation": begun.id,
        "person": SUB,
        "site": SITE,
        "ended_on": "2024-02-04",
        "reason": dict(REASON),
    }
    results = [refusals(built, built.sign("delegation.ended.v1", "access", data, by=INVESTIGATOR))
               for _ in range(2)]  # fmt: skip
    assert results == [[], ["GA-07"]]
    built.tick(timedelta(days=30))
    for time, code in (("2024-02-04T23:00:00+08:00", ""),
                       ("2024-02-05T01:00:00+08:00", "authority.not-entitled")):  # fmt: skip
        payload = judgement(built, SUB).event.data
        signed = built.sign("criterion.assessed.v1", STREAM, payload, by=SUB,
                            meaning="authorship", time=time)  # fmt: skip
        assert code_of(built, signed) == code


def test_a_medical_judgement_takes_a_physician(built: BuiltLedger) -> None:
    """The same delegation without the qualification does not carry it (ICH E6(R3) 2.7.1)."""
    join(built, SUB)
    join(built, NURSE)
    built.record(delegation(built, SUB, "eligibility", physician=True))
    built.record(delegation(built, NURSE, "eligibility", physician=False))
    assert code_of(built, judgement(built, SUB)) == ""
    assert code_of(built, judgement(built, NURSE)) == "authority.not-entitled"
    assert code_of(built, judgement(built, INVESTIGATOR)) == ""
    assert code_of(built, judgement(built, COORDINATOR)) == "authority.not-entitled"


def test_duties_are_delegated_by_the_investigator_of_that_site(built: BuiltLedger) -> None:
    """Neither by a coordinator, nor by the sponsor, nor by another site's investigator."""
    join(built, NURSE)
    join(built, ELSEWHERE, "principal-investigator", "site/SY02")
    assert refusals(built, delegation(built, NURSE, "consent", by=COORDINATOR)) == ["AU-04"]
    assert refusals(built, delegation(built, NURSE, "consent", by=SPONSOR)) == ["AU-04"]
    elsewhere = delegation(built, NURSE, "consent", by=ELSEWHERE)
    with pytest.raises(LedgerError, match="AU-06"):
        answer(built, elsewhere)
    assert refusals(built, delegation(built, NURSE, "consent")) == []


def test_a_command_without_entitlement_is_refused_and_recorded(built: BuiltLedger) -> None:
    """Request and refusal both stand in the log; the statistician identifies no subject."""
    signed = identify(built, 9, by=STATISTICIAN)
    assert refusals(built, signed) == ["AU-04"]
    assert built.ledger.find(signed.event.id) is not None
    assert refusals(built, identify(built, 9)) == []


def test_a_fact_without_entitlement_is_recorded_all_the_same(built: BuiltLedger) -> None:
    """It happened; the deviation is derived (DV-07, DV-39)."""
    assert code_of(built, bilirubin(built, "34.2", by=PHARMACIST)) == ""


def test_a_judgement_under_a_systems_key_is_turned_away(built: BuiltLedger) -> None:
    """Only persons judge; a fact that a person must sign is recorded unsigned instead."""
    data = judgement(built, INVESTIGATOR).event.data
    signed = built.sign("criterion.assessed.v1", STREAM, data, by=EDC)
    assert code_of(built, signed) == "authority.not-entitled"


def test_a_wrong_meaning_does_not_carry_a_judgement(built: BuiltLedger) -> None:
    """To have witnessed is not to have judged."""
    assert code_of(built, judgement(built, INVESTIGATOR, "witness")) == "authority.not-entitled"


@pytest.mark.parametrize(
    ("name", "stream", "by"),
    [
        ("trial.opened.v1", "trial", SPONSOR),
        ("command.accepted.v1", STREAM, INVESTIGATOR),
        ("command.refused.v1", f"treatment/{SUBJECT}", EDC),
        ("subject.randomized.v1", f"treatment/{SUBJECT}", INVESTIGATOR),
        ("bag.released.v1", f"treatment/{SUBJECT}", PHARMACIST),
        ("dossier.issued.v1", "trial", SPONSOR),
    ],
)
def test_nobody_speaks_for_the_ledger(built: BuiltLedger, name: str, stream: str, by: str) -> None:
    """Results and entry 0 carry the ledger's own signature; nothing else of that type enters."""
    if name == "trial.opened.v1":
        data = dict(built.ledger.genesis.record.data)
    else:
        data = dict(example(EVENT_TYPES[name].schema))
    size = built.ledger.application.store.head().size
    signed = built.sign(name, stream, data, by=by)
    assert code_of(built, signed) != ""
    assert built.ledger.application.store.head().size == size


@pytest.mark.parametrize(
    ("time", "code"),
    [
        ("2024-02-02T15:59:59Z", "authority.not-entitled"),
        ("2024-02-02T16:00:00Z", ""),
        ("2024-02-03T15:59:59Z", ""),
        ("2024-02-03T16:00:00Z", "authority.not-entitled"),
    ],
)
def test_days_of_a_delegation_are_the_sites_whatever_offset_is_sent(
    built: BuiltLedger, time: str, code: str
) -> None:
    """3 February in Shanghai begins at 16:00 UTC on the day before."""
    join(built, SUB)
    built.record(delegation(built, SUB, "eligibility", physician=True,
                            first="2024-02-03", last="2024-02-03"))  # fmt: skip
    built.tick(timedelta(days=30))
    data = judgement(built, SUB).event.data
    signed = built.sign("criterion.assessed.v1", STREAM, data, by=SUB,
                        meaning="authorship", time=time)  # fmt: skip
    assert code_of(built, signed) == code
    require_sound(built)


def test_a_command_dated_back_finds_no_ended_delegation(built: BuiltLedger) -> None:
    """A command acts now: a delegation that has ended does not carry it, whatever it is dated."""
    join(built, SUB)
    built.record(delegation(built, SUB, "randomization", physician=True,
                            first="2024-02-01", last="2024-02-03"))  # fmt: skip
    built.tick(timedelta(days=30))
    data = dict(example(EVENT_TYPES["subject.randomization-requested.v1"].schema))
    signed = built.sign("subject.randomization-requested.v1", STREAM, data, by=SUB,
                        meaning="authorship", time="2024-02-02T12:00:00+08:00")  # fmt: skip
    assert refusals(built, signed) == ["AU-04"]
    require_sound(built)


@pytest.mark.parametrize("name", ["document.approved.v1", "training.completed.v1"])
@pytest.mark.parametrize("by", [EDC, PHARMACIST])
def test_nobody_without_the_office_approves_documents_or_attests_training(
    built: BuiltLedger, name: str, by: str
) -> None:
    """Guards rely on both, so a claim is no fact: it is turned away and kept aside."""
    stream = "trial" if name.startswith("document") else "access"
    data = dict(example(EVENT_TYPES[name].schema))
    meaning = None if by == EDC else "approval"
    signed = built.sign(name, stream, data, by=by, meaning=meaning)
    assert code_of(built, signed) == "authority.not-entitled"
