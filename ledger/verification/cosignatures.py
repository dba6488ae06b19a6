"""Check 14: the log's ML-DSA-44 line, and what witnesses say, under each published checkpoint."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from ledger.errors import IntegrityFailure, LedgerError
from ledger.log.cosignature import Cosignature, CosignerKey, time_of
from ledger.log.note import NoteSignature, VerifierKey, open_note, split_note
from ledger.log.policy import NO_QUORUM
from ledger.verification.tally import COSIGNATURES

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ledger.log.policy import Policy
    from ledger.verification.evidence import StoredCosignature
    from ledger.verification.report import Findings
    from ledger.verification.tally import Tally

_LONGEST_VKEY: Final = 4_096


@dataclass(frozen=True, slots=True)
class LogKeys:
    """The log's keys: Ed25519, and ML-DSA-44 where entry 0 states one."""

    vkey: VerifierKey
    cosigner: VerifierKey | None = None

    def are_whole(self, note: str) -> bool:
        """Whether a note holds these keys' lines, one each in this order, and nothing else."""
        text, signatures = split_note(note)
        own = [key for key in (self.vkey, self.cosigner) if key is not None]
        if [(s.name, s.key_id) for s in signatures] not in (
            [(key.name, key.key_id) for key in own],
            [(self.vkey.name, self.vkey.key_id)],  # without the second: named for that
        ):
            return False
        return note == "\n".join((text, *map(str, signatures), ""))


@dataclass(frozen=True, slots=True)
class Asked:
    """A witness policy; ``given`` by the verifier, or else found beside the evidence."""

    policy: Policy
    given: bool = True


@dataclass(frozen=True, slots=True)
class Lines:
    """The lines under one checkpoint: which hold, what is wrong with others.

    ``log`` says what is wrong with the log's own cosignature. ``bad`` holds the name beside a line
    and what is wrong with it, ``kept`` the key text beside each line that is kept apart.
    """

    log: str | None
    held: tuple[Cosignature, ...]
    bad: tuple[tuple[str, str], ...]
    unknown: int
    kept: tuple[object, ...]
    judged: bool


class CosignatureCheck:
    """Counts whose lines hold, and says which checkpoint meets the quorum."""

    def __init__(self, asked: Asked | None, own: Sequence[VerifierKey], findings: Findings) -> None:
        self._asked, self._own, self._findings = asked, own, findings
        self.keys = frozenset(w.vkey for w in asked.policy.witnesses) if asked else frozenset()
        """The keys of the policy's witnesses."""
        self.cosigned: int | None = None
        self.missing: tuple[str, ...] = ()
        self.unknown = 0
        self._newest = 0

    def take(self, size: int, lines: Lines, tally: Tally) -> None:
        """Take in the lines under the published checkpoint of a size."""
        position = max(size - 1, 0)
        for vkey in lines.kept:
            tally.take(COSIGNATURES, size, vkey)
        if lines.log is not None:
            self._findings.add(
                "cosignatures.log", position, found=lines.log, field=f"published checkpoint {size}"
            )
        for name, fault in lines.bad:
            tally.spoil(COSIGNATURES)
            self._findings.add(
                "cosignatures.signature", position, found=fault, subject=name,
                field=f"cosignature {size}", alone=True,
            )  # fmt: skip
        self.unknown += lines.unknown
        if not lines.judged:
            return
        self._newest = size
        if self._asked is not None:
            policy = self._asked.policy
            names = policy.times(lines.held)
            self.missing = policy.missing(names)
            if policy.satisfied(names):
                self.cosigned = size

    def end(self) -> None:
        """All are read: say whether the policy is met."""
        if self._asked is None:
            return
        policy, given = self._asked.policy, self._asked.given
        if policy.logs and all(log.vkey not in self._own for log in policy.logs):
            self._findings.add("cosignatures.policy", None, expected=self._own[0])
        elif policy.quorum == NO_QUORUM or self.cosigned == self._newest:
            return
        elif given and self.cosigned is None:
            self._findings.add(
                "cosignatures.quorum", None, expected=f"the quorum {policy.quorum}",
                found=f"missing under size {self._newest}: {', '.join(self.missing)}",
            )  # fmt: skip
        else:
            self._findings.add(
                "cosignatures.behind", self.cosigned or 0, max(self._newest - 1, 0),
                expected=f"the quorum {policy.quorum} at size {self._newest}",
                found=f"at size {self.cosigned}, missing {', '.join(self.missing)}",
            )  # fmt: skip


def judge_lines(
    text: str | None,
    signatures: Iterable[NoteSignature],
    kept: Sequence[StoredCosignature],
    *,
    keys: LogKeys,
    policy: frozenset[VerifierKey],
) -> Lines:
    """Check each line over a checkpoint's text; without a text nothing can be said of them."""
    beside = tuple(one.vkey for one in kept)
    if text is None:
        return Lines(None, (), (), 0, beside, judged=False)
    log = "none" if keys.cosigner is not None else None
    held: list[Cosignature] = []
    bad: list[tuple[str, str]] = []
    unknown = 0
    known = {(key.name, key.key_id): key for key in policy}
    for line in signatures:
        pair = (line.name, line.key_id)
        if keys.cosigner is not None and pair == (keys.cosigner.name, keys.cosigner.key_id):
            log = _fault(text, f"{line}\n", keys.cosigner)
        elif pair in known:
            fault = _fault(text, f"{line}\n", known[pair])
            if fault is None:
                held.append(Cosignature(known[pair], time_of(line.signature)))
            else:
                bad.append((line.name, fault))
        elif pair != (keys.vkey.name, keys.vkey.key_id):
            unknown += 1
    for one in kept:
        key, fault = _kept(text, one)
        if key is None or fault is not None:
            bad.append((key.name if key else "a cosigner", fault or "no key beside it"))
            continue
        held.append(Cosignature(key, 1))
        unknown += key not in policy
    return Lines(log, tuple(held), tuple(bad), unknown, beside, judged=True)


def _kept(text: str, one: StoredCosignature) -> tuple[VerifierKey | None, str | None]:
    """The key that a line is kept for, and what is wrong with the two."""
    if not isinstance(one.vkey, str) or len(one.vkey) > _LONGEST_VKEY:
        return None, "The key beside the line is none."
    try:
        key = VerifierKey.parse(one.vkey)
    except LedgerError as error:
        return None, error.message
    if not isinstance(one.line, str):
        return key, "The line is no text."
    return key, _fault(text, one.line, key)


def _fault(text: str, line: str, key: VerifierKey) -> str | None:
    """What is wrong with one cosigner's line over a text; a cosigner must state its time."""
    try:
        opened = open_note(f"{text}\n{line}", [CosignerKey(key)])
        if opened.unknown or f"{opened.verified[0]}\n" != line:
            raise IntegrityFailure("cosignature.line", "It is not one line of this cosigner.")
        if time_of(opened.verified[0].signature) == 0:
            raise IntegrityFailure("cosignature.no-time", "It states no time.")
    except LedgerError as error:
        return error.message
    return None
