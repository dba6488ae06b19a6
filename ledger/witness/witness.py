"""A witness at work: its keys, the logs it knows, its state and its clock."""

from __future__ import annotations

import os
import re
import secrets
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING

from ledger.errors import TrustFailure
from ledger.log.cosignature import add_signatures, cosign
from ledger.witness.keys import WitnessKeys
from ledger.witness.protocol import Refusal, TrustedLogs, admit
from ledger.witness.state import WitnessState, state_missing

if TYPE_CHECKING:
    from pathlib import Path

    from ledger.clock import Clock

SIZE_TYPE = "text/x.tlog.size"
"""Media type of the newest size cosigned, the body of a 409."""

TEXT_TYPE = "text/plain; charset=utf-8"
"""Media type of all other answers."""

_IDENTITY = re.compile(rb"([0-9a-f]{32})\n")


@dataclass(frozen=True, slots=True)
class Answer:
    """What goes back to a client: status, media type, body; ``code`` says why, for metrics."""

    status: HTTPStatus
    media_type: str
    body: str
    code: str


class Witness:
    """Cosigns what the logs it knows have signed, as long as each of them only grows.

    Threads may share one. ``close`` it at the end.
    """

    def __init__(
        self, keys: WitnessKeys, logs: TrustedLogs, *, state: WitnessState, clock: Clock
    ) -> None:
        self.keys = keys
        self.logs = logs
        self.state = state
        self._clock = clock

    def add_checkpoint(self, body: bytes) -> Answer:
        """Answer one ``add-checkpoint`` request.

        Raises Unavailable ``witness.state`` when the state cannot be written.
        """
        submission = admit(body, self.logs)
        if isinstance(submission, Refusal):
            return _refused(submission)
        now = int(self._clock.now().timestamp())
        outcome = self.state.add(submission, now=now, cosign=self._cosign)
        if isinstance(outcome, Refusal):
            return _refused(outcome)
        return Answer(HTTPStatus.OK, TEXT_TYPE, outcome.lines, "witness.cosigned")

    def clock_behind(self) -> int:
        """How many seconds the clock lies behind the last cosignature, 0 when it does not."""
        last = max((one.time for one in self.state.cosigned()), default=0)
        return max(0, last - int(self._clock.now().timestamp()))

    def close(self) -> None:
        """Close the state."""
        self.state.close()

    def _cosign(self, note: str, time: int) -> tuple[str, str]:
        lines = [cosign(note, cosigner, time=time) for cosigner in self.keys.cosigners]
        return add_signatures(note, lines), "".join(lines)


def open_witness(key: Path, state: Path, *, logs: TrustedLogs, clock: Clock) -> Witness:
    """Open the witness of a key file with its state file, which the first start makes.

    The first start also writes ``<key>.state``, which names the state this key began with. A key
    that has begun is never given an empty or another state again: it could cosign a second
    history. Raises TrustFailure ``witness.state-missing``, ``witness.started-malformed``, and
    what WitnessKeys and WitnessState raise.
    """
    keys = WitnessKeys.load(key)
    mark = key.with_name(key.name + ".state")
    begun = _read_mark(mark) if mark.exists() else None
    if begun is not None and not state.is_file():
        raise state_missing(f"This key has begun with a state that is not at {state.name}.")
    opened = WitnessState(state, keys.verifiers, expected=begun, fresh=secrets.token_hex(16))
    if begun is None:
        _write_mark(mark, opened.identity)
    return Witness(keys, logs, state=opened, clock=clock)


def inspect_witness(key: Path, state: Path, *, clock: Clock) -> Witness:
    """Open a witness that has begun, to look at what it keeps; it knows no log and cosigns none.

    Raises TrustFailure ``witness.state-missing`` before the first start, and what
    ``open_witness`` raises.
    """
    if not state.is_file():
        raise state_missing(f"There is no state file {state.name} yet.")
    return open_witness(key, state, logs={}, clock=clock)


def _write_mark(mark: Path, identity: str) -> None:
    descriptor = os.open(mark, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(identity + "\n")
        file.flush()
        os.fsync(file.fileno())


def _read_mark(mark: Path) -> str:
    match = _IDENTITY.fullmatch(mark.read_bytes())
    if match is None:
        raise TrustFailure(
            "witness.started-malformed", f"{mark.name} does not name the state of this key."
        )
    return match[1].decode("ascii")


def _refused(refusal: Refusal) -> Answer:
    if refusal.latest is not None:
        return Answer(refusal.status, SIZE_TYPE, f"{refusal.latest}\n", refusal.code)
    return Answer(refusal.status, TEXT_TYPE, f"{refusal.message}\n", refusal.code)
