"""What a verification says: findings with their place, and what stays provable."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from ledger.verification.kinds import KINDS, Check

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from ledger.log.note import VerifierKey

LARGEST_LISTING: Final = 1_000
"""Findings listed for each of damage, doubt and notices; further ones are counted."""

_LONGEST_VALUE: Final = 200


@dataclass(frozen=True, slots=True)
class RootOfTrust:
    """What was handed over out of band: the log's verifier key and SHA-256 of entry 0 (hex)."""

    vkey: VerifierKey
    genesis_sha256: str


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is not as it must be.

    ``first`` and ``last`` are positions in the log, both included (None when the finding is
    about an artefact without one; for checkpoints ``field`` says which). ``places`` counts the
    positions affected between them. ``field`` names the column, member or artefact.
    """

    check: Check
    first: int | None
    last: int | None
    what: str
    expected: str
    found: str
    remedy: str
    event_id: str | None = None
    subject: str | None = None
    field: str | None = None
    code: str = ""
    places: int = 1

    def covers(self, position: int) -> bool:
        """Whether a position lies in the finding's range."""
        return self.first is not None and self.first <= position <= (self.last or self.first)

    def __str__(self) -> str:
        """One line: check, positions, what, expected, found, what to do."""
        place = "log" if self.first is None else f"seq {self.first}"
        if self.last is not None and self.last != self.first:
            place += f"-{self.last}"
        named = [name for name in (self.event_id, self.subject, self.field) if name]
        about = f" ({', '.join(named)})" if named else ""
        values = f" Expected {self.expected}; found {self.found}." if self.expected else ""
        return f"{self.code} at {place}{about}: {self.what}{values} {self.remedy}"


@dataclass(frozen=True, slots=True)
class Publication:
    """What was published of the log, as far as it holds.

    ``published`` counts the published checkpoints, ``newest`` is the size of the last one;
    ``cosigned`` the size of the newest that meets the policy's quorum (None without a policy),
    ``missing`` the policy's witnesses that have not cosigned ``newest``. ``unknown_lines`` counts
    cosignatures of keys that the policy does not name: they count for nothing (C2SP signed-note).
    ``stamps`` counts the time stamps, ``stamped`` is the size of the newest stamped checkpoint.
    """

    published: int = 0
    newest: int = 0
    cosigned: int | None = None
    missing: tuple[str, ...] = ()
    unknown_lines: int = 0
    stamps: int = 0
    stamped: int = 0


class Status(StrEnum):
    """The outcome: sound, damaged, or not checked because the evidence could not be read."""

    SOUND = "sound"
    DAMAGED = "damaged"
    NOT_CHECKED = "not-checked"


@dataclass(frozen=True, slots=True)
class VerificationReport:
    """The outcome of a verification.

    ``findings`` are damage, ``doubtful`` what a possibly misused key signed, ``notices`` what is
    named but harmless; ``uncounted`` is how many more of each there were than are listed.
    ``size``, ``head`` (hash of the last entry, hex) and ``root`` (hex) describe the log as read.
    ``last_good`` is the size of the last checkpoint before the first damage: what it covers
    stays provable. ``not_checked`` names what this verification left to others or could not do,
    ``reasons`` says why, by the same names. ``publication`` is None where nothing published was
    at hand.
    """

    findings: tuple[Finding, ...]
    doubtful: tuple[Finding, ...]
    notices: tuple[Finding, ...]
    uncounted: int
    size: int
    head: str
    root: str
    origin: str | None
    genesis_sha256: str | None
    last_good: int
    withheld: int
    checks_done: tuple[Check, ...]
    not_checked: tuple[str, ...]
    internally_consistent_only: bool
    obstacle: str | None = None
    reasons: Mapping[str, str] = field(default_factory=dict)
    publication: Publication | None = None

    @property
    def status(self) -> Status:
        """Damaged as soon as anything was found; sound only when everything was read."""
        if self.findings:
            return Status.DAMAGED
        return Status.NOT_CHECKED if self.obstacle else Status.SOUND


class Findings:
    """Collects findings: neighbours of one kind become one, and the number listed is bounded.

    Two findings of one code, field and group are one when their positions follow each other;
    those with a ``group`` of their own (such as a key) are one wherever they stand.
    """

    def __init__(self) -> None:
        self._kept: dict[tuple[str, str | None, str | None], list[Finding]] = {}
        self._listed = 0
        self.uncounted = 0

    def add(  # noqa: PLR0913 - the members of a finding
        self,
        code: str,
        first: int | None,
        last: int | None = None,
        *,
        expected: object = "",
        found: object = "",
        event_id: str | None = None,
        subject: str | None = None,
        field: str | None = None,
        group: str | None = None,
        what: str | None = None,
        alone: bool = False,
    ) -> None:
        """Take one finding in; ``alone`` keeps it apart from its neighbours."""
        kind = KINDS[code]
        # Each of these may be what somebody wrote: a line of a report is one line.
        event_id, subject, field = map(_named, (event_id, subject, field))
        finding = Finding(
            check=kind.check,
            first=first,
            last=first if last is None else last,
            what=_shown(what or kind.meaning, 400),
            expected=_shown(expected),
            found=_shown(found),
            remedy=kind.remedy,
            event_id=event_id,
            subject=subject,
            field=field,
            code=code,
            places=1 if first is None or last is None else last - first + 1,
        )
        key = (code, field if group is None else None, group)
        known = self._kept.setdefault(key, [])
        if known and not alone and (joined := _joined(known[-1], finding, group)) is not None:
            known[-1] = joined
        elif self._listed >= LARGEST_LISTING:
            self.uncounted += 1
        else:
            self._listed += 1
            known.append(finding)

    def __len__(self) -> int:
        return self._listed + self.uncounted

    def first_altered(self, since: int = 0) -> int | None:
        """The lowest position at or after ``since`` where an entry is not as it was signed."""
        places = [
            f.first
            for f in self._all()
            if f.first is not None and f.first >= since and KINDS[f.code].touches_entries
        ]
        return min(places, default=None)

    def damage(self, last_good: int) -> tuple[Finding, ...]:
        """What is damaged, in order of the checks and of the log, with what stays provable."""
        provable = (
            f" Entries 0 to {last_good - 1} stay provable under the checkpoint of size {last_good}."
            if last_good
            else ""
        )
        return _sorted(
            replace(f, remedy=f.remedy + provable) if KINDS[f.code].touches_entries else f
            for f in self._all()
            if not _apart(f)
        )

    def doubtful(self) -> tuple[Finding, ...]:
        """What a possibly misused key signed."""
        return _sorted(f for f in self._all() if f.code.startswith("doubtful."))

    def notices(self) -> tuple[Finding, ...]:
        """What is named but harmless."""
        return _sorted(f for f in self._all() if KINDS[f.code].harmless)

    def _all(self) -> list[Finding]:
        return [finding for known in self._kept.values() for finding in known]


def _apart(finding: Finding) -> bool:
    return KINDS[finding.code].harmless or finding.code.startswith("doubtful.")


def _sorted(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    return tuple(sorted(findings, key=lambda f: (f.check, -1 if f.first is None else f.first)))


def _joined(before: Finding, after: Finding, group: str | None) -> Finding | None:
    """Both findings as one, when the second follows the first or both name one group."""
    if before.first is None or before.last is None or after.first is None or after.last is None:
        return before if (before.first, after.first) == (None, None) and group else None
    if group is None and not before.first <= after.first <= before.last + 1:
        return None
    last = max(before.last, after.last)
    new = max(0, last - max(before.last, after.first - 1))
    return replace(before, last=last, places=before.places + new)


def _named(value: str | None) -> str | None:
    return value if value is None or value.isprintable() else _shown(value)


def _shown(value: object, longest: int = _LONGEST_VALUE) -> str:
    """A value as a line of a report shows it: bounded, without control characters."""
    if isinstance(value, bytes):
        value = value.hex() if len(value) <= longest // 2 else f"{len(value)} bytes"
    text = "".join(c if c.isprintable() else "�" for c in str(value)[: longest + 1])
    return text if len(text) <= longest else text[:longest] + "…"
