"""All deviation rules: over one subject's case, and over the whole trial."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ledger.rules.deviations import (
    allocation,
    conduct,
    consent,
    eligibility,
    follow_up,
    infusion,
    product,
)

if TYPE_CHECKING:
    from ledger.rules.deviation import CaseRule, TrialRule

CASE_RULES: tuple[CaseRule, ...] = (
    *consent.CASE_RULES,
    *eligibility.CASE_RULES,
    *allocation.CASE_RULES,
    *conduct.CASE_RULES,
    *infusion.CASE_RULES,
    *product.CASE_RULES,
    *follow_up.CASE_RULES,
)
"""The rules over one subject's case."""

TRIAL_RULES: tuple[TrialRule, ...] = (*allocation.TRIAL_RULES, *product.TRIAL_RULES)
"""The rules over the whole trial."""

__all__ = ["CASE_RULES", "TRIAL_RULES"]
