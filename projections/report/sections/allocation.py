"""Allocation, what it leaves to guess, and the breaking of the blind."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ledger.allocation.generator import ListDesign
from ledger.allocation.guessing import guessing_chance
from ledger.allocation.sealed_list import SealedList
from projections.report.document import column, facts, note, part, plain, section, table

if TYPE_CHECKING:
    from fractions import Fraction

    from ledger.signing.strict_json import JsonObject
    from projections.report.basis import Basis
    from projections.report.document import Block


def allocation(basis: Basis) -> Block:
    """Each allocation in the order of the log, with slot and stratum (R-55; E3 16.1.7)."""
    return section(
        "allocation",
        "Randomization and allocation",
        "Each allocation in the order of the log. The list was sealed under its Merkle root "
        "before the first subject; every row opens one slot of it.",
        table(
            "allocations",
            "Allocations",
            [
                plain("Seq", "seq", "number"),
                plain("Subject", "subject"),
                plain("Allocated", "allocated_at", "time"),
                plain("Stratum", "stratum"),
                plain("Slot", "slot", "number"),
                column("Arm", part("arm_label")),
                column("Method", part("method", "word"), part("envelope", "text", "envelope")),
                plain("Requested by", "requested_by", "person"),
                column("Record, list root", part("event", "code"), part("list_root", "hash")),
            ],
            lambda: basis.allocations,
            wide=True,
            within="seq",
        ),
        *_guessing(basis),
    )


def _guessing(basis: Basis) -> list[JsonObject]:
    """What the scheme leaves to somebody who sees all past arms (ICH E9 2.3.2)."""
    scheme = basis.definition.protocol.allocation
    if basis.revelation is not None:
        design = SealedList.from_revelation(dict(basis.revelation)).design
        sizes = ", ".join(str(size) for size in design.block_sizes) or "none"
        said = f"The list was opened: block sizes {sizes}."
    else:
        total = sum(scheme.ratio.values())
        # Nobody guesses better than in the smallest blocks the ratio allows.
        smallest = () if scheme.scheme == "simple" else (total,)
        design = ListDesign.of(scheme, basis.definition.protocol.planned_number,
                               block_sizes=smallest)  # fmt: skip
        said = (
            "The scheme has no blocks." if scheme.scheme == "simple" else
            f"The block sizes are sealed with the list; these are the chances with blocks of "
            f"{total}, the smallest the ratio allows. With larger blocks they are lower."
        )  # fmt: skip
    chance = guessing_chance(design)
    return [
        note(
            f"{said} A guesser who sees all past arms of a stratum and knows where each block "
            "begins, and always names the arm of which most is left:"
        ),
        facts(
            "guessing",
            [
                ("Allocations guessed rightly", _percent(chance.correct), "text"),
                ("Allocations known beforehand", _percent(chance.certain), "text"),
                ("Guessed rightly without seeing any arm", _percent(chance.blind), "text"),
            ],
        ),
    ]


def _percent(chance: Fraction) -> str:
    tenths = round(chance * 1000)
    return f"{tenths // 10}.{tenths % 10} % ({chance.numerator} of {chance.denominator})"


def unblinding(basis: Basis) -> Block:
    """Every breaking of the blind, asked for or not (R-56, R-57)."""
    return section(
        "unblinding",
        "Unblinding",
        "Emergency, planned and accidental unblinding: who, when, why, and who was told.",
        table(
            "unblindings",
            "Unblindings",
            [
                plain("Subject", "subject"),
                plain("Kind", "kind", "word"),
                plain("When", "occurred_utc", "time"),
                plain("By", "by", "person"),
                column("Reason", part("reason_code"), part("reason_text"), part("cause")),
                plain("Told to", "told_to", "list"),
                plain("Impact", "impact"),
                plain("Record", "event", "code"),
            ],
            lambda: basis.unblindings,
            wide=True,
            within="seq",
        ),
    )
