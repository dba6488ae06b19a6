"""Checking that an allocation opened just the slot the committed list holds at its place."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ledger.allocation.slot import ALGORITHMS, LARGEST_LIST, Slot, is_hash, is_stratum
from ledger.errors import IntegrityFailure, RejectedInput
from ledger.log import tree

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ledger.signing.strict_json import JsonObject, JsonValue

_LONGEST_PATH: Final = LARGEST_LIST.bit_length()


def verify_slot(
    *,
    list_root: str,
    size: int,
    index: int,
    path: Sequence[str],
    stratum: str,
    slot: int,
    arm: str,
    salt: str,
) -> None:
    """Check that a slot is the leaf ``index`` of the list of ``size`` leaves under ``list_root``.

    Root, salt and each hash of ``path`` (leaf's sibling first) are 32 bytes in lower-case
    hexadecimal. That ``index`` is the place of this very stratum and slot is what `index_of`
    says, or `verify_opening` at once. No message tells the arm.

    Raises:
        IntegrityFailure: ``allocation.opening-malformed`` or ``allocation.slot-not-in-list``.
    """
    try:
        leaf = tree.leaf_hash(Slot(stratum, slot, arm, salt).leaf_bytes())
    except RejectedInput as error:
        raise _malformed(error.message, error.where) from error
    if not is_hash(list_root):
        raise _malformed("The list's root is not 32 bytes in lower-case hexadecimal.", "/list_root")
    if type(size) is not int or type(index) is not int or not 0 <= index < size <= LARGEST_LIST:
        raise _malformed("The index does not lie in a list of the stated size.", "/index")
    if len(path) > _LONGEST_PATH or not all(is_hash(step) for step in path):
        raise _malformed("The path is no short list of 32-byte hexadecimal hashes.", "/path")
    try:
        tree.verify_inclusion(
            index=index,
            size=size,
            leaf=leaf,
            path=[bytes.fromhex(step) for step in path],
            root=bytes.fromhex(list_root),
        )
    except IntegrityFailure as error:
        raise IntegrityFailure(
            "allocation.slot-not-in-list",
            "The opened slot does not hash up to the root of the committed list.",
            where=f"{stratum} slot {slot}",
            remedy="Compare the opening with the list that was sealed before the first subject.",
        ) from error


def index_of(stratum: str, slot: int, *, strata: JsonValue) -> int:
    """The leaf index of a slot, as the order of the commitment's ``strata`` implies it.

    ``strata`` is that member of `randomization-list.sealed.v1`: ``[{stratum, slots}]``.

    Raises:
        IntegrityFailure: ``allocation.commitment-malformed`` or ``allocation.no-such-slot``.
    """
    start = 0
    found: int | None = None
    for name, slots in _strata_rows(strata):
        if name == stratum and type(slot) is int and 1 <= slot <= slots:
            found = start + slot - 1
        start += slots
    if found is None:
        raise IntegrityFailure(
            "allocation.no-such-slot",
            "The committed list has no such stratum, or no such slot in it.",
        )
    return found


def verify_opening(
    commitment: JsonObject, slot: Slot, *, path: Sequence[str], index: int | None = None
) -> None:
    """Check an opened slot against the data of the commitment, its place included.

    ``index`` is the place the opening claims, where it claims one.

    Raises:
        IntegrityFailure: as `verify_slot` and `index_of`, ``allocation.algorithm-unknown`` or
            ``allocation.index-mismatch``.
    """
    algorithm = commitment.get("algorithm")
    if not isinstance(algorithm, str) or algorithm not in ALGORITHMS:
        raise IntegrityFailure(
            "allocation.algorithm-unknown",
            "The commitment names an algorithm that this version does not know.",
            where="/algorithm",
        )
    strata, root = commitment.get("strata"), commitment.get("list_root")
    size = sum(slots for _, slots in _strata_rows(strata))
    stated = commitment.get("total_slots")
    if type(stated) is not int or stated != size or not isinstance(root, str):
        raise _commitment("The commitment's root or total does not fit its strata.")
    place = index_of(slot.stratum, slot.slot, strata=strata)
    if index is not None and (type(index) is not int or index != place):
        raise IntegrityFailure(
            "allocation.index-mismatch",
            f"The slot stands at {place} of the committed list, not where it was opened.",
            where="/index",
        )
    verify_slot(
        list_root=root,
        size=size,
        index=place,
        path=path,
        stratum=slot.stratum,
        slot=slot.slot,
        arm=slot.arm,
        salt=slot.salt,
    )


def _strata_rows(strata: JsonValue) -> list[tuple[str, int]]:
    rows: list[tuple[str, int]] = []
    for row in strata if isinstance(strata, list) else ():
        if not isinstance(row, dict) or set(row) != {"stratum", "slots"}:
            raise _commitment("A row of the strata does not hold exactly stratum and slots.")
        name, slots = row["stratum"], row["slots"]
        if not is_stratum(name):
            raise _commitment("A stratum's name does not have its form.")
        if type(slots) is not int or not 1 <= slots <= LARGEST_LIST:
            raise _commitment("A stratum's number of slots is no positive integer.")
        rows.append((name, slots))
    if not rows or len({name for name, _ in rows}) != len(rows):
        raise _commitment("The strata are missing, or one is named twice.")
    return rows


def _malformed(message: str, where: str | None) -> IntegrityFailure:
    return IntegrityFailure("allocation.opening-malformed", message, where=where)


def _commitment(message: str) -> IntegrityFailure:
    return IntegrityFailure("allocation.commitment-malformed", message, where="/strata")
