"""Really signed records of a told story, kept in a real ledger database, with its projections."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any
from uuid import UUID

from ledger.application import LedgerApplication
from ledger.log.chain import ChainHead
from ledger.recording.genesis import Genesis
from ledger.signing.sealing import make_disclosure
from ledger.signing.statement import Meaning
from ledger.storage.commit import Commit, Opening
from projections.reading import Projections
from tests.ledger.rules import scenes
from tests.ledger.rules.build import (
    ANY_HASH,
    COORDINATOR,
    NURSE,
    PHARMACIST,
    PHYSICIAN,
    PI,
    SPONSOR,
    Story,
    later,
    local,
)

if TYPE_CHECKING:
    from pathlib import Path

    from ledger.record import Record

ONE, TWO, THREE = "SY01-0001", "SY01-0002", "SY01-0003"


@dataclass(slots=True)
class Shelf:
    """A ledger database that takes a story's records in as they are."""

    story: Story
    application: LedgerApplication
    genesis: Genesis

    def keep(self, stop: int | None = None) -> int:
        """Store the records up to ``stop`` that are not stored yet; the size then."""
        before = self.application.store.head()
        records = self.story.records[before.size : stop]
        if records:
            last = records[-1]
            after = ChainHead(last.seq + 1, last.sha256, last.entry.recorded_at)
            openings = [opening for record in records for opening in _openings(record)]
            self.application.save(
                *records,
                commit=Commit(before, after, "", (), openings),
                event_ids=[UUID(record.id).bytes for record in records],
            )
        return self.application.store.head().size

    def close(self) -> None:
        """Close the database."""
        self.application.close()


def shelf(directory: Path, story: Story) -> Shelf:
    """An empty ledger database for a story."""
    application = LedgerApplication(f"sqlite:///{directory / 'ledger.sqlite3'}")
    return Shelf(story, application, Genesis(story.records[0], story.definition))


def projected(directory: Path, story: Story) -> tuple[Shelf, Projections]:
    """A story kept whole, and its projections, followed to the head."""
    kept = shelf(directory, story)
    kept.keep()
    projections = Projections(kept)
    projections.follow()
    return kept, projections


def _openings(record: Record) -> list[Opening]:
    return [
        Opening(record.seq, number, make_disclosure(name, value, salt=_salt(record, name)).text)
        for number, (name, value) in enumerate(record.opened.items())
    ]


def _salt(record: Record, name: str) -> str:
    return f"salt{record.seq:08}{name:>16.16}".replace(" ", "x")


def lot(story: Story, name: str = "L-1", bags: int = 4) -> None:
    """Receive and release a lot."""
    received: dict[str, Any] = {
        "lot": name,
        "site": "SY01",
        "donor_code": "D-012",
        "passage": 5,
        "manufactured": "2024-01-02",
        "expiry": local("2024-12-31 00:00"),
        "bags": [{"bag_id": f"B-{number:04d}"} for number in range(1, bags + 1)],
        "certificate_sha256": ANY_HASH,
    }
    stream = f"lot/{name}"
    story.add("lot.received.v1", received, at="2024-02-01 09:00", stream=stream, by=PHARMACIST)
    released = {"lot": name, "viability_percent": "92", "certificate_sha256": ANY_HASH}
    story.add("lot.released.v1", released, at="2024-02-02 09:00", stream=stream, by=PHARMACIST)


def infuse(
    story: Story,
    subject: str,
    number: int,
    bag: str,
    *,
    at: str,
    recorded: str | None = None,
) -> str:
    """Record an infusion."""
    data = {
        "infusion_number": number,
        "lot": "L-1",
        "bag_ids": [bag],
        "started_at": local(at),
        "stopped_at": later(at, minutes=40),
        "cells_planned": {"value": "100000000", "unit": "{cells}"},
        "cells_given": {"value": "99000000", "unit": "{cells}"},
        "route": "peripheral-intravenous",
        "scan_subject": subject,
        "scan_bag": bag,
        "given_by": NURSE,
        "checked_by": [NURSE, PHYSICIAN],
    }
    return story.add(
        "infusion.administered.v1",
        data,
        at=at,
        recorded=recorded,
        stream=f"treatment/{subject}",
        by=NURSE,
    )


def refuse(story: Story, subject: str, *, at: str, confirmation: str) -> str:
    """Ask for a randomization and be refused; the command's id."""
    asked = story.add(
        "subject.randomization-requested.v1",
        {"confirmation": confirmation},
        at=at,
        by=PHYSICIAN,
        stream=f"subject/{subject}",
        accept=False,
    )
    rules = [{"id": "guard.not-randomized", "message": "The subject is already randomized."}]
    story.answer(asked, "command.refused.v1", {"rules": rules})
    return asked


def visit(story: Story, subject: str, name: str, *, at: str, recorded: str | None = None) -> str:
    """Record a visit that took place."""
    return story.add(
        "visit.completed.v1",
        {"visit": name},
        at=at,
        recorded=recorded,
        by=COORDINATOR,
        stream=f"subject/{subject}",
    )


@cache
def eventful() -> Story:
    """A story with the ordinary mess; read it, never add to it."""
    story = scenes.opened()
    scenes.seal_list(story)
    lot(story)
    _first(story)
    _second(story)
    scenes.identify(story, THREE, at="2024-03-20 08:00")
    story.add(
        "consent.declined.v1", {}, at="2024-03-20 09:00", by=COORDINATOR, stream=f"subject/{THREE}"
    )
    _afterwards(story)
    return story


def _first(story: Story) -> None:
    confirmation = scenes.screen(story, ONE)
    scenes.randomize(story, confirmation, subject=ONE, arm="single")
    refuse(story, ONE, at="2024-03-05 10:00", confirmation=confirmation)
    infuse(story, ONE, 1, "B-0001", at="2024-03-06 09:00")
    infuse(story, ONE, 2, "B-0002", at="2024-03-20 09:00")
    wrong = visit(story, ONE, "W24", at="2024-03-21 09:00")
    scenes.void(story, wrong, at="2024-03-21 10:00")
    found = scenes.lab(
        story, "bilirubin", "43", "umol/L", at="2024-08-21 09:00", visit="W24", subject=ONE
    )
    scenes.correct(story, found, "/data/value/value", "43", "34", at="2024-08-22 09:00")
    visit(story, ONE, "W24", at="2024-08-21 09:00", recorded="2024-09-15 09:00")


def _second(story: Story) -> None:
    confirmation = scenes.screen(story, TWO)
    scenes.randomize(story, confirmation, subject=TWO, arm="double", slot=2)
    infuse(story, TWO, 1, "B-0003", at="2024-03-07 09:00")
    withdrawn = {"scopes": ["intervention"]}
    story.add(
        "consent.withdrawn.v1",
        withdrawn,
        at="2024-03-15 09:00",
        by=COORDINATOR,
        stream=f"subject/{TWO}",
    )
    serious = {
        "term": "Fever",
        "criteria": ["hospitalisation"],
        "aware_at": local("2024-03-16 09:00"),
        "sponsor_reported_at": local("2024-03-18 09:00"),
    }
    story.add(
        "serious-adverse-event.reported.v1",
        serious,
        at="2024-03-16 09:00",
        by=PHYSICIAN,
        stream=f"subject/{TWO}",
    )
    story.add("blind.broken.v1", {}, at="2024-03-17 09:00", by=PI, stream=f"treatment/{TWO}")
    story.add("death.recorded.v1", {}, at="2024-04-01 09:00", by=PI, stream=f"subject/{TWO}")


def _afterwards(story: Story) -> None:
    """What touches all subjects late: the register, a lot, a document."""
    story.add(
        "role.revoked.v1",
        {
            "holder": COORDINATOR,
            "role": "study-coordinator",
            "scope": "site/SY01",
            "reason": {"code": "left", "text": "The person has left the site."},
        },
        at="2024-09-20 09:00",
        by=SPONSOR,
    )
    recall = {"lot": "L-1", "reason": {"code": "quality", "text": "A test failed afterwards."}}
    story.add("lot.recalled.v1", recall, at="2024-09-21 09:00", stream="lot/L-1", by=PHARMACIST)
    scenes.approve(story, "icf", "2.0", ANY_HASH, since="2024-09-22 00:00")


def unusable_key(story: Story, *, at: str) -> Record:
    """A registration, accepted, of a key that is none: no fold can take the acceptance in."""
    bad = story._append(
        "key.registered.v1",
        {"jwk": {"kty": "none"}, "owner": {"kind": "person", "id": "/x", "name": "X"}},
        at=at,
        stream="access",
        by=(SPONSOR,),
        recorded=at,
        meaning=Meaning.APPROVAL,
    )
    story.answer(bad.id, "command.accepted.v1", {"rules": []})
    return bad
