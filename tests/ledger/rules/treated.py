"""A subject on treatment as records, without signatures: the rules read what they are given."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from ledger.aggregates.allocation import Allocation
from ledger.aggregates.trial_state import TrialState, lots_named
from ledger.events.registry import EVENT_TYPES
from ledger.history import History
from ledger.log.entry import Entry
from ledger.record import Record
from ledger.rules.case import Case
from ledger.rules.deviation import Finding, TrialOverview
from ledger.signing.envelope import Event
from ledger.signing.event_id import event_id
from ledger.signing.jwk import Algorithm, SigningKey
from ledger.signing.register import Grant, Key, Register
from ledger.signing.rfc3339 import format_recorded_at, parse_rfc3339
from ledger.signing.statement import Meaning, Signature, Statement
from ledger.trials import load_trial
from ledger.vocabulary import Role

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ledger.trials.definition import TrialDefinition

SUBJECT, OTHER = "SY01-0007", "SY01-0008"
LOT, BAG, SECOND_BAG = "L-2024-03", "B-0001", "B-0002"
LEADER = "/sites/SY01/persons/pi-01"
NURSES = ["/sites/SY01/persons/rn-01", "/sites/SY01/persons/rn-02"]
HASH = "ab" * 32
DAY_0 = "2024-03-01"
GIVEN = "2024-03-01T10:00:00+08:00"
SIGNATURE = Signature("kid", Algorithm("Ed25519"), Meaning("authorship"), 0, b"", b"")


def later(moment: str, **span: float) -> str:
    """A moment some time after another, in the site's offset."""
    return (datetime.fromisoformat(moment) + timedelta(**span)).isoformat()


def cells(value: str = "100000000", unit: str = "{cells}") -> dict[str, str]:
    """A dose."""
    return {"value": value, "unit": unit}


@dataclass
class Treated:
    """Records in order of the log; each method tells one event and gives its id."""

    definition: TrialDefinition = field(default_factory=lambda: load_trial("xhnkky-dfsc"))
    records: list[Record] = field(default_factory=list)

    def tell(
        self, type_name: str, stream: str, at: str, data: dict[str, Any], *, check: bool = True
    ) -> str:
        """Record one event; its payload must satisfy the vocabulary."""
        if check:
            EVENT_TYPES[type_name].check(data)
        seq, occurred = len(self.records), parse_rfc3339(at)
        event = Event(
            id=event_id(occurred, str(seq).encode()),
            source=LEADER,
            type=type_name,
            subject=stream,
            time=at,
            trialid="XHNKKY-DFSC",
            data=data,
        )
        recorded = max([occurred, *(row.recorded_at for row in self.records[-1:])])
        entry = Entry(
            seq, format_recorded_at(recorded), "0" * 64, stream, seq, "0" * 64, "statement"
        )
        statement = Statement("statement", b"", (SIGNATURE,))
        self.records.append(Record(entry, statement, event, data, {}, 0, HASH, recorded))
        return event.id

    def command(self, type_name: str, stream: str, at: str, data: dict[str, Any]) -> str:
        """Record a command that the ledger accepts."""
        found = self.tell(type_name, stream, at, data)
        self.tell("command.accepted.v1", stream, at, {"request": self.request(found), "rules": []})
        return found

    def request(self, event: str) -> dict[str, Any]:
        """How a result names its request."""
        return {"id": event, "seq": max(len(self.records) - 1, 0), "sha256": HASH}

    def void(self, event: str, stream: str, at: str = GIVEN) -> None:
        """Void a record."""
        reason = {"code": "wrong-subject", "text": "Recorded on the wrong subject."}
        self.command(
            "data.voided.v1", stream, at, {"target": event, "reason": reason, "source_ref": "p. 1"}
        )

    def correct(self, event: str, stream: str, pointer: str, old: Any, new: Any) -> None:
        """Correct one member of a record."""
        self.command(
            "data.corrected.v1",
            stream,
            GIVEN,
            {
                "target": event,
                "changes": [{"pointer": pointer, "old": old, "new": new}],
                "source_ref": "p. 1",
                "reason": {"code": "transcription", "text": "Misread from the source."},
            },
        )

    def consent(self, at: str = "2024-02-20T09:00:00+08:00", subject: str = SUBJECT) -> str:
        """An approved form and a valid consent on it."""
        form = {
            "doc_type": "icf", "version": "1.0", "language": "zh-Hans", "sha256": HASH,
            "body": "Ethics committee", "decision": "approved", "approved_on": "2024-01-15",
            "effective_from": "2024-01-15T00:00:00+08:00",
        }  # fmt: skip
        self.tell("document.approved.v1", "trial", "2024-01-15T09:00:00+08:00", form)
        data = {
            "icf_version": "1.0", "icf_sha256": HASH, "language": "zh-Hans",
            "scopes": ["intervention", "visits"], "given_by": "self", "can_read": True,
            "participant_signed_at": at, "leader": LEADER, "leader_signed_at": at,
            "copy_given": True, "medium": "paper",
        }  # fmt: skip
        return self.tell("consent.obtained.v1", f"subject/{subject}", at, data)

    def withdraw(self, at: str, *scopes: str) -> str:
        """Withdraw consent, from everything when no scope is named."""
        data = {"scopes": list(scopes)}
        return self.tell("consent.withdrawn.v1", f"subject/{SUBJECT}", at, data)

    def randomize(
        self, arm: str | None = "double", at: str = "2024-02-28T10:00:00+08:00",
        subject: str = SUBJECT,
    ) -> str:  # fmt: skip
        """Randomize; no arm: its opening is not at hand."""
        data: dict[str, Any] = {
            "request": self.request(event_id(parse_rfc3339(at), b"request")),
            "list_root": HASH, "slot": 1, "stratum": "all", "path": [],
        }  # fmt: skip
        if arm is not None:
            data |= {"arm": arm, "slot_salt": "00" * 16}
        stream = f"treatment/{subject}"
        return self.tell("subject.randomized.v1", stream, at, data, check=arm is not None)

    def receive(self, *bags: str, **changes: Any) -> str:
        """A lot arrives."""
        data = {
            "lot": LOT, "site": "SY01", "donor_code": "D-012", "passage": 5,
            "manufactured": "2024-02-01", "expiry": "2024-06-01T00:00:00+08:00",
            "bags": [{"bag_id": bag} for bag in bags or (BAG, SECOND_BAG)],
            "temperature_min": {"value": "-180", "unit": "Cel"},
            "temperature_max": {"value": "-150", "unit": "Cel"},
        } | changes  # fmt: skip
        at = changes.pop("at", "2024-02-10T09:00:00+08:00")
        data.pop("at", None)
        return self.tell("lot.received.v1", f"lot/{data['lot']}", at, data)

    def release_lot(self, at: str = "2024-02-11T09:00:00+08:00", viability: str = "92.5") -> str:
        """The pharmacist releases the lot."""
        data = {"lot": LOT, "viability_percent": viability, "certificate_sha256": HASH}
        return self.tell("lot.released.v1", f"lot/{LOT}", at, data)

    def bar_lot(self, word: str, at: str) -> str:
        """The lot is ``quarantined`` or ``recalled``."""
        data = {"lot": LOT, "reason": {"code": "qa", "text": "Sterility in doubt."}}
        return self.tell(f"lot.{word}.v1", f"lot/{LOT}", at, data)

    def ask(self, bag: str = BAG, number: int = 1, subject: str = SUBJECT) -> dict[str, Any]:
        """The request for a bag's release."""
        return {
            "subject_id": subject, "lot": LOT, "bag_id": bag, "infusion_number": number,
            "scan_subject": subject, "scan_bag": bag,
        }  # fmt: skip

    def release_bag(
        self, bag: str = BAG, number: int = 1, at: str = "2024-03-01T08:00:00+08:00",
        subject: str = SUBJECT,
    ) -> str:  # fmt: skip
        """The ledger releases a bag."""
        stream = f"treatment/{subject}"
        asked = self.tell("bag.release-requested.v1", stream, at, self.ask(bag, number, subject))
        data = {
            "request": self.request(asked), "lot": LOT, "bag_id": bag, "infusion_number": number
        }  # fmt: skip
        return self.tell("bag.released.v1", stream, at, data)

    def bag(self, word: str, bag: str, at: str, **members: Any) -> str:
        """Something happens to a bag: ``thawed``, ``returned``, or ``destroyed``."""
        data = {"lot": LOT, "bag_id": bag, **members}
        if word == "destroyed":
            data["reason"] = {"code": "expired", "text": "No longer of use."}
        if word in ("returned", "custody-transferred"):
            data |= {"to_location": "pharmacy", "received_by": NURSES[0]} | members
        return self.tell(f"bag.{word}.v1", f"lot/{LOT}", at, data)

    def count(self, at: str, *bags: str) -> str:
        """Somebody counts the stock."""
        data = {"lot": LOT, "site": "SY01", "bag_ids": list(bags)}
        return self.tell("stock.counted.v1", f"lot/{LOT}", at, data)

    def infuse(
        self, at: str = GIVEN, number: int = 1, bag: str = BAG, subject: str = SUBJECT,
        **changes: Any,
    ) -> str:  # fmt: skip
        """An infusion, in every respect as planned but for the changes; None leaves out."""
        data = {
            "infusion_number": number, "lot": LOT, "bag_ids": [bag], "started_at": at,
            "stopped_at": later(at, minutes=45), "cells_planned": cells(), "cells_given": cells(),
            "viability_percent": "90", "thawed_at": later(at, minutes=-30),
            "route": "peripheral-intravenous", "scan_subject": subject, "scan_bag": bag,
            "given_by": NURSES[0], "checked_by": NURSES,
        } | changes  # fmt: skip
        data = {name: value for name, value in data.items() if value is not None}
        return self.tell("infusion.administered.v1", f"treatment/{subject}", at, data)

    def subject_event(self, type_name: str, at: str, **data: Any) -> str:
        """An event of the subject's arm-neutral stream."""
        return self.tell(type_name, f"subject/{SUBJECT}", at, data)

    def treatment_event(self, type_name: str, at: str, **data: Any) -> str:
        """An event of the subject's treatment stream."""
        return self.tell(type_name, f"treatment/{SUBJECT}", at, data)

    def treated(self, arm: str | None = "double") -> Treated:
        """Consent, randomization, lot and bags, all in order, up to the first infusion."""
        self.consent()
        self.randomize(arm)
        self.receive()
        self.release_lot()
        self.release_bag()
        return self

    def history(self, *streams: str) -> History:
        """The fold of some streams."""
        return History(row for row in self.records if row.stream in streams)

    def case(self, subject: str = SUBJECT) -> Case:
        """The subject's case."""
        records = self.history(f"subject/{subject}", f"treatment/{subject}")
        return Case(
            subject=subject,
            definition=self.definition,
            records=records,
            trial=self.history("trial"),
            site=self.history("site/SY01"),
            register=register(),
            lots={lot: self.history(f"lot/{lot}") for lot in lots_named(records)},
        )

    def overview(self) -> TrialOverview:
        """The whole trial."""
        streams = {row.stream for row in self.records}
        subjects = {name.partition("/")[2] for name in streams if "-00" in name}
        return TrialOverview(
            definition=self.definition,
            trial=self.history("trial"),
            register=register(),
            allocation=Allocation(),
            subjects={s: self.history(f"subject/{s}", f"treatment/{s}") for s in subjects},
            lots={s.partition("/")[2]: self.history(s) for s in streams if s.startswith("lot/")},
        )

    def state(self) -> TrialState:
        """The trial's state as guards see it."""
        state = TrialState(self.definition, self)
        state._register = register()
        return state

    def stream(self, name: str) -> Sequence[Record]:
        """The records of one stream."""
        return [row for row in self.records if row.stream == name]

    def of_types(self, types: Sequence[str]) -> Sequence[Record]:
        """The records of some types."""
        return [row for row in self.records if row.type in types]


def register() -> Register:
    """A register in which the leader is the principal investigator."""
    found = Register()
    grant = Grant(LEADER, Role.PRINCIPAL_INVESTIGATOR, "site/SY01", -1)
    found.grants[LEADER] = [grant]
    jwk = SigningKey.from_seed(bytes(32)).public
    found.keys[SIGNATURE.kid] = Key(SIGNATURE.kid, jwk, "person", LEADER, "Leader", -1)
    return found


def gist(findings: Any) -> list[tuple[str, str]]:
    """Anchor and standing of each finding."""
    rows: list[Finding] = list(findings)
    return sorted((row.anchor, row.standing.value) for row in rows)
