"""Records as they may be served: openings read through the vault, restricted members withheld."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from ledger.concealment.envelope import stored_bytes
from ledger.concealment.vault import Erased
from ledger.errors import IntegrityFailure
from ledger.record import Record, build_record

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ledger.concealment.openings import Openings
    from ledger.concealment.restricted import Restrictions

LOST: Final = "concealment.unknown-key"

Outcome = str | Erased | IntegrityFailure | None
"""A disclosure, what is left of it, what is wrong with it, or None: no key is at hand."""


def outcomes(rows: Sequence[tuple[str, str, str]], openings: Openings | None) -> Sequence[Outcome]:
    """What rows of ``(stream, event id, stored text)`` hold, with or without a vault.

    Raises Unavailable when there is a vault and its keys are not at hand.
    """
    if openings is not None:
        return openings.reveal(rows)
    return [_in_clear(text) for _, _, text in rows]


def merged(
    bare: Sequence[Record],
    kept: Mapping[int, Sequence[str]],
    *,
    openings: Openings | None,
    restrictions: Restrictions,
) -> list[Record]:
    """Records read without openings, with those in ``kept`` (by position) that can be read.

    Raises IntegrityFailure for a row that was damaged or belongs elsewhere, Unavailable when keys
    are not at hand.
    """
    rows = [(r.stream, r.id, text) for r in bare for text in kept.get(r.seq, ())]
    found = iter(outcomes(rows, openings))
    return [
        _served(_opened(record, [next(found) for _ in kept.get(record.seq, ())]), restrictions)
        for record in bare
    ]


def _opened(record: Record, found: Sequence[Outcome]) -> Record:
    if not found:
        return record
    for outcome in found:
        # A lost key store costs members, not the ledger: verification names what is gone.
        if isinstance(outcome, IntegrityFailure) and outcome.code != LOST:
            raise outcome
    return build_record(
        record.entry,
        sha256=record.sha256,
        disclosures=[outcome for outcome in found if isinstance(outcome, str)],
        parsed=(record.statement, record.event),
        erased=tuple(dict.fromkeys(one.act for one in found if isinstance(one, Erased))),
    )


def _served(record: Record, restrictions: Restrictions) -> Record:
    if restrictions.concerns(record.id) is None:
        return record
    event = replace(record.event, data=restrictions.served(record.id, record.event.data))
    return replace(record, event=event, data=restrictions.served(record.id, record.data))


def _in_clear(text: str) -> Outcome:
    try:
        return text if stored_bytes(text) is None else None
    except IntegrityFailure as error:
        return error
