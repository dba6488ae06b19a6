"""What a verification checked, and what it did not with the reason why."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ledger.verification.kinds import Check

if TYPE_CHECKING:
    from ledger.verification.publication import PublicationCheck

OF_A_LOG: Final = tuple(check for check in Check if check <= Check.ALLOCATION)
"""The checks of a whole log; those of the file it came in are made beside them."""

ELSEWHERE: Final = ("schema of payloads", "projections")
"""What this verification leaves to the layers above."""

ENCRYPTED: Final = "encrypted openings"
"""What cannot be checked without the keys of what is concealed."""

OF_PUBLICATION: Final = (Check.PUBLISHED, Check.COSIGNATURES, Check.TIMESTAMPS)
"""The checks of what was published of a log; made where that is at hand."""

_WITHIN_ENTRIES: Final = (
    Check.ENTRIES, Check.STREAMS, Check.STATEMENTS, Check.AUTHORITY, Check.OPENINGS,
    Check.ALLOCATION,
)  # fmt: skip
INTEGRITY_ALONE: Final = "integrity alone was asked for: bytes against what the log signed"
"""Why nothing within entries was checked."""

_ABOVE: Final = "the kernel does not know schemas and folds; trial-ledger verify does"


def checks_made(
    publication: PublicationCheck | None,
    *,
    nothing_given: bool,
    with_head_file: bool,
    concealed: int,
    integrity_only: bool,
) -> tuple[list[Check], dict[str, str]]:
    """The checks of a verification that came to its end, and what was not checked with reasons.

    ``publication`` is None where nothing published was given, or no key to check it with;
    ``concealed`` counts openings that cannot be opened without their keys.
    """
    reasons = dict.fromkeys(ELSEWHERE, _ABOVE)
    left: set[Check] = set()
    if integrity_only:
        left.update(_WITHIN_ENTRIES)
        reasons.update({check.label: INTEGRITY_ALONE for check in _WITHIN_ENTRIES})
    if not with_head_file:
        left.add(Check.HEAD_FILE)
        reasons["head file"] = "there is none here; so a log cut back whole would not show"
    if concealed:
        reasons[ENCRYPTED] = (
            f"{concealed} of them cannot be opened without their keys; each "
            "stands beside the digest it belongs to"
        )
    if publication is None:
        left.update(OF_PUBLICATION)
        why = "nothing published is at hand" if nothing_given else "no key of the log"
        reasons.update({check.label: why for check in OF_PUBLICATION})
    else:
        reasons.update(publication.reasons())
        left.update(c for c in OF_PUBLICATION if c.label in reasons)
    return [c for c in (*OF_A_LOG, *OF_PUBLICATION) if c not in left], reasons
