"""Sites and their staff for load: any number of them, each with keys of their own."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from api.identity import Identity
from ledger.signing.jwk import SigningKey

if TYPE_CHECKING:
    from collections.abc import Sequence

SPONSOR: Final = "/sponsor/persons/root"
REGISTRAR: Final = "/sponsor/persons/registrar-01"
STATISTICIAN: Final = "/sponsor/persons/stat-01"
ETHICS: Final = "/ethics-committee/persons/chair-01"


@dataclass(frozen=True, slots=True)
class Staff:
    """One person or system: its identity, the role it is granted and the tasks delegated to it."""

    identity: Identity
    role: str
    scope: str
    tasks: tuple[str, ...] = ()
    physician: bool = False

    @property
    def id(self) -> str:
        """The source URI."""
        return self.identity.source


@dataclass(frozen=True, slots=True)
class Site:
    """A site with the four who sign its events."""

    name: str
    investigator: Staff
    coordinator: Staff
    capture: Staff
    laboratory: Staff

    @property
    def staff(self) -> Sequence[Staff]:
        """Everybody of the site."""
        return (self.investigator, self.coordinator, self.capture, self.laboratory)


def identity(source: str) -> Identity:
    """The identity whose key its source URI determines; for measurements and nothing else."""
    seed = hashlib.sha256(f"benchmark/{source}".encode()).digest()
    return Identity(source, SigningKey.from_seed(seed))


def trial_wide() -> dict[str, Staff]:
    """Those who act for the whole trial, by source URI; the sponsor's key stands in entry 0."""
    roles = {REGISTRAR: "registrar", STATISTICIAN: "statistician", ETHICS: "ethics-committee"}
    return {source: Staff(identity(source), role, "trial") for source, role in roles.items()}


def site(number: int) -> Site:
    """The site of that number, from 1; the first is the seed's own."""
    name = f"SY{number:02}"
    scope, home = f"site/{name}", f"/sites/{name}"
    return Site(
        name,
        Staff(identity(f"{home}/persons/pi-01"), "principal-investigator", scope, physician=True),
        Staff(
            identity(f"{home}/persons/crc-01"),
            "study-coordinator",
            scope,
            ("consent", "randomization", "data-entry"),
        ),
        Staff(identity(f"{home}/systems/edc"), "site-system", scope),
        Staff(identity(f"{home}/systems/lims"), "site-system", scope),
    )
