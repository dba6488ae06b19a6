"""Two trials that differ only in arms, told step by step through the real service."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from ledger.signing.event_id import event_id
from ledger.signing.rfc3339 import format_recorded_at
from tests.build_ledger import (
    COORDINATOR,
    DOCUMENT,
    INVESTIGATOR,
    PHARMACIST,
    SITE,
    BuiltLedger,
    made_ready,
    open_ledger,
)
from tests.build_screened import consent_at, found_eligible, identified
from tests.ledger.build_service import open_copy

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from ledger.record import Record
    from ledger.signing.strict_json import JsonObject, JsonValue
    from tests.build_screened import Say

ONE, TWO, THREE, FOUR = (f"{SITE}-{number:04d}" for number in range(1, 5))
LOT = "L-2024-01"
ZONE = ZoneInfo("Asia/Shanghai")
MORNING = datetime(2024, 3, 1, 9, 0, tzinfo=ZONE)
"""When the first subjects come; each later step has a day of its own."""

DIFFERENT_SEEDS = ("list", "list-1")
"""Names of seeds whose lists give the first subjects of the stratum opposite arms."""


@dataclass(slots=True)
class Twin:
    """One of the two trials, and what is remembered of it from step to step."""

    built: BuiltLedger
    labs: dict[str, Record] = field(default_factory=dict)
    confirmed: dict[str, str] = field(default_factory=dict)
    given: dict[str, int] = field(default_factory=dict)
    extras: int = 0

    def do(
        self,
        type_name: str,
        stream: str,
        data: JsonObject,
        *,
        by: str = INVESTIGATOR,
        meaning: str | None = "authorship",
        time: str | None = None,
    ) -> Record:
        """Sign and submit, whatever becomes of it; the record of what was submitted."""
        built = self.built
        signed = built.sign(type_name, stream, data, by=by, meaning=meaning, time=time)
        answer = built.ledger.submit(built.receive(signed), built.tick())
        record = built.ledger.application.record(answer.outcome.seq)
        if type_name == "lab-result.recorded.v1" and "value" in data:
            self.labs[stream.partition("/")[2]] = record
        return record

    def on(self, subject: str) -> Say:
        """Submits what is said on a subject's stream."""

        def say(type_name: str, data: JsonObject, *, by: str, meaning: str) -> str:
            return self.do(type_name, f"subject/{subject}", data, by=by, meaning=meaning).id

        return say

    def arm(self, subject: str) -> str | None:
        """The arm of a subject, for the story alone; None while it has none."""
        for record in self.built.ledger.application.stream(f"treatment/{subject}"):
            if record.type in ("subject.randomized.v1", "randomization.recorded.v1"):
                return str(record.data["arm"])
        return None

    @contextmanager
    def aside(self) -> Iterator[None]:
        """Record what the other trial may not have: ids and times of all else stay the same."""
        made, now = self.built.made, self.built.now
        self.extras += 1
        self.built.made = 1_000_000 + 1_000 * self.extras
        self.built.now = now + timedelta(minutes=30)
        try:
            yield
        finally:
            self.built.made, self.built.now = made, now


@dataclass(slots=True)
class Twins:
    """Both trials, in step."""

    pair: tuple[Twin, Twin]
    day: int = 40

    def next_day(self, days: int = 1) -> None:
        """The same next morning in both, later than all before."""
        self.day += days
        for twin in self.pair:
            twin.built.now = MORNING + timedelta(days=self.day)

    def close(self) -> None:
        """Close both."""
        for twin in self.pair:
            twin.built.close()


def build_twins(directories: Sequence[Path]) -> Twins:
    """Two trials with two randomized subjects each, of opposite arms, and one in screening."""
    twins = Twins((_opened(directories[0], "list"), _opened(directories[1], DIFFERENT_SEEDS[1])))
    for twin in twins.pair:
        for subject in (ONE, TWO):
            screen(twin, subject)
            randomize(twin, subject)
        identify(twin, THREE)
        consent(twin, THREE)
    return twins


def copy_twins(template: Twins, directories: Sequence[Path]) -> Twins:
    """An own open copy of closed twins."""
    made = [
        replace(
            twin,
            built=open_copy(twin.built, directory),
            labs=dict(twin.labs),
            confirmed=dict(twin.confirmed),
            given=dict(twin.given),
        )
        for twin, directory in zip(template.pair, directories, strict=True)
    ]
    return Twins((made[0], made[1]), template.day)


def identify(twin: Twin, subject: str) -> None:
    """The site identifies a man born in 1968."""
    identified(twin.on(subject), subject)


def consent(twin: Twin, subject: str, type_name: str = "consent.obtained.v1") -> None:
    """A flawless consent to all scopes."""
    data = consent_at(twin.built.now)
    twin.do(type_name, f"subject/{subject}", data, meaning="consent-explained")


def screen(twin: Twin, subject: str) -> None:
    """From identification to the confirmation of eligibility, if nothing stands against it."""
    if subject != THREE:
        identify(twin, subject)
        consent(twin, subject)
    criteria = twin.built.definition.protocol.criteria
    twin.confirmed[subject] = found_eligible(twin.on(subject), criteria)


def randomize(twin: Twin, subject: str) -> None:
    """Ask for the allocation of a slot, granted or refused."""
    none = event_id(MORNING, b"none")
    data: JsonObject = {"confirmation": twin.confirmed.get(subject, none)}
    twin.do(
        "subject.randomization-requested.v1", f"subject/{subject}", data, meaning="responsibility"
    )


def lab(twin: Twin, subject: str, code: str, value: str, unit: str, **more: JsonValue) -> None:
    """A laboratory result."""
    data: JsonObject = {"test_code": code, "value": {"value": value, "unit": unit}, **more}
    twin.do("lab-result.recorded.v1", f"subject/{subject}", data, by=COORDINATOR)


def treat(twin: Twin, subject: str) -> None:
    """The next infusion if the subject's arm plans one, released by the ledger before.

    One trial thus comes to have more entries than the other.
    """
    planned = {"single": 1, "double": 2}.get(twin.arm(subject) or "", 0)
    number = twin.given.get(subject, 0) + 1
    if number <= planned:
        infuse(twin, subject, number)


def infuse(twin: Twin, subject: str, number: int) -> None:
    """Ask for a bag and report its infusion, whatever the ledger answered."""
    twin.given[subject] = number
    bag = f"B-{subject[-1]}{number:03d}"
    with twin.aside():
        asked: JsonObject = {
            "subject_id": subject, "lot": LOT, "bag_id": bag, "infusion_number": number,
            "scan_subject": subject, "scan_bag": bag,
        }  # fmt: skip
        stream = f"treatment/{subject}"
        twin.do("bag.release-requested.v1", stream, asked, by=PHARMACIST, meaning="responsibility")
        thawed: JsonObject = {"lot": LOT, "bag_id": bag}
        twin.do("bag.thawed.v1", f"lot/{LOT}", thawed, by=PHARMACIST)
        given: JsonObject = {
            "infusion_number": number, "lot": LOT, "bag_ids": [bag],
            "started_at": format_recorded_at(twin.built.now),
            "route": "peripheral-intravenous", "scan_subject": subject, "scan_bag": bag,
        }  # fmt: skip
        twin.do("infusion.administered.v1", stream, given)
        if twin.arm(subject) == "double" and number == 2:
            twin.do("treatment.completed.v1", stream, {"infusions_given": 2}, by=COORDINATOR)


def envelope(twin: Twin, subject: str) -> None:
    """A randomization from a backup envelope, to the arm that the other trial has not."""
    arms = ("single", "double") if twin.arm(ONE) == "single" else ("double", "single")
    data: JsonObject = {
        "envelope_id": "ENV-001", "arm": arms[0],
        "opened_at": format_recorded_at(twin.built.now),
    }  # fmt: skip
    twin.do("randomization.recorded.v1", f"treatment/{subject}", data)


def _opened(directory: Path, seed: str) -> Twin:
    twin = Twin(made_ready(open_ledger(directory, seed=seed)))
    _stock(twin)
    twin.built.now = MORNING
    return twin


def _stock(twin: Twin) -> None:
    bags: list[JsonValue] = [
        {"bag_id": f"B-{subject[-1]}{number:03d}"}
        for subject in (ONE, TWO, THREE)
        for number in range(1, 4)
    ]
    received: JsonObject = {
        "lot": LOT, "site": SITE, "donor_code": "D-012", "passage": 5,
        "manufactured": "2024-01-01", "expiry": "2025-09-01T00:00:00Z", "bags": bags,
    }  # fmt: skip
    twin.do("lot.received.v1", f"lot/{LOT}", received, by=PHARMACIST)
    released: JsonObject = {
        "lot": LOT, "viability_percent": "92", "certificate_sha256": DOCUMENT,
    }  # fmt: skip
    twin.do("lot.released.v1", f"lot/{LOT}", released, by=PHARMACIST, meaning="approval")
