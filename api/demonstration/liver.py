"""Child-Pugh items of the demonstration's subjects: points, and values that give these points.

Plausible, and invented. The double-infusion group improves somewhat more.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

if TYPE_CHECKING:
    from api.demonstration.dice import Dice

Items: TypeAlias = tuple[int, int, int, int, int]
"""Points for bilirubin, albumin, INR, ascites, encephalopathy."""

Grade: TypeAlias = Literal["A", "B", "C"]

BASELINES: Final[dict[Grade, tuple[Items, ...]]] = {
    "A": ((1, 2, 1, 1, 1), (1, 1, 1, 1, 1)),
    "B": (
        (2, 2, 1, 1, 1),
        (2, 2, 1, 2, 1),
        (1, 2, 2, 2, 1),
        (2, 3, 1, 2, 1),
        (3, 2, 1, 2, 1),
        (2, 2, 2, 1, 1),
        (2, 2, 1, 1, 2),
    ),
    "C": (
        (3, 2, 2, 2, 1),
        (2, 3, 2, 2, 1),
        (3, 3, 2, 2, 1),
        (3, 2, 2, 3, 1),
        (3, 3, 2, 2, 2),
    ),
}

# Points gained by week 24, each entry equally likely.
_GAINS: Final[dict[str, tuple[int, ...]]] = {
    "single": (-1, 0, 0, 0, 1, 1, 1, 2, 2, 3),
    "double": (-1, 0, 1, 1, 1, 2, 2, 2, 3, 4),
}
_SHARE_OF_GAIN: Final = {"BASELINE": 0, "W04": 25, "W08": 50, "W12": 75, "W24": 100}
_BILIRUBIN: Final = {1: (160, 338), 2: (345, 506), 3: (540, 1120)}
_ALBUMIN: Final = {1: (354, 412), 2: (284, 346), 3: (225, 277)}
_INR: Final = {1: (108, 166), 2: (172, 228), 3: (236, 290)}
_ASCITES: Final = {1: "none", 2: "slight", 3: "moderate-severe"}
_ENCEPHALOPATHY: Final = {1: 0, 2: 1, 3: 3}


@dataclass(frozen=True, slots=True)
class LiverValues:
    """The five inputs as laboratory and examination report them."""

    bilirubin: str
    albumin: str
    inr: str
    ascites: str
    encephalopathy: int


def items_at(baseline: Items, *, arm: str, visit: str, dice: Dice) -> Items:
    """The points of each item at a visit, after the gain that was drawn for the subject."""
    gain = dice.one_of(_GAINS[arm], "gain")
    reached = abs(gain) * _SHARE_OF_GAIN[visit] // 100
    items = list(baseline)
    for step in range(reached):
        # Encephalopathy does not get worse here: who cannot decide needs another consent story.
        last = 5 if gain > 0 else 4
        movable = [at for at in range(last) if 1 <= items[at] - _sign(gain) <= 3]
        if movable:
            items[dice.one_of(movable, f"item/{step}")] -= _sign(gain)
    return (items[0], items[1], items[2], items[3], items[4])


def values_for(items: Items, *, dice: Dice, visit: str) -> LiverValues:
    """Values that give these points under the protocol's cut-offs."""
    bilirubin = dice.between(*_BILIRUBIN[items[0]], f"bilirubin/{visit}")
    albumin = dice.between(*_ALBUMIN[items[1]], f"albumin/{visit}")
    inr = dice.between(*_INR[items[2]], f"inr/{visit}")
    return LiverValues(
        bilirubin=f"{bilirubin // 10}.{bilirubin % 10}",
        albumin=f"{albumin // 10}.{albumin % 10}",
        inr=f"{inr // 100}.{inr % 100:02}",
        ascites=_ASCITES[items[3]],
        encephalopathy=_ENCEPHALOPATHY[items[4]],
    )


def _sign(gain: int) -> int:
    return 1 if gain > 0 else -1
