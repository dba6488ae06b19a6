"""Keys, roles, delegations, training with their dates: who could do what when (R-34, R-61)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ledger.rules.delegation import TRAINED
from ledger.rules.members import text
from projections.attribution import author
from projections.times import optional_text, utc_text

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from ledger.history import Fact, History
    from ledger.signing.register import Delegation, Grant, Key, Register
    from ledger.signing.strict_json import JsonObject, JsonValue

GRANTED = "role.granted.v1"
REVOKED = "role.revoked.v1"
DELEGATED = "staff.delegated.v1"
DELEGATION_ENDED = "delegation.ended.v1"
KEY_REVOKED = "key.revoked.v1"
APPROVED = "document.approved.v1"
ACTIVATED = "site.activated.v1"


def register_view(register: Register) -> JsonObject:
    """The register as it stands: keys, grants, delegations, training, each with its dates."""
    times = {fact.seq: fact.record.recorded_at for fact in register.facts.values()}
    keys = [_key(register, key, times.get) for key in register.keys.values()]
    grants = [
        _grant(register, grant, times.get) for rows in register.grants.values() for grant in rows
    ]
    delegations = [
        _delegation(register, row) for rows in register.delegations.values() for row in rows
    ]
    return {
        "sponsor": register.sponsor,
        "keys": [*keys],
        "grants": [*grants],
        "delegations": [*delegations],
        "training": [_training(register, fact) for fact in register.of(TRAINED)],
    }


def documents_view(trial: History, register: Register) -> JsonObject:
    """Documents with their approvals, in order of decision."""
    return {
        "documents": [
            {
                "event": fact.id,
                "seq": fact.seq,
                "by": author(fact.record, register),
                "recorded": utc_text(fact.record.recorded_at),
                "voided": False,
                **fact.data,
            }
            for fact in trial.of(APPROVED)
        ]
    }


def _key(register: Register, key: Key, time_of: Callable[[int], datetime | None]) -> JsonObject:
    revocation = _at(register, KEY_REVOKED, key.revoked)
    reason = revocation.data.get("reason") if revocation is not None else None
    registration = _at(register, "key.registered.v1", key.registered)
    return {
        "kid": key.kid,
        "owner": key.owner,
        "name": key.name,
        "kind": key.kind,
        "organisation": key.organisation,
        "algorithm": min(algorithm.value for algorithm in key.jwk.algorithms),
        "jwk": key.jwk.as_object(),
        "source_prefix": key.source_prefix,
        "registered": key.registered,
        "registered_at": optional_text(time_of(key.registered)),
        "registered_by": author(registration.record, register)["person"] if registration else None,
        "identity_proof": text(registration.data, "identity_proof") if registration else None,
        "revoked": key.revoked,
        "revoked_at": optional_text(key.revoked_at),
        "revoked_reason": reason,
        "compromised_since": optional_text(key.compromised_since),
    }


def _grant(
    register: Register, grant: Grant, time_of: Callable[[int], datetime | None]
) -> JsonObject:
    granted = _at(register, GRANTED, grant.granted)
    revoked = None if grant.withdrawn is None else _at(register, REVOKED, grant.withdrawn)
    return {
        "holder": grant.holder,
        "name": register.name_of(grant.holder),
        "role": grant.role.value,
        "scope": grant.scope,
        "physician": grant.physician,
        "granted": grant.granted,
        "granted_at": optional_text(time_of(grant.granted)),
        "granted_by": author(granted.record, register)["person"] if granted else None,
        "revoked": grant.withdrawn,
        "revoked_at": None if grant.withdrawn is None else optional_text(time_of(grant.withdrawn)),
        "revoked_by": author(revoked.record, register)["person"] if revoked else None,
    }


def _delegation(register: Register, row: Delegation) -> JsonObject:
    fact = register.facts[row.id]
    return {
        "event": row.id,
        "person": row.person,
        "name": register.name_of(row.person),
        "site": row.site,
        "tasks": [*sorted(task.value for task in row.tasks)],
        "physician": row.physician,
        "from": row.starts,
        "to": row.ends,
        "recorded": row.recorded,
        "recorded_at": utc_text(fact.record.recorded_at),
        "delegated_by": author(fact.record, register),
        "training": [
            training.id
            for training in register.of(TRAINED)
            if text(training.data, "person") == row.person
        ],
    }


def _training(register: Register, fact: Fact) -> JsonValue:
    person = text(fact.data, "person") or ""
    return {
        "event": fact.id,
        "seq": fact.seq,
        "person": person,
        "name": register.name_of(person),
        "course": text(fact.data, "course"),
        "version": text(fact.data, "version"),
        "completed_on": text(fact.data, "completed_on"),
        "tasks": fact.data.get("tasks"),
        "attested_by": author(fact.record, register),
        "recorded_at": utc_text(fact.record.recorded_at),
    }


def _at(register: Register, type_name: str, seq: int | None) -> Fact | None:
    return next((fact for fact in register.of(type_name) if fact.seq == seq), None)
