"""Bundles with the pages the layers above the ledger add: the audit report, a subject's replay."""

from __future__ import annotations

from importlib.metadata import version
from typing import TYPE_CHECKING, BinaryIO, Final

from ledger.errors import RejectedInput
from ledger.publication.bundling import Bundled, recorded_until, write_bundle
from ledger.publication.dossiers import write_dossier
from ledger.signing.strict_json import canonical
from ledger.storage.evidence import DatabaseEvidence
from projections.report import render

if TYPE_CHECKING:
    from datetime import datetime

    from ledger.service import TrialLedger
    from projections.reading import Projections

SOFTWARE: Final = f"trial-ledger {version('trial-ledger')}"


def bundle_log(out: BinaryIO, ledger: TrialLedger, projections: Projections) -> Bundled:
    """Write the bundle of the whole log, with the audit report as of its last entry.

    The report says that no verification was made: whoever gets the bundle makes it.
    """
    with DatabaseEvidence(ledger.application.path) as source:
        as_of = recorded_until(source)
        projections.follow()
        pages = {
            "report.html": render(projections, ledger, format="html", as_of=as_of),
            "report.json": render(projections, ledger, format="json", as_of=as_of),
        }
        return write_bundle(out, source, software=SOFTWARE, pages=pages)


def bundle_subject(
    out: BinaryIO,
    ledger: TrialLedger,
    projections: Projections,
    subject: str,
    *,
    purpose: str,
    now: datetime,
) -> Bundled:
    """Commit to a subject's streams in the log, then write the dossier with the replay.

    Raises RejectedInput ``dossier.unknown-subject``.
    """
    projections.follow()
    replay = projections.replay(subject)
    if replay is None:
        raise RejectedInput("dossier.unknown-subject", f"There is no subject {subject}.")
    return write_dossier(
        out, ledger, subject, purpose=purpose, now=now, software=SOFTWARE,
        pages={"replay.json": canonical(replay)},
    )  # fmt: skip
