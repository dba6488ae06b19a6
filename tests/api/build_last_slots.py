"""A small trial in which fifty subjects wait for the last ten slots of the list."""

from __future__ import annotations

import json
from importlib import resources
from typing import TYPE_CHECKING, Any

from ledger.trials.loading import parse_trial
from tests.build_ledger import INVESTIGATOR, SITE, BuiltLedger, Signed, made_ready, open_ledger
from tests.build_screened import consent_at, found_eligible, identified

if TYPE_CHECKING:
    from pathlib import Path

    from ledger.signing.strict_json import JsonObject

SLOTS = 10
WAITING = 50


def small_trial(directory: Path) -> BuiltLedger:
    """A ledger ready for subjects of a trial that plans ten, whose list has ten slots a stratum."""
    document: dict[str, Any] = json.loads(
        resources.files("ledger.trials").joinpath("xhnkky-dfsc.json").read_bytes()
    )
    document["protocol"]["planned_number"] = SLOTS
    document["registry"]["enrollment"]["count"] = SLOTS
    definition = parse_trial(document)
    return made_ready(
        open_ledger(directory, definition=definition, block_sizes=(2,), seed="last slots")
    )


def waiting(built: BuiltLedger, number: int = WAITING) -> list[Signed]:
    """Screen subjects of one stratum; a request for each, signed and not yet posted."""
    confirmed = [screened(built, one) for one in range(1, number + 1)]
    return [
        built.sign(
            "subject.randomization-requested.v1",
            f"subject/{SITE}-{number:04d}",
            {"confirmation": event},
            by=INVESTIGATOR,
            meaning="authorship",
        )
        for number, event in enumerate(confirmed, start=1)
    ]


def screened(built: BuiltLedger, number: int) -> str:
    """Record all that eligibility rests on in one go; the id of its confirmation."""
    subject, told = f"{SITE}-{number:04d}", list[Signed]()

    def say(type_name: str, data: JsonObject, *, by: str, meaning: str) -> str:
        told.append(built.sign(type_name, f"subject/{subject}", data, by=by, meaning=meaning))
        return told[-1].event.id

    identified(say, subject)
    consent = consent_at(built.now)
    say("consent.obtained.v1", consent, by=INVESTIGATOR, meaning="consent-explained")
    event = found_eligible(say, built.definition.protocol.criteria)
    for answer in built.record_all(told):
        if isinstance(answer, Exception) or answer.outcome.refused:
            raise AssertionError(f"Subject {number} could not be screened.")
    return event
