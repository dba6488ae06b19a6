"""Guards of the trial's end: GC-… (data lock, and the reveal of the list after it).

The list is opened only when nothing can be changed any more that somebody who knows all arms might
wish to change (ICH E6(R3) 3.16.1(r), 3.16.2(e); ICH E9 2.3.1).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ledger.rules.consent import ConsentState, standing
from ledger.rules.enrolment import CLOSED
from ledger.rules.guards.request import Refusal, Request
from ledger.rules.guards.screening import DEATH, ENDS
from ledger.rules.members import text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ledger.aggregates.trial_state import TrialState
    from ledger.history import Fact
    from ledger.rules.guards.request import Guard

LOCKED, UNLOCKED = "data.locked.v1", "data.unlocked.v1"
REVEALED = "allocation.revealed.v1"
_GIVEN_UP = frozenset((ConsentState.WITHDRAWN, ConsentState.DECLINED))

_NAMED_AT_ONCE = 5


def lock_in_force(state: TrialState) -> Fact | None:
    """The lock of the data that holds now, None when they are open."""
    locked, unlocked = state.trial.last(LOCKED), state.trial.last(UNLOCKED)
    if locked is None or (unlocked is not None and unlocked.seq > locked.seq):
        return None
    return locked


def nobody_is_on_study(request: Request) -> Iterator[Refusal]:
    """GC-01: data are locked once enrolment is closed and every randomized subject has ended."""
    if request.state.trial.last(CLOSED) is None:
        yield Refusal("GC-01", "Enrolment is not closed.")
    going_on = [
        name for name in sorted(request.state.allocation.subjects) if not _has_ended(request, name)
    ]
    if going_on:
        named = ", ".join(going_on[:_NAMED_AT_ONCE])
        yield Refusal("GC-01", f"{len(going_on)} randomized subjects are on study: {named}.")


def _has_ended(request: Request, subject: str) -> bool:
    """Whether a subject's part in the study is over: completed, left, died, or all withdrawn."""
    case = request.state.case(subject)
    if case.records.last(DEATH, *ENDS) is not None:
        return True
    scopes = [standing(case, scope, request.at) for scope in case.protocol.consent.scopes]
    given = [row for row in scopes if row.consent is not None or row.event is not None]
    return bool(given) and all(row.state in _GIVEN_UP for row in given)


def data_are_open(request: Request) -> Iterator[Refusal]:
    """GC-02: data that are locked are not locked again."""
    locked = lock_in_force(request.state)
    if locked is not None:
        yield Refusal("GC-02", f"The data were locked with {locked.id}.")


def names_the_lock(request: Request) -> Iterator[Refusal]:
    """GC-03: who unlocks the data or reveals the list names the lock that holds now."""
    locked = lock_in_force(request.state)
    if locked is None:
        yield Refusal("GC-03", "The data are not locked.")
    elif text(request.data, "locked") != locked.id:
        yield Refusal("GC-03", f"The lock that holds is {locked.id}.")


def list_stays_concealed_until_asked_once(request: Request) -> Iterator[Refusal]:
    """GC-04: the list in force is named, and it is revealed once."""
    sealed = request.state.allocation.sealed_list
    if sealed is None:
        yield Refusal("GC-04", "No list is sealed.")
    elif text(request.data, "sealed_list") != sealed.id:
        yield Refusal("GC-04", f"The list in force was sealed with {sealed.id}.")
    revealed = request.state.allocation.last(REVEALED)
    if revealed is not None:
        yield Refusal("GC-04", f"The list was revealed with {revealed.id}.")


def not_while_locked(request: Request) -> Iterator[Refusal]:
    """GC-05: locked data are neither corrected nor voided (R-66)."""
    locked = lock_in_force(request.state)
    if locked is not None:
        yield Refusal(
            "GC-05", f"The data were locked with {locked.id}; the sponsor can unlock them."
        )


def not_after_reveal(request: Request) -> Iterator[Refusal]:
    """GC-06: nobody is randomized from a list that is open."""
    revealed = request.state.allocation.last(REVEALED)
    if revealed is not None:
        yield Refusal("GC-06", f"The list was revealed with {revealed.id}.")


GUARDS: dict[str, tuple[Guard, ...]] = {
    LOCKED: (nobody_is_on_study, data_are_open),
    UNLOCKED: (names_the_lock,),
    "allocation.reveal-requested.v1": (names_the_lock, list_stays_concealed_until_asked_once),
    "subject.randomization-requested.v1": (not_after_reveal,),
    "data.corrected.v1": (not_while_locked,),
    "data.voided.v1": (not_while_locked,),
}
