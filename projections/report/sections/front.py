"""The front of the report: what it is a copy of, which trial, which documents."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ledger.history import tokens
from ledger.rules.child_pugh import RULE_VERSION
from ledger.rules.deviations import CASE_RULES, TRIAL_RULES
from projections.report.document import column, facts, note, part, plain, section, table
from projections.times import utc_text

if TYPE_CHECKING:
    from ledger.signing.strict_json import JsonObject, JsonValue
    from projections.report.basis import Basis, Material
    from projections.report.document import Block

_LONGEST_VALUE = 600


def certificate(basis: Basis) -> Block:
    """What this is a copy of, and what anyone needs to check it (R-19, R-20, R-23)."""
    head = basis.head
    copy = facts(
        "copy-of",
        [
            ("As of", utc_text(basis.as_of), "time"),
            ("Last entry recorded", utc_text(head.recorded_at), "time"),
            ("Entries in scope", head.size, "number"),
            ("Head (SHA-256 of the last entry)", head.sha256, "hash"),
            ("Root of the Merkle tree", head.root, "hash"),
            ("Covered by the checkpoint of size", head.checkpoint_size, "number"),
            ("Time zone of the site's clock", str(basis.zone), "text"),
            ("Rendering", "Unmasked: allocation is shown as far as it is opened", "text"),
        ],
    )
    return section(
        "certificate",
        "Certificate of copy",
        "Which state of which ledger this report shows, made by which software, and the root of "
        "trust it can be checked against.",
        copy,
        *trust(basis),
    )


def trust(basis: Material) -> tuple[Block, ...]:
    """The root of trust, what made the report, and what of the protocol is assumed."""
    software = basis.software
    root = facts(
        "root-of-trust",
        [
            ("Log verifier key", basis.vkey, "hash"),
            ("SHA-256 of entry 0", basis.genesis.record.sha256, "hash"),
            ("Origin of the log", basis.genesis.origin, "text"),
            ("SHA-256 of the protocol", basis.definition.sha256, "hash"),
            ("Software", f"trial-ledger {software.version}", "text"),
            ("Vocabulary", f"{software.vocabulary_types} event types", "text"),
            ("SHA-256 of the vocabulary", software.vocabulary_sha256, "hash"),
            ("Deviation rules", len({rule.id for rule in (*CASE_RULES, *TRIAL_RULES)}), "number"),
            ("Endpoint rule", RULE_VERSION, "text"),
            ("Criteria set", basis.definition.protocol.criteria_version, "text"),
        ],
    )
    comparing = note(
        "Check the verifier key and the hash of entry 0 against what you were handed by another "
        "way than this report: a report that comes with its own root of trust proves only that "
        "it agrees with itself."
    )
    return root, comparing, _assumed(basis)


def _assumed(basis: Material) -> Block:
    whole = basis.definition.to_json()
    rows: list[JsonObject] = [
        {
            "id": row.pointer,
            "pointer": row.pointer,
            "value": _words(_at(whole, row.pointer)),
            "reason": row.reason,
        }
        for row in basis.definition.assumed
    ]
    return table(
        "assumed",
        "Protocol configuration that the register does not state, and is assumed",
        [
            plain("Where", "pointer", "code"),
            column("Value", part("value", "prose")),
            column("Why", part("reason", "prose")),
        ],
        rows,
        empty="Everything is taken from the register.",
    )


def _at(document: JsonValue, pointer: str) -> JsonValue:
    for token in tokens(pointer):
        if isinstance(document, dict):
            document = document.get(token)
        elif isinstance(document, list) and token.isascii() and token.isdigit():
            document = document[int(token)] if int(token) < len(document) else None
    return document


def _words(value: JsonValue) -> str:
    found = _spelled(value)
    return found if len(found) <= _LONGEST_VALUE else f"{found[:_LONGEST_VALUE]} …"


def _spelled(value: JsonValue) -> str:
    if isinstance(value, dict):
        return "; ".join(
            f"{name.replace('_', ' ')}: {_spelled(member)}" for name, member in value.items()
        )
    if isinstance(value, list):
        joint = " | " if any(isinstance(item, dict) for item in value) else ", "
        return joint.join(_spelled(item) for item in value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "none" if value is None else str(value)


def trial(basis: Material) -> Block:
    """Identification of the trial as registered and as configured."""
    registry, protocol = basis.definition.registry, basis.definition.protocol
    about = facts(
        "trial-facts",
        [
            ("Title", registry.title, "text"),
            ("Registry", f"{registry.register} {registry.nct_id}", "text"),
            ("Protocol", f"{protocol.id}, version {protocol.version}", "text"),
            ("Sponsor", f"{registry.sponsor.name}, {registry.sponsor.city}", "text"),
            ("Status in the register", f"{registry.status} on {registry.updated_on}", "text"),
            ("Type", f"{registry.study_type} · phase {', '.join(registry.phases)}", "text"),
            ("Design", f"{registry.allocation}, {registry.intervention_model}", "text"),
            ("Masking", f"{registry.masking}: {', '.join(registry.who_masked)}", "text"),
            ("Start", registry.start_date.isoformat(), "day"),
            ("Primary completion", registry.primary_completion_date.isoformat(), "day"),
            ("Completion", registry.completion_date.isoformat(), "day"),
            ("Planned number", protocol.planned_number, "number"),
            ("Primary endpoint", protocol.endpoint.label, "text"),
            ("Time frame", protocol.endpoint.time_frame, "text"),
            ("Child-Pugh variant", protocol.child_pugh.variant, "text"),
        ],
    )
    return section(
        "trial",
        "Trial identification",
        "The trial as its register describes it and as its protocol configures it.",
        about,
        _arms(basis),
        _schedule(basis),
    )


def _arms(basis: Material) -> Block:
    protocol = basis.definition.protocol
    rows: list[JsonObject] = [
        {
            "id": arm.id,
            "arm": arm.id,
            "label": arm.label,
            "planned_infusions": arm.planned_infusions,
            "ratio": protocol.allocation.ratio[arm.id],
        }
        for arm in protocol.arms
    ]
    return table(
        "arms",
        "Arms",
        [
            plain("Arm", "label"),
            plain("Code", "arm", "code"),
            plain("Planned infusions", "planned_infusions", "number"),
            plain("Ratio", "ratio", "number"),
        ],
        rows,
    )


def _schedule(basis: Material) -> Block:
    rows: list[JsonObject] = [
        {
            "id": visit.id,
            "visit": visit.id,
            "anchor": visit.anchor,
            "target_day": visit.target_day,
            "days_before": visit.days_before,
            "days_after": visit.days_after,
            "child_pugh": visit.child_pugh,
        }
        for visit in basis.definition.protocol.visits
    ]
    return table(
        "schedule",
        "Planned visits",
        [
            plain("Visit", "visit"),
            plain("Counted from", "anchor"),
            plain("Target day", "target_day", "number"),
            plain("Days before", "days_before", "number"),
            plain("Days after", "days_after", "number"),
            plain("Child-Pugh", "child_pugh", "flag"),
        ],
        rows,
    )


def documents(basis: Material) -> Block:
    """Documents with the bodies' decisions and from when they may be used (R-41)."""
    sites: list[JsonObject] = [
        {"id": site.id, "site": site.id, "name": site.name, "time_zone": site.time_zone}
        for site in basis.definition.protocol.sites
    ]
    return section(
        "documents",
        "Documents and approvals",
        "Every version of every document a body decided on, bound by its SHA-256.",
        table(
            "documents-table",
            "Documents and decisions",
            [
                column("Document", part("doc_type", "word"), part("title")),
                column("Version", part("version"), part("language", "text", "language")),
                column("Decision", part("decision", "word"), part("body"), part("site")),
                plain("Decided on", "approved_on", "day"),
                column(
                    "In force",
                    part("effective_from", "time", "from"),
                    part("effective_to", "time", "until"),
                ),
                column("SHA-256 and record", part("sha256", "hash"), part("event", "code")),
            ],
            basis.documents,
            wide=True,
        ),
        table(
            "sites",
            "Sites of the protocol",
            [plain("Site", "site"), plain("Name", "name"), plain("Time zone", "time_zone")],
            sites,
        ),
    )
