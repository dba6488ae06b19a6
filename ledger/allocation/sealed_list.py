"""The sealed list: drawn slots with their salts, the tree that commits to them, and its file."""

from __future__ import annotations

import errno
import hmac
import os
import secrets
from dataclasses import dataclass, field
from hashlib import sha256
from types import MappingProxyType
from typing import TYPE_CHECKING, ClassVar

from ledger.allocation.generator import SEED_BYTES, ListDesign, draw_blocks
from ledger.allocation.slot import Slot, is_hash
from ledger.concealment.key_file import create_key_file, read_key_file
from ledger.concealment.key_ring import KeyRing
from ledger.concealment.sealed_file import read_sealed, require_sealed, write_sealed
from ledger.errors import IntegrityFailure, RejectedInput, TrustFailure
from ledger.log import tree
from ledger.signing import strict_json

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from ledger.signing.strict_json import JsonObject, JsonValue
    from ledger.trials.protocol import AllocationScheme

__all__ = ["Opening", "SealedList", "Slot"]


@dataclass(frozen=True, slots=True)
class Opening:
    """A slot with what proves it to be leaf ``index`` of the list of ``size`` leaves.

    ``path`` holds hashes in lower-case hexadecimal, the leaf's sibling first (RFC 9162 §2.1.3).
    """

    index: int
    size: int
    path: tuple[str, ...]
    slot: Slot


@dataclass(frozen=True, slots=True)
class SealedList:
    """The whole allocation list as its design and its seed (32 bytes) give it.

    Whoever holds a value of this class knows every coming allocation. Neither the seed nor the
    slots stand in its printed form.

    Raises:
        RejectedInput: ``allocation.seed-length``.
    """

    KIND: ClassVar[str] = "allocation-list"
    """What a file says that a list is sealed in."""

    design: ListDesign
    seed: bytes = field(repr=False)
    slots: tuple[Slot, ...] = field(init=False, repr=False, compare=False)
    slots_per_stratum: Mapping[str, int] = field(init=False, compare=False)
    _levels: tuple[tuple[bytes, ...], ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Draw the list and build its tree."""
        slots: list[Slot] = []
        counts: dict[str, int] = {}
        for stratum, blocks in draw_blocks(self.design, self.seed).items():
            arms = [arm for block in blocks for arm in block]
            counts[stratum] = len(arms)
            for number, arm in enumerate(arms, start=1):
                slots.append(Slot(stratum, number, arm, self._salt(stratum, number)))
        object.__setattr__(self, "slots", tuple(slots))
        object.__setattr__(self, "slots_per_stratum", MappingProxyType(counts))
        object.__setattr__(self, "_levels", _levels_over(slots))

    @classmethod
    def draw(
        cls,
        scheme: AllocationScheme,
        planned_number: int,
        *,
        block_sizes: tuple[int, ...],
        seed: bytes,
    ) -> SealedList:
        """Draw the list that a protocol's scheme asks for; the seed must be fresh and secret.

        ``block_sizes`` is the statistician's choice and as secret as the list it goes into.

        Raises:
            RejectedInput: as `ListDesign.of`, and ``allocation.seed-length``.
        """
        return cls(ListDesign.of(scheme, planned_number, block_sizes=block_sizes), seed)

    @property
    def size(self) -> int:
        """Number of slots, all strata together."""
        return len(self.slots)

    @property
    def root(self) -> str:
        """Root of the tree over all slots, 32 bytes in lower-case hexadecimal."""
        return tree.root_of(self._levels[0]).hex()

    def opening(self, stratum: str, slot: int) -> Opening:
        """Open one slot (counted from 1 within its stratum), and no other.

        Raises:
            RejectedInput: ``allocation.no-such-slot``.
        """
        if not 1 <= slot <= self.slots_per_stratum.get(stratum, 0):
            raise RejectedInput(
                "allocation.no-such-slot", "The list has no such stratum, or no such slot in it."
            )
        before = self.design.strata[: self.design.strata.index(stratum)]
        index = sum(self.slots_per_stratum[name] for name in before) + slot - 1
        path = tree.inclusion_path(index, self.size, lambda level, at: self._levels[level][at])
        return Opening(index, self.size, tuple(step.hex() for step in path), self.slots[index])

    def commitment(self, *, generator: str, protocol_version: str) -> JsonObject:
        """The data of `randomization-list.sealed.v1`: the root, and how it came about.

        ``generator`` is the person or system that drew the list, as source URI; both values are
        taken as given. Neither the seed, the arms nor the block sizes stand in it.
        """
        return {
            "algorithm": self.design.algorithm,
            "generator": generator,
            "list_root": self.root,
            "protocol_version": protocol_version,
            "strata": [
                {"stratum": name, "slots": slots} for name, slots in self.slots_per_stratum.items()
            ],
            "total_slots": self.size,
        }

    def revelation(self) -> JsonObject:
        """Design and seed as `allocation.revealed.v1` publishes them: all that draws the list."""
        return {
            "algorithm": self.design.algorithm,
            "block_sizes": list(self.design.block_sizes),
            "list_root": self.root,
            "planned_number": self.design.planned_number,
            "ratio": [{"arm": arm, "share": share} for arm, share in self.design.ratio],
            "seed": self.seed.hex(),
            "strata": list(self.design.strata),
        }

    @classmethod
    def from_revelation(cls, data: JsonObject) -> SealedList:
        """Draw the list again from what was published at the reveal.

        Raises:
            RejectedInput: ``allocation.design`` or ``allocation.seed`` for a malformed member, and
                as `ListDesign`. Whether the list is the sealed one, its root tells.
        """
        rows = data.get("ratio")
        shares = {
            str(row["arm"]): row["share"]
            for row in (rows if isinstance(rows, list) else ())
            if isinstance(row, dict) and set(row) == {"arm", "share"}
        }
        names = ("algorithm", "block_sizes", "planned_number", "strata")
        design = {name: data[name] for name in names if name in data}
        return cls(_read_design({**design, "ratio": shares}), _read_seed(data.get("seed")))

    def document(self) -> str:
        """All that draws the list, as it is kept sealed: the revelation in canonical JSON."""
        return strict_json.canonical(self.revelation()).decode("ascii")

    def save(self, path: Path, ring: KeyRing | None = None) -> None:
        """Write the list to a new file that only its owner can read, encrypted and durably.

        ``ring`` holds the key-encryption key it is sealed under. Without it that is the one in the
        file beside it, ``<path>.kek``, which is made where it is missing.

        Raises:
            FileExistsError: something is there already; a list is never overwritten.
            TrustFailure: ``key-file.…``.
        """
        if path.exists():
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path))
        if ring is None:
            beside = key_beside(path)
            if not beside.exists():
                create_key_file(beside, secrets.token_bytes(SEED_BYTES))
            ring = KeyRing(lambda: read_key_file(beside))
        write_sealed(path, self.document(), kind=self.KIND, ring=ring)

    @classmethod
    def load(cls, path: Path, ring: KeyRing | None = None) -> SealedList:
        """Read a list back with the key of ``ring``, or of the file ``<path>.kek``.

        Raises:
            TrustFailure: ``allocation.list-open-to-others``: others may have read the list;
                ``key-file.…``.
            IntegrityFailure: ``allocation.list-malformed`` (also for a list in clear),
                ``allocation.list-altered``, ``allocation.list-not-reproduced``.
            Unavailable: ``concealment.key-missing``.
            OSError: the file cannot be read.
        """
        sealed = cls._drawn_again(path, ring)
        if sealed is None:
            raise IntegrityFailure(
                "allocation.list-not-reproduced",
                f"The file {path.name} does not hold what its own design and seed give.",
                remedy="Allocate nothing from it; restore the list that was sealed.",
            )
        return sealed

    @classmethod
    def _drawn_again(cls, path: Path, ring: KeyRing | None) -> SealedList | None:
        try:
            require_sealed(path, kind=cls.KIND)
            if ring is None:
                ring = KeyRing(lambda: read_key_file(key_beside(path)))
            document = read_sealed(path, kind=cls.KIND, ring=ring)
            sealed = cls.from_revelation(strict_json.parse_object(document.encode("ascii")))
        except PermissionError as error:
            raise TrustFailure(
                "allocation.list-open-to-others",
                f"The allocation list {path.name} is open to others.",
                remedy=f"Run chmod 600 {path.name} and report that the list may be known.",
            ) from error
        except IntegrityFailure as error:
            raise _unreadable(path, error) from error
        except RejectedInput as error:
            raise _malformed(path) from error
        return sealed if sealed.document() == document else None

    def _salt(self, stratum: str, slot: int) -> str:
        # One HMAC per slot: a published salt tells nothing of the seed or of any other salt.
        message = f"{self.design.algorithm}\nsalt\n{stratum}\n{slot}"
        return hmac.digest(self.seed, message.encode("ascii"), sha256).hex()


def key_beside(path: Path) -> Path:
    """The file of the key-encryption key that a list is sealed under unless another is named."""
    return path.with_name(f"{path.name}.kek")


def _levels_over(slots: list[Slot]) -> tuple[tuple[bytes, ...], ...]:
    """The roots of all perfect subtrees, level by level, leaves first."""
    levels = [tuple(tree.leaf_hash(slot.leaf_bytes()) for slot in slots)]
    while len(below := levels[-1]) > 1:
        pairs = zip(below[::2], below[1::2], strict=False)
        levels.append(tuple(tree.node_hash(left, right) for left, right in pairs))
    return tuple(levels)


def _unreadable(path: Path, error: IntegrityFailure) -> IntegrityFailure:
    if error.code != "concealment.altered":
        return _malformed(path)
    return IntegrityFailure(
        "allocation.list-altered",
        f"The allocation list {path.name} was changed, or belongs to another key.",
        remedy="Allocate nothing from it; restore the list that was sealed.",
    )


def _malformed(path: Path) -> IntegrityFailure:
    return IntegrityFailure(
        "allocation.list-malformed",
        f"The file {path.name} is not a sealed allocation list.",
        remedy="Put the list back as trial-ledger allocation draw wrote it.",
    )


def _read_seed(value: JsonValue) -> bytes:
    if not isinstance(value, str) or not is_hash(value):
        raise RejectedInput(
            "allocation.seed", f"the seed is not {SEED_BYTES} bytes in hexadecimal.", where="/seed"
        )
    return bytes.fromhex(value)


def _read_design(value: JsonValue) -> ListDesign:
    names = {"algorithm", "block_sizes", "planned_number", "ratio", "strata"}
    if not isinstance(value, dict) or set(value) != names:
        raise RejectedInput("allocation.design", "the design is incomplete.", where="/design")
    planned, algorithm = value["planned_number"], value["algorithm"]
    ratio, sizes, strata = value["ratio"], value["block_sizes"], value["strata"]
    if not isinstance(planned, int) or not isinstance(algorithm, str):
        raise RejectedInput("allocation.design", "the design is mistyped.", where="/design")
    if not isinstance(ratio, dict) or not isinstance(sizes, list) or not isinstance(strata, list):
        raise RejectedInput("allocation.design", "the design is mistyped.", where="/design")
    shares = tuple(sorted((arm, n) for arm, n in ratio.items() if isinstance(n, int)))
    blocks = tuple(size for size in sizes if isinstance(size, int))
    names_of = tuple(name for name in strata if isinstance(name, str))
    # Members of another type are left out here and found by the comparison of the whole file.
    return ListDesign(planned, shares, blocks, names_of, algorithm)
