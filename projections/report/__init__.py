"""The GCP audit report: contents once, from the projections, then renderers (R-19, R-23)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from projections.report.contents import contents
from projections.report.html import render_html
from projections.report.json import render_json
from projections.report.sources import Wanted, read_basis

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from ledger.signing.strict_json import JsonObject
    from projections.reading import Projections, ReadableLedger


def render(
    projections: Projections,
    ledger: ReadableLedger,
    *,
    format: Literal["html", "json"],  # noqa: A002 - the parameter's name on every surface
    as_of: datetime | None = None,
    verification: Mapping[str, Any] | None = None,
    subject: str | None = None,
) -> bytes:
    """The audit report in UTF-8.

    ``as_of`` is a record time, the head's when absent: entries recorded later are not known, and
    what falls due by it is due. ``verification`` is a verification's report as an object (members
    as `ledger.verification.report.VerificationReport`, with ``status``; ``schema`` and
    ``projections`` list what those layers found); without it the report says that none was made.
    ``subject`` names whose replay is shown. The same head and parameters give the same bytes.

    Raises:
        RejectedInput: ``report.before-the-trial``, ``report.unknown-subject``.
        Unavailable: the head cannot be read.
    """
    document = report_document(
        projections, ledger, as_of=as_of, verification=verification, subject=subject
    )
    return render_html(document) if format == "html" else render_json(document)


def report_document(
    projections: Projections,
    ledger: ReadableLedger,
    *,
    as_of: datetime | None = None,
    verification: Mapping[str, Any] | None = None,
    subject: str | None = None,
) -> JsonObject:
    """The report as plain JSON, before any renderer; parameters as for `render`."""
    wanted = Wanted(as_of=as_of, subject=subject, verification=verification)
    return contents(read_basis(projections, ledger, wanted))


__all__ = ["render", "report_document"]
