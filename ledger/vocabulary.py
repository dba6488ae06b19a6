"""What the kernel must know of each event type: kind, stream, who may sign, what is sealed.

The table itself stands once, in ``ledger/events/``; ``vocabulary.json`` beside it is made from
it (``make docs``) so that a verifier, also one in another language, judges authority without the
schema library. A test holds the two together.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any

from ledger.signing.strict_json import Limits, parse

if TYPE_CHECKING:
    from collections.abc import Mapping


class Kind(StrEnum):
    """How an input is treated (DESIGN: commands act, facts report, judgements opine)."""

    COMMAND = "command"
    FACT = "fact"
    JUDGEMENT = "judgement"
    RESULT = "result"


class StreamFamily(StrEnum):
    """The family of streams a type belongs to; ``TARGET`` is the stream of the record it names."""

    TRIAL = "trial"
    ACCESS = "access"
    SITE = "site"
    SUBJECT = "subject"
    TREATMENT = "treatment"
    ALLOCATION = "allocation"
    LOT = "lot"
    TARGET = "target"
    ANY = "any"


class Purpose(StrEnum):
    """The purpose under which a sealed member's opening is kept and may be destroyed."""

    IDENTITY = "identity"
    TEXT = "text"
    ALLOCATION = "allocation"


class Role(StrEnum):
    """Roles a person or system can be granted (ICH E6(R3) 4.3.8; 21 CFR 11.10(d),(g))."""

    SPONSOR = "sponsor"
    REGISTRAR = "registrar"
    STATISTICIAN = "statistician"
    MONITOR = "monitor"
    AUDITOR = "auditor"
    INSPECTOR = "inspector"
    ETHICS_COMMITTEE = "ethics-committee"
    PRINCIPAL_INVESTIGATOR = "principal-investigator"
    SUB_INVESTIGATOR = "sub-investigator"
    STUDY_COORDINATOR = "study-coordinator"
    STUDY_NURSE = "study-nurse"
    PHARMACIST = "pharmacist"
    LABORATORY = "laboratory"
    OUTCOME_ASSESSOR = "outcome-assessor"
    SITE_SYSTEM = "site-system"


class Task(StrEnum):
    """Trial duties a principal investigator delegates (ICH E6(R3) 2.3, delegation log)."""

    CONSENT = "consent"
    ELIGIBILITY = "eligibility"
    RANDOMIZATION = "randomization"
    PRODUCT_HANDLING = "product-handling"
    INFUSION = "infusion"
    ASSESSMENT = "assessment"
    SAFETY_REPORTING = "safety-reporting"
    DATA_ENTRY = "data-entry"
    UNBLINDING = "unblinding"


@dataclass(frozen=True, slots=True)
class SigningRule:
    """Who may sign a type.

    ``ledger`` types are signed by the ledger's statement key alone. Otherwise any of ``roles``
    (in force for the site, or the trial) or any of ``tasks`` (delegated at the site at the time
    of the event) suffices; ``physician`` asks in addition for a delegation or role that states a
    physician. ``person`` means a person must sign (a fact without one is recorded unsigned; a
    command or judgement is refused). ``meanings`` limits what a person's signature may mean.
    """

    roles: frozenset[Role] = frozenset()
    tasks: frozenset[Task] = frozenset()
    meanings: frozenset[str] = frozenset()
    person: bool = False
    physician: bool = False
    ledger: bool = False


@dataclass(frozen=True, slots=True)
class TypeRule:
    """One row of the vocabulary without its payload schema."""

    name: str
    kind: Kind
    stream: StreamFamily
    signing: SigningRule
    meaning: str
    sealed: Mapping[str, Purpose]

    def to_json(self) -> dict[str, Any]:
        """The row as ``vocabulary.json`` holds it."""
        signing = self.signing
        return {
            "type": self.name,
            "kind": self.kind.value,
            "stream": self.stream.value,
            "meaning": self.meaning,
            "sealed": {name: purpose.value for name, purpose in sorted(self.sealed.items())},
            "signing": {
                "roles": sorted(signing.roles),
                "tasks": sorted(signing.tasks),
                "meanings": sorted(signing.meanings),
                "person": signing.person,
                "physician": signing.physician,
                "ledger": signing.ledger,
            },
        }

    @classmethod
    def from_json(cls, row: Mapping[str, Any]) -> TypeRule:
        """Read a row of ``vocabulary.json``; raises KeyError or ValueError on a broken file."""
        signing = row["signing"]
        return cls(
            name=row["type"],
            kind=Kind(row["kind"]),
            stream=StreamFamily(row["stream"]),
            meaning=row["meaning"],
            sealed={name: Purpose(purpose) for name, purpose in row["sealed"].items()},
            signing=SigningRule(
                roles=frozenset(Role(role) for role in signing["roles"]),
                tasks=frozenset(Task(task) for task in signing["tasks"]),
                meanings=frozenset(signing["meanings"]),
                person=signing["person"],
                physician=signing["physician"],
                ledger=signing["ledger"],
            ),
        )


@cache
def vocabulary() -> Mapping[str, TypeRule]:
    """All type rules by name, as shipped with this version."""
    data = resources.files("ledger.events").joinpath("vocabulary.json").read_bytes()
    rows = parse(data, limits=Limits(size=1_000_000, members=100_000))
    if not isinstance(rows, list):
        raise ValueError("vocabulary.json must hold a list of types")
    return {
        rule.name: rule
        for rule in (TypeRule.from_json(row) for row in rows if isinstance(row, dict))
    }
