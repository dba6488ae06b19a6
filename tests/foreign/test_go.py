"""Go's own checksum-database libraries read the running service and agree with every byte of it.

The program in ``verify.go`` uses nothing but golang.org/x/mod as stock Debian packages it
(``golang-go``, ``golang-golang-x-mod-dev``).
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import urllib3

from ledger.log.tiles import full_tiles, partial_width
from tests.api.conftest import Running, start
from tests.build_ledger import TRIAL, build_ledger, each, identify
from tests.ledger.build_service import without_triggers

if TYPE_CHECKING:
    from collections.abc import Iterator

PROGRAM = Path(__file__).with_name("verify.go")
PACKAGES = Path("/usr/share/gocode")


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The program, built without modules and without a network."""
    go = shutil.which("go")
    if go is None:
        pytest.skip("go is not installed (Debian: golang-go)")
    if not (PACKAGES / "src/golang.org/x/mod/sumdb/tlog").is_dir():
        pytest.skip("golang.org/x/mod is not installed (Debian: golang-golang-x-mod-dev)")
    directory = tmp_path_factory.mktemp("go")
    built = directory / "verify"
    settings = {
        "GO111MODULE": "off",
        "GOPATH": str(PACKAGES),
        "GOFLAGS": "",
        "GOCACHE": str(directory / "cache"),
        "GOPROXY": "off",
        "CGO_ENABLED": "0",
    }
    subprocess.run(
        [go, "build", "-o", str(built), str(PROGRAM)],
        check=True,
        cwd=directory,
        env={**os.environ, **settings},
    )
    return built


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Running]:
    """A served ledger of two full tiles and a partial one."""
    built = build_ledger(tmp_path)
    built.record_all(each(built, range(1, 301), identify))
    built.close()
    served = start(built)
    yield served
    served.stop()


def verify(program: Path, served: Running, *sizes: int, vkey: str | None = None) -> tuple[int, str]:
    """Its exit status, and what it said."""
    prefix = f"{served.url}/v1/trials/{TRIAL}/log"
    done = subprocess.run(
        [str(program), prefix, vkey or served.built.vkey, *map(str, sizes)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


def size_of(served: Running) -> int:
    """The size the newest checkpoint states."""
    address = f"{served.url}/v1/trials/{TRIAL}/log/checkpoint"
    return int(urllib3.request("GET", address, retries=False).data.split(b"\n")[1])


def agreement(served: Running) -> str:
    """What it says of a sound log: every full tile and each width of the partial ones was read."""
    size = size_of(served)
    tiles = sum(full_tiles(level, size) + partial_width(level, size) for level in range(3))
    return f"verified: {size} entries, {tiles} tiles\n"


def test_it_agrees_with_checkpoint_bundles_tiles_and_proofs(
    program: Path, running: Running
) -> None:
    """Before and after the service recorded more, whose trees are consistent."""
    before = size_of(running)
    assert verify(program, running) == (0, agreement(running))
    for number in range(301, 303):
        signed = identify(running.built, number)
        answer = urllib3.request(
            "POST",
            running.events,
            body=signed.body,
            headers={
                "Content-Type": signed.media_type,
                "Demonstration-Time": "2024-03-01T01:00:00Z",
            },
            retries=False,
        )
        assert answer.status == 201
    after = size_of(running)
    assert after > before
    status, said = verify(program, running, 1, 255, 256, 511, before, after)
    assert (status, said) == (0, agreement(running))


def test_it_refuses_another_log_s_key(program: Path, running: Running) -> None:
    """The key comes from outside; the service cannot bring its own."""
    other = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
    status, said = verify(program, running, vkey=other)
    assert (status, said) == (1, "checkpoint: note has no verifiable signatures\n")


TILE = "UPDATE tree_tiles SET hashes = zeroblob(8192) WHERE level = 0 AND tile = 1"
ENTRY = (
    "UPDATE stored_events SET state = CAST(replace(CAST(state AS TEXT), '\"seq\":7,', '\"seq\":8,')"
    " AS BLOB) WHERE seq = 7"
)


@pytest.mark.parametrize(
    ("statement", "finding"),
    [
        (TILE, "tile tile/8/0/001: not the hashes of the entries"),
        (ENTRY, "root: the entries hash to "),
    ],
    ids=["tile", "entry"],
)
def test_it_sees_what_was_altered_behind_the_ledger_s_back(
    program: Path, running: Running, statement: str, finding: str
) -> None:
    """A stored tile, an entry: the signed root gives them away."""
    without_triggers(running.built.directory / "ledger.sqlite3", statement)
    status, said = verify(program, running)
    assert status == 1
    assert said.startswith(finding)
