"""Payloads are judged on the way, by whoever examines the entries, as each would be alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ledger.errors import LedgerError
from ledger.events.conformance import Conformance, conformity
from ledger.record import read_record
from ledger.storage.evidence import DatabaseEvidence
from ledger.verification.concealed import CONCEALED
from ledger.verification.run import verify
from tests.build_ledger import COORDINATOR, EDC

if TYPE_CHECKING:
    from pathlib import Path

    from tests.ledger.verification.forge import Forger


def judged(path: Path, head: Path, jobs: int) -> list[str]:
    """What a verification of so many processes finds wrong with payloads."""
    payloads = Conformance()
    with DatabaseEvidence(path, head_file=head) as source:
        verify(source, jobs=jobs, payloads=payloads)
    return payloads.found


def one_by_one(path: Path) -> list[str]:
    """What is wrong with the payload of each entry that can be read, apart from any check."""
    found: list[str] = []
    with DatabaseEvidence(path) as source:
        for row in source.rows(None, 100_000):
            texts = [str(one.disclosure) for one in source.openings(row.seq, row.seq)]
            kept = [text for text in texts if not text.startswith(CONCEALED)]
            try:
                found += map(str, conformity(read_record(row.data, kept)))  # type: ignore[arg-type]
            except LedgerError:
                continue
    return found


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_payload_that_does_not_conform_is_named_by_every_process(
    forger: Forger, jobs: int
) -> None:
    """What the ledger should never have recorded is named, whatever else is wrong there."""
    built, stream = forger.built, "subject/SY01-0001"
    forger.write(built.sign("visit.completed.v1", stream, {"visit": 7}, by=EDC))
    forger.write(
        built.sign("deviation.reported.v1", stream, {}, by=COORDINATOR, meaning="authorship")
    )
    forger.close()
    path, head = forger.application.path, built.files.head
    found = judged(path, head, jobs)
    assert found == one_by_one(path)
    assert ["visit.completed" in line for line in found[-2:]] == [True, False]


def test_a_crew_that_does_not_judge_payloads_is_not_relied_on(forger: Forger) -> None:
    """Entries that others found in order are judged all the same."""
    from ledger.verification.crew import crew_for

    forger.write(forger.built.sign("visit.completed.v1", "subject/SY01-0001", {"visit": 7}, by=EDC))
    forger.close()
    payloads = Conformance()
    with (
        DatabaseEvidence(forger.application.path, head_file=forger.built.files.head) as source,
        crew_for(0, 1) as crew,
    ):
        verify(source, jobs=crew, payloads=payloads)
    assert payloads.found == one_by_one(forger.application.path)
    assert "visit.completed" in payloads.found[-1]
