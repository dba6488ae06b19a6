"""The allocation list in clear, as it was kept before it was sealed; read to be sealed, no more."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ledger.allocation.sealed_list import SealedList
from ledger.concealment.key_file import read_private, replace_private
from ledger.concealment.sealed_file import sealed_bytes
from ledger.errors import IntegrityFailure, LedgerError, RejectedInput, TrustFailure
from ledger.signing import strict_json

if TYPE_CHECKING:
    from pathlib import Path

    from ledger.concealment.key_ring import KeyRing
    from ledger.signing.strict_json import JsonObject

# Room for the largest list: a slot with the longest arm and stratum takes about 1,250 bytes.
_LIMITS: Final = strict_json.Limits(size=2**27, depth=8, members=1_000_000)


def load_plain(path: Path) -> SealedList:
    """Read a list in clear; every byte must be what its design and seed give again.

    Raises:
        TrustFailure: ``allocation.list-open-to-others``: others may have read the list.
        IntegrityFailure: ``allocation.list-malformed``, ``allocation.list-not-reproduced``.
        OSError: the file cannot be read.
    """
    try:
        content = read_private(path, largest=_LIMITS.size)
    except PermissionError as error:
        raise TrustFailure(
            "allocation.list-open-to-others",
            f"The allocation list {path.name} is open to others.",
            remedy=f"Run chmod 600 {path.name} and report that the list may be known.",
        ) from error
    except IntegrityFailure as error:
        raise _malformed(path, error) from error
    try:
        stored = strict_json.parse_object(content, limits=_LIMITS)
        sealed = SealedList.from_revelation(_revelation(stored))
    except RejectedInput as error:
        raise _malformed(path, error) from error
    expected = _members(sealed)
    if content != strict_json.canonical(expected):
        raise IntegrityFailure(
            "allocation.list-not-reproduced",
            f"The file {path.name} does not hold what its own design and seed give.",
            where=_first_difference(stored, expected),
            remedy="Allocate nothing from it; restore the list that was sealed.",
        )
    return sealed


def seal_plain(path: Path, ring: KeyRing) -> SealedList:
    """Replace a list in clear by its sealed form, in one step, and overwrite the old file.

    Raises as `load_plain`; Unavailable without a key-encryption key. The list is not drawn anew:
    whoever may have read the file in clear still knows it.
    """
    sealed = load_plain(path)
    replace_private(path, sealed_bytes(sealed.document(), kind=SealedList.KIND, kek=ring.current))
    return sealed


def _malformed(path: Path, error: LedgerError) -> IntegrityFailure:
    return IntegrityFailure(
        "allocation.list-malformed",
        f"The file {path.name} is not an allocation list in clear: {error.message}",
        where=error.where,
    )


def _revelation(stored: JsonObject) -> JsonObject:
    design, ratio = stored.get("design"), None
    if isinstance(design, dict):
        ratio = design.get("ratio")
    if not isinstance(design, dict) or not isinstance(ratio, dict):
        raise RejectedInput("allocation.design", "the design is incomplete.", where="/design")
    shares = [{"arm": arm, "share": share} for arm, share in ratio.items()]
    return {**design, "ratio": [*shares], "seed": stored.get("seed")}


def _members(sealed: SealedList) -> JsonObject:
    return {
        "design": {
            "algorithm": sealed.design.algorithm,
            "block_sizes": list(sealed.design.block_sizes),
            "planned_number": sealed.design.planned_number,
            "ratio": dict(sealed.design.ratio),
            "strata": list(sealed.design.strata),
        },
        "list_root": sealed.root,
        "seed": sealed.seed.hex(),
        "slots": [slot.members() for slot in sealed.slots],
    }


def _first_difference(stored: JsonObject, expected: JsonObject) -> str:
    for name, member in expected.items():
        there = stored.get(name)
        if there == member:
            continue
        if name == "slots" and isinstance(there, list) and isinstance(member, list):
            pairs = enumerate(zip(there, member, strict=False))
            first = (at for at, (left, right) in pairs if left != right)
            return f"/slots/{next(first, min(len(there), len(member)))}"
        return f"/{name}"
    return ""
