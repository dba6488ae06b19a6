"""The Child-Pugh score, by the variant and the cut-offs that the protocol fixes.

Rules of scoring:

1. A laboratory value is compared in the unit the laboratory gave, against the cut-offs for that
   unit. Units are never converted: 2.0 mg/dL is 34.2 umol/L, so a conversion can move a point.
2. Values are compared exactly as reported; nothing is rounded.
3. A missing input gives no score and is named. Nothing is imputed.
4. What cannot be compared (a unit without cut-offs, ``<40`` across a cut-off) gives no score and
   a reason.

Source: Pugh RNH et al., Br J Surg 1973;60:646-649, with INR for prothrombin time.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Mapping
    from decimal import Decimal

    from ledger.trials.protocol import (
        ChildPughCutOff,
        ChildPughDefinition,
        ChildPughGrade,
        ChildPughMeasure,
    )

RULE_VERSION: Final = "child-pugh.1"

Points: TypeAlias = Literal[1, 2, 3]
Comparator: TypeAlias = Literal["<", "<=", "=", ">=", ">"]
Ascites: TypeAlias = Literal["none", "slight", "moderate-severe"]
ChildPughItem: TypeAlias = Literal[
    "bilirubin", "albumin", "coagulation", "ascites", "encephalopathy"
]

_ASCITES_POINTS: Final[Mapping[str, Points]] = {"none": 1, "slight": 2, "moderate-severe": 3}


@dataclass(frozen=True, slots=True)
class Measurement:
    """A laboratory value as reported: ``comparator`` tells a value beyond a limit of detection."""

    value: Decimal
    unit: str
    comparator: Comparator = "="


@dataclass(frozen=True, slots=True, kw_only=True)
class ChildPughInputs:
    """What is at hand for one score; None where nothing is.

    ``encephalopathy`` is the West Haven grade, 0 for none.
    """

    bilirubin: Measurement | None = None
    albumin: Measurement | None = None
    inr: Measurement | None = None
    prothrombin_time_prolongation: Measurement | None = None
    ascites: str | None = None
    encephalopathy: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ChildPughScore:
    """A complete score: points per item, their total (5 to 15) and the grade A, B or C."""

    bilirubin: Points
    albumin: Points
    coagulation: Points
    ascites: Points
    encephalopathy: Points
    coagulation_measure: Literal["inr", "prothrombin-time-prolongation"]
    variant: str

    @property
    def points(self) -> Mapping[ChildPughItem, Points]:
        """The points of each item by its name."""
        return {
            "bilirubin": self.bilirubin,
            "albumin": self.albumin,
            "coagulation": self.coagulation,
            "ascites": self.ascites,
            "encephalopathy": self.encephalopathy,
        }

    @property
    def total(self) -> int:
        """The sum of the five items' points."""
        return sum(self.points.values())

    @property
    def grade(self) -> ChildPughGrade:
        """Class A for 5 to 6 points, B for 7 to 9, C for 10 to 15."""
        total = self.total
        if total <= 6:
            return "A"
        return "B" if total <= 9 else "C"


@dataclass(frozen=True, slots=True)
class Unscorable:
    """An input that is there but cannot be given points, and why."""

    item: ChildPughItem
    reason: str


@dataclass(frozen=True, slots=True)
class ChildPughIndeterminate:
    """No score: the items that are missing, and those that cannot be scored; never both empty."""

    missing: tuple[ChildPughItem, ...]
    unscorable: tuple[Unscorable, ...]
    variant: str

    @property
    def reason(self) -> str:
        """One sentence that names all that stands in the way of a score."""
        parts = [f"{item} is missing" for item in self.missing]
        parts += [f"{row.item}: {row.reason}" for row in self.unscorable]
        return f"No Child-Pugh score: {'; '.join(parts)}."


def score_child_pugh(
    inputs: ChildPughInputs, *, definition: ChildPughDefinition
) -> ChildPughScore | ChildPughIndeterminate:
    """Score the five inputs, or tell what is missing or cannot be scored."""
    measure, coagulation = _preferred_coagulation(inputs, definition)
    results: dict[ChildPughItem, Points | Unscorable | None] = {
        "bilirubin": _laboratory("bilirubin", "bilirubin", inputs.bilirubin, definition),
        "albumin": _laboratory("albumin", "albumin", inputs.albumin, definition),
        "coagulation": _laboratory("coagulation", measure, coagulation, definition),
        "ascites": _ascites(inputs.ascites),
        "encephalopathy": _encephalopathy(inputs.encephalopathy),
    }
    points = {item: found for item, found in results.items() if isinstance(found, int)}
    if len(points) == len(results):
        return ChildPughScore(**points, coagulation_measure=measure, variant=definition.variant)
    return ChildPughIndeterminate(
        missing=tuple(item for item, found in results.items() if found is None),
        unscorable=tuple(found for found in results.values() if isinstance(found, Unscorable)),
        variant=definition.variant,
    )


def _preferred_coagulation(
    inputs: ChildPughInputs, definition: ChildPughDefinition
) -> tuple[Literal["inr", "prothrombin-time-prolongation"], Measurement | None]:
    available = {
        "inr": inputs.inr,
        "prothrombin-time-prolongation": inputs.prothrombin_time_prolongation,
    }
    for measure in definition.coagulation_preference:
        if available[measure] is not None:
            return measure, available[measure]
    return definition.coagulation_preference[0], None


def _laboratory(
    item: ChildPughItem,
    measure: ChildPughMeasure,
    found: Measurement | None,
    definition: ChildPughDefinition,
) -> Points | Unscorable | None:
    if found is None:
        return None
    for cut in definition.cut_offs:
        if (cut.measure, cut.unit) == (measure, found.unit):
            break
    else:
        reason = f"the protocol gives no cut-offs for {measure} in the unit '{found.unit}'"
        return Unscorable(item, reason)
    if not found.value.is_finite() or found.value < 0:
        return Unscorable(item, f"{found.value} is not a possible value")
    points = _points(found, cut)
    if points is None:
        value = f"{found.comparator}{found.value} {found.unit}"
        return Unscorable(item, f"the value {value} lies on both sides of a cut-off")
    return points


def _points(found: Measurement, cut: ChildPughCutOff) -> Points | None:
    below, above = _bounds(found, cut)
    # A low albumin is the bad end; of the other measures, a high one.
    best, worst = (above, below) if cut.measure == "albumin" else (below, above)
    if best or worst:
        return 1 if best else 3
    return 2 if found.comparator == "=" else None


def _bounds(found: Measurement, cut: ChildPughCutOff) -> tuple[bool, bool]:
    """Tell whether every value meant lies below the two-point range, or every one above it."""
    value, first, last = found.value, cut.two_points_from, cut.two_points_to
    match found.comparator:
        case "=":
            return value < first, value > last
        case "<":
            return value <= first, False
        case "<=":
            return value < first, False
        case ">":
            return False, value >= last
        case ">=":
            return False, value > last


def _ascites(found: str | None) -> Points | Unscorable | None:
    if found is None:
        return None
    return _ASCITES_POINTS.get(found) or Unscorable("ascites", f"'{found}' is not a known grade")


def _encephalopathy(grade: int | None) -> Points | Unscorable | None:
    if grade is None:
        return None
    if not 0 <= grade <= 4:
        return Unscorable("encephalopathy", f"{grade} is not a West Haven grade from 0 to 4")
    return 1 if grade == 0 else 2 if grade <= 2 else 3
