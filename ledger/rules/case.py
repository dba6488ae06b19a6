"""A case: everything the rules may look at for one subject, up to a head."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property, wraps
from typing import TYPE_CHECKING, TypeVar, TypeVarTuple, cast
from zoneinfo import ZoneInfo

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import date, datetime

    from ledger.history import History
    from ledger.signing.register import Register
    from ledger.trials.definition import TrialDefinition
    from ledger.trials.protocol import Protocol

ACTIVATED = "site.activated.v1"

Found = TypeVar("Found")
Asked = TypeVarTuple("Asked")


@dataclass(frozen=True)
class Case:
    """One subject's records with the context that gives them meaning.

    ``records`` folds ``subject/<id>`` and ``treatment/<id>`` together; ``trial``, ``site`` and
    ``lots`` are the folds of their streams; ``register`` holds keys, roles, delegations and
    training. Nothing here knows the present time: rules say from when a finding holds.
    ``worked_out`` is what rules have found so far; ask for a new case once a record was applied.
    """

    subject: str
    definition: TrialDefinition
    records: History
    trial: History
    site: History
    register: Register
    lots: Mapping[str, History]
    worked_out: dict[object, object] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    @property
    def protocol(self) -> Protocol:
        """The protocol configuration."""
        return self.definition.protocol

    @property
    def site_id(self) -> str:
        """The site the subject belongs to."""
        return self.subject.rsplit("-", 1)[0]

    @cached_property
    def zone(self) -> ZoneInfo:
        """The zone day rules use: the site's, as activated, else as the protocol lists it."""
        activated = self.site.last(ACTIVATED)
        if activated is not None:
            return ZoneInfo(str(activated.data["timezone"]))
        for site in self.protocol.sites:
            if site.id == self.site_id:
                return ZoneInfo(site.time_zone)
        return ZoneInfo("UTC")

    def local_date(self, instant: datetime) -> date:
        """The calendar day of an instant at the site."""
        return instant.astimezone(self.zone).date()


def once_a_case(rule: Callable[[Case, *Asked], Found]) -> Callable[[Case, *Asked], Found]:
    """Work a rule out once for a case and what else it is asked, since many others rest on it.

    Who asks again is given the same object. A failure is not kept.
    """

    @wraps(rule)
    def found(case: Case, *asked: *Asked) -> Found:
        question = (rule, *asked)
        if question not in case.worked_out:
            case.worked_out[question] = rule(case, *asked)
        return cast("Found", case.worked_out[question])

    return found
