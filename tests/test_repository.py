"""The habits of the repository: the lock file, the one door and what the wheel carries."""

from __future__ import annotations

import re
import subprocess
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
LOCK = (ROOT / "requirements.lock").read_text(encoding="utf-8")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def canonical(requirement: str) -> str:
    """Give the normalized distribution name at the head of a requirement (PEP 503)."""
    name = re.match(r"[A-Za-z0-9._-]+", requirement)
    assert name is not None
    return re.sub(r"[-_.]+", "-", name[0]).lower()


def test_the_lock_holds_only_pinned_requirements_and_their_hashes() -> None:
    """An address, an option or a path would tie the installation to one machine's registry."""
    requirement = re.compile(
        r"[a-z0-9-]+==[0-9][0-9a-z.]*( ; [^/:@#\\\n]+?)?"
        r"( \\\n    --hash=sha256:[0-9a-f]{64})+\n"
    )
    assert requirement.sub("", LOCK) == ""


def test_the_lock_names_every_declared_dependency() -> None:
    """A dependency that is declared but not locked would be fetched unchecked, or be missing."""
    declared = [*PROJECT["project"]["dependencies"], *PROJECT["build-system"]["requires"]]
    for group in PROJECT["dependency-groups"].values():
        declared.extend(group)
    locked = set(re.findall(r"^([a-z0-9-]+)==", LOCK, flags=re.MULTILINE))
    assert {canonical(requirement) for requirement in declared} <= locked


def test_make_help_names_every_target() -> None:
    """A target that help does not show is a second, hidden door."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = {
        name
        for line in re.findall(r"^\.PHONY: (.+)$", makefile, re.MULTILINE)
        for name in line.split()
    }
    shown = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True)
    assert set(re.findall(r"^  ([a-z-]+) ", shown.stdout, re.MULTILINE)) == targets


def test_the_wheel_carries_every_file_of_the_three_packages(tmp_path: Path) -> None:
    """Trial files, templates and type markers are read from the installed package."""
    wheel = pytest.importorskip("hatchling.builders.wheel")
    (built,) = wheel.WheelBuilder(str(ROOT)).build(directory=str(tmp_path), versions=["standard"])
    with zipfile.ZipFile(built) as archive:
        carried = set(archive.namelist())
    sources = {
        path.relative_to(ROOT).as_posix()
        for package in ("ledger", "projections", "api")
        for path in (ROOT / package).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert sources <= carried
