"""The people and systems of the demonstration, with keys that its seed determines.

Whoever knows the seed holds every one of these keys. They are for a demonstration and for
nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from api.demonstration.dice import derive
from ledger.signing.jwk import Curve, SigningKey
from ledger.vocabulary import Role, Task

SITE: Final = "SY01"
HOSPITAL: Final = "General Hospital of Northern Theater Command"
SPONSOR: Final = "sponsor-root"
REGISTRAR: Final = "registrar"
STATISTICIAN: Final = "statistician"
ETHICS: Final = "ethics"
PI: Final = "pi"
EDC: Final = "edc"
IRT: Final = "irt"
LIMS: Final = "lims"

ALL_TASKS: Final = tuple(Task)


@dataclass(frozen=True, slots=True)
class Member:
    """One person or system: source URI, printed name, role, and the tasks delegated to it."""

    name: str
    id: str
    printed: str
    role: Role
    kind: str = "person"
    physician: bool = False
    tasks: tuple[Task, ...] = ()
    curve: Curve = Curve.ED25519
    scope: str = f"site/{SITE}"

    @property
    def organisation(self) -> str:
        """The organisation the member belongs to."""
        if self.id.startswith("/ethics-committee/"):
            return f"Ethics Committee of {HOSPITAL}"
        return HOSPITAL


def _person(name: str, number: str, printed: str, role: Role, *tasks: Task) -> Member:
    return Member(name, f"/sites/{SITE}/persons/{number}", printed, role, tasks=tasks)


def _physician(name: str, number: str, printed: str, role: Role, *tasks: Task) -> Member:
    return Member(
        name, f"/sites/{SITE}/persons/{number}", printed, role, physician=True, tasks=tasks
    )


def _system(name: str, printed: str, *, curve: Curve = Curve.ED25519) -> Member:
    return Member(
        name,
        f"/sites/{SITE}/systems/{name}",
        printed,
        Role.SITE_SYSTEM,
        kind="system",
        curve=curve,
    )


def _trial_wide(name: str, owner: str, printed: str, role: Role) -> Member:
    return Member(name, owner, printed, role, scope="trial")


_DUTIES: Final = (
    Task.CONSENT,
    Task.ELIGIBILITY,
    Task.RANDOMIZATION,
    Task.ASSESSMENT,
    Task.SAFETY_REPORTING,
    Task.UNBLINDING,
    Task.DATA_ENTRY,
)
_NURSING: Final = (Task.INFUSION, Task.DATA_ENTRY, Task.ASSESSMENT, Task.SAFETY_REPORTING)

CAST: Final[dict[str, Member]] = {
    member.name: member
    for member in (
        _trial_wide(SPONSOR, "/sponsor/persons/root", "Gao Min", Role.SPONSOR),
        _trial_wide(REGISTRAR, "/sponsor/persons/registrar-01", "Xu Wen", Role.REGISTRAR),
        _trial_wide(STATISTICIAN, "/sponsor/persons/stat-01", "Shen Rui", Role.STATISTICIAN),
        _trial_wide(
            ETHICS, "/ethics-committee/persons/chair-01", "Tang Hua", Role.ETHICS_COMMITTEE
        ),
        _trial_wide("monitor", "/sponsor/persons/monitor-01", "He Ping", Role.MONITOR),
        _physician(PI, "pi-01", "Dr Li Jun", Role.PRINCIPAL_INVESTIGATOR, *ALL_TASKS),
        _physician("si-1", "si-01", "Dr Wang Lei", Role.SUB_INVESTIGATOR, *_DUTIES),
        _physician("si-2", "si-02", "Dr Zhao Yan", Role.SUB_INVESTIGATOR, *_DUTIES),
        _person(
            "crc", "crc-01", "Sun Li", Role.STUDY_COORDINATOR, Task.DATA_ENTRY, Task.RANDOMIZATION
        ),
        _person("nurse-1", "nurse-01", "Zhou Jing", Role.STUDY_NURSE, *_NURSING),
        _person("nurse-2", "nurse-02", "Wu Fang", Role.STUDY_NURSE, *_NURSING),
        _person("nurse-3", "nurse-03", "Zheng Na", Role.STUDY_NURSE, *_NURSING),
        _person("pharmacist", "pharm-01", "Feng Tao", Role.PHARMACIST, Task.PRODUCT_HANDLING),
        _person("lab", "lab-01", "Chen Bo", Role.LABORATORY, Task.ASSESSMENT),
        _person("assessor", "oa-01", "Dr Liu Xin", Role.OUTCOME_ASSESSOR, Task.ASSESSMENT),
        _system(EDC, "Electronic data capture"),
        _system(IRT, "Interactive response technology", curve=Curve.P256),
        _system(LIMS, "Laboratory information system", curve=Curve.P256),
    )
}
"""Everybody who signs, by the short name that the plan uses."""

SUCCESSOR: Final = "nurse-2-new"
"""The key that nurse-2 gets after hers was revoked; the person stays the same."""

_OWNER: Final = {SUCCESSOR: "nurse-2"}


def member_of(signer: str) -> Member:
    """Who holds the key that the plan calls ``signer``."""
    return CAST[_OWNER.get(signer, signer)]


def key_of(seed: bytes, signer: str) -> SigningKey:
    """The key of a signer; the same seed always gives the same key."""
    return SigningKey.from_seed(derive(seed, f"key/{signer}"), curve=member_of(signer).curve)


def signers() -> tuple[str, ...]:
    """All keys of the demonstration by the plan's names."""
    return (*CAST, SUCCESSOR)
