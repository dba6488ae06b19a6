"""The consent register of one subject: scopes, forms signed, withdrawals (R-41 to R-49)."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from ledger.rules.consent import (
    DECLINED,
    OBTAINED,
    RENEWED,
    REQUIRED,
    WITHDRAWN,
    Consents,
    ConsentStanding,
    consents_of,
)
from ledger.rules.consent_validity import CAPACITY
from ledger.rules.derivation import observed_at
from ledger.rules.members import flag, instant, instant_or_time, shape, stopped_at, text, texts
from ledger.rules.treatment import ADMINISTERED
from projections.times import optional_text, standings, utc_text, when

if TYPE_CHECKING:
    from ledger.history import Fact
    from ledger.rules.case import Case
    from ledger.rules.consent import GivenConsent
    from ledger.signing.strict_json import JsonObject, JsonValue

DISCUSSION = "consent.discussion-held.v1"
PROCEDURES = (
    "procedure.recorded.v1",
    "lab-result.recorded.v1",
    "pregnancy-test.recorded.v1",
    "clinical-assessment.recorded.v1",
    ADMINISTERED,
)
"""What counts as a procedure of the trial; a procedure of usual care says so itself."""

_TICK = timedelta(microseconds=1)


def consent_view(case: Case) -> JsonObject:
    """The consent register of a subject.

    Members: ``scopes`` (standing by scope), ``consents`` (each form as signed, with findings),
    ``discussions``, ``capacity``, ``declined``, ``obligations``, ``withdrawals`` and the first
    procedure, which consent must precede.
    """
    consents, first = consents_of(case), _first_procedure(case)
    return {
        "scopes": _scopes(case, consents),
        "first_valid": _first_valid(consents),
        "first_procedure": _procedure(first),
        "consents": [_consent(case, row, first) for row in consents.given],
        "discussions": [_plain(case, fact) for fact in case.records.of(DISCUSSION)],
        "capacity": [_plain(case, fact) for fact in case.records.of(CAPACITY)],
        "declined": [_plain(case, fact) for fact in case.records.of(DECLINED)],
        "obligations": [_plain(case, fact) for fact in case.records.of(REQUIRED)],
        "withdrawals": [_withdrawal(case, fact) for fact in case.records.of(WITHDRAWN)],
    }


def _scopes(case: Case, consents: Consents) -> list[JsonValue]:
    changes = _instants(case, consents)
    return [
        {
            "scope": scope,
            "standings": standings(changes, lambda at, s=scope: _standing(consents, s, at)),  # type: ignore[misc]
        }
        for scope in case.protocol.consent.scopes
    ]


def _instants(case: Case, consents: Consents) -> list[datetime]:
    """Every instant at which consent to some scope may come to stand otherwise."""
    found = [row.given_at for row in consents.given]
    found += [stopped_at(fact, "effective_at") for fact in case.records.of(DECLINED, WITHDRAWN)]
    found += [fact.occurred_at for fact in case.records.of(REQUIRED, CAPACITY)]
    # The day a renewal falls due is known only from the standing itself.
    for at in list(found):
        for scope in case.protocol.consent.scopes:
            due = consents.standing(scope, at).due
            if due is not None:
                found.append(due + _TICK)
    return found


def _standing(consents: Consents, scope: str, at: datetime) -> JsonObject:
    found: ConsentStanding = consents.standing(scope, at)
    return {
        "state": found.state.value,
        "valid": found.valid,
        "version": found.version,
        "event": found.event,
        "due": optional_text(found.due),
        "reason": found.reason,
    }


def _first_valid(consents: Consents) -> JsonValue:
    first = consents.first_valid()
    return None if first is None else {"event": first.fact.id, "at": utc_text(first.given_at)}


def _consent(case: Case, row: GivenConsent, first: Fact | None) -> JsonObject:
    data = row.fact.data
    representative, witness = shape(data, "representative"), shape(data, "witness")
    leader = text(data, "leader")
    return {
        "event": row.fact.id,
        "seq": row.fact.seq,
        "type": row.fact.type,
        "renewal": row.fact.type == RENEWED,
        "icf_version": row.version,
        "icf_sha256": text(data, "icf_sha256"),
        "language": text(data, "language"),
        "scopes": list(texts(data, "scopes")),
        "given_at": utc_text(row.given_at),
        "given_at_local": row.given_at.astimezone(case.zone).isoformat(),
        "given_by": text(data, "given_by"),
        "relation": text(representative, "relation") if representative else None,
        "ground": text(representative, "ground") if representative else None,
        "can_read": flag(data, "can_read"),
        "impartial_witness": flag(witness, "impartial") if witness else None,
        "witness_present_throughout": flag(witness, "present_throughout") if witness else None,
        "participant_signed_at": text(data, "participant_signed_at"),
        "leader": leader,
        "leader_name": case.register.name_of(leader) if leader else None,
        "leader_signed_at": text(data, "leader_signed_at"),
        "leader_delegated": not any(problem.rule == "DV-07" for problem in row.problems),
        "version_valid": not any(problem.rule == "DV-02" for problem in row.problems),
        "copy_given": flag(data, "copy_given"),
        "medium": text(data, "medium"),
        "before_procedures": _before(case, row, first),
        "valid": row.valid,
        "findings": [
            {"rule": p.rule, "message": p.message, "standing": p.standing.value}
            for p in row.problems
        ],
        **when(row.fact, case.zone),
    }


def _before(case: Case, row: GivenConsent, first: Fact | None) -> bool | None:
    """Whether a first consent came before every procedure; null when that cannot be told."""
    if first is None or row.fact.type != OBTAINED:
        return None
    signed, done = instant(row.fact.data, "participant_signed_at"), observed_at(first)
    if signed is None and case.local_date(row.given_at) == case.local_date(done):
        return None
    return row.given_at <= done


def _first_procedure(case: Case) -> Fact | None:
    done = [
        fact for fact in case.records.of(*PROCEDURES) if flag(fact.data, "for_trial") is not False
    ]
    return min(done, key=lambda fact: (observed_at(fact), fact.seq), default=None)


def _procedure(first: Fact | None) -> JsonValue:
    if first is None:
        return None
    return {"event": first.id, "type": first.type, "at": utc_text(observed_at(first))}


def _withdrawal(case: Case, fact: Fact) -> JsonObject:
    stated = texts(fact.data, "scopes")
    return {
        **_plain(case, fact),
        "scopes": list(stated or case.protocol.consent.scopes),
        "scopes_stated": bool(stated),
        "effective_at": utc_text(instant_or_time(fact, "effective_at")),
    }


def _plain(case: Case, fact: Fact) -> JsonObject:
    return {"event": fact.id, "seq": fact.seq, **when(fact, case.zone), "content": fact.data}
