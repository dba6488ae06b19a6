"""The GCP audit report: contents once, from the projections, then renderers (R-19, R-23)."""

from __future__ import annotations

from contextlib import contextmanager
from io import BytesIO
from typing import TYPE_CHECKING, Any

from projections.report.contents import contents
from projections.report.drawing import FORMATS, Drawn, Format
from projections.report.sources import Wanted, read_basis

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime

    from projections.reading import Projections, ReadableLedger


@contextmanager
def opened_report(
    projections: Projections,
    ledger: ReadableLedger,
    *,
    as_of: datetime | None = None,
    verification: Mapping[str, Any] | None = None,
    subject: str | None = None,
) -> Iterator[Drawn]:
    """The audit report, to be written in any format; what it rests on lies aside meanwhile.

    ``as_of`` is a record time, the head's when absent: entries recorded later are not known, and
    what falls due by it is due. ``verification`` is a verification's report as an object (members
    as `ledger.verification.report.VerificationReport`, with ``status``; ``schema`` and
    ``projections`` list what those layers found); without it the report says that none was made.
    ``subject`` names whose replay is shown. The same head and parameters give the same bytes.

    Raises:
        RejectedInput: ``report.before-the-trial``, ``report.unknown-subject``.
        Unavailable: the head cannot be read.
    """
    wanted = Wanted(as_of=as_of, subject=subject, verification=verification)
    with read_basis(projections, ledger, wanted) as basis:
        yield Drawn(contents(basis))


def render(
    projections: Projections,
    ledger: ReadableLedger,
    *,
    format: Format,  # noqa: A002 - the parameter's name on every surface
    as_of: datetime | None = None,
    verification: Mapping[str, Any] | None = None,
    subject: str | None = None,
) -> bytes:
    """The audit report in UTF-8, whole in memory; parameters and errors as for `opened_report`."""
    out = BytesIO()
    with opened_report(
        projections, ledger, as_of=as_of, verification=verification, subject=subject
    ) as report:
        report.write(out, format=format)
    return out.getvalue()


__all__ = ["FORMATS", "Drawn", "Format", "opened_report", "render"]
