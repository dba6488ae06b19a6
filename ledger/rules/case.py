"""A case: everything the rules may look at for one subject, up to a head."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date, datetime

    from ledger.history import History
    from ledger.signing.register import Register
    from ledger.trials.definition import TrialDefinition
    from ledger.trials.protocol import Protocol

ACTIVATED = "site.activated.v1"


@dataclass(frozen=True)
class Case:
    """One subject's records with the context that gives them meaning.

    ``records`` folds ``subject/<id>`` and ``treatment/<id>`` together; ``trial``, ``site`` and
    ``lots`` are the folds of their streams; ``register`` holds keys, roles, delegations and
    training. Nothing here knows the present time: rules say from when a finding holds.
    """

    subject: str
    definition: TrialDefinition
    records: History
    trial: History
    site: History
    register: Register
    lots: Mapping[str, History]

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
