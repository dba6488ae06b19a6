"""What the masked report says of itself: its certificate, broken blinds, what is withheld."""

from __future__ import annotations

from typing import TYPE_CHECKING

from projections.masking.rules import ARM_NEUTRAL, withheld_rules
from projections.report.document import column, facts, note, part, plain, section, table
from projections.report.sections.front import trust

if TYPE_CHECKING:
    from projections.report.basis import Material
    from projections.report.document import Block

RENDERING = (
    "Masked rendering: allocation, product and infusion data are withheld, because their content, "
    "number and days tell the arm. Positions in the log, its size and exact times of record are "
    "withheld too, because their gaps tell how many records the treatment has."
)
"""What every masked report says of itself."""

_TELLS_NUMBER = (
    "How many infusions were given, released or planned, and when, tells the arm; so do sums."
)
WITHHELD = (
    (
        "allocation",
        "Randomization and allocation",
        (
            "Slots, strata and arms are the allocation itself. That and when a subject was "
            "randomized stands in the disposition."
        ),
    ),
    ("infusions", "Infusion accountability", _TELLS_NUMBER),
    ("stock", "Stock of the investigational product", _TELLS_NUMBER),
    (
        "integrity",
        "Integrity statement",
        (
            "Head, size and checkpoint count the entries of the treatment too. A subject's "
            "dossier for masked readers proves its arm-neutral stream without them."
        ),
    ),
    (
        "offline",
        "How to verify this report offline",
        "It needs the whole log, which is not for masked readers. The unmasked report says how.",
    ),
)
"""Sections of the unmasked report that are withheld: anchor, title, and why."""


def certificate(basis: Material) -> Block:
    """What this is a copy of, that it is masked, and the root of trust."""
    return section(
        "certificate",
        "Certificate of copy",
        "Which day's knowledge of which ledger this report shows, made by which software, and the "
        "root of trust its dossiers can be checked against.",
        note(RENDERING, tone="caution"),
        facts(
            "copy-of",
            [
                ("Recorded up to the end of", basis.as_of.astimezone(basis.zone).date().isoformat(),
                 "day"),
                ("Days are counted in", str(basis.zone), "text"),
                ("Rendering", "Masked", "text"),
            ],
        ),
        *trust(basis),
    )  # fmt: skip


def unblinding(basis: Material) -> Block:
    """That blinds were broken, on which day, in which way and by whom; never the arm."""
    return section(
        "unblinding",
        "Unblinding",
        "That a blind was broken, for everybody concerned to see; the arm, the reason and who was "
        "told stand with the treatment and are withheld.",
        table(
            "unblindings",
            "Unblindings",
            [
                plain("Subject", "subject"),
                plain("Kind", "kind", "word"),
                plain("On", "on", "day"),
                plain("By", "by", "person"),
            ],
            lambda: basis.rows("allocation", "unblindings"),
            within="subject",
        ),
    )


def withheld(name: str, title: str, reason: str) -> Block:
    """A section of the unmasked report that is withheld, and why."""
    return section(name, title, "Withheld from masked readers.", note(reason, tone="caution"))


def rules_withheld(_: Material) -> Block:
    """The deviation rules that are not run for masked readers, each with the reason."""
    return section(
        "rules-withheld",
        "Deviation rules that are withheld",
        f"{len(ARM_NEUTRAL)} rules read arm-neutral records alone and are run over these. Those "
        "below read what is withheld; whether they found anything is not told.",
        table(
            "rules-withheld-table",
            "Withheld rules",
            [
                plain("Rule", "rule"),
                plain("Definition", "definition", "prose"),
                column("Why", part("reason", "prose")),
            ],
            [
                {"id": rule, "rule": rule, "definition": definition, "reason": reason}
                for rule, definition, reason in withheld_rules()
            ],
        ),
    )
