"""What a guard is asked and what it may answer."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

    from ledger.aggregates.trial_state import TrialState
    from ledger.rules.case import Case
    from ledger.signing.authority import Signer
    from ledger.signing.envelope import Event
    from ledger.signing.strict_json import JsonObject


@dataclass(frozen=True)
class Request:
    """A command about to be decided against the state it would extend.

    ``data`` is the payload with its openings; ``at`` is the time the decision will be recorded.
    """

    event: Event
    data: JsonObject
    signers: Sequence[Signer]
    state: TrialState
    at: datetime

    @property
    def name(self) -> str:
        """The second part of the stream: the subject, site or lot."""
        return self.event.subject.partition("/")[2]

    @cached_property
    def case(self) -> Case:
        """The case of the subject asked about, the same for all guards of the request."""
        return self.state.case(self.name)


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a command is refused: the guard's stable id and a sentence that says what is missing."""

    rule: str
    message: str


Guard = Callable[[Request], Iterable[Refusal]]
