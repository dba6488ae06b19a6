"""``python -m ledger.verification`` on a machine that has two libraries and the bundle."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import venv
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ledger.verification.__main__ import COULD_NOT_CHECK, DAMAGED, SOUND
from tests.ledger.verification.pack import members_of, write
from tests.running_authority import openssl_stamps

if TYPE_CHECKING:
    from ledger.verification.report import RootOfTrust
    from tests.build_ledger import BuiltLedger

ROOT = Path(__file__).parents[3]
NEEDED = ("cryptography", "rfc8785", "cffi", "pycparser")
LOADED = """
import runpy, sys
try:
    runpy.run_module("ledger.verification", run_name="__main__", alter_sys=True)
finally:
    print(*sorted({name.partition(".")[0] for name in sys.modules}), file=sys.stderr)
"""
ALLOWED = {"ledger", "cryptography", "rfc8785", "cffi", "_cffi_backend", "_openssl"}


@dataclass(frozen=True, slots=True)
class Machine:
    """An environment of its own, and the directory that holds the sources."""

    python: Path
    sources: Path

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """The verifier, with the names of all loaded packages on the last line of stderr."""
        begin = f"import sys; sys.path.insert(0, {str(self.sources)!r})\n"
        return subprocess.run(
            [str(self.python), "-I", "-c", begin + LOADED, *arguments],
            capture_output=True, text=True, check=False, timeout=120,
        )  # fmt: skip


@pytest.fixture(scope="session")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Machine:
    """A new environment with the libraries the kernel names and the sources, nothing else."""
    place = tmp_path_factory.mktemp("bare")
    venv.create(place / "venv", with_pip=True)
    python = place / "venv" / "bin" / "python"
    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8").splitlines(keepends=True)
    wanted, inside = [], False
    for row in lock:
        inside = row.partition("==")[0] in NEEDED if not row.startswith(" ") else inside
        wanted += [row] if inside else []
    (place / "needed.txt").write_text("".join(wanted), encoding="utf-8")
    done = subprocess.run(
        [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check",
         "--require-hashes", "--only-binary", ":all:", "--no-deps", "-r", place / "needed.txt"],
        capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip
    if done.returncode != 0:
        pytest.skip("The package index cannot be reached.")
    shutil.copytree(ROOT / "ledger", place / "sources" / "ledger")
    return Machine(python, place / "sources")


@pytest.mark.long
def test_the_verifier_runs_with_two_libraries_alone(
    bare: Machine, whole_bundle: Path, trust: RootOfTrust
) -> None:
    """Nothing of the service, of the event store or of a schema library is loaded."""
    done = bare.run(str(whole_bundle), "--key", str(trust.vkey), "--genesis", trust.genesis_sha256)
    assert done.returncode == SOUND, done.stderr
    loaded = set(done.stderr.splitlines()[-1].split()) - set(sys.stdlib_module_names) - ALLOWED
    # `sitecustomize` is the machine's own start-up hook; the verifier did not ask for it.
    loaded -= {"sitecustomize", "usercustomize"}
    assert {name for name in loaded if not name.startswith("_")} == set()
    lines = done.stdout.splitlines()
    assert any(
        line.startswith("Not checked: schema of payloads, projections, head file, ")
        for line in lines
    )
    assert any(line.endswith("manifest, published, cosignatures, timestamps.") for line in lines)
    if openssl_stamps():
        assert any(line.startswith("  authorities of time stamps: ") for line in lines)


@pytest.mark.long
def test_it_names_damage_and_what_it_cannot_read(
    bare: Machine, bundle: Path, tmp_path: Path
) -> None:
    """Status 1 with the finding for machines; status 2 for what is no bundle."""
    members = members_of(bundle)
    members["entries.jsonl"] = members["entries.jsonl"][:-1]
    done = bare.run(str(write(tmp_path / "b.zip", members)), "--json")
    report = json.loads(done.stdout)
    assert (done.returncode, report["status"]) == (DAMAGED, "damaged")
    assert [f["code"] for f in report["findings"]] == ["manifest.member", "manifest.line"]
    assert bare.run(str(tmp_path)).returncode == COULD_NOT_CHECK


def test_half_a_root_of_trust_is_refused(bundle: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A key without the hash of entry 0 would look like more than it is."""
    from ledger.verification.__main__ import main

    assert main([str(bundle), "--genesis", "0" * 64]) == COULD_NOT_CHECK
    assert "together" in capsys.readouterr().err


def test_a_dossier_says_what_it_does_not_prove(
    sound: BuiltLedger, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Beside what it proves."""
    from ledger.publication.dossiers import write_dossier
    from ledger.verification.__main__ import main
    from tests.ledger.build_service import open_copy

    built = open_copy(sound, tmp_path / "copy")
    path = tmp_path / "d.zip"
    with path.open("wb") as file:
        write_dossier(
            file, built.ledger, "SY01-0001", purpose="inspection", now=built.tick(), software="x",
            pages={},
        )  # fmt: skip
    built.close()
    assert main([str(path)]) == SOUND
    lines = capsys.readouterr().out.splitlines()
    assert any(line.startswith("Not proven: whether a signer's key") for line in lines)
    assert "streams/treatment/SY01-0001.jsonl" in members_of(path)
