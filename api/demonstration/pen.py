"""The pen: writes the steps of one chapter, with ids and sources that need no answer first."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from api.demonstration.days import minutes
from api.demonstration.dice import Dice, derive
from api.demonstration.people import member_of
from api.demonstration.step import ORDINARY, Expected, Mark, Remark, Step
from ledger.events.registry import EVENT_TYPES
from ledger.signing.event_id import event_id
from ledger.signing.statement import Meaning

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ledger.signing.strict_json import JsonObject

PROMPTLY: Final = minutes(4)
_PREFERRED: Final = (Meaning.CONSENT_EXPLAINED, Meaning.AUTHORSHIP, Meaning.APPROVAL)


@dataclass(slots=True)
class Pen:
    """Writes steps for one stream by default; ``chapter`` keeps its ids apart from all others."""

    seed: bytes = field(repr=False)
    chapter: str
    stream: str
    steps: list[Step] = field(default_factory=list)

    @property
    def dice(self) -> Dice:
        """Draws of this chapter."""
        return Dice(self.seed, self.chapter)

    def write(
        self,
        type_name: str,
        data: JsonObject,
        *,
        at: datetime,
        by: str | Sequence[Mark | str],
        stream: str | None = None,
        recorded: datetime | None = None,
        remark: Remark = ORDINARY,
    ) -> str:
        """Add a step and return its event's id.

        ``at`` is when it happened; ``recorded`` when a system transmits it together with others
        of that time, else it is posted alone a few minutes after it happened.
        """
        posted = (recorded or at + PROMPTLY).astimezone(UTC)
        marks = _marks(type_name, [by] if isinstance(by, str) else by)
        number = len(self.steps)
        material = derive(self.seed, f"event/{self.chapter}/{number}/{type_name}")
        step = Step(
            recorded_at=posted,
            id=event_id(posted, material),
            type=type_name,
            stream=stream or self.stream,
            time=at.isoformat(),
            data=data,
            source=member_of(marks[0].signer).id,
            marks=marks,
            signed_at=posted,
            remark=remark,
            together=recorded is not None and remark.expect is Expected.RECORDED,
        )
        self.steps.append(step)
        return step.id

    def again(self, event: str, *, after: timedelta, remark: Remark) -> None:
        """Post the very same statement a second time."""
        first = next(step for step in self.steps if step.id == event)
        later = first.recorded_at + after
        self.steps.append(replace(first, recorded_at=later, remark=remark, together=False))

    def alter_last(self, **changes: object) -> None:
        """Change the envelope of the step just written, for what the ledger is to turn away."""
        self.steps[-1] = replace(self.steps[-1], **changes)  # type: ignore[arg-type]

    def in_order(self) -> list[Step]:
        """The steps by the time they are recorded, then as written."""
        return sorted(self.steps, key=lambda step: step.recorded_at)


def _marks(type_name: str, by: Sequence[Mark | str]) -> tuple[Mark, ...]:
    allowed = EVENT_TYPES[type_name].rule.signing.meanings
    usual = next((meaning for meaning in _PREFERRED if meaning in allowed), Meaning.AUTHORSHIP)
    return tuple(
        mark
        if isinstance(mark, Mark)
        else Mark(mark, usual if member_of(mark).kind == "person" else None)
        for mark in by
    )


def says(code: str, text: str) -> JsonObject:
    """A reason: its code and its words."""
    return {"code": code, "text": text}


def partial(value: str) -> JsonObject:
    """A date as far as it is known."""
    return {"value": value, "precision": {4: "year", 7: "month", 10: "day"}[len(value)]}


def quantity(value: str, unit: str) -> JsonObject:
    """A number with its unit."""
    return {"value": value, "unit": unit}
