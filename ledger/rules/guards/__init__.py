"""Guards by event type: what a command must satisfy at the head it would extend."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

from ledger.rules.guards import access, closing, data, privacy, product, randomization, screening

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ledger.rules.guards.request import Guard


def _merged(*tables: Mapping[str, tuple[Guard, ...]]) -> dict[str, tuple[Guard, ...]]:
    merged: dict[str, tuple[Guard, ...]] = {}
    for table in tables:
        for name, guards in table.items():
            merged[name] = (*merged.get(name, ()), *guards)
    return merged


GUARDS: Mapping[str, tuple[Guard, ...]] = MappingProxyType(
    _merged(
        access.GUARDS,
        data.GUARDS,
        screening.GUARDS,
        randomization.GUARDS,
        product.GUARDS,
        closing.GUARDS,
        privacy.GUARDS,
    )
)

__all__ = ["GUARDS"]
