"""Infusions and the stock of the investigational product."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ledger.rules.members import shape, shapes, text, texts
from projections.report.document import column, part, plain, section, table

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ledger.signing.strict_json import JsonObject, JsonValue
    from projections.report.basis import Basis
    from projections.report.document import Block

_BALANCE = ("received", "in_stock", "used", "returned", "destroyed")


def infusions(basis: Basis) -> Block:
    """Each infusion with its bag, dose, times and hands (R-59, R-60)."""

    def rows() -> Iterator[JsonObject]:
        for row in basis.rows("product", "infusions"):
            checked: list[JsonValue] = [basis.name_of(one) for one in texts(row, "checked_by")]
            yield {**row, "findings": [*basis.findings(str(row["event"]))], "checked_by": checked}

    return section(
        "infusions",
        "Infusion accountability",
        "From the lot to the vein: which bag, in which standing, what was given, by whom, when.",
        table("infusions-table", "Infusions given", _INFUSION, rows, wide=True, within="subject"),
        _events(basis, "not_given", "Infusions not given"),
        _events(basis, "interruptions", "Interruptions"),
    )


_INFUSION = [
    column("Subject", part("subject"), part("infusion_number", "number", "infusion")),
    column("Started, stopped", part("started_at", "time"), part("stopped_at", "time")),
    column("Lot, bags", part("lot"), part("bags", "list"), part("lot_standing", "word"),
           part("donor_code", "text", "donor"), part("passage", "text", "passage")),
    column("Expiry, thawed", part("expiry", "time"), part("thawed_at", "time")),
    column("Cells planned, given", part("cells_planned", "text", "planned"),
           part("cells_given", "text", "given")),
    column(
        "Quality, route",
        part("viability_percent", "number", "viability %"),
        part("volume_ml", "number", "volume ml"),
        part("route"),
        part("site_of_access"),
    ),
    column("Given, checked by", part("given_by_name"), part("checked_by", "list", "checked")),
    column("Scans", part("scan_subject", "text", "subject"), part("scan_bag", "text", "bag")),
    column("Findings, record", part("findings", "list"), part("event", "code")),
]  # fmt: skip


def _events(basis: Basis, member: str, caption: str) -> Block:
    def rows() -> Iterator[JsonObject]:
        for row in basis.rows("product", member):
            content = shape(row, "content") or {}
            yield {
                "event": row["event"],
                "subject": row["subject"],
                "infusion_number": content.get("infusion_number"),
                "at": content.get("interrupted_at") or row["occurred_utc"],
                "resumed_at": content.get("resumed_at"),
                "reason": dict(shape(content, "reason") or {}) or None,
                "by": row["by"],
            }

    resumed = [plain("Resumed", "resumed_at", "time")] if member == "interruptions" else []
    return table(
        f"infusions-{member.replace('_', '-')}",
        caption,
        [
            plain("Subject", "subject"),
            plain("Infusion", "infusion_number", "number"),
            plain("When", "at", "time"),
            *resumed,
            plain("Reason", "reason"),
            plain("By", "by", "person"),
            plain("Record", "event", "code"),
        ],
        rows,
        within="subject",
    )


def stock(basis: Basis) -> Block:
    """The balance of each lot, and each bag's way (R-58)."""
    return section(
        "stock",
        "Stock of the investigational product",
        "Received = in stock + used + returned + destroyed, for every lot, bag by bag.",
        table(
            "lots",
            "Balance by lot",
            [
                plain("Lot", "lot"),
                plain("Standing", "standing", "word"),
                plain("Donor", "donor_codes", "list"),
                plain("Expiry", "expiry", "time"),
                *(plain(name.replace("_", " ").capitalize(), name, "number") for name in _BALANCE),
                plain("Dispensed", "dispensed", "number"),
                plain("Balance", "balance", "number"),
                plain("Closes", "closes", "flag"),
            ],
            lambda: ({**row, "expiry": _expiry(row), "id": row.get("lot")} for row in basis.lots),
            wide=True,
            within="lot",
        ),
        _discrepancies(basis),
        table(
            "bags",
            "Bags",
            [
                plain("Bag", "bag"),
                plain("Standing", "standing", "word"),
                plain("Subjects", "subjects", "list"),
                plain("Records", "events", "ids"),
            ],
            lambda: _bags(basis),
            group="lot",
            within="lot",
        ),
    )


def _bags(basis: Basis) -> Iterator[JsonObject]:
    for row in basis.lots:
        for bag in shapes(row, "bags"):
            yield {
                **bag,
                "id": f"{row.get('lot')}/{bag.get('bag')}",
                "lot": row.get("lot"),
                "events": [
                    event
                    for name in ("received", "used", "returned", "destroyed")
                    for event in _list(bag.get(name))
                ],
            }


def _discrepancies(basis: Basis) -> Block:
    return table(
        "discrepancies",
        "What keeps the stock from being reconciled",
        [
            plain("Lot", "lot"),
            plain("Since", "since", "time"),
            plain("What", "message"),
            plain("Record", "event", "code"),
        ],
        lambda: (
            {**row, "lot": lot.get("lot")}
            for lot in basis.lots
            for row in shapes(lot, "discrepancies")
        ),
    )


def _expiry(lot: object) -> str | None:
    receipts = shapes(lot, "receipts") if isinstance(lot, dict) else ()
    return min((found for row in receipts if (found := text(row, "expiry"))), default=None)


def _list(value: object) -> list[str]:
    return [str(item) for item in value] if isinstance(value, list) else []
