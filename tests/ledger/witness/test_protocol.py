"""The table of tlog-witness: each row, the order of the rows, and the clock."""

from __future__ import annotations

from http import HTTPStatus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.log.cosignature import Cosigner, cosign
from ledger.log.note import ML_DSA_44_COSIGNATURE
from ledger.witness.logs import trusted_logs
from ledger.witness.protocol import (
    EMPTY_HEAD,
    MAX_CLOCK_STEP_SECONDS,
    Head,
    Refusal,
    Submission,
    admit,
    cosigning_time,
    decide,
)
from tests.ledger.witness.build_log import Log, body

LOG = Log.of(20)
FORK = Log.of(20, branch="other", since=5)
STRANGER = Log.of(20, origin="log.example/unknown")
LOGS = trusted_logs([LOG.signer.verifier])
AT_8 = Head(8, LOG.root(8))
WRONG_ROOT = bytes(32)


def status(received: bytes, head: Head = EMPTY_HEAD) -> int:
    """The status a request is answered with."""
    admitted = admit(received, LOGS)
    outcome = decide(admitted, head) if isinstance(admitted, Submission) else admitted
    return 200 if outcome is None else int(outcome.status)


def forged(note: str) -> str:
    """The note with the log's name and key ID over another's signature."""
    text = note.partition("\n\n")[0]
    other = Log(LOG.leaves, seed=bytes(32)).note().rpartition(" ")[2]
    mine = note.rpartition(" ")[2]
    return f"{text}\n\n— {LOG.origin} {mine[:5]}{other[5:]}"


ROWS = {
    "malformed": (b"old\n\n", EMPTY_HEAD, 400),
    "unknown origin": (STRANGER.request(0), EMPTY_HEAD, 404),
    "another key under our name": (Log(LOG.leaves, seed=bytes(32)).request(0), EMPTY_HEAD, 403),
    "a trusted key's signature that fails": (body(forged(LOG.note()), old=0), EMPTY_HEAD, 403),
    "old beyond the checkpoint": (LOG.request(9, 8), AT_8, 400),
    "old below the newest": (LOG.request(5, 20), AT_8, 409),
    "old above the newest": (LOG.request(9, 20), AT_8, 409),
    "smaller than the newest": (LOG.request(5, 5), AT_8, 409),
    "nothing cosigned yet": (LOG.request(5, 20), EMPTY_HEAD, 409),
    "empty with another root": (LOG.request(0, 0, root=WRONG_ROOT), EMPTY_HEAD, 422),
    "proof from nothing": (body(LOG.note(), old=0, proof=(WRONG_ROOT,)), EMPTY_HEAD, 422),
    "no proof": (body(LOG.note(), old=8), AT_8, 422),
    "proof cut": (body(LOG.note(), old=8, proof=LOG.proof(8)[:-1]), AT_8, 422),
    "proof too long": (body(LOG.note(), old=8, proof=(*LOG.proof(8), WRONG_ROOT)), AT_8, 422),
    "proof of another size": (body(LOG.note(), old=8, proof=LOG.proof(7)), AT_8, 422),
    "fork": (FORK.request(8), AT_8, 422),
    "same size, other root": (FORK.request(8, 8), AT_8, 422),
    "same size, needless proof": (body(LOG.note(8), old=8, proof=(WRONG_ROOT,)), AT_8, 422),
    "first": (LOG.request(0), EMPTY_HEAD, 200),
    "first and empty": (LOG.request(0, 0), EMPTY_HEAD, 200),
    "grown": (LOG.request(8), AT_8, 200),
    "the same again": (LOG.request(8, 8), AT_8, 200),
}


@pytest.mark.parametrize(("received", "head", "expected"), ROWS.values(), ids=ROWS.keys())
def test_each_row_of_the_table_has_its_status(received: bytes, head: Head, expected: int) -> None:
    """C2SP tlog-witness, add-checkpoint."""
    assert status(received, head) == expected


ORDER = {
    "malformed before unknown": (b"old 00" + STRANGER.request(0)[5:], 400),
    "unknown before unsigned": (
        body(STRANGER.note().replace(LOG.origin, STRANGER.origin), old=99), 404,
    ),
    "unsigned before old beyond size": (Log(LOG.leaves, seed=bytes(32)).request(99), 403),
    "old beyond size before other size": (LOG.request(99), 400),
    "other size before a bad proof": (body(FORK.note(), old=7, proof=(WRONG_ROOT,)), 409),
    "other size before another root": (FORK.request(0, 8), 409),
}  # fmt: skip


@pytest.mark.parametrize(("received", "expected"), ORDER.values(), ids=ORDER.keys())
def test_the_first_check_that_fails_gives_the_status(received: bytes, expected: int) -> None:
    """A request with two faults is answered for the earlier row."""
    assert status(received, AT_8) == expected


def test_a_conflict_names_the_newest_size() -> None:
    """The client builds its next proof from it."""
    admitted = admit(LOG.request(5), LOGS)
    assert isinstance(admitted, Submission)
    refusal = decide(admitted, AT_8)
    assert refusal is not None
    assert (refusal.status, refusal.latest) == (HTTPStatus.CONFLICT, 8)


def test_unknown_signatures_are_ignored_and_not_kept() -> None:
    """Only lines of trusted keys stay in the note that will be served."""
    witness = Cosigner.from_seed("another.example/w", bytes(32))
    note = LOG.note() + cosign(LOG.note(), witness, time=1)
    admitted = admit(body(note, old=0), LOGS)
    assert isinstance(admitted, Submission)
    assert admitted.note == LOG.note()


def test_a_log_may_sign_with_either_of_two_keys() -> None:
    """An ML-DSA-44 line alone is enough when that key is trusted."""
    own = Cosigner.from_seed(LOG.origin, bytes(32), kind=ML_DSA_44_COSIGNATURE)
    both = trusted_logs([LOG.signer.verifier, own.vkey])
    text = LOG.note().partition("\n\n")[0]
    note = f"{text}\n\n{cosign(LOG.note(), own, time=7)}"
    assert isinstance(admit(body(note, old=0), both), Submission)
    assert isinstance(admit(body(note, old=0), LOGS), Refusal)


@given(old=st.integers(0, 20), new=st.integers(0, 20), since=st.integers(0, 20))
def test_a_fork_is_cosigned_only_where_it_has_not_left_the_log(
    old: int, new: int, since: int
) -> None:
    """Whatever proof the fork builds from its own leaves, honest history alone passes."""
    fork = Log.of(20, branch="other", since=since)
    answer = status(fork.request(old, new), Head(old, LOG.root(old)))
    honest = since >= old  # the part already cosigned is the same in both
    assert answer == (400 if old > new else 200 if honest else 422)


@given(now=st.integers(-10, 2000), last=st.integers(0, 2000))
def test_time_never_runs_back_and_is_refused_when_it_cannot_be_right(now: int, last: int) -> None:
    """A small step back is held; a large one, and the time before 1970, cosign nothing."""
    time = cosigning_time(now, last)
    if now < 1 or last - now > MAX_CLOCK_STEP_SECONDS:
        assert isinstance(time, Refusal)
        assert time.status == HTTPStatus.SERVICE_UNAVAILABLE
    else:
        assert time == max(now, last) >= 1
