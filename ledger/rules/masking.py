"""Who is masked by the protocol, and may therefore put nothing into a stream that tells the arm."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ledger.errors import TrustFailure
from ledger.vocabulary import Role, StreamFamily, TypeRule

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from ledger.signing.authority import Shortfall, Signer
    from ledger.signing.envelope import Event
    from ledger.signing.register import Register
    from ledger.trials.protocol import Masking

_PARTIES: Final[Mapping[str, frozenset[Role]]] = {
    "PARTICIPANT": frozenset(),  # participants hold no keys and read nothing here
    "CARE_PROVIDER": frozenset((Role.STUDY_NURSE, Role.STUDY_COORDINATOR, Role.SITE_SYSTEM)),
    "INVESTIGATOR": frozenset(
        (
            Role.PRINCIPAL_INVESTIGATOR,
            Role.SUB_INVESTIGATOR,
            Role.STUDY_COORDINATOR,
            Role.SITE_SYSTEM,
        )
    ),
    "OUTCOMES_ASSESSOR": frozenset((Role.OUTCOME_ASSESSOR,)),
}
_WORK_AT_THE_BEDSIDE: Final = frozenset(
    (
        Role.PRINCIPAL_INVESTIGATOR,
        Role.SUB_INVESTIGATOR,
        Role.STUDY_COORDINATOR,
        Role.STUDY_NURSE,
    )
)
_TELLING: Final = frozenset((StreamFamily.TREATMENT, StreamFamily.ALLOCATION, StreamFamily.LOT))
_UNMASKED_BY_IT: Final = frozenset(("blind.broken.v1", "accidental-unblinding.reported.v1"))
_ANYWHERE: Final = frozenset((StreamFamily.TARGET, StreamFamily.ANY))


def masked_roles(masking: Masking) -> frozenset[Role]:
    """The roles that a protocol masks, by name and through the parties the register masks.

    A site's system shows what it reads to whoever works with it, so it is masked with them.
    """
    named = frozenset(masking.masked_roles)
    named |= frozenset(role for party in masking.masked_parties for role in _PARTIES[party])
    return named | {Role.SITE_SYSTEM} if named & _WORK_AT_THE_BEDSIDE else named


def require_unmasked(
    event: Event,
    rule: TypeRule,
    signers: Sequence[Signer],
    lacking: Sequence[Shortfall],
    *,
    register: Register,
    masking: Masking,
) -> None:
    """Turn away what a masked signer has no business to record where the arm shows.

    The receipt of an entry tells how long its stream is, and a treatment with two infusions has
    the longer one. Whoever may record there by the protocol may; so may who reports that he knows
    the arm.

    Raises:
        TrustFailure: ``authority.masked``.
    """
    if event.subject.partition("/")[0] not in _TELLING or event.type in _UNMASKED_BY_IT:
        return
    if not lacking and rule.stream not in _ANYWHERE:
        return
    masked = masked_roles(masking)
    held = [_roles(register, signer.key.owner) for signer in signers]
    if any(roles and not roles <= masked for roles in held):
        return
    raise TrustFailure(
        "authority.masked",
        "Whoever is masked records nothing in this stream: the receipt would tell the arm.",
        where="/subject",
        remedy="Somebody of the site who is not masked records it (mode transcribed).",
    )


def _roles(register: Register, owner: str) -> frozenset[Role]:
    """All roles somebody holds now, whatever their scope."""
    grants: Iterable[Role] = (
        grant.role for grant in register.grants.get(owner, ()) if grant.withdrawn is None
    )
    return frozenset(grants)
