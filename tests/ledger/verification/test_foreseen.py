"""What was examined beforehand changes nothing of what is found."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, cast

import pytest

from ledger.storage.evidence import DatabaseEvidence
from ledger.verification.bundle import verify_bundle
from ledger.verification.crew import crew_for
from ledger.verification.evidence import all_rows
from ledger.verification.foreseen import ForeseeingCrew
from ledger.verification.pages import Page
from ledger.verification.report import Status, VerificationReport
from ledger.verification.run import verify
from tests.build_ledger import build_ledger
from tests.ledger.build_service import bag
from tests.ledger.verification.pack import made, members_of, sealed_again, write

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ledger.verification.evidence import StoredOpening
    from tests.ledger.verification.damage import Damaged


def report_of(damaged: Damaged, crew: ForeseeingCrew | None = None) -> VerificationReport:
    """The report of a crew, or of one process."""
    with DatabaseEvidence(damaged.database, head_file=damaged.head_file) as source:
        return verify(source, jobs=crew or 1)


def foresee(damaged: Damaged, foreseeing: ForeseeingCrew) -> None:
    """Have the ledger foreseen as it is now."""
    with DatabaseEvidence(damaged.database) as source:
        for stored in all_rows(source):
            openings: dict[int, list[StoredOpening]] = {}
            for kept in source.openings(stored[0].seq, stored[-1].seq):
                openings.setdefault(cast("int", kept.seq), []).append(kept)
            foreseeing.foresee(Page(stored, openings).rows())
    foreseeing.foresee_rest()


@pytest.fixture
def crew(damaged: Damaged) -> Iterator[ForeseeingCrew]:
    """A crew of two processes that has foreseen the ledger as it is before it is damaged."""
    with crew_for(0, 2) as further, ForeseeingCrew(further) as foreseeing:
        foresee(damaged, foreseeing)
        yield foreseeing


def test_a_sound_ledger_is_sound_whoever_foresaw_it(damaged: Damaged, crew: ForeseeingCrew) -> None:
    """The whole report is the same."""
    report = report_of(damaged, crew)
    assert report.status is Status.SOUND
    assert report == report_of(damaged)


def test_rows_that_could_not_be_read_were_never_foreseen(damaged: Damaged) -> None:
    """A value that is no value has no digest, so it does not make two pages alike."""
    damaged.run("UPDATE stored_events SET topic = CAST(x'ff' AS TEXT) WHERE seq = 151")
    with crew_for(0, 2) as further, ForeseeingCrew(further) as foreseeing:
        foresee(damaged, foreseeing)
        damaged.run("UPDATE stored_events SET state = CAST(state || ' ' AS BLOB) WHERE seq > 299")
        assert report_of(damaged, foreseeing) == report_of(damaged)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE stored_events SET state = CAST(state || ' ' AS BLOB) WHERE seq % 5 = 3",
        "UPDATE stored_events SET originator_version = 999 WHERE seq = 151",
        "UPDATE stored_events SET topic = 'a.b.v1' WHERE seq % 5 = 4",
        "DELETE FROM stored_events WHERE seq BETWEEN 160 AND 162",
        "UPDATE stored_events SET state = 'text' WHERE seq % 5 = 2",
        "UPDATE openings SET disclosure = disclosure || 'A'",
        "DELETE FROM openings",
    ],
)
def test_damage_done_after_it_was_foreseen_is_found(
    damaged: Damaged, crew: ForeseeingCrew, statement: str
) -> None:
    """Findings, their order and their words are those of a verification that foresaw nothing."""
    damaged.run(statement)
    report = report_of(damaged, crew)
    assert report == report_of(damaged)
    assert report.status is Status.DAMAGED or "openings" in statement


@pytest.fixture(scope="module")
def long_bundle(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The members of a bundle of more than two pages of entries."""
    directory = tmp_path_factory.mktemp("long")
    built = build_ledger(directory)
    built.record_all([bag(built, number) for number in range(1_200)])
    built.close()
    return members_of(made(directory / "ledger.sqlite3", directory / "bundle.zip"))


CHANGES: dict[str, Callable[[list[bytes]], list[bytes]]] = {
    "none": lambda lines: lines,
    "position": lambda lines: changed(lines, 100, b'"seq":', b'"seq":9'),
    "header": lambda lines: changed(lines, 300, b'"ey', b'"fy'),
    "missing": lambda lines: [*lines[:40], *lines[43:]],
    "repeated": lambda lines: [*lines[:600], lines[7], *lines[600:]],
    "no entries": lambda lines: [*lines[:20], b"", b"{", *lines[22:]],
    "cut off": lambda lines: lines[:-3],
    "no first": lambda lines: lines[1:],
}


def changed(lines: list[bytes], number: int, old: bytes, new: bytes) -> list[bytes]:
    """The lines with one of them changed."""
    return [*lines[:number], lines[number].replace(old, new, 1), *lines[number + 1 :]]


@pytest.mark.parametrize("change", CHANGES)
def test_entries_examined_while_a_bundle_is_read_are_found_as_otherwise(
    long_bundle: dict[str, bytes], tmp_path: Path, change: str
) -> None:
    """The whole report is that of one process, which foresees nothing."""
    lines = CHANGES[change](long_bundle["entries.jsonl"].split(b"\n")[:-1])
    altered = {**long_bundle, "entries.jsonl": b"".join(line + b"\n" for line in lines)}
    path = write(tmp_path / "bundle.zip", sealed_again(altered))
    report = verify_bundle(path, jobs=2)
    assert report == verify_bundle(path, jobs=1)
    assert (report.status is Status.SOUND) == (change == "none")


_PEAK = """
import sys
from pathlib import Path
from ledger.verification.bundle import verify_bundle
status = verify_bundle(Path(sys.argv[1]), jobs=2).status
(most,) = [line for line in Path("/proc/self/status").open() if line.startswith("VmHWM:")]
print(status.name, int(most.split()[1]) // 1024)
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="only Linux tells what was held")
def test_lines_of_any_length_are_read_in_bounded_memory(
    long_bundle: dict[str, bytes], tmp_path: Path
) -> None:
    """Half a gigabyte of lines that are no entries; a page of them is never held at once."""
    path = tmp_path / "b.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in long_bundle.items():
            with archive.open(name, "w") as member:
                member.write(content)
                # Of random words, or the file would be taken for one that only means to swell.
                for _ in range(500 if name == "entries.jsonl" else 0):
                    words = (os.urandom(30).hex().encode() + b"x" * 930 for _ in range(1_000))
                    member.write(b"".join(words) + b"\n")
    asked = [sys.executable, "-c", _PEAK, str(path)]
    done = subprocess.run(asked, capture_output=True, text=True, check=True)
    status, mebibytes = done.stdout.split()
    assert status == "DAMAGED"
    assert int(mebibytes) < 300
