"""Who signs what: the recurring signing rules of the vocabulary.

Investigators (principal and sub-investigators) may sign whatever their site's delegated staff may.
A site's system may transmit facts: where a person must sign, a fact under the system's signature
alone is recorded as unsigned. Sponsor roles sign nothing that is the investigator's data
(ICH E6(R3) 3.16.1(i)); monitors, auditors and inspectors sign nothing at all.
"""

from __future__ import annotations

from ledger.vocabulary import Role, SigningRule, Task

INVESTIGATORS = frozenset({Role.PRINCIPAL_INVESTIGATOR, Role.SUB_INVESTIGATOR})
RECORDERS = frozenset({Role.STUDY_COORDINATOR, Role.STUDY_NURSE})
AUTHORSHIP = frozenset({"authorship", "responsibility"})
APPROVAL = frozenset({"approval", "responsibility"})
EXPLAINED = frozenset({"consent-explained", "authorship", "responsibility"})
CHECKED = AUTHORSHIP | {"review", "witness"}


def reported(
    *tasks: Task,
    roles: frozenset[Role] = frozenset(),
    person: bool = False,
    meanings: frozenset[str] = AUTHORSHIP,
) -> SigningRule:
    """A fact of the site: investigators, the named roles and tasks, and the site's systems."""
    return SigningRule(
        roles=INVESTIGATORS | roles | {Role.SITE_SYSTEM},
        tasks=frozenset(tasks),
        meanings=meanings,
        person=person,
    )


def decided(
    *tasks: Task,
    roles: frozenset[Role] = frozenset(),
    physician: bool = False,
    meanings: frozenset[str] = APPROVAL,
) -> SigningRule:
    """A command or judgement of the site: a person signs, never a system."""
    return SigningRule(
        roles=INVESTIGATORS | roles,
        tasks=frozenset(tasks),
        meanings=meanings,
        person=True,
        physician=physician,
    )


def held_by(*roles: Role, person: bool = True, meanings: frozenset[str] = APPROVAL) -> SigningRule:
    """Only holders of the named roles."""
    return SigningRule(roles=frozenset(roles), meanings=meanings, person=person)
