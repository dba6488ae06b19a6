"""What a copy that leaves the house would hold of data that are no longer served."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ledger.errors import RejectedInput

if TYPE_CHECKING:
    from ledger.application import LedgerApplication


def require_unrestricted(application: LedgerApplication, *streams: str) -> None:
    """Refuse a copy of these streams, or of the whole log, that holds restricted personal data.

    Entries cannot be altered, so a copy either holds them whole or proves nothing.

    Raises:
        RejectedInput: ``bundle.restricted``, naming the acts.
    """
    restrictions = application.restrictions
    if not restrictions:
        return
    concerned = restrictions.events()
    if streams:
        concerned &= {record.id for record in application.merged(*streams)}
    if not concerned:
        return
    acts = sorted({str(restrictions.concerns(event_id)) for event_id in concerned})
    raise RejectedInput(
        "bundle.restricted",
        f"{len(concerned)} entries hold personal data that are no longer served, by "
        f"{', '.join(acts)}.",
        remedy="A copy from the restricted archive is made on the ledger's own machine with "
        "trial-ledger bundle --restricted, for a court or an inspector.",
    )
