"""A log in memory for tests of rules: real events, really signed, read back as records.

``Story`` appends events in order; ``tests.ledger.rules.scenes`` tells the usual ones. Times are
local to the site: ``"2024-03-01 09:00"``.
"""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING, Any

from ledger.aggregates.trial_state import TrialState
from ledger.events.registry import EVENT_TYPES
from ledger.log.entry import ZERO_HASH, Entry, entry_hash
from ledger.record import Record, build_record
from ledger.rules.deviation import TrialOverview
from ledger.rules.deviations import CASE_RULES, TRIAL_RULES
from ledger.rules.guards import GUARDS
from ledger.rules.guards.request import Request
from ledger.signing.authority import Signer as Authority
from ledger.signing.envelope import Event, event_bytes, parse_event
from ledger.signing.event_id import event_id
from ledger.signing.jwk import SigningKey
from ledger.signing.register import LEDGER
from ledger.signing.rfc3339 import format_recorded_at, parse_rfc3339
from ledger.signing.sealing import seal
from ledger.signing.statement import Meaning, Signer, sign_statement
from ledger.trials import TrialDefinition, load_trial
from ledger.vocabulary import Kind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ledger.rules.case import Case
    from ledger.rules.deviation import Finding
    from ledger.vocabulary import TypeRule

SITE = "SY01"
SUBJECT = "SY01-0001"
PI = "/sites/SY01/persons/pi-01"
PHYSICIAN = "/sites/SY01/persons/si-01"
COORDINATOR = "/sites/SY01/persons/crc-01"
NURSE = "/sites/SY01/persons/nurse-01"
STRANGER = "/sites/SY01/persons/guest-01"
PHARMACIST = "/sites/SY01/persons/pharm-01"
ASSESSOR = "/sites/SY01/persons/oa-01"
EDC = "/sites/SY01/systems/edc"
SPONSOR = "/sponsor/persons/root"
STATISTICIAN = "/sponsor/persons/stat-01"

ICF_1 = hashlib.sha256(b"icf 1.0").hexdigest()
ICF_2 = hashlib.sha256(b"icf 2.0").hexdigest()
ANY_HASH = hashlib.sha256(b"anything").hexdigest()
ALL_TASKS = [
    "consent",
    "eligibility",
    "randomization",
    "infusion",
    "assessment",
    "data-entry",
    "product-handling",
    "safety-reporting",
    "unblinding",
]


@cache
def definition() -> TrialDefinition:
    """The seed trial."""
    return load_trial("xhnkky-dfsc")


@cache
def key_of(owner: str) -> SigningKey:
    """The test key of a person or system, by name."""
    return SigningKey.from_seed(hashlib.sha256(owner.encode()).digest())


def local(text: str) -> str:
    """RFC 3339 of a local time at the site, ``2024-03-01 09:00``; a whole one stays as it is."""
    return text if "T" in text else f"{text.replace(' ', 'T')}:00+08:00"


def instant(text: str) -> datetime:
    """The instant of a local time at the site."""
    return parse_rfc3339(local(text))


def later(text: str, **delta: float) -> str:
    """A local time some while after another, to the second."""
    moved = datetime.fromisoformat(local(text)) + timedelta(**delta)
    return moved.isoformat(timespec="seconds")


def _usual_meaning(rule: TypeRule) -> Meaning:
    """What a signature under a type means when the story does not say."""
    allowed = rule.signing.meanings
    if not allowed or Meaning.AUTHORSHIP in allowed:
        return Meaning.AUTHORSHIP
    return Meaning(min(allowed))


class Story:
    """A log in the making."""

    def __init__(self, trial: TrialDefinition | None = None) -> None:
        self.definition = trial or definition()
        self.records: list[Record] = []
        self._heads: dict[str, tuple[int, str]] = {}

    # --- writing ------------------------------------------------------------------------------

    def add(
        self,
        type_name: str,
        data: dict[str, Any],
        *,
        at: str,
        stream: str | None = None,
        by: str | Sequence[str] = PI,
        recorded: str | None = None,
        meaning: Meaning | None = None,
        accept: bool = True,
    ) -> str:
        """Append an event (a command with its acceptance) and return its id."""
        row = EVENT_TYPES[type_name]
        row.check(data)
        record = self._append(
            type_name,
            data,
            at=local(at),
            stream=stream or self._stream_of(type_name),
            by=(by,) if isinstance(by, str) else tuple(by),
            recorded=local(recorded or at),
            meaning=meaning or _usual_meaning(row.rule),
        )
        if row.rule.kind is Kind.COMMAND and accept:
            self.answer(record.id, "command.accepted.v1", {"rules": []})
        return record.id

    def answer(self, request: str, type_name: str, data: dict[str, Any]) -> str:
        """Append the ledger's result of a command."""
        asked = self.record(request)
        stream = asked.stream
        if stream.startswith("subject/"):
            stream = stream.replace("subject/", "treatment/")
        named = {"id": asked.id, "seq": asked.seq, "sha256": asked.sha256}
        at = format_recorded_at(asked.recorded_at)
        answered = self._append(
            type_name,
            {"request": named, **data},
            at=at,
            stream=stream,
            by=(LEDGER,),
            recorded=at,
            meaning=Meaning.APPROVAL,
        )
        return answered.id

    def record(self, event: str) -> Record:
        """The record of an event."""
        return next(record for record in self.records if record.id == event)

    def _stream_of(self, type_name: str) -> str:
        family = EVENT_TYPES[type_name].rule.stream.value
        names = {"site": f"site/{SITE}", "allocation": "allocation/main", "lot": "lot/L-1"}
        named = f"{family}/{SUBJECT}" if family in ("subject", "treatment") else family
        return names.get(family, named)

    def _append(
        self,
        type_name: str,
        data: dict[str, Any],
        *,
        at: str,
        stream: str,
        by: tuple[str, ...],
        recorded: str,
        meaning: Meaning,
    ) -> Record:
        seq = len(self.records)
        row = EVENT_TYPES.get(type_name)
        sealed = [name for name in (row.rule.sealed if row else ()) if name in data]
        clear, disclosures = seal(
            data, sealed, lambda name: f"salt{seq:08}{name:>16.16}".replace(" ", "x")
        )
        event = Event(
            id=event_id(parse_rfc3339(at), f"{seq}".encode()),
            source=by[0],
            type=type_name,
            subject=stream,
            time=at,
            trialid=self.definition.protocol.trial,
            data=clear,
        )
        signers = [
            Signer(key=key_of(owner))
            if owner == LEDGER or "/systems/" in owner
            else Signer(key=key_of(owner), meaning=meaning, iat=0)
            for owner in by
        ]
        statement = sign_statement(event_bytes(event), signers)
        stream_seq, stream_prev = self._heads.get(stream, (-1, ZERO_HASH))
        entry = Entry(
            seq=seq,
            recorded_at=format_recorded_at(parse_rfc3339(recorded)),
            prev=self.records[-1].sha256 if self.records else ZERO_HASH,
            stream=stream,
            stream_seq=stream_seq + 1,
            stream_prev=stream_prev,
            statement=statement.text,
        )
        self._heads[stream] = (stream_seq + 1, entry.link_hash())
        record = build_record(
            entry,
            sha256=entry_hash(entry.to_bytes()),
            disclosures=[disclosure.text for disclosure in disclosures],
        )
        self.records.append(record)
        return record

    # --- reading ------------------------------------------------------------------------------

    def stream(self, name: str) -> Sequence[Record]:
        """The records of one stream."""
        return [record for record in self.records if record.stream == name]

    def of_types(self, types: Sequence[str]) -> Sequence[Record]:
        """The records of some types."""
        return [record for record in self.records if record.type in types]

    def state(self) -> TrialState:
        """The state guards see."""
        return TrialState(self.definition, self)

    def case(self, subject: str = SUBJECT) -> Case:
        """The case of a subject."""
        return self.state().case(subject)

    def overview(self) -> TrialOverview:
        """What rules over the whole trial see."""
        streams = {record.stream for record in self.records}
        subjects = sorted(
            {
                name.partition("/")[2]
                for name in streams
                if name.split("/")[0] in ("subject", "treatment")
            }
        )
        lots = [name.removeprefix("lot/") for name in streams if name.startswith("lot/")]
        state = self.state()
        return TrialOverview(
            definition=self.definition,
            trial=state.trial,
            register=state.register,
            allocation=state.allocation,
            subjects={subject: state.subject(subject) for subject in subjects},
            lots={lot: state.lot(lot) for lot in lots},
        )

    def request(
        self,
        type_name: str,
        data: dict[str, Any],
        *,
        at: str,
        by: str = PI,
        stream: str | None = None,
    ) -> Request:
        """A command about to be decided against this log; it is not appended."""
        draft = Story(self.definition)
        draft.add(type_name, data, at=at, by=by, stream=stream or self._stream_of(type_name))
        record = draft.records[0]
        state = self.state()
        signers = [
            Authority(key, signature)
            for signature in record.statement.signatures
            if (key := state.register.key(signature.kid)) is not None
        ]
        return Request(
            parse_event(record.statement.payload), record.data, signers, state, instant(at)
        )


def found(story: Story, rule: str, subject: str = SUBJECT) -> list[Finding]:
    """What a deviation rule finds of a subject, or over the trial."""
    by_case = [row for row in CASE_RULES if row.id == rule]
    by_trial = [row for row in TRIAL_RULES if row.id == rule]
    return [
        *(finding for row in by_case for finding in row.check(story.case(subject))),
        *(finding for row in by_trial for _, finding in row.check(story.overview())),
    ]


def refused(
    story: Story, type_name: str, data: dict[str, Any], *, at: str, by: str = PI, subject: str = ""
) -> dict[str, str]:
    """The ids and sentences of the guards that speak against a command."""
    stream = f"subject/{subject}" if subject else None
    request = story.request(type_name, data, at=at, by=by, stream=stream)
    return {
        refusal.rule: refusal.message for guard in GUARDS[type_name] for refusal in guard(request)
    }
