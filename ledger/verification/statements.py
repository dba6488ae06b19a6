"""Checks 7 and 8: whose signatures stand under a statement, and what they were entitled to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from ledger.errors import LedgerError, RejectedInput, TrustFailure
from ledger.history import ACCEPTED, REFUSED, result_stream
from ledger.signing.authority import (
    NEVER_RECORDED,
    Shortfall,
    Signer,
    day_of_authority,
    shortfalls,
    site_of,
    verify_statement,
)
from ledger.signing.register import Register
from ledger.verification.chain import ISSUED
from ledger.vocabulary import Kind, StreamFamily, TypeRule, vocabulary

if TYPE_CHECKING:
    from collections.abc import Callable

    from ledger.record import Record
    from ledger.signing.strict_json import JsonObject
    from ledger.verification.reading import KnownSignatures, ReadEntry
    from ledger.verification.report import Findings
    from ledger.verification.targets import TargetStreams

OPENED: Final = "trial.opened.v1"
ACTIVATED: Final = "site.activated.v1"

_UNBOUND: Final = frozenset((ISSUED,))
"""Types of kind result that the ledger signs of its own accord, not behind a request."""

_ANSWERS: Final = {
    "subject.randomized.v1": "subject.randomization-requested.v1",
    "bag.released.v1": "bag.release-requested.v1",
}
_NAMED_BY: Final = {
    "subject_id": ("subject", "treatment"),
    "site": ("site",),
    "lot": ("lot",),
}
_BY_CODE: Final = {
    "authority.unknown-key": "statements.unknown-key",
    "authority.revoked-key": "statements.revoked-key",
    "signature.invalid": "statements.signature",
    "signature.algorithm": "statements.signature",
    "signature.other-key": "statements.signature",
}
# What the register's fold can raise on a payload that no schema would have let in.
UNFIT: Final = (LedgerError, LookupError, ValueError, TypeError, AttributeError)


@dataclass(frozen=True, slots=True)
class _Command:
    seq: int
    record: Record
    signers: str
    lacking: tuple[Shortfall, ...]


class StatementCheck:
    """Judges each record by what was in force at its position, then takes it into the register."""

    def __init__(
        self, findings: Findings, proven: Callable[[], int], targets: TargetStreams
    ) -> None:
        self.register = Register()
        self.trial: str | None = None
        self._findings = findings
        self._proven = proven
        self._targets = targets
        self._open: _Command | None = None
        self._zones: dict[str, str] = {}
        self._seq = 0
        self._blind = False

    def gap(self) -> None:
        """Entries are missing or unreadable here: a result may be among them."""
        self._open, self._blind = None, True

    def take(self, read: ReadEntry, record: Record, verified: KnownSignatures) -> None:
        """Judge one record and fold it."""
        self._seq = read.seq
        event, rule = record.event, vocabulary().get(record.type)
        if (read.seq == 0) != (record.type == OPENED):
            self._add("statements.genesis", record, found=record.type)
        self._belongs(record)
        signers = self._signers(record, verified)
        if rule is None:
            self._add("authority.type", record, found=record.type, field="type")
        lacking: tuple[Shortfall, ...] = ()
        if rule is not None and read.seq > 0:
            zone = self._zones.get(site_of(event) or "")
            day = day_of_authority(rule, event, recorded_at=record.recorded_at, zone=zone)
            lacking = tuple(shortfalls(rule, event, signers or (), self.register, day=day))
            self._entitled(record, rule, lacking if signers is not None else ())
            self._stream(record, rule)
        self._activate(record)
        self._answer(record, rule)
        if rule is not None and rule.kind is Kind.COMMAND:
            kids = ",".join(sorted(s.kid for s in record.statement.signatures))
            self._open = _Command(read.seq, record, kids, lacking if signers is not None else ())
        self._fold(record)

    def end(self) -> None:
        """The log ends: a command at its end has no result."""
        if self._open is not None:
            self._add("statements.unanswered", self._open.record, at=self._open.seq)
            self._open = None

    def _activate(self, record: Record) -> None:
        """Take in the zone of a site whose activation this record accepts."""
        if record.type != ACCEPTED or self._open is None or self._open.record.type != ACTIVATED:
            return
        activated = self._open.record
        zone = activated.data.get("timezone")
        if isinstance(zone, str):
            self._zones[activated.stream.partition("/")[2]] = zone

    def _signers(self, record: Record, verified: KnownSignatures) -> list[Signer] | None:
        """The registered signers; None when the statement is not authentic, which is then named."""
        try:
            return verify_statement(
                record.statement, record.event, self.register, verified=verified
            )
        except TrustFailure as error:
            code = _BY_CODE.get(error.code, "statements.manner")
            group = None
            if code in ("statements.unknown-key", "statements.revoked-key"):
                group = ",".join(sorted(s.kid for s in record.statement.signatures))
            self._add(code, record, found=error.message, group=group)
        except RejectedInput as error:
            self._add("statements.manner", record, found=error.message, field=error.where)
        return None

    def _belongs(self, record: Record) -> None:
        event = record.event
        if self.trial is None:
            self.trial = event.trialid
        if event.subject != record.entry.stream:
            self._add(
                "statements.trial", record, expected=event.subject, found=record.entry.stream,
                field="stream",
            )  # fmt: skip
        if event.trialid != self.trial:
            self._add(
                "statements.trial", record, expected=self.trial, found=event.trialid,
                field="trialid",
            )  # fmt: skip

    def _entitled(self, record: Record, rule: TypeRule, lacking: tuple[Shortfall, ...]) -> None:
        for item in lacking:
            if item.rule in NEVER_RECORDED:
                self._add("authority.stranger", record, found=f"{item.rule}: {item.message}")
            elif rule.kind is Kind.JUDGEMENT:
                self._add("authority.not-entitled", record, found=f"{item.rule}: {item.message}")

    def _stream(self, record: Record, rule: TypeRule) -> None:
        family, _, name = record.event.subject.partition("/")
        if rule.stream not in (StreamFamily.TARGET, StreamFamily.ANY) and family != rule.stream:
            self._add(
                "authority.stream", record, expected=f"a {rule.stream} stream",
                found=record.event.subject, field="subject",
            )  # fmt: skip
        if rule.stream is StreamFamily.TARGET and rule.kind is not Kind.COMMAND:
            self._beside_target(record, self._seq, self._targets.apart(record))
        for member, families in _NAMED_BY.items():
            stated = record.event.data.get(member)
            if stated is not None and family in families and stated != name:
                self._add(
                    "authority.stream", record, expected=name, found=stated,
                    field=f"/data/{member}",
                )  # fmt: skip

    def _beside_target(self, record: Record, seq: int, stream: str | None) -> None:
        if stream is not None:
            self._add(
                "authority.stream", record, at=seq, expected=f"{stream}, where its target stands",
                found=record.stream, field="/data/target",
            )  # fmt: skip

    def _answer(self, record: Record, rule: TypeRule | None) -> None:
        """A result must stand right behind the command it names; nothing else may."""
        command, self._open = self._open, None
        blind, self._blind = self._blind, False
        is_result = rule is not None and rule.kind is Kind.RESULT and record.type not in _UNBOUND
        if not is_result:
            if command is not None:
                self._add("statements.unanswered", command.record, at=command.seq)
            return
        if command is None:
            if not blind:
                self._add("statements.result", record, found="no command before it")
            return
        self._matches(record, command.record)
        if record.type != REFUSED:
            self._beside_target(
                command.record, command.seq, self._targets.apart(command.record, strictly=True)
            )
            for item in command.lacking:
                if item.rule not in NEVER_RECORDED:
                    self._add(
                        "authority.not-entitled", command.record, at=command.seq,
                        found=f"{item.rule}: {item.message}",
                        group=f"{item.rule} {command.signers}",
                    )  # fmt: skip

    def _matches(self, record: Record, request: Record) -> None:
        wanted: JsonObject = {"id": request.id, "seq": request.seq, "sha256": request.sha256}
        found = record.event.data.get("request")
        if found != wanted:
            # Behind a changed entry all hashes change: what names only another hash is one finding.
            alike = isinstance(found, dict) and {**found, "sha256": request.sha256} == wanted
            self._add(
                "statements.result", record, expected=wanted, found=found, field="/data/request",
                group=f"after {self._proven()}" if alike else None,
            )  # fmt: skip
        stream = result_stream(request.stream)
        if record.stream != stream:
            self._add(
                "statements.result", record, expected=stream, found=record.stream, field="stream"
            )
        asked = _ANSWERS.get(record.type)
        plain = record.type == ACCEPTED and request.type in _ANSWERS.values()
        if plain or (asked is not None and asked != request.type):
            self._add(
                "statements.result", record, expected=f"an answer to {request.type}",
                found=record.type, field="type",
            )  # fmt: skip

    def _fold(self, record: Record) -> None:
        if record.stream not in ("trial", "access"):
            return
        try:
            self.register.apply(record)
        except UNFIT as error:
            self._add("statements.register", record, found=str(error) or type(error).__name__)

    def _add(
        self,
        code: str,
        record: Record,
        *,
        expected: object = "",
        found: object = "",
        field: str | None = None,
        group: str | None = None,
        at: int | None = None,
    ) -> None:
        self._findings.add(
            code, self._seq if at is None else at,
            expected=expected, found=found, event_id=record.id,
            subject=record.stream, field=field, group=group,
        )  # fmt: skip
