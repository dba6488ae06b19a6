"""A log that grows, forks and lies, against a witness that restarts and whose clock jumps."""

from __future__ import annotations

import tempfile
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from ledger.log.cosignature import verify_cosignature
from ledger.witness.keys import new_key_file
from ledger.witness.logs import trusted_logs
from ledger.witness.protocol import MAX_CLOCK_STEP_SECONDS
from ledger.witness.witness import open_witness
from tests.ledger.witness.build_log import Log, body

START = 1_700_000_000
LOG = Log.of(0)
sizes = st.integers(0, 40)


class WitnessedLog(RuleBasedStateMachine):
    """Whatever is sent, all heads ever cosigned are heads of one history, in order of time."""

    def __init__(self) -> None:
        super().__init__()
        self._directory = tempfile.TemporaryDirectory()
        self._place = Path(self._directory.name)
        self.seconds = START
        self.branches: list[Log] = [LOG]
        self.sent: list[tuple[bytes, tuple[bytes, ...], int]] = []
        self.cosigned: list[tuple[tuple[bytes, ...], int]] = []

    def now(self) -> datetime:
        """The witness's clock."""
        return datetime.fromtimestamp(self.seconds, UTC)

    @initialize()
    def begin(self) -> None:
        """A new witness of one log."""
        self.keys = new_key_file(self._place / "k", "witness.example/w", ml_dsa_44=False)
        self._open()

    def _open(self) -> None:
        self.witness = open_witness(
            self._place / "k",
            self._place / "s",
            logs=trusted_logs([LOG.signer.verifier]),
            clock=self,
        )

    def teardown(self) -> None:
        """Leave nothing behind."""
        with suppress(AttributeError):
            self.witness.close()
        self._directory.cleanup()

    @rule(which=st.integers(0, 9), more=st.integers(1, 9))
    def grow(self, which: int, more: int) -> None:
        """Record entries in one of the histories."""
        place = which % len(self.branches)
        log = self.branches[place]
        added = tuple(f"{place}/{len(log.leaves) + i}".encode() for i in range(more))
        self.branches[place] = Log((*log.leaves, *added), log.origin, log.seed)

    @rule(which=st.integers(0, 9), keep=sizes)
    def fork(self, which: int, keep: int) -> None:
        """Begin another history: also what a restored old backup does."""
        log = self.branches[which % len(self.branches)]
        if len(self.branches) < 5:
            self.branches.append(Log(log.leaves[:keep], log.origin, log.seed))

    @rule(which=st.integers(0, 9), size=sizes, old=st.one_of(st.none(), sizes))
    def submit(self, which: int, size: int, old: int | None) -> None:
        """Ask for a head; ``old`` None is a client that knows the newest size."""
        log = self.branches[which % len(self.branches)]
        size = min(size, len(log.leaves))
        stated = self.newest if old is None else old
        request = log.request(stated, size)
        self.sent.append((request, log.leaves[:size], stated))
        self._send(*self.sent[-1])

    @rule(which=st.integers(0, 9), other=st.integers(0, 9))
    def submit_with_the_proof_of_another(self, which: int, other: int) -> None:
        """A proof from another history does not carry over."""
        log, lender = (self.branches[i % len(self.branches)] for i in (which, other))
        proof = lender.proof(min(self.newest, len(lender.leaves)))
        self._send(body(log.note(), old=self.newest, proof=proof), log.leaves, None)

    @rule(which=st.integers(0, 99))
    def replay(self, which: int) -> None:
        """Send an earlier request again."""
        if self.sent:
            self._send(*self.sent[which % len(self.sent)])

    @rule()
    def restart(self) -> None:
        """Stop the witness and start it again."""
        self.witness.close()
        self._open()

    @rule(step=st.sampled_from([1, 60, 86_400, -1, -200, -400, -86_400]))
    def move_clock(self, step: int) -> None:
        """Time passes, or the clock is set."""
        self.seconds = max(1, self.seconds + step)

    @property
    def newest(self) -> int:
        """The size of the newest head cosigned."""
        return len(self.cosigned[-1][0]) if self.cosigned else 0

    def _send(self, request: bytes, leaves: tuple[bytes, ...], old: int | None) -> None:
        kept, last = self.cosigned[-1] if self.cosigned else ((), 0)
        answer = self.witness.add_checkpoint(request)
        extends = leaves[: len(kept)] == kept
        if answer.status == 200:
            note = request.partition(b"\n\n")[2].decode() + answer.body
            time = verify_cosignature(note, self.keys.vkeys[0])
            assert extends, "a head that does not contain the one before was cosigned"
            assert time >= last
            self.cosigned.append((leaves, time))
        elif old == len(kept) and extends:
            assert answer.status == 503
            assert last - self.seconds > MAX_CLOCK_STEP_SECONDS
        elif answer.status == 409:
            assert answer.body == f"{len(kept)}\n"

    @invariant()
    def what_is_kept_is_what_was_cosigned_last(self) -> None:
        """The state says no more and no less than the answers did."""
        if hasattr(self, "witness"):
            kept = [(one.head.size, one.time) for one in self.witness.state.cosigned()]
            assert kept == [(len(leaves), time) for leaves, time in self.cosigned[-1:]]


WitnessedLog.TestCase.settings = settings(
    max_examples=40,
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
TestWitnessedLog = WitnessedLog.TestCase
