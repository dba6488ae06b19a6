"""The one table of access: what is not written here is denied (ICH E6(R3) 4.3.8; 21 CFR 11.10(d)).

Four questions decide a read, and all four answers stand in this module: may this role do it at
all, how far does it reach, does it stay within one site, and may a masked reader have it. The
reasons are in docs/decisions/0011-who-may-read-what.md.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum, StrEnum
from typing import TYPE_CHECKING, Final, TypeVar

from ledger.errors import TrustFailure
from ledger.vocabulary import Role

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from api.access.reader import Reader


class Operation(StrEnum):
    """What a route does for whoever asks; every route names one."""

    SERVICE = "service.read"
    CHECKPOINT = "checkpoint.read"
    TOKEN = "token.issue"  # noqa: S105 - a name of an operation
    POST = "statement.post"
    AUDIT_TRAIL = "audit-trail.read"
    EVENT = "event.read"
    RECEIPT = "receipt.read"
    SUBJECTS = "subject-list.read"
    SUBJECT = "subject.read"
    REPLAY = "subject.replay"
    UNBLINDING = "unblinding.read"
    DEVIATIONS = "deviations.read"
    ENROLMENT = "enrolment.read"
    REPORT = "report.read"
    EXPORT = "export.read"
    BUNDLE = "bundle.export"
    DOSSIER = "dossier.export"
    TILES = "log-tiles.read"
    ENTRIES = "log-entries.export"
    REGISTER = "register.read"
    VERIFICATION = "verification.read"
    QUARANTINE = "quarantine.read"
    METRICS = "metrics.read"
    ACCESS_LOG = "access-log.read"
    IDENTITY = "identity.open"
    TEXT = "text.open"


class Reach(Enum):
    """How far a role reaches with an operation."""

    NOT = "."
    """Not at all."""
    OWN = "s"
    """One site only: a reader who reads for no single site is denied."""
    GRANTED = "+"
    """As far as the role was granted: the trial, or one site."""


class Sites(Enum):
    """How an operation is held to the site of a reader who has one."""

    NONE = "tells of no site"
    SUBJECT = "the subject named in the address is the site's"
    RECORD = "the record asked for is the site's, or the trial's own"
    LISTING = "only rows of the site are given"
    WHOLE = "the whole trial in one piece: not for a reader of one site"


class Blinding(Enum):
    """What an operation is for a masked reader."""

    TELLS_NOTHING = "the same for everybody"
    MASKED_VIEW = "from the masked view"
    TELLS = "denied: positions, sizes or contents tell the arm"
    OWN_ACT = "denied until the reader has broken that one subject's blind"


@dataclass(frozen=True, slots=True)
class Rule:
    """One row: roles, sites, blinding, and whether each act goes into the access log."""

    sites: Sites
    blinding: Blinding
    recorded: bool
    reach: Mapping[Role, Reach] = field(default_factory=dict)


PUBLIC: Final = frozenset(
    (Operation.SERVICE, Operation.CHECKPOINT, Operation.TOKEN, Operation.POST)
)
"""For everybody: they show no subject's data; statements and assertions prove who sent them."""

PLANNED: Final = frozenset((Operation.EXPORT,))
"""Decided here before a route offers them."""

OF_ONE_SUBJECT: Final[Mapping[Operation, Operation]] = {Operation.BUNDLE: Operation.DOSSIER}
"""What an operation is when the address names one subject (``?subject=``)."""

INSIDE: Final = frozenset((Operation.IDENTITY, Operation.TEXT))
"""What sealed members of a record are shown within other operations (``api.access.openings``)."""

COLUMNS: Final = (
    Role.SPONSOR, Role.REGISTRAR, Role.STATISTICIAN, Role.MONITOR, Role.AUDITOR, Role.INSPECTOR,
    Role.ETHICS_COMMITTEE, Role.PRINCIPAL_INVESTIGATOR, Role.SUB_INVESTIGATOR,
    Role.STUDY_COORDINATOR, Role.STUDY_NURSE, Role.PHARMACIST, Role.LABORATORY,
    Role.OUTCOME_ASSESSOR, Role.SITE_SYSTEM,
)  # fmt: skip

# Columns:                  spo reg sta mon aud ins eth  pi sub crc nur pha lab ass sys
_ROLES: Final = {
    Operation.AUDIT_TRAIL:  " +   .   .   +   +   +   +   s   s   s   s   s   .   +   s",
    Operation.EVENT:        " +   .   .   +   +   +   +   s   s   s   s   s   .   .   s",
    Operation.RECEIPT:      " +   .   .   +   +   +   +   s   s   s   s   s   +   .   s",
    Operation.SUBJECTS:     " +   .   .   +   +   +   +   s   s   s   s   s   .   +   s",
    Operation.SUBJECT:      " +   .   .   +   +   +   +   s   s   s   s   s   .   +   s",
    Operation.REPLAY:       " +   .   .   +   +   +   +   s   s   s   s   s   .   +   s",
    Operation.UNBLINDING:   " .   .   .   .   .   .   .   s   s   .   .   .   .   .   .",
    Operation.DEVIATIONS:   " +   .   .   +   +   +   +   s   s   s   s   s   .   .   s",
    Operation.ENROLMENT:    " +   .   +   +   +   +   +   .   .   .   .   .   .   .   .",
    Operation.REPORT:       " +   .   .   +   +   +   +   .   .   .   .   .   .   .   .",
    Operation.EXPORT:       " +   .   .   +   +   +   .   .   .   .   .   .   .   .   .",
    Operation.BUNDLE:       " +   .   .   +   +   +   .   .   .   .   .   .   .   .   .",
    Operation.DOSSIER:      " +   .   .   +   +   +   .   s   s   s   s   s   .   +   s",
    Operation.TILES:        " +   +   +   +   +   +   +   s   s   s   s   s   +   .   s",
    Operation.ENTRIES:      " +   .   .   +   +   +   .   .   .   .   .   .   .   .   .",
    Operation.REGISTER:     " +   +   +   +   +   +   +   s   s   s   s   s   +   +   s",
    Operation.VERIFICATION: " +   +   +   +   +   +   +   s   s   s   s   s   +   .   s",
    Operation.QUARANTINE:   " .   .   .   +   +   +   .   s   s   s   .   .   .   .   .",
    Operation.METRICS:      " +   +   .   +   +   +   .   .   .   .   .   .   .   .   .",
    Operation.ACCESS_LOG:   " +   .   .   .   +   +   .   .   .   .   .   .   .   .   .",
    Operation.IDENTITY:     " .   .   .   +   +   +   .   s   s   s   s   s   .   .   s",
    Operation.TEXT:         " +   .   .   +   +   +   +   s   s   s   s   s   .   .   s",
}  # fmt: skip

_KINDS: Final = {
    Operation.AUDIT_TRAIL: (Sites.LISTING, Blinding.MASKED_VIEW, True),
    Operation.EVENT: (Sites.RECORD, Blinding.TELLS, True),
    Operation.RECEIPT: (Sites.RECORD, Blinding.TELLS, False),
    Operation.SUBJECTS: (Sites.LISTING, Blinding.MASKED_VIEW, True),
    Operation.SUBJECT: (Sites.SUBJECT, Blinding.MASKED_VIEW, True),
    Operation.REPLAY: (Sites.SUBJECT, Blinding.MASKED_VIEW, True),
    Operation.UNBLINDING: (Sites.SUBJECT, Blinding.OWN_ACT, True),
    Operation.DEVIATIONS: (Sites.LISTING, Blinding.MASKED_VIEW, True),
    Operation.ENROLMENT: (Sites.WHOLE, Blinding.MASKED_VIEW, False),
    Operation.REPORT: (Sites.WHOLE, Blinding.MASKED_VIEW, True),
    Operation.EXPORT: (Sites.WHOLE, Blinding.TELLS, True),
    Operation.BUNDLE: (Sites.WHOLE, Blinding.TELLS, True),
    Operation.DOSSIER: (Sites.SUBJECT, Blinding.MASKED_VIEW, True),
    Operation.TILES: (Sites.NONE, Blinding.TELLS, False),
    Operation.ENTRIES: (Sites.WHOLE, Blinding.TELLS, True),
    Operation.REGISTER: (Sites.NONE, Blinding.MASKED_VIEW, False),
    Operation.VERIFICATION: (Sites.NONE, Blinding.TELLS, False),
    Operation.QUARANTINE: (Sites.LISTING, Blinding.TELLS, True),
    Operation.METRICS: (Sites.WHOLE, Blinding.TELLS, False),
    Operation.ACCESS_LOG: (Sites.WHOLE, Blinding.TELLS, True),
    Operation.IDENTITY: (Sites.RECORD, Blinding.MASKED_VIEW, True),
    Operation.TEXT: (Sites.RECORD, Blinding.MASKED_VIEW, False),
}

TABLE: Final[Mapping[Operation, Rule]] = {
    operation: Rule(*_KINDS[operation], dict(zip(COLUMNS, map(Reach, cells.split()), strict=True)))
    for operation, cells in _ROLES.items()
}


def require(reader: Reader, operation: Operation) -> None:
    """Let a reader do an operation, as far as that can be said without looking at a record.

    Raises TrustFailure ``access.role``, ``access.no-site``, ``access.whole-trial`` and
    ``reader.masked``; each says what to do.
    """
    if operation in PUBLIC or reader.role is None:
        return
    rule = TABLE[operation]
    reach = rule.reach.get(reader.role, Reach.NOT)
    if reach is Reach.NOT:
        able = ", ".join(role for role in COLUMNS if rule.reach[role] is not Reach.NOT)
        raise TrustFailure(
            "access.role",
            f"The role {reader.role} may not do this ({operation}).",
            remedy=f"It is for: {able}.",
        )
    if reach is Reach.OWN and reader.site is None:
        raise TrustFailure(
            "access.no-site",
            f"The role {reader.role} does this for one site, and this token names none.",
            remedy="Have the role granted for a site, or ask for a token with site:<SITE>.",
        )
    if rule.sites is Sites.WHOLE and reader.site is not None:
        raise TrustFailure(
            "access.whole-trial",
            f"This shows the whole trial; the token is for site {reader.site} alone.",
            remedy="Ask for a token without a site, if the role was granted for the trial.",
        )
    if rule.blinding is Blinding.TELLS and reader.masked:
        raise TrustFailure(
            "reader.masked",
            f"A masked reader may not do this ({operation}): it can tell the arm.",
            remedy="Read the subject's own views, which are made for masked readers.",
        )


def require_site(reader: Reader, site: str | None) -> None:
    """Keep a reader of one site within it; raises TrustFailure ``access.foreign-site``."""
    if not reader.may_know(site):
        raise TrustFailure(
            "access.foreign-site",
            f"This token is for site {reader.site} alone.",
            remedy="Ask whoever reads for that site, or a reader of the whole trial.",
        )


View = TypeVar("View", bound="Callable[..., Any]")


def serves(operation: Operation) -> Callable[[View], View]:
    """Name the operation that a route serves; without a name the application does not start."""

    def decorate(view: View) -> View:
        view.operation = operation  # type: ignore[attr-defined]
        return view

    return decorate
