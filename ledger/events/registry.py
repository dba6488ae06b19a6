"""All event types by name: the closed registry that everything else reads."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

from ledger.events import (
    access,
    allocation,
    consent,
    data,
    follow_up,
    infusion,
    privacy,
    product,
    screening,
    trial,
)
from ledger.events.event_type import EventType, table

if TYPE_CHECKING:
    from collections.abc import Mapping

DOMAINS: Mapping[str, tuple[EventType, ...]] = MappingProxyType(
    {
        "trial": trial.TYPES,
        "access": access.TYPES,
        "consent": consent.TYPES,
        "screening": screening.TYPES,
        "allocation": allocation.TYPES,
        "product": product.TYPES,
        "infusion": infusion.TYPES,
        "follow-up": follow_up.TYPES,
        "data": data.TYPES,
        "privacy": privacy.TYPES,
    }
)

EVENT_TYPES: Mapping[str, EventType] = MappingProxyType(
    table(row for rows in DOMAINS.values() for row in rows)
)
