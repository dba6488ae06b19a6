"""Deviation rules a masked reader's findings come from; a rule not named here is withheld.

A rule is arm-neutral when all it reads stands in the arm-neutral streams, or is whether and when
a subject was randomized. Run over the masked source it then finds the same in both arms.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ledger.rules.deviations import CASE_RULES, TRIAL_RULES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ledger.rules.deviation import CaseRule, TrialRule

ARM_NEUTRAL = frozenset(
    f"DV-{number:02}"
    for number in (*range(1, 14), 15, 16, *range(31, 37), 39, 40, 42, 43)
)  # fmt: skip
"""Consent, eligibility, double allocation, number, follow-up, safety, conduct, correction, site.

Infusions are procedures of DV-01, 08, 09 and acts of DV-39 and 42 too: what those find at an
infusion is not found here, since there is no infusion in the masked source.
"""

_PRODUCT = "It reads infusions, bags or lots, whose number and days tell the arm."
_UNBLINDING = "It reads who was told the arm and why, which stands with the treatment."

WITHHELD: Mapping[str, str] = {
    "DV-14": "It reads slots and strata of the allocation list.",
    **{f"DV-{number}": _PRODUCT for number in range(17, 31)},
    "DV-37": _UNBLINDING,
    "DV-38": _UNBLINDING,
    "DV-41": "It reads exact times of record; the late entries stand in whole days instead.",
}
"""Why each other rule is withheld."""

NOT_LISTED = "Nobody has shown yet that it is arm-neutral."
"""Why a rule is withheld that is neither arm-neutral nor given a reason."""

MASKED_CASE_RULES: tuple[CaseRule, ...] = tuple(r for r in CASE_RULES if r.id in ARM_NEUTRAL)
MASKED_TRIAL_RULES: tuple[TrialRule, ...] = tuple(r for r in TRIAL_RULES if r.id in ARM_NEUTRAL)


def withheld_rules() -> list[tuple[str, str, str]]:
    """Id, definition and reason of each rule that is withheld, in order of ids."""
    rules: list[CaseRule | TrialRule] = [*CASE_RULES, *TRIAL_RULES]
    return sorted(
        (rule.id, rule.definition, WITHHELD.get(rule.id, NOT_LISTED))
        for rule in rules
        if rule.id not in ARM_NEUTRAL
    )
