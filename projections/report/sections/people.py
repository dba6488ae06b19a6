"""People and systems: delegation, training, keys, access, and what they signed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ledger.rules.members import shape, shapes, text
from ledger.signing.statement import MEANING_SENTENCES
from projections.report.document import column, part, plain, section, table

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ledger.signing.strict_json import JsonObject
    from projections.report.basis import Material, Row
    from projections.report.document import Block

_OUTSIDE = ("DV-07", "DV-39")
"""Rules that find acts outside a delegation, its dates or without training."""


def delegation(basis: Material) -> Block:
    """Who was delegated what, from when to when, and trained in what (R-61, R-62)."""
    rows: list[JsonObject] = [
        {**row, "training_count": len(_training_of(row))}
        for row in shapes(basis.register, "delegations")
    ]
    return section(
        "delegation",
        "Delegation and training",
        "The delegation log with the investigator's signature, training, and acts outside either.",
        table(
            "delegations",
            "Delegations",
            [
                plain("Person", "name"),
                plain("Site", "site"),
                plain("Tasks", "tasks", "list"),
                plain("Physician", "physician", "flag"),
                column("From, to", part("from", "day"), part("to", "day")),
                plain("Trainings", "training_count", "number"),
                plain("Delegated by", "delegated_by", "person"),
                column("Recorded", part("recorded_at", "time"), part("event", "code")),
            ],
            rows,
            wide=True,
        ),
        table(
            "training",
            "Training",
            [
                plain("Person", "name"),
                column("Course", part("course"), part("version", "text", "version")),
                plain("Completed", "completed_on", "day"),
                plain("For tasks", "tasks", "list"),
                plain("Attested by", "attested_by", "person"),
                plain("Record", "event", "code"),
            ],
            shapes(basis.register, "training"),
        ),
        table(
            "outside-delegation",
            "Acts outside delegation or training",
            [
                plain("Rule", "rule"),
                plain("Subject", "subject"),
                plain("Since", "since", "time"),
                plain("What", "message", "prose"),
                plain("Record", "anchor", "code"),
            ],
            lambda: _outside(basis),
            within="rule",
        ),
    )


def _outside(basis: Material) -> Iterator[JsonObject]:
    for row in basis.deviations:
        if text(row, "rule") in _OUTSIDE and text(row, "standing") == "deviation":
            yield {
                "id": str(row.get("id")),
                "rule": text(row, "rule"),
                "subject": text(row, "subject"),
                "since": text(row, "since"),
                "message": text(row, "message"),
                "anchor": text(row, "anchor"),
            }


def _training_of(row: object) -> tuple[str, ...]:
    found = row.get("training") if isinstance(row, dict) else None
    return tuple(str(item) for item in found) if isinstance(found, list) else ()


def keys(basis: Material) -> Block:
    """Keys and roles with every change, and who made it (R-31, R-34)."""
    key_rows: list[JsonObject] = [
        {
            **row,
            "id": text(row, "kid"),
            "reason": dict(shape(row, "revoked_reason") or {}) or None,
            "registered_by": _name(basis, row, "registered_by"),
        }
        for row in shapes(basis.register, "keys")
    ]
    grants: list[JsonObject] = [
        {
            **row,
            "id": f"{row.get('holder')}/{row.get('role')}/{row.get('granted')}",
            "granted_by": _name(basis, row, "granted_by"),
            "revoked_by": _name(basis, row, "revoked_by"),
        }
        for row in shapes(basis.register, "grants")
    ]
    return section(
        "keys",
        "Keys and access",
        "Every key with its owner and time in force, every role granted and revoked. Each entry "
        "of the log is judged by what was in force at its position.",
        table(
            "keys-table",
            "Keys",
            [
                column("Owner", part("name"), part("owner")),
                column("Kind", part("kind", "word"), part("organisation")),
                plain("Algorithm", "algorithm"),
                column(
                    "Registered",
                    part("registered_at", "time"),
                    part("registered_by", "text", "by"),
                    part("identity_proof", "text", "proof"),
                ),
                column(
                    "Revoked",
                    part("revoked_at", "time"),
                    part("reason"),
                    part("compromised_since", "time", "in doubt since"),
                ),
                plain("Key id (RFC 7638)", "kid", "code"),
            ],
            key_rows,
            wide=True,
        ),
        table(
            "grants",
            "Roles granted and revoked",
            [
                column("Holder", part("name"), part("holder")),
                plain("Role", "role", "word"),
                plain("Scope", "scope"),
                plain("Physician", "physician", "flag"),
                column("Granted", part("granted_at", "time"), part("granted_by", "text", "by")),
                column("Revoked", part("revoked_at", "time"), part("revoked_by", "text", "by")),
            ],
            grants,
            wide=True,
        ),
    )


def _name(basis: Material, row: Row, member: str) -> str | None:
    person = text(row, member)
    return None if person is None else basis.name_of(person)


def signatures(basis: Material) -> Block:
    """How often each key signed with which meaning; what is unsigned or stale (R-24…R-30)."""
    counts: list[JsonObject] = [
        {**row, "id": f"{row.get('kid')}/{row.get('meaning') or 'none'}"}
        for row in shapes(basis.signatures, "counts")
    ]
    totals: list[JsonObject] = []
    for meaning, sentence in MEANING_SENTENCES.items():
        found = [row["count"] for row in counts if row.get("meaning") == meaning.value]
        total = sum(number for number in found if isinstance(number, int))
        totals.append(
            {"id": meaning.value, "meaning": meaning.value, "sentence": sentence, "count": total}
        )
    return section(
        "signatures",
        "Electronic signatures",
        "A person's signature states its meaning (21 CFR 11.50); the signature of a system or of "
        "the ledger has none and never counts as a person's.",
        table(
            "meanings",
            "Signatures of persons by meaning",
            [
                plain("Meaning", "meaning", "word"),
                plain("What the signer declares", "sentence", "prose"),
                plain("Signatures", "count", "number"),
            ],
            totals,
        ),
        table(
            "signers",
            "Signatures by key",
            [
                column("Signer", part("name"), part("person")),
                plain("Kind", "kind", "word"),
                plain("Meaning", "meaning", "word"),
                plain("Signatures", "count", "number"),
                plain("First", "first", "time"),
                plain("Last", "last", "time"),
                plain("Key", "kid", "hash"),
            ],
            counts,
            wide=True,
        ),
        _due(basis, "unsigned", "Records a person must still sign"),
        _due(basis, "stale_signatures", "Signed, then corrected, and not signed again"),
    )


def _due(basis: Material, member: str, caption: str) -> Block:
    return table(
        member.replace("_", "-"),
        caption,
        [
            plain("Seq", "seq", "number"),
            plain("Record", "type", "word"),
            plain("Stream", "stream"),
            plain("Occurred", "occurred_utc", "time"),
            plain("Event", "event", "code"),
        ],
        lambda: basis.oversight[member],
        within="seq",
    )
