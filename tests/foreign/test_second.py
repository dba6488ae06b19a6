"""A second implementation in Go, from ``docs/formats`` alone, agrees with every test vector.

It uses the standard library and golang.org/x/mod as stock Debian packages them (``golang-go``,
``golang-golang-x-mod-dev``). Where it differs, a page is wrong, silent or misread.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.build_ledger import build_ledger, each, identify

if TYPE_CHECKING:
    from collections.abc import Callable

SOURCES = Path(__file__).with_name("second")
PACKAGES = Path("/usr/share/gocode")
ROOT = Path(__file__).parents[2]
FORMATS = ROOT / "docs/formats"
VECTORS = FORMATS / "vectors"
VOCABULARY = ROOT / "ledger/events/vocabulary.json"
FILES = sorted(path.name for path in VECTORS.glob("*.json"))

# These texts break two rules. The pages leave open which one is named, and the program checks in
# another order than the vector.
OTHER_CODE = {
    ("keys.json", "padding"): "base64url.malformed",
    ("statements.json", "a line feed at the end"): "base64url.malformed",
    ("checkpoints.json", "no name"): "note.key-name",
}


@pytest.fixture(scope="session")
def second(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Any]:
    """The program, built without modules and without a network: what it prints when called."""
    go = shutil.which("go")
    if go is None:
        pytest.skip("go is not installed (Debian: golang-go)")
    if not (PACKAGES / "src/golang.org/x/mod/sumdb/tlog").is_dir():
        pytest.skip("golang.org/x/mod is not installed (Debian: golang-golang-x-mod-dev)")
    directory = tmp_path_factory.mktemp("second")
    settings = {
        "GO111MODULE": "off",
        "GOPATH": str(PACKAGES),
        "GOFLAGS": "",
        "GOCACHE": str(directory / "cache"),
        "GOPROXY": "off",
        "CGO_ENABLED": "0",
    }
    built = directory / "program"
    environment = {**os.environ, **settings}
    subprocess.run(
        [go, "build", "-o", str(built), "."],
        check=True,
        cwd=SOURCES,
        env=environment,
        timeout=120,
    )

    def call(*arguments: str | Path) -> Any:
        done = subprocess.run(
            [str(built), *map(str, arguments)],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        if done.returncode:
            raise AssertionError(done.stderr)
        return json.loads(done.stdout)

    return call


def rows_of(file: dict[str, Any], name: str) -> list[Any]:
    """The rows of a list; a member that is no list is one row."""
    rows = file[name]
    return rows if isinstance(rows, list) else [rows]


def name_of(row: Any) -> str:
    """What a row is called."""
    return str(row.get("name", row)) if isinstance(row, dict) else str(row)


def unlike(name: str, said: dict[str, list[str]]) -> list[str]:
    """The rows of a vector file that the program judges otherwise, in words."""
    file = json.loads((VECTORS / name).read_text("utf-8"))
    differences = []
    for listed, verdicts in said.items():
        for row, verdict in zip(rows_of(file, listed), verdicts, strict=True):
            other = OTHER_CODE.get((name, name_of(row)))
            allowed = {"agrees"}
            if other is not None and isinstance(row, dict):
                allowed = {f"refused as {other}, the vector says {row['code']}"}
            if verdict not in allowed:
                differences.append(f"{listed}: {name_of(row)[:80]}: {verdict}")
    return differences


@pytest.mark.parametrize("name", FILES)
def test_it_agrees_with_every_row_of_every_list(second: Callable[..., Any], name: str) -> None:
    """Accepted or refused, with the values and the code of the refusal that the vectors give."""
    said = second("vectors", VECTORS, name)[name]
    assert set(said) == set(json.loads((VECTORS / name).read_text("utf-8")))
    assert unlike(name, said) == []


def test_it_says_where_a_vector_differs(second: Callable[..., Any], tmp_path: Path) -> None:
    """A row moved from one list to the other does not pass: the verdicts are the program's own."""
    file = json.loads((VECTORS / "entries.json").read_text("utf-8"))
    file["refused"][0] = {"entry": file["chain"][0]["entry"], "code": "entry.not-canonical"}
    file["chain"][1]["link_sha256"] = "0" * 64
    (tmp_path / "entries.json").write_text(json.dumps(file), encoding="utf-8")
    said = second("vectors", tmp_path, "entries.json")["entries.json"]
    assert said["refused"][0] == "accepted, must be refused"
    assert said["chain"][1].startswith("link_sha256: ")


@pytest.mark.parametrize("name", ["log", "trial"])
def test_it_reads_a_whole_log_as_it_stands(second: Callable[..., Any], name: str) -> None:
    """Nothing is found from the root of trust to the last entry, and every fold gives the same."""
    said = second("log", VECTORS / name, VOCABULARY)
    expected = json.loads((VECTORS / name / "what-stands.json").read_text("utf-8"))
    assert said == {**expected, "findings": []}


@pytest.mark.parametrize(
    ("name", "old", "new", "finding"),
    [
        (
            "entries.jsonl",
            b'"recorded_at":"2024-02-01T01:36',
            b'"recorded_at":"2024-02-01T01:37',
            "chain.prev",
        ),
        ("root-of-trust.json", b'"genesis": "5', b'"genesis": "6', "statements.genesis"),
        ("checkpoint", b"\n52\n", b"\n51\n", "note.bad-signature"),
        ("5.tlog-proof", b"index 5\n", b"index 4\n", "inclusion.root-mismatch"),
    ],
    ids=["entry", "root-of-trust", "checkpoint", "receipt"],
)
def test_it_sees_what_was_altered_in_the_small_log(
    second: Callable[..., Any], tmp_path: Path, name: str, old: bytes, new: bytes, finding: str
) -> None:
    """One alteration each; the log that stands is not taken on trust."""
    log = shutil.copytree(VECTORS / "log", tmp_path / "log")
    content = (log / name).read_bytes()
    assert old in content
    (log / name).write_bytes(content.replace(old, new, 1))
    found = second("log", log, VOCABULARY)["findings"]
    assert any(one.startswith(finding) for one in found), found


DESIGN = {
    "block_sizes": [],
    "planned_number": 40,
    "ratio": {"b": 1, "B": 2, "a.1": 1},
    "strata": ["sex=female", "sex=male"],
}


@pytest.mark.parametrize(
    "design",
    [
        {**DESIGN, "algorithm": "simple-hmac-sha256.v1"},
        {**DESIGN, "algorithm": "permuted-blocks-hmac-sha256.v1", "block_sizes": [4, 12, 4]},
    ],
    ids=["simple", "blocks"],
)
def test_it_draws_the_list_that_the_page_s_own_program_draws(
    second: Callable[..., Any], design: dict[str, Any]
) -> None:
    """The few lines of Python in the page, and the page's words read in Go, give one root."""
    page = (FORMATS / "allocation-list.md").read_text("utf-8")
    shown = re.search(r"```python\n(.*?)```", page, re.DOTALL)
    assert shown is not None
    names: dict[str, Any] = {}
    exec(shown[1], names)
    for seed in (bytes(32), bytes(range(32))):
        expected = names["root"](list(names["leaves"](design, seed))).hex()
        assert second("draw", json.dumps(design), seed.hex()) == expected


@pytest.fixture(scope="session")
def evidence(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A bundle of a log of one full tile, as the command writes it, and the log's verifier key."""
    directory = tmp_path_factory.mktemp("evidence")
    built = build_ledger(directory)
    built.record_all(each(built, range(1, 121), identify))
    built.close()
    return bundled(built.directory, directory / "log.zip"), built.vkey


def bundled(directory: Path, out: Path, *options: str) -> Path:
    """What the command writes of the ledger in a directory."""
    database = f"sqlite:///{directory / 'ledger.sqlite3'}"
    subprocess.run(
        [sys.executable, "-m", "api.cli", "bundle", "--database", database, "--out", out, *options],
        check=True,
        capture_output=True,
        timeout=120,
    )
    return out


def genesis_of(bundle: Path) -> str:
    """The SHA-256 of entry 0."""
    with zipfile.ZipFile(bundle) as opened:
        return hashlib.sha256(opened.read("entries.jsonl").split(b"\n")[0]).hexdigest()


def test_it_finds_nothing_in_a_bundle_of_the_log(
    second: Callable[..., Any], evidence: tuple[Path, str]
) -> None:
    """The zip file is the one of its members, and every member leads to the root of trust."""
    bundle, vkey = evidence
    said = second("bundle", bundle, vkey, genesis_of(bundle), VOCABULARY)
    assert (said["kind"], said["findings"]) == ("log", [])
    assert said["checked"]["entries"] > 256
    assert said["checked"]["tiles"] == 1
    assert said["checked"]["published"] >= 1


def test_it_takes_the_root_of_trust_from_outside(
    second: Callable[..., Any], evidence: tuple[Path, str]
) -> None:
    """What the manifest says of itself counts for nothing."""
    bundle, vkey = evidence
    said = second("bundle", bundle, vkey, "0" * 64, VOCABULARY)
    assert "statements.genesis" in said["findings"]


@pytest.mark.long
def test_it_finds_nothing_in_the_demonstration(second: Callable[..., Any], tmp_path: Path) -> None:
    """Allocation, downtime, a stolen key and refusals: the whole trial, and a dossier out of it."""
    demo = tmp_path / "demo"
    subprocess.run(
        [sys.executable, "-m", "api.cli", "demo", "--dir", demo],
        check=True,
        capture_output=True,
        timeout=300,
    )
    vkey = (demo / "log.vkey").read_text("ascii").strip()
    whole = bundled(demo, tmp_path / "log.zip")
    said = second("bundle", whole, vkey, genesis_of(whole), VOCABULARY)
    assert said["findings"] == []
    dossier = bundled(demo, tmp_path / "dossier.zip", "--subject", "SY01-0001")
    said = second("bundle", dossier, vkey, genesis_of(whole), VOCABULARY)
    assert (said["kind"], said["findings"]) == ("dossier", [])
    assert said["checked"]["links"] > 2
