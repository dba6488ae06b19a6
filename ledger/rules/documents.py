"""Documents and sites in force at an instant, as approvals and activations in the log say."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ledger.rules.members import instant, instant_or_time, stopped_at, text, texts

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from ledger.history import Fact, History

APPROVED = "document.approved.v1"
ACTIVATED = "site.activated.v1"
SUSPENDED = "site.suspended.v1"
ETHICS_DOCUMENTS = ("protocol", "site-approval")


@dataclass(frozen=True, slots=True)
class Document:
    """A decision on one version of a document; ``site`` None means all sites."""

    fact: Fact
    doc_type: str
    version: str
    language: str
    sha256: str
    decision: str
    effective_from: datetime
    effective_to: datetime | None
    site: str | None

    def covers(self, at: datetime) -> bool:
        """Whether the decision's own dates cover the instant, both ends included."""
        return self.effective_from <= at and (self.effective_to is None or at <= self.effective_to)


def decisions(trial: History, site: str, *doc_types: str) -> list[Document]:
    """The decisions on documents of these types that hold for a site, by effective date."""
    found = [_document(fact) for fact in trial.of(APPROVED)]
    found = [row for row in found if row.doc_type in doc_types and row.site in (None, site)]
    return sorted(found, key=lambda row: (row.effective_from, row.fact.seq))


def consent_form_in_force(
    trial: History, *, site: str, language: str, at: datetime
) -> Document | None:
    """The consent form in force for a site and language (ICH E6(R3) 2.8.1, 2.8.2).

    A newer approved version replaces the older from its effective date on, and when it lapses or
    is withdrawn the older does not come back.
    """
    known = [row for row in decisions(trial, site, "icf") if row.language == language]
    approved = [row for row in known if row.decision == "approved" and row.effective_from <= at]
    if not approved:
        return None
    latest = approved[-1]
    return latest if latest.covers(at) and not _withdrawn(latest, known, at) else None


def version_effective_from(trial: History, site: str, version: str) -> datetime | None:
    """From when a version of the consent form was first approved for use."""
    return next(
        (
            row.effective_from
            for row in decisions(trial, site, "icf")
            if row.version == version and row.decision == "approved"
        ),
        None,
    )


def ethics_approval(trial: History, site_records: History, site: str, at: datetime) -> bool:
    """Whether an ethics approval is in force for the site (ICH E6(R3) 4.3.5).

    Counted are decisions on the protocol or on the site, and the approvals that the site's
    activation names.
    """
    named = {
        approval
        for fact in site_records.of(ACTIVATED)
        for approval in texts(fact.data, "approvals")
    }
    known = decisions(trial, site, *ETHICS_DOCUMENTS)
    known += [
        row
        for fact in trial.of(APPROVED)
        if fact.id in named and (row := _document(fact)).doc_type not in ETHICS_DOCUMENTS
    ]
    return any(
        row.decision == "approved" and row.covers(at) and not _withdrawn(row, known, at)
        for row in known
    )


def site_active(site_records: History, at: datetime) -> bool:
    """Whether the site is activated and not suspended at an instant."""
    steps = [
        fact
        for fact in site_records.of(ACTIVATED, SUSPENDED)
        if (fact.occurred_at if fact.type == ACTIVATED else stopped_at(fact)) <= at
    ]
    return bool(steps) and steps[-1].type == ACTIVATED


def _withdrawn(document: Document, known: Iterable[Document], at: datetime) -> bool:
    return any(
        row.decision == "withdrawn"
        and (row.doc_type, row.version) == (document.doc_type, document.version)
        and row.language == document.language
        and document.effective_from <= row.effective_from <= at
        for row in known
    )


def _document(fact: Fact) -> Document:
    data = fact.data
    return Document(
        fact=fact,
        doc_type=text(data, "doc_type") or "",
        version=text(data, "version") or "",
        language=text(data, "language") or "",
        sha256=text(data, "sha256") or "",
        decision=text(data, "decision") or "",
        effective_from=instant_or_time(fact, "effective_from"),
        effective_to=instant(data, "effective_to"),
        site=text(data, "site"),
    )
