"""Checks 7 and 8: whose signatures stand under a statement, and what they were entitled to."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo

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
from ledger.verification.sound import NAMED_BY, signers_of
from ledger.vocabulary import Kind, StreamFamily, TypeRule, vocabulary

if TYPE_CHECKING:
    from collections.abc import Callable

    from ledger.record import Record
    from ledger.signing.strict_json import JsonObject
    from ledger.verification.reading import KnownSignatures, ReadEntry
    from ledger.verification.report import Findings
    from ledger.verification.sound import Sound
    from ledger.verification.targets import TargetStreams

OPENED: Final = "trial.opened.v1"
ACTIVATED: Final = "site.activated.v1"

_REMEMBERED: Final = 10_000
_UNBOUND: Final = frozenset((ISSUED,))
"""Types of kind result that the ledger signs of its own accord, not behind a request."""

_ANSWERS: Final = {
    "subject.randomized.v1": "subject.randomization-requested.v1",
    "bag.released.v1": "bag.release-requested.v1",
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
    """A command whose result is awaited; ``record`` is None where nothing more is asked of it."""

    at: int
    id: str
    type: str
    stream: str
    seq: int
    sha256: str
    signers: str
    lacking: tuple[Shortfall, ...]
    record: Record | None


_Standing = tuple[str, str, str | None, tuple[tuple[str, str | None], ...], str]
"""Type, source, site, signers and day: all that authority depends on beside the register."""


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
        self._covered: set[_Standing] = set()
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
            if signers is not None and not lacking:
                self._remember(record, day)
            self._stream(record, rule)
        self._activate(record)
        self._answer(record, rule)
        if rule is not None and rule.kind is Kind.COMMAND:
            kids = ",".join(sorted(s.kid for s in record.statement.signatures))
            self._open = _Command(
                read.seq, record.id, record.type, record.stream, record.seq, record.sha256, kids,
                lacking if signers is not None else (),
                record,
            )  # fmt: skip
        self._fold(record)

    def passes(self, seq: int, sound: Sound) -> bool:
        """Whether a sound entry would be taken without anything to say."""
        if seq == 0 or sound.trialid != self.trial or not self._is_covered(sound):
            return False
        command = self._open
        if sound.type != ACCEPTED:
            return command is None
        return (
            command is not None
            and not command.lacking
            and command.type != ACTIVATED
            and vocabulary()[command.type].stream is not StreamFamily.TARGET
            and command.type not in _ANSWERS.values()
            and sound.request == (command.id, command.seq, command.sha256)
            and sound.stream == result_stream(command.stream)
        )

    def pass_by(self, seq: int, sound: Sound) -> None:
        """Take one entry that `passes`."""
        self._open, self._blind = None, False
        if vocabulary()[sound.type].kind is Kind.COMMAND:
            kids = ",".join(sorted(kid for kid, _ in sound.signers))
            self._open = _Command(
                seq, sound.id, sound.type, sound.stream, seq, sound.sha256, kids, (), None
            )

    def _remember(self, record: Record, day: str) -> None:
        """Remember who was found to be covered, until the register says something else."""
        if len(self._covered) >= _REMEMBERED:
            self._covered.clear()
        event = record.event
        signers = signers_of(record.statement)
        self._covered.add((event.type, event.source, site_of(event), signers, day))

    def _is_covered(self, sound: Sound) -> bool:
        zone = self._zones.get(sound.site or "")
        day = sound.stated_day if zone is None else _local_day(zone, sound.day_at)
        return (sound.type, sound.source, sound.site, sound.signers, day) in self._covered

    def end(self) -> None:
        """The log ends: a command at its end has no result."""
        if self._open is not None:
            self._add("statements.unanswered", self._open, at=self._open.at)
            self._open = None

    def _activate(self, record: Record) -> None:
        """Take in the zone of a site whose activation this record accepts."""
        if record.type != ACCEPTED or self._open is None or self._open.type != ACTIVATED:
            return
        activated = self._open.record
        if activated is None:
            return
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
        for member, families in NAMED_BY.items():
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
                self._add("statements.unanswered", command, at=command.at)
            return
        if command is None:
            if not blind:
                self._add("statements.result", record, found="no command before it")
            return
        self._matches(record, command)
        if record.type != REFUSED:
            if command.record is not None:
                apart = self._targets.apart(command.record, strictly=True)
                self._beside_target(command.record, command.at, apart)
            for item in command.lacking:
                if item.rule not in NEVER_RECORDED:
                    self._add(
                        "authority.not-entitled", command, at=command.at,
                        found=f"{item.rule}: {item.message}",
                        group=f"{item.rule} {command.signers}",
                    )  # fmt: skip

    def _matches(self, record: Record, request: _Command) -> None:
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
        self._covered.clear()
        try:
            self.register.apply(record)
        except UNFIT as error:
            self._add("statements.register", record, found=str(error) or type(error).__name__)

    def _add(
        self,
        code: str,
        record: Record | _Command,
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


def _local_day(zone: str, at: int) -> str | None:
    """The day of `day_of_authority` at Unix seconds; None where that falls back to the sender's."""
    try:
        return datetime.fromtimestamp(at, ZoneInfo(zone)).date().isoformat()
    except (LookupError, ValueError, OSError, OverflowError):
        return None
