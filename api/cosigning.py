"""What the doors say about published checkpoints and those who cosigned them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from ledger.errors import RejectedInput, Unavailable

if TYPE_CHECKING:
    from ledger.publication.publishing import CosignedHead
    from ledger.publication.witness_follower import WitnessStanding
    from ledger.service import TrialLedger


def cosigned_head(ledger: TrialLedger) -> CosignedHead:
    """The newest checkpoint with the policy's quorum.

    Raises RejectedInput ``log.not-cosigned`` when there is none.
    """
    head = ledger.publisher.cosigned() if ledger.publisher else None
    if head is None:
        raise RejectedInput(
            "log.not-cosigned",
            "No checkpoint has been cosigned by the quorum of a witness policy.",
            remedy="See /verification for the witnesses; log/checkpoint is signed by the log.",
        )
    return head


def age_seconds(ledger: TrialLedger, head: CosignedHead) -> int | None:
    """How long ago the first of its witnesses cosigned a head; None without witnesses."""
    if not head.times:
        return None
    return max(0, int(ledger.clock.now().timestamp()) - min(head.times.values()))


def cosigning_state(ledger: TrialLedger) -> dict[str, Any] | None:
    """What is published and cosigned, how far it lies behind, and who is missing; JSON members.

    None while the ledger does not publish.
    """
    publisher = ledger.publisher
    if publisher is None:
        return None
    head = ledger.application.store.head().size
    try:
        newest, cosigned = publisher.newest(), publisher.cosigned()
    except Unavailable as error:
        return {"error": {"code": error.code, "detail": error.message}}
    return {
        "published_size": newest.size if newest else 0,
        "quorum": publisher.policy.quorum if publisher.policy else None,
        "cosigned": None
        if cosigned is None
        else {
            "size": cosigned.size,
            "entries_behind": head - cosigned.size,
            "age_seconds": age_seconds(ledger, cosigned),
            "witnesses": [*cosigned.times],
            "missing": [*cosigned.missing],
        },
        "witnesses": [_witness(one, head) for one in publisher.standings()],
    }


def _witness(standing: WitnessStanding, head: int) -> dict[str, Any]:
    error = standing.error
    at = None if standing.time is None else datetime.fromtimestamp(standing.time, UTC)
    return {
        "name": standing.name,
        "size": standing.size,
        "entries_behind": max(0, head - standing.size),
        "cosigned_at": None if at is None else at.isoformat().replace("+00:00", "Z"),
        "error": None if error is None else {"code": error.code, "detail": error.message},
    }
