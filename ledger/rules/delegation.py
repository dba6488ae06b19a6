"""Who acted and whether he might: person's signatures, roles, delegation, training.

Roles are judged at the record's position in the log, delegations and training by calendar days
at the site (ICH E6(R3) 2.3, delegation log; 21 CFR 11.10(i)).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ledger.rules.members import text, texts
from ledger.signing.register import TRIAL_SCOPE
from ledger.vocabulary import Role, Task, vocabulary

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import date

    from ledger.history import Fact
    from ledger.signing.register import Delegation, Register

TRAINED = "training.completed.v1"
VOUCHING = frozenset({"authorship", "approval", "responsibility"})
INVESTIGATORS = frozenset({Role.PRINCIPAL_INVESTIGATOR, Role.SUB_INVESTIGATOR})


def is_signed(fact: Fact) -> bool:
    """Whether a person signed the record, at once or afterwards; a system's key never counts.

    Counted are signatures by which a person answers for the content: who only reviewed or
    witnessed a record has not vouched for it, unless its type asks for that (21 CFR 11.50(a)(3)).
    """
    return any(True for _ in _vouching(fact))


def was_signed_before(fact: Fact, seq: int) -> bool:
    """Whether a person had signed the record before a position of the log."""
    return any(True for _ in _vouching(fact, before=seq))


def signers_of(fact: Fact, register: Register) -> list[str]:
    """The persons who vouch for the record, at once or afterwards, each once."""
    keys = [register.key(kid) for kid in _vouching(fact)]
    return list(dict.fromkeys(key.owner for key in keys if key is not None))


def _vouching(fact: Fact, *, before: int | None = None) -> Iterator[str]:
    rule = vocabulary().get(fact.type)
    meanings = VOUCHING | (rule.signing.meanings if rule is not None else frozenset())
    records = (row for row in (fact.record, *fact.signed_by) if before is None or row.seq < before)
    for record in records:
        for signature in record.statement.signatures:
            meant = signature.meaning
            if meant is not None and meant in meanings:
                yield signature.kid


def persons_of(fact: Fact, register: Register) -> list[str]:
    """The persons whose signatures stand on the record itself, in order of the signatures."""
    keys = [register.key(signature.kid) for signature in fact.record.statement.signatures]
    return [key.owner for key in keys if key is not None and key.kind == "person"]


def roles_at(register: Register, holder: str, site: str, seq: int) -> frozenset[Role]:
    """The roles a holder had for a site at a position of the log, trial-wide grants included."""
    return frozenset(
        grant.role
        for grant in register.grants.get(holder, ())
        if grant.scope in (TRIAL_SCOPE, f"site/{site}")
        and grant.granted < seq
        and (grant.withdrawn is None or grant.withdrawn > seq)
    )


def delegations_on(register: Register, person: str, site: str, day: date) -> list[Delegation]:
    """The delegations of a person at a site that cover a calendar day."""
    return register.delegated(person, site, day.isoformat())


def trained(register: Register, person: str, tasks: frozenset[Task], day: date) -> bool:
    """Whether the person had completed a training for one of the tasks by that day."""
    return any(
        text(fact.data, "person") == person
        and tasks.intersection(texts(fact.data, "tasks"))
        and (text(fact.data, "completed_on") or "9999-12-31") <= day.isoformat()
        for fact in register.of(TRAINED)
    )


def task_lacking(
    register: Register, person: str, *, task: Task, site: str, day: date, seq: int
) -> str | None:
    """Why a person might not do a delegated task, as a sentence; None when he might.

    An investigator needs no delegation; everyone else needs one for the day, and training.
    """
    if roles_at(register, person, site, seq) & INVESTIGATORS:
        return None
    if not any(task in row.tasks for row in delegations_on(register, person, site, day)):
        return f"{person} was not delegated the task {task} at {site} on {day}."
    if not trained(register, person, frozenset({task}), day):
        return f"No training of {person} for the task {task} was completed by {day}."
    return None
