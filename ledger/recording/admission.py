"""The decision on one submission against the head it would extend.

Order: standing of the keys and signatures not yet checked, direct identifiers in clear, stream,
time, authority, guards. What comes out is either records in their places, or an error for the
sender with, where it may be a true fact, the reason under which quarantine keeps it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ledger.aggregates.allocation import SEALED
from ledger.errors import LedgerError, RejectedInput, TrustFailure, Unavailable
from ledger.events.registry import EVENT_TYPES
from ledger.log.chain import ChainHead, Draft, Link, StreamHead, advance, append
from ledger.record import Record, build_record
from ledger.recording.results import Result, accepted, make_result, own_statement, refused
from ledger.rules.case import ACTIVATED
from ledger.rules.guards import GUARDS
from ledger.rules.guards.data import FUTURE_TOLERANCE, NAMED_BY, target_of
from ledger.rules.guards.request import Refusal, Request
from ledger.rules.masking import require_unmasked
from ledger.rules.strata import stratum_of
from ledger.signing.authority import (
    NEVER_RECORDED,
    Shortfall,
    Signer,
    day_of_authority,
    shortfalls,
    site_of,
    verify_statement,
)
from ledger.signing.envelope import Event
from ledger.signing.rfc3339 import format_recorded_at, parse_recorded_at
from ledger.signing.statement import Statement
from ledger.signing.strict_json import JsonValue
from ledger.vocabulary import Kind, StreamFamily

if TYPE_CHECKING:
    from datetime import datetime

    from ledger.aggregates.trial_state import TrialState
    from ledger.allocation.sealed_list import SealedList
    from ledger.recording.submission import Submission
    from ledger.signing.ledger_keys import LedgerKeys
    from ledger.signing.sealing import Disclosure

DOSSIER_ISSUED = "dossier.issued.v1"
_FOUNDING = frozenset(("subject.identified.v1", ACTIVATED))


Parsed = tuple[Statement, Event]
ResultMembers = tuple[str, Mapping[str, JsonValue], Sequence[str]]


class Quarantined(LedgerError):
    """A statement turned away that is kept outside the log for an authorised person to see."""

    def __init__(self, cause: LedgerError) -> None:
        super().__init__(cause.code, cause.message, where=cause.where, remedy=cause.remedy)
        self.cause = cause


@dataclass(slots=True)
class Extension:
    """The growing end of the log while a group is decided: heads, records, openings.

    ``stream_heads`` caches the streams seen; nothing here is stored until the group commits.
    """

    head: ChainHead
    stream_heads: dict[str, StreamHead] = field(default_factory=dict)
    links: list[Link] = field(default_factory=list)
    records: list[Record] = field(default_factory=list)
    disclosures: list[tuple[int, tuple[Disclosure, ...]]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Recorded:
    """What became of a submission that entered the log: its position and its result's."""

    seq: int
    result_seq: int | None = None
    refused: bool = False
    repeated: bool = False


@dataclass(frozen=True, slots=True)
class Commitment:
    """Asks the ledger to commit to the head of a stream before its dossier leaves the house."""

    stream: str
    purpose: str


@dataclass(slots=True)
class Admission:
    """Decides submissions one after another, each against the state the one before left."""

    state: TrialState
    keys: LedgerKeys
    allocation_list: SealedList | None
    extension: Extension
    stream_head: Callable[[str], StreamHead]

    def admit(self, submission: Submission, now: datetime) -> Recorded:
        """Decide one submission; raises LedgerError and then nothing has changed."""
        event, rule = submission.event, submission.row.rule
        try:
            signers = verify_statement(
                submission.statement, event, self.state.register, verified=submission.verified
            )
        except TrustFailure as error:
            raise self._aside(submission, error) from error
        if submission.identifier is not None:
            raise self._aside(submission, submission.identifier)
        at = max(now, self._head_time(now))
        if event.occurred_at > at + FUTURE_TOLERANCE:
            raise RejectedInput(
                "event.in-the-future",
                f"The event is said to happen at {event.time}, after {format_recorded_at(at)}.",
                where="/time",
                remedy="Check the clock of the sending system; report events after they happened.",
            )
        check_stream(submission)
        day = day_of_authority(rule, event, recorded_at=at, zone=self._zone(event))
        lacking = shortfalls(rule, event, signers, self.state.register, day=day)
        self._refuse_strangers(submission, lacking)
        self._refuse_masked(submission, signers, lacking)
        if rule.kind is Kind.COMMAND:
            return self._command(submission, signers, lacking, at)
        if rule.kind is Kind.JUDGEMENT and lacking:
            raise self._aside(submission, _trust(lacking[0]))
        self._require_known(submission)
        record = self._enter(_draft(submission), submission, at)
        return Recorded(record.seq)

    def commit(self, commitment: Commitment, now: datetime) -> Recorded:
        """Record ``dossier.issued.v1`` right behind the link it names, in the same stream.

        Raises RejectedInput ``dossier.empty-stream`` and ``schema.*``; then nothing has changed.
        """
        stream, at = commitment.stream, max(now, self._head_time(now))
        before = self.extension.stream_heads.get(stream) or self.stream_head(stream)
        if not before.size:
            raise RejectedInput("dossier.empty-stream", f"There is nothing in {stream} yet.")
        data: dict[str, JsonValue] = {
            "stream": stream,
            "stream_seq": before.size - 1,
            "link": before.link,
            "purpose": commitment.purpose,
        }
        EVENT_TYPES[DOSSIER_ISSUED].check(data)
        statement, event = own_statement(
            self.keys,
            type_name=DOSSIER_ISSUED,
            stream=stream,
            trial=self.state.definition.protocol.trial,
            data=data,
            at=at,
            about=f"/{before.size}",
        )
        record = self._append(Draft(stream, statement.text), (), at, (statement, event))
        return Recorded(record.seq)

    def _command(
        self,
        submission: Submission,
        signers: Sequence[Signer],
        lacking: Sequence[Shortfall],
        at: datetime,
    ) -> Recorded:
        self._require_known(submission)
        refusals = [Refusal(item.rule, item.message) for item in lacking]
        request = Request(submission.event, submission.data, signers, self.state, at)
        guards = GUARDS.get(submission.event.type, ())
        if not refusals:
            refusals = [refusal for guard in guards for refusal in guard(request)]
        if request.event.type == SEALED and not refusals:
            self._require_own_list(request)
        result_data = None if refusals else self._result_members(request)
        record = self._enter(_draft(submission), submission, at)
        if refusals:
            result = refused(self.keys, record, refusals)
        elif result_data is None:
            result = accepted(self.keys, record, sorted({_rule_id(guard) for guard in guards}))
        else:
            name, members, sealed = result_data
            result = make_result(self.keys, record, name, members, sealed=sealed)
        answer = self._enter_result(result, at)
        return Recorded(record.seq, answer.seq, refused=bool(refusals))

    def _result_members(self, request: Request) -> ResultMembers | None:
        if request.event.type == "subject.randomization-requested.v1":
            return self._allocate(request)
        if request.event.type == "bag.release-requested.v1":
            names = ("lot", "bag_id", "infusion_number")
            return "bag.released.v1", {name: request.data[name] for name in names}, ()
        if request.event.type == "allocation.reveal-requested.v1":
            return "allocation.revealed.v1", self._sealed_list(request).revelation(), ()
        return None

    def _allocate(self, request: Request) -> ResultMembers:
        stratum = stratum_of(request.case, request.at)
        slot = request.state.allocation.next_slot(stratum) if stratum is not None else None
        allocation_list = self._sealed_list(request)
        if stratum is None or slot is None:
            raise _no_list()
        opening = allocation_list.opening(stratum, slot)
        members: dict[str, JsonValue] = {
            "list_root": allocation_list.root,
            "stratum": stratum,
            "slot": slot,
            "path": list(opening.path),
            "arm": opening.slot.arm,
            "slot_salt": opening.slot.salt,
        }
        return "subject.randomized.v1", members, ("arm", "slot_salt")

    def _require_own_list(self, request: Request) -> None:
        """A commitment to another list would show only with the first subject waiting."""
        held = self.allocation_list
        if held is not None and held.root != request.data["list_root"]:
            raise RejectedInput(
                "schema.other-list",
                f"The list this service holds has the root {held.root}, another than is committed "
                "to here.",
                where="/data/list_root",
                remedy="Give the service the list that was drawn with this commitment.",
            )

    def _sealed_list(self, request: Request) -> SealedList:
        """The list this service holds, once it is sure that it is the one sealed."""
        sealed = request.state.allocation.sealed_list
        if self.allocation_list is None or sealed is None:
            raise _no_list()
        if self.allocation_list.root != sealed.data["list_root"]:
            raise Unavailable(
                "allocation.other-list",
                "The list this service holds is not the one whose root was recorded.",
                remedy="Give the service the sealed list; the request was not recorded.",
            )
        return self.allocation_list

    def _enter(self, draft: Draft, submission: Submission, at: datetime) -> Record:
        return self._append(
            draft, submission.disclosures, at, (submission.statement, submission.event)
        )

    def _enter_result(self, result: Result, at: datetime) -> Record:
        return self._append(result.draft, result.disclosures, at, (result.statement, result.event))

    def _append(
        self,
        draft: Draft,
        disclosures: tuple[Disclosure, ...],
        at: datetime,
        parsed: Parsed,
    ) -> Record:
        extension = self.extension
        before = extension.stream_heads.get(draft.stream) or self.stream_head(draft.stream)
        link = append(extension.head, before, draft, recorded_at=format_recorded_at(at))
        extension.head, extension.stream_heads[draft.stream] = advance(link)
        record = build_record(
            link.entry,
            sha256=extension.head.hash,
            disclosures=[disclosure.text for disclosure in disclosures],
            parsed=parsed,
        )
        extension.links.append(link)
        extension.records.append(record)
        if disclosures:
            extension.disclosures.append((record.seq, disclosures))
        self.state.apply(record)
        return record

    def _zone(self, event: Event) -> str | None:
        """The zone of the event's site as last activated, in order of the log."""
        site = site_of(event)
        activated = self.state.site(site).of(ACTIVATED) if site is not None else []
        if not activated:
            return None
        return str(max(activated, key=lambda fact: fact.seq).record.data["timezone"])

    def _head_time(self, default: datetime) -> datetime:
        if not self.extension.head.recorded_at:
            return default
        return parse_recorded_at(self.extension.head.recorded_at)

    def _refuse_strangers(self, submission: Submission, lacking: Sequence[Shortfall]) -> None:
        for item in lacking:
            if item.rule in NEVER_RECORDED:
                raise self._aside(submission, _trust(item))

    def _refuse_masked(
        self, submission: Submission, signers: Sequence[Signer], lacking: Sequence[Shortfall]
    ) -> None:
        state = self.state
        try:
            require_unmasked(
                submission.event, submission.row.rule, signers, lacking,
                register=state.register, masking=state.definition.protocol.masking,
            )  # fmt: skip
        except TrustFailure as error:
            raise self._aside(submission, error) from error

    def _require_known(self, submission: Submission) -> None:
        event = submission.event
        family, _, name = event.subject.partition("/")
        if event.type in _FOUNDING:
            return
        if family in ("subject", "treatment") and not self.state.knows_subject(name):
            raise self._aside(submission, _unknown("subject", name))
        site = site_of(event) if family in ("site", "lot") else None
        if site is not None and not self.state.knows_site(site):
            raise self._aside(submission, _unknown("site", site))
        rule = submission.row.rule
        if rule.stream is StreamFamily.TARGET and rule.kind is not Kind.COMMAND:
            target = _target(submission)
            request = Request(event, {"target": target}, (), self.state, event.occurred_at)
            if target_of(request) is None:
                raise self._aside(submission, _unknown("record", str(target)))

    @staticmethod
    def _aside(submission: Submission, error: LedgerError) -> LedgerError:
        # A command asks us to act; nothing is lost when it is turned away. A signature that does
        # not verify is nobody's statement.
        if submission.row.rule.kind is Kind.COMMAND or error.code == "signature.invalid":
            return error
        return Quarantined(error)


def check_stream(submission: Submission) -> None:
    """Check that an event stands in the kind of stream its type prescribes.

    Raises RejectedInput ``event.wrong-stream``.
    """
    event, wanted = submission.event, submission.row.rule.stream
    family, _, name = event.subject.partition("/")
    if wanted not in (StreamFamily.TARGET, StreamFamily.ANY) and family != wanted:
        raise RejectedInput(
            "event.wrong-stream",
            f"{event.type} belongs in a {wanted} stream, not in {event.subject}.",
            where="/subject",
        )
    for member in ("subject_id", "site", "lot"):
        stated = event.data.get(member)
        if stated is not None and family in NAMED_BY.get(member, ()) and stated != name:
            raise RejectedInput(
                "event.wrong-stream",
                f"The stream is {event.subject}, but {member} says {stated}.",
                where=f"/data/{member}",
            )


def _draft(submission: Submission) -> Draft:
    return Draft(submission.event.subject, submission.statement.text)


def _no_list() -> Unavailable:
    return Unavailable(
        "allocation.no-list",
        "This service holds no randomization list, so it cannot allocate.",
        remedy="Give the service the sealed list; the request was not recorded.",
    )


def _rule_id(guard: Callable[..., object]) -> str:
    return (guard.__doc__ or "").partition(":")[0]


def _target(submission: Submission) -> JsonValue:
    return submission.data.get("target") or submission.data.get("anchor")


def _trust(item: Shortfall) -> TrustFailure:
    return TrustFailure(
        "authority.not-entitled",
        f"{item.rule}: {item.message}",
        remedy="Let somebody sign whose role or delegation covers it.",
    )


def _unknown(kind: str, name: str) -> RejectedInput:
    return RejectedInput(
        f"event.unknown-{kind}",
        f"There is no {kind} {name} in this trial.",
        where="/subject",
        remedy=f"Record the {kind} first, or correct the reference.",
    )
