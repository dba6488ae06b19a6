"""Posting the plan: each step through the client, each answer held against what is expected."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from api.demonstration.step import Expected, Step
from ledger.errors import LedgerError
from ledger.record import read_record

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from api.client import Answer, LedgerClient
    from api.demonstration.mess import Mess
    from api.demonstration.signing import Hand

SAMPLE: Final = 40
"""Of how many ordinary requests one leaves its receipts in the folder."""

_IN_QUARANTINE: Final = "kept in quarantine"


class Surprise(LedgerError):
    """The ledger answered otherwise than the plan foresaw; the demonstration stops."""


@dataclass(frozen=True, slots=True)
class Sighting:
    """Where a piece of the mess can be seen; ``seq`` is None when it is not in the log."""

    subject: str | None
    stream: str
    event: str
    type: str
    answer: str
    seq: int | None


@dataclass(slots=True)
class Tally:
    """What was posted and what came of it."""

    requests: int = 0
    answers: Counter[str] = field(default_factory=Counter)
    sightings: dict[Mess, list[Sighting]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Postbox:
    """Posts steps; ``keeping`` keeps the receipts it is given, ``plain`` only checks them."""

    hand: Hand
    plain: LedgerClient
    keeping: LedgerClient

    def post_all(self, steps: Sequence[Step], progress: Callable[[int, int], None]) -> Tally:
        """Post all steps in order; raises Surprise at the first unexpected answer."""
        tally, done = Tally(), 0
        for group in requests(steps):
            self._post(group, tally)
            done += len(group)
            progress(done, len(steps))
        return tally

    def _post(self, group: Sequence[Step], tally: Tally) -> None:
        particular = any(step.remark.mess is not None for step in group)
        keep = particular or tally.requests % SAMPLE == 0
        client, at = (self.keeping if keep else self.plain), group[0].recorded_at
        events = [self.hand.sign(step) for step in group]
        if len(events) == 1:
            answers = [client.offer(events[0], demonstration_time=at)]
        else:
            answers = client.offer_all(events, demonstration_time=at)
        tally.requests += 1
        for step, answer in zip(group, answers, strict=True):
            _check(step, answer)
            tally.answers[step.expect.value] += 1
            if step.remark.mess is not None:
                seen = Sighting(
                    step.subject, step.stream, step.id, step.type, step.expect.value, answer.seq
                )
                tally.sightings.setdefault(step.remark.mess, []).append(seen)


def requests(steps: Sequence[Step]) -> Iterator[list[Step]]:
    """Steps as they go over the wire: what a system sends together is one request."""
    group: list[Step] = []
    for step in steps:
        joins = bool(group) and step.together and group[0].together
        if group and not (joins and step.recorded_at == group[0].recorded_at):
            yield group
            group = []
        group.append(step)
    if group:
        yield group


def outcome_of(answer: Answer) -> Expected:
    """What an answer amounts to."""
    if answer.refused:
        return Expected.REFUSED
    if answer.recorded:
        return Expected.REPEATED if answer.repeated or answer.status == 200 else Expected.RECORDED
    detail = str((answer.problem or {}).get("detail", ""))
    return Expected.QUARANTINED if _IN_QUARANTINE in detail else Expected.REJECTED


def _check(step: Step, answer: Answer) -> None:
    found = outcome_of(answer)
    if found is not step.expect:
        problem = answer.problem or {}
        raise Surprise(
            "demonstration.surprise",
            f"{step.type} in {step.stream} at {step.time} was to be {step.expect}, but was "
            f"{found} (status {answer.status}). {problem.get('detail', '')}".rstrip(),
            where=step.id,
            remedy="This is a fault of the demonstration or of the ledger; please report it.",
        )
    if step.slot is not None and answer.result is not None:
        data = read_record(answer.result.entry.encode()).data
        if (data.get("stratum"), data.get("slot")) != step.slot:
            raise Surprise(
                "demonstration.other-slot",
                f"{step.subject} was to get slot {step.slot}, but got "
                f"{(data.get('stratum'), data.get('slot'))}.",
                where=step.id,
            )
