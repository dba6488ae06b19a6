"""Informed consent: each form as it was signed, and all that followed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ledger.rules.members import shape, shapes, text, texts
from projections.report.document import column, part, plain, section, table

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ledger.signing.strict_json import JsonObject
    from projections.report.basis import Material
    from projections.report.document import Block


def consent(basis: Material) -> Block:
    """Every consent form as signed, with what the rules find, and all that followed (R-41…R-48)."""
    return section(
        "consent",
        "Informed consent",
        "Each form as it was signed: version, by whom and before whom, and whether it counts. "
        "Names of representatives and witnesses are sealed and do not appear.",
        _forms(basis),
        _withdrawals(basis),
        _contents(
            basis, "declined", "Declined", [("icf_version", "Form"), ("reason_code", "Reason")]
        ),
        _contents(
            basis,
            "obligations",
            "Re-consent required",
            [("icf_version", "Version"), ("trigger", "Trigger"), ("due", "Due")],
        ),
        _contents(
            basis,
            "capacity",
            "Capacity to consent, as assessed",
            [
                ("capable", "Capable"),
                ("encephalopathy_grade", "West Haven grade"),
                ("method", "Method"),
            ],
        ),
    )


def _signed(basis: Material) -> Iterator[JsonObject]:
    for subject, found in basis.of("consent"):
        procedure = shape(found, "first_procedure")
        first = text(procedure, "at") if procedure else None
        for row in shapes(found, "consents"):
            yield {
                "subject": subject,
                **row,
                "first_procedure": None if row.get("before_procedures") is None else first,
                "scopes": [scope.replace("_", " ") for scope in texts(row, "scopes")],
                "findings": [
                    f"{text(one, 'rule')}: {text(one, 'message')}"
                    for one in shapes(row, "findings")
                ],
            }


def _forms(basis: Material) -> Block:
    return table(
        "consents",
        "Consent forms",
        [
            plain("Subject", "subject"),
            column("Form", part("icf_version", "text", "version"), part("language")),
            plain("Given", "given_at", "time"),
            column(
                "By",
                part("given_by", "word"),
                part("relation", "text", "relation"),
                part("ground", "text", "because"),
            ),
            column("Led by", part("leader_name"), part("leader_delegated", "flag", "delegated")),
            column(
                "Reading, copy",
                part("can_read", "flag", "can read"),
                part("impartial_witness", "flag", "witness"),
                part("copy_given", "flag", "copy given"),
            ),
            column(
                "Before procedures",
                part("before_procedures", "flag"),
                part("first_procedure", "time", "first"),
            ),
            column("Counts", part("valid", "flag"), part("version_valid", "flag", "form in force")),
            column("Scopes, findings", part("scopes", "list"), part("findings", "list")),
            plain("Record", "event", "code"),
        ],
        lambda: _signed(basis),
        wide=True,
        within="subject",
    )  # fmt: skip


def _withdrawals(basis: Material) -> Block:
    return table(
        "withdrawals",
        "Withdrawals of consent",
        [
            plain("Subject", "subject"),
            plain("Effective", "effective_at", "time"),
            plain("Scopes", "scopes", "list"),
            plain("Scopes stated", "scopes_stated", "flag"),
            plain("Reason", "reason_code"),
            plain("Recorded", "recorded", "time"),
            plain("Record", "event", "code"),
        ],
        lambda: (
            {**row, "reason_code": text(shape(row, "content") or {}, "reason_code")}
            for row in basis.rows("consent", "withdrawals")
        ),
        within="subject",
    )


def _contents(basis: Material, member: str, caption: str, members: list[tuple[str, str]]) -> Block:
    def rows() -> Iterator[JsonObject]:
        for row in basis.rows("consent", member):
            content = shape(row, "content") or {}
            yield {
                "event": row["event"],
                "subject": row["subject"],
                "occurred_utc": row["occurred_utc"],
                "recorded": row["recorded"],
                **{name: content.get(name) for name, _ in members},
            }

    kinds = {"due": "time", "capable": "flag", "encephalopathy_grade": "number"}
    return table(
        f"consent-{member}",
        caption,
        [
            plain("Subject", "subject"),
            plain("When", "occurred_utc", "time"),
            *(
                column(label, {"key": name, "kind": kinds.get(name, "text"), "label": None})
                for name, label in members
            ),
            plain("Record", "event", "code"),
        ],
        rows,
        within="subject",
    )
