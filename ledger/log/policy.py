"""Trust policies after C2SP tlog-policy: whose cosignatures make a checkpoint good enough.

A policy names logs, witnesses, groups of them, and the one name that must have witnessed a
checkpoint. The names mean something inside the file only; who they are is in their keys.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ledger.errors import TrustFailure
from ledger.log.note import ED25519, ED25519_COSIGNATURE, ML_DSA_44_COSIGNATURE, VerifierKey

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from ledger.log.cosignature import Cosignature

MAX_POLICY_BYTES = 1_000_000
"""Longest policy file that is read; a hundred ML-DSA-44 keys take a fifth of it."""

NO_QUORUM = "none"
"""The predefined name for a quorum that asks for no cosignature."""

_LOG_TYPES = (ED25519, ML_DSA_44_COSIGNATURE)
_WITNESS_TYPES = (ED25519_COSIGNATURE, ML_DSA_44_COSIGNATURE)
_FOREIGN = re.compile(rb"[^\t\n\x20-\x7e\x80-\xff]")
_BLANKS = re.compile(r"[ \t]+")
_COUNT = re.compile(r"[1-9][0-9]{0,5}")


@dataclass(frozen=True, slots=True)
class PolicyLog:
    """A known log: its key, whose name is the origin, and where it is reached if stated."""

    vkey: VerifierKey
    url: str | None = None


@dataclass(frozen=True, slots=True)
class PolicyWitness:
    """A known witness: its name in the policy, its key, its submission prefix if stated."""

    name: str
    vkey: VerifierKey
    url: str | None = None


@dataclass(frozen=True, slots=True)
class PolicyGroup:
    """A group that has witnessed what at least ``threshold`` of its members have."""

    name: str
    threshold: int
    members: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Policy:
    """Logs, witnesses, groups in the order of their definition, and the quorum's name."""

    logs: tuple[PolicyLog, ...]
    witnesses: tuple[PolicyWitness, ...]
    groups: tuple[PolicyGroup, ...]
    quorum: str

    def satisfied(self, names: Iterable[str]) -> bool:
        """Say whether the quorum has witnessed what the witnesses of these names cosigned."""
        if self.quorum == NO_QUORUM:
            return True
        witnessed = {*names} & {witness.name for witness in self.witnesses}
        for group in self.groups:  # members stand before their group, so one pass is enough
            if sum(member in witnessed for member in group.members) >= group.threshold:
                witnessed.add(group.name)
        return self.quorum in witnessed

    def times(self, cosignatures: Iterable[Cosignature]) -> Mapping[str, int]:
        """Give the time (POSIX seconds) of each witness's cosignature, by its name here."""
        by_key = {cosignature.vkey: cosignature.time for cosignature in cosignatures}
        return {w.name: by_key[w.vkey] for w in self.witnesses if w.vkey in by_key}

    def missing(self, names: Collection[str]) -> tuple[str, ...]:
        """Give the witnesses that are not among these names, in the policy's order."""
        return tuple(witness.name for witness in self.witnesses if witness.name not in names)


def parse_policy(data: bytes) -> Policy:
    """Read a policy file by its exact grammar.

    Bytes above 0x7F are opaque: two names are the same only when their bytes are.

    Raises:
        TrustFailure: ``policy.…`` with the line it concerns.
    """
    if len(data) > MAX_POLICY_BYTES:
        raise TrustFailure("policy.too-long", "A policy file is at most 1,000,000 bytes long.")
    if (foreign := _FOREIGN.search(data)) is not None:
        raise _refused(
            "character",
            "A policy has no control character but tab and newline.",
            data.count(b"\n", 0, foreign.start()) + 1,
        )
    lines = data.decode("utf-8", errors="surrogateescape").split("\n")
    if lines.pop():
        raise _refused("last-line", "Every line ends with a newline, the last one too.")
    reader = _Reader()
    for number, content in enumerate(lines, start=1):
        words = [word for word in _BLANKS.split(content) if word]
        if words and not words[0].startswith("#"):
            reader.read(words, number)
    return reader.policy()


class _Reader:
    """A policy as far as it has been read."""

    def __init__(self) -> None:
        self._logs: list[PolicyLog] = []
        self._witnesses: list[PolicyWitness] = []
        self._groups: list[PolicyGroup] = []
        self._defined: set[str] = {NO_QUORUM}
        self._grouped: set[str] = set()
        self._quorum: str | None = None

    def read(self, words: list[str], line: int) -> None:
        """Take in one line that is neither empty nor a comment."""
        match words:
            case ["log", vkey, *url] if len(url) <= 1:
                self._log(vkey, url, line)
            case ["witness", name, vkey, *url] if len(url) <= 1:
                self._witness(name, vkey, url, line)
            case ["group", name, threshold, first, *rest]:
                self._group(name, threshold, [first, *rest], line)
            case ["quorum", name]:
                self._set_quorum(name, line)
            case _:
                raise _refused("line", "This is no log, witness, group or quorum line.", line)

    def policy(self) -> Policy:
        """Give the whole policy."""
        if self._quorum is None:
            raise _refused("quorum", "A policy has exactly one quorum line.")
        return Policy(tuple(self._logs), tuple(self._witnesses), tuple(self._groups), self._quorum)

    def _log(self, vkey: str, url: list[str], line: int) -> None:
        key = _key(vkey, _LOG_TYPES, line)
        if any(known.vkey.public == key.public for known in self._logs):
            raise _refused("duplicate-key", "This log's key stands in the policy already.", line)
        self._logs.append(PolicyLog(key, *url))

    def _witness(self, name: str, vkey: str, url: list[str], line: int) -> None:
        key = _key(vkey, _WITNESS_TYPES, line)
        if any(known.vkey.public == key.public for known in self._witnesses):
            raise _refused("duplicate-key", "This witness's key stands here already.", line)
        self._define(name, line)
        self._witnesses.append(PolicyWitness(name, key, *url))

    def _group(self, name: str, threshold: str, members: list[str], line: int) -> None:
        for member in members:
            if member == NO_QUORUM or member not in self._defined:
                raise _refused("undefined", f"{member} is not defined before this line.", line)
            if member in self._grouped:
                raise _refused("member", f"{member} is a member of a group already.", line)
            self._grouped.add(member)
        words = {"any": 1, "all": len(members)}
        count = int(threshold) if _COUNT.fullmatch(threshold) else words.get(threshold, 0)
        if not 1 <= count <= len(members):
            raise _refused(
                "threshold", f"A threshold is all, any, or 1 to {len(members)} here.", line
            )
        self._define(name, line)
        self._groups.append(PolicyGroup(name, count, tuple(members)))

    def _set_quorum(self, name: str, line: int) -> None:
        if self._quorum is not None:
            raise _refused("quorum", "A policy has exactly one quorum line.", line)
        if name not in self._defined:
            raise _refused("undefined", f"{name} is not defined before this line.", line)
        self._quorum = name

    def _define(self, name: str, line: int) -> None:
        if name in self._defined:
            raise _refused("duplicate-name", f"The name {name} is defined already.", line)
        self._defined.add(name)


def _key(vkey: str, kinds: tuple[int, ...], line: int) -> VerifierKey:
    try:
        key = VerifierKey.parse(vkey)
    except TrustFailure as error:
        raise _refused("key", error.message, line) from error
    if key.type not in kinds:
        raise _refused("key-type", "A key of this type cannot sign what it would have to.", line)
    return key


def _refused(reason: str, message: str, line: int | None = None) -> TrustFailure:
    where = None if line is None else f"line {line}"
    # Names are opaque bytes; a message must be printable whatever they are.
    printable = message.encode("utf-8", errors="replace").decode()
    return TrustFailure(f"policy.{reason}", printable, where=where)
