"""The witness as others meet it: the real command, a real server, kill -9 and many at once."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import urllib3

from ledger.log.cosignature import open_cosigned
from ledger.log.note import VerifierKey, open_note
from ledger.witness.request import MAX_BODY_BYTES
from ledger.witness.state import origin_digest
from tests.free_port import free_port
from tests.ledger.witness.build_log import Log, body

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
COMMAND = (sys.executable, "-m", "api.cli", "witness")
LOG = Log.of(60)
FORK = Log.of(60, branch="other", since=5)
STRANGER = Log.of(20, origin="log.example/unknown")
ZERO = bytes(32)


def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run ``trial-ledger witness`` to its end."""
    return subprocess.run(
        [*COMMAND, *map(str, arguments)], cwd=ROOT, capture_output=True, text=True, check=False,
        timeout=60,
    )  # fmt: skip


@dataclass
class Served:
    """A witness in a process of its own."""

    directory: Path
    vkeys: tuple[VerifierKey, ...]
    logs: tuple[str, ...] = ("--log", str(LOG.signer.verifier))
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None

    @property
    def files(self) -> tuple[str | Path, ...]:
        """The options that name key and state."""
        return ("--key", self.directory / "w.key", "--state", self.directory / "w.sqlite3")

    def start(self) -> None:
        """Start it as an operator would and wait until it answers."""
        arguments = [*COMMAND, "serve", *self.files, *self.logs, "--port", self.port]
        self.process = subprocess.Popen(
            [*map(str, arguments)], cwd=ROOT, stderr=subprocess.DEVNULL, start_new_session=True
        )
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and self.process.poll() is None:
            with contextlib.suppress(urllib3.exceptions.HTTPError):
                if self.get("/healthz").status == 200:
                    return
            time.sleep(0.05)
        self.stop()
        raise AssertionError("the witness did not become ready")

    def stop(self, how: signal.Signals = signal.SIGTERM) -> None:
        """End all processes of the witness by a signal."""
        if self.process is not None and self.process.poll() is None:
            if how is signal.SIGKILL:
                os.killpg(self.process.pid, how)  # the session we made: master and worker
            else:
                self.process.terminate()
            self.process.wait(timeout=60)
        self._wait_until_gone()

    def _wait_until_gone(self) -> None:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)):
                    return
            time.sleep(0.05)

    def get(self, path: str) -> urllib3.BaseHTTPResponse:
        """Read something."""
        return urllib3.request("GET", self.url + path, retries=False, timeout=10)

    def post(self, data: bytes, **more: object) -> urllib3.BaseHTTPResponse:
        """Ask for a cosignature on a connection of its own."""
        with urllib3.PoolManager(retries=False, timeout=30) as pool:
            return pool.request("POST", f"{self.url}/add-checkpoint", body=data, **more)  # type: ignore[arg-type]

    @property
    def url(self) -> str:
        """Submission and monitoring prefix."""
        return f"http://127.0.0.1:{self.port}"


def make(directory: Path) -> Served:
    """A witness that has its key, from the command, and has not begun."""
    made = run("new-key", "--name", "witness.example/w", "--out", directory / "w.key")
    assert made.returncode == 0, made.stderr
    return Served(directory, tuple(map(VerifierKey.parse, made.stdout.splitlines())))


@pytest.fixture
def witness(tmp_path: Path) -> Iterator[Served]:
    """A fresh witness, serving."""
    served = make(tmp_path)
    served.start()
    yield served
    served.stop()


@pytest.fixture(scope="module")
def at_8(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A witness that has cosigned size 8; the tests that share it add nothing."""
    served = make(tmp_path_factory.mktemp("witness"))
    served.start()
    assert served.post(LOG.request(0, 8)).status == 200
    yield served
    served.stop()


FORGED = LOG.note(8).replace(LOG.note(8).rpartition(" ")[2][8:40], "A" * 32)
ROWS = {
    "malformed": (b"old 08\n\n" + LOG.note().encode(), 400),
    "empty": (b"", 400),
    "unknown origin": (STRANGER.request(0), 404),
    "another key under the log's name": (Log(LOG.leaves, seed=ZERO).request(8), 403),
    "a trusted key's signature that fails": (body(FORGED, old=8), 403),
    "old beyond the checkpoint": (LOG.request(9, 8), 400),
    "root of the empty tree at another size": (LOG.request(0, 0, root=ZERO), 409),
    "no proof": (body(LOG.note(), old=8), 422),
    "wrong proof": (body(LOG.note(), old=8, proof=(ZERO,)), 422),
    "fork": (FORK.request(8), 422),
    "same size, other root": (FORK.request(8, 8), 422),
}


@pytest.mark.parametrize(("sent", "expected"), ROWS.values(), ids=ROWS.keys())
def test_each_refusal_has_its_status_and_says_why(at_8: Served, sent: bytes, expected: int) -> None:
    """The table of tlog-witness over HTTP."""
    answer = at_8.post(sent)
    assert answer.status == expected
    assert answer.data.strip()


def test_a_conflict_gives_the_newest_size_in_the_agreed_form(at_8: Served) -> None:
    """A client goes on from here: media type and body are exact."""
    answer = at_8.post(LOG.request(0))
    assert (answer.status, answer.headers["Content-Type"]) == (409, "text/x.tlog.size")
    assert answer.data == b"8\n"


def test_a_cosignature_holds_for_whoever_has_the_vkeys(witness: Served) -> None:
    """The answer added to the note, and what is served later, verify with the printed keys."""
    first = witness.post(LOG.request(0, 8))
    again = witness.post(LOG.request(8))
    served = witness.get(f"/{origin_digest(LOG.origin)}/checkpoint")
    assert (first.status, again.status, served.status) == (200, 200, 200)
    assert served.headers["Content-Type"] == "text/plain; charset=utf-8"
    for note in (LOG.note() + again.data.decode(), served.data.decode()):
        opened = open_cosigned(note, LOG.signer.verifier, witness.vkeys)
        assert opened.checkpoint.size == 60
        assert len(opened.cosignatures) == len(witness.vkeys) == 2
        assert {abs(one.time - time.time()) < 60 for one in opened.cosignatures} == {True}


DIGEST = origin_digest(LOG.origin)


@pytest.mark.parametrize(
    "digest", [DIGEST.upper(), DIGEST[:-1], "0" * 64], ids=["upper case", "short", "unknown"]
)
def test_a_checkpoint_of_no_known_log_is_not_found(at_8: Served, digest: str) -> None:
    """Lower-case hex of the whole hash, and nothing else."""
    assert at_8.get(f"/{digest}/checkpoint").status == 404


def test_of_twenty_conflicting_requests_at_once_one_is_cosigned(witness: Served) -> None:
    """Never two heads of one size, whoever comes first."""
    witness.post(LOG.request(0, 4))
    forks = [Log.of(12, branch=str(i), since=4) for i in range(20)]
    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(lambda fork: witness.post(fork.request(4)), forks))
    won = [fork for fork, one in zip(forks, answers, strict=True) if one.status == 200]
    served = witness.get(f"/{origin_digest(LOG.origin)}/checkpoint").data.decode()
    assert sorted(one.status for one in answers) == [200] + [409] * 19
    assert served.startswith(won[0].note().partition("\n\n")[0])


def test_what_was_answered_outlives_kill_9(witness: Served) -> None:
    """Killed after each answer, also with requests under way, it refuses the fork ever after."""
    size = 0
    for target in (8, 20):
        answer = witness.post(LOG.request(size, target))
        assert answer.status == 200
        size = target
        witness.stop(signal.SIGKILL)
        witness.start()
        assert witness.post(FORK.request(size, size)).status == 422
        assert witness.post(LOG.request(0)).data == f"{size}\n".encode()


def test_kill_9_with_requests_under_way_never_leaves_two_histories(witness: Served) -> None:
    """Whichever fork got an answer is the one the next process goes on from."""
    witness.post(LOG.request(0, 4))
    forks = [Log.of(12, branch=str(i), since=4) for i in range(20)]

    def ask(fork: Log) -> int:
        with contextlib.suppress(urllib3.exceptions.HTTPError):
            return witness.post(fork.request(4)).status
        return 0

    with ThreadPoolExecutor(20) as pool:
        asked = [pool.submit(ask, fork) for fork in forks]
        # A conflict too shows that one of them is kept; no answer at all shows nothing.
        while not any(one.done() and one.result() in (200, 409) for one in asked):
            assert not all(one.done() for one in asked)
            time.sleep(0.001)
        witness.stop(signal.SIGKILL)
        told = [one.result() for one in asked]
    witness.start()
    after = [witness.post(fork.request(12)).status for fork in forks]
    assert told.count(200) <= 1
    assert sorted(after) == [200] + [422] * 19
    assert [i for i, status in enumerate(told) if status == 200] in ([], [after.index(200)])


def test_a_body_that_is_too_large_compressed_or_cut_is_refused(at_8: Served) -> None:
    """However its length is announced; the witness answers the next request as ever."""
    large = LOG.request(8) + b"x" * MAX_BODY_BYTES
    assert at_8.post(large).status == 413
    chunks = (large[i : i + 4096] for i in range(0, len(large), 4096))
    with urllib3.PoolManager(retries=False, timeout=30) as pool:
        sent = pool.request("POST", f"{at_8.url}/add-checkpoint", body=chunks, chunked=True)
    assert sent.status == 413
    assert at_8.post(LOG.request(8, 8), headers={"Content-Encoding": "gzip"}).status == 415
    assert at_8.post(LOG.request(8, 8)).status == 200


def test_other_methods_and_paths_are_refused(at_8: Served) -> None:
    """405 with Allow, 404; no page of the framework."""
    wrong = at_8.get("/add-checkpoint")
    assert (wrong.status, "POST" in wrong.headers["Allow"]) == (405, True)
    assert at_8.get("/").status == 404


def test_the_health_says_what_is_watched(at_8: Served) -> None:
    """Keys to compare with, and the newest size of each log."""
    health = at_8.get("/healthz").json()
    assert health["keys"] == [str(vkey) for vkey in at_8.vkeys]
    assert [(log["origin"], log["size"]) for log in health["logs"]] == [(LOG.origin, 8)]
    assert health["clock_behind_seconds"] == 0


def test_show_tells_sizes_and_prints_evidence_that_others_can_check(witness: Served) -> None:
    """While it serves: the two contradicting notes verify with the log's key."""
    witness.post(LOG.request(0, 8))
    witness.post(FORK.request(8, 8))
    shown = json.loads(run("show", *witness.files, "--json").stdout)
    (log,) = shown["logs"]
    assert (log["size"], log["refused"], log["contradictions"]) == (8, 1, 1)
    evidence = run("show", *witness.files, "--evidence").stdout
    for head in (FORK, LOG):
        assert head.note(8) in evidence
        open_note(head.note(8), [LOG.signer.verifier])
    assert LOG.origin in run("show", *witness.files).stdout


def test_a_policy_file_names_the_logs(tmp_path: Path) -> None:
    """The log lines of a tlog-policy are enough."""
    served = make(tmp_path)
    policy = tmp_path / "policy"
    policy.write_text(f"# ours\nlog {LOG.signer.verifier} https://log.example/\nquorum none\n")
    served.logs = ("--policy", str(policy))
    served.start()
    try:
        assert served.post(LOG.request(0)).status == 200
    finally:
        served.stop()


def test_what_cannot_be_started_is_said_in_one_sentence(tmp_path: Path) -> None:
    """Exit status 2, no traceback: no key, no log, a bad vkey, a lost state, a taken port."""
    served = make(tmp_path)
    log = ("--log", str(LOG.signer.verifier))
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        attempts = [
            run("serve", "--key", tmp_path / "none", "--state", tmp_path / "s", *log),
            run("serve", *served.files),
            run("serve", *served.files, "--log", "nonsense"),
            run("serve", *served.files, *log, "--port", str(port)),
            run("new-key", "--name", "witness.example/w", "--out", tmp_path / "w.key"),
        ]
    (tmp_path / "w.sqlite3").unlink()
    attempts.append(run("serve", *served.files, *log))
    for done in attempts:
        assert done.returncode == 2, done.stderr
        assert "Traceback" not in done.stderr
        assert done.stderr.count("trial-ledger: ") == 1
