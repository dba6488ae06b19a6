"""The plan meets a real ledger in this process: every answer is the one expected."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from api.demonstration.days import OPENED
from api.demonstration.dice import derive, seed_bytes
from api.demonstration.people import CAST, HOSPITAL, SPONSOR, key_of
from api.demonstration.plan import allocation_list, plan
from api.demonstration.posting import requests
from api.demonstration.signing import Hand, identities
from api.demonstration.step import Expected, Step
from ledger.application import LedgerApplication
from ledger.errors import LedgerError
from ledger.recording.genesis import Sponsor, open_trial
from ledger.recording.writer import Writer
from ledger.rules.deviation import deviations_of
from ledger.rules.deviations import CASE_RULES
from ledger.service import LedgerFiles, TrialLedger
from ledger.signing.ledger_keys import LedgerKeys
from ledger.storage.head_file import HeadFile
from ledger.trials import load_trial

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SEED = seed_bytes(1)
FEW = 150
END = datetime(2025, 3, 1, tzinfo=UTC)


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[TrialLedger]:
    """The demonstration's ledger, open and empty but for entry 0."""
    path, definition = tmp_path / "ledger.sqlite3", load_trial("xhnkky-dfsc")
    files, url = LedgerFiles.beside(path), f"sqlite:///{path}"
    keys = LedgerKeys.from_seed("demonstration.invalid/xhnkky-dfsc", derive(SEED, "ledger"))
    keys.save(files.keys)
    allocation_list(definition, SEED).save(files.allocation)
    application = LedgerApplication(url)
    sponsor = Sponsor(CAST[SPONSOR].id, HOSPITAL, key_of(SEED, SPONSOR))
    open_trial(
        application,
        definition,
        keys,
        sponsor,
        head_file=HeadFile(files.head),
        at=OPENED,
        demonstration=True,
    )
    application.close()
    with TrialLedger(url, files) as found:
        yield found


def answers(ledger: TrialLedger, group: list[Step], hand: Hand) -> Iterator[Expected]:
    """What the ledger makes of the steps of one request."""
    for step in group:
        event = hand.sign(step)
        try:
            answer = ledger.submit(ledger.receive(event.text, event.disclosures), step.recorded_at)
        except LedgerError as error:
            kept = "quarantine" in error.message
            yield Expected.QUARANTINED if kept else Expected.REJECTED
            continue
        if answer.repeated:
            yield Expected.REPEATED
        else:
            yield Expected.REFUSED if answer.outcome.refused else Expected.RECORDED


def test_the_founding_and_the_first_subjects_are_taken_as_planned(opened: TrialLedger) -> None:
    """The first steps build everything later ones stand on."""
    hand = Hand(opened.trial, SEED, identities(SEED))
    steps = list(plan(load_trial("xhnkky-dfsc"), SEED))[:FEW]
    for group in requests(steps):
        assert list(answers(opened, group, hand)) == [step.expect for step in group], group


@pytest.mark.long
def test_the_whole_life_is_taken_as_planned_and_shows_only_the_deviations_it_is_to_show(
    opened: TrialLedger,
) -> None:
    """Ordinary subjects deviate from nothing; each story deviates where it should."""
    hand = Hand(opened.trial, SEED, identities(SEED))
    for group in requests(list(plan(load_trial("xhnkky-dfsc"), SEED))):
        assert list(answers(opened, group, hand)) == [step.expect for step in group], group
    writer = opened.writer
    assert isinstance(writer, Writer)
    found: Counter[str] = Counter()
    for number in range(1, 110):
        case = writer.state.case(f"SY01-{number:04}")
        rows = deviations_of(case, CASE_RULES)
        found.update(row.rule for row in rows if row.finding.since < END)
    wanted = {"DV-01", "DV-02", "DV-09", "DV-10", "DV-18", "DV-19", "DV-20", "DV-24", "DV-26"}
    wanted |= {"DV-28", "DV-31", "DV-35", "DV-37", "DV-41"}
    assert set(found) == wanted
    assert sum(found.values()) < 2 * len(wanted)
