"""One slot of an allocation list and the exact bytes by which the list commits to it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, TypeGuard

from ledger.errors import RejectedInput
from ledger.signing import strict_json

if TYPE_CHECKING:
    from collections.abc import Iterable

PERMUTED_BLOCKS: Final = "permuted-blocks-hmac-sha256.v1"
"""Name of the algorithm: drawing in permuted blocks, salts, leaf bytes, leaf order and tree."""

SIMPLE: Final = "simple-hmac-sha256.v1"
"""Name of the algorithm of simple randomization: each slot drawn by the ratio alone."""

ALGORITHMS: Final = frozenset({PERMUTED_BLOCKS, SIMPLE})
"""The algorithms a commitment may name; a change of anything they fix is a new name."""

UNSTRATIFIED: Final = "all"
"""Name of the only stratum of a scheme without factors."""

LARGEST_LIST: Final = 100_000
"""Most slots a list may have, all strata together."""

_CODE: Final = r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}"
_WHOLE_CODE: Final = re.compile(_CODE)
_HASH: Final = re.compile(r"[0-9a-f]{64}")

STRATUM: Final = re.compile(rf"all|{_CODE}={_CODE}(?:,{_CODE}={_CODE})*")
"""Grammar of a stratum's name, apart from its length; see `stratum_name`."""

LONGEST_STRATUM: Final = 1_024
"""Most characters a stratum's name may have."""


def is_arm(text: object) -> TypeGuard[str]:
    """Tell whether a text is an arm's code: 1 to 64 letters, digits, ``.``, ``_``, ``-``."""
    return isinstance(text, str) and _WHOLE_CODE.fullmatch(text) is not None


def is_stratum(text: object) -> TypeGuard[str]:
    """Tell whether a text names a stratum: ``all``, or ``factor=level`` joined by commas."""
    if not isinstance(text, str) or len(text) > LONGEST_STRATUM:
        return False
    return STRATUM.fullmatch(text) is not None


def is_hash(text: object) -> TypeGuard[str]:
    """Tell whether a text is 32 bytes in lower-case hexadecimal."""
    return isinstance(text, str) and _HASH.fullmatch(text) is not None


def stratum_name(levels: Iterable[tuple[str, str]]) -> str:
    """Name the stratum of these (factor, level) pairs, given in the protocol's order of factors.

    ``child-pugh-class=B``, ``sex=female,child-pugh-class=B``, or ``all`` without factors.

    Raises:
        RejectedInput: ``allocation.strata`` when a factor or a level is not a code; a comma or an
            equals sign in one would let two strata share a name.
    """
    levels = tuple(levels)
    if not all(_WHOLE_CODE.fullmatch(code) for pair in levels for code in pair):
        raise RejectedInput("allocation.strata", "A factor or a level of a stratum is not a code.")
    return ",".join(f"{factor}={level}" for factor, level in levels) or UNSTRATIFIED


@dataclass(frozen=True, slots=True)
class Slot:
    """The ``slot``-th allocation (counted from 1) of a stratum, with its arm and its salt.

    ``salt`` is 32 bytes in lower-case hexadecimal. Arm and salt stay out of the printed form,
    so that neither a log line nor a traceback tells them.

    Raises:
        RejectedInput: ``allocation.slot-malformed``, without naming the value.
    """

    stratum: str
    slot: int
    arm: str = field(repr=False)
    salt: str = field(repr=False)

    def __post_init__(self) -> None:
        """Refuse what could not stand in a list; a boolean is no number here."""
        flaw = None
        if not is_stratum(self.stratum):
            flaw = "stratum"
        elif type(self.slot) is not int or not 1 <= self.slot <= LARGEST_LIST:
            flaw = "slot"
        elif not is_arm(self.arm):
            flaw = "arm"
        elif not is_hash(self.salt):
            flaw = "salt"
        if flaw is not None:
            raise RejectedInput(
                "allocation.slot-malformed",
                f"A slot's {flaw} does not have the form the list format demands.",
                where=f"/{flaw}",
            )

    def leaf_bytes(self) -> bytes:
        """The canonical JSON (RFC 8785) of exactly arm, salt, slot and stratum."""
        return strict_json.canonical(self.members())

    def members(self) -> strict_json.JsonObject:
        """The slot as a JSON object of exactly arm, salt, slot and stratum."""
        return {"arm": self.arm, "salt": self.salt, "slot": self.slot, "stratum": self.stratum}
