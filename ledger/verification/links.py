"""The links of one stream as a dossier shows them: without the log, each after the other."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING

from ledger.errors import LedgerError
from ledger.log.entry import ZERO_HASH, Entry
from ledger.signing.authority import self_certified
from ledger.signing.envelope import Event, parse_event
from ledger.signing.sealing import digests_of, parse_disclosure
from ledger.signing.statement import Statement, parse_statement
from ledger.signing.strict_json import Limits, parse_object
from ledger.verification.chain import ISSUED
from ledger.verification.proven import lines_of, signed
from ledger.verification.unpacked import LONGEST_LINE, read_object

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ledger.signing.jwk import PublicJwk
    from ledger.verification.archive import Archive
    from ledger.verification.report import Findings

_MEMBERS = {"statement", "stream", "stream_prev", "stream_seq"}
_FOLDER, _ENDING = "streams/", ".jsonl"

Openings = dict[tuple[str, int], list[str]]
"""Disclosures by stream and number of the link."""


@dataclass(frozen=True, slots=True)
class Link:
    """One link, and the SHA-256 of its bytes (hex)."""

    stream: str
    stream_seq: int
    stream_prev: str
    sha256: str
    statement: str


@dataclass(slots=True)
class StreamEnd:
    """Where a stream that was walked ends.

    ``count`` is the number after its last link, ``last`` that link's SHA-256 (of a line that
    cannot be read: empty), ``withheld`` how many sealed members were not opened. ``committed``
    says whether the last link is the ledger's commitment to the link before it.
    """

    count: int = 0
    last: str = ZERO_HASH
    withheld: int = 0
    committed: bool = False


@dataclass(slots=True)
class LinkCheck:
    """Checks links against each other, their signatures against ``keys``, and their openings.

    ``ledger`` is the thumbprint of the ledger's statement key, ``trial`` the trial that every
    event must name (None: not asked). Openings that belong to a link are taken out of
    ``openings``.
    """

    archive: Archive
    keys: Mapping[str, PublicJwk]
    openings: Openings
    findings: Findings
    ledger: str | None = None
    trial: str | None = None

    def walk(self, name: str) -> StreamEnd:
        """Walk the links in a member, naming each gap, break and signature that does not hold."""
        stream, end = stream_of(name), StreamEnd()
        for number, line in enumerate(lines_of(self.archive, name)):
            where = f"{name} line {number + 1}"
            link = read_link(line, stream)
            if isinstance(link, str):
                self.findings.add("dossier.link", None, found=link, subject=stream, field=where)
                end.count, end.last, end.committed = end.count + 1, "", False
                continue
            self._follow(link, end, where)
            end.committed = self._statement(link, end, where)
            end.count, end.last = link.stream_seq + 1, link.sha256
        return end

    def _follow(self, link: Link, end: StreamEnd, where: str) -> None:
        if link.stream_seq != end.count:
            self.findings.add(
                "dossier.gap", None, expected=f"link {end.count}",
                found=f"link {link.stream_seq}", subject=link.stream, field=where,
            )  # fmt: skip
        elif end.last and link.stream_prev != end.last:
            self.findings.add(
                "dossier.broken", None, expected=end.last, found=link.stream_prev,
                subject=link.stream, field=where,
            )  # fmt: skip

    def _statement(self, link: Link, end: StreamEnd, where: str) -> bool:
        """Check what a link says; whether it is the ledger's commitment to the one before."""
        disclosed = self.openings.pop((link.stream, link.stream_seq), [])
        try:
            statement = parse_statement(link.statement)
            event = parse_event(statement.payload)
        except LedgerError as error:
            self._add("dossier.link", link, where, found=error.message)
            return False
        if event.subject != link.stream:
            self._add("dossier.link", link, where, event, expected=link.stream, found=event.subject)
        if self.trial is not None and event.trialid != self.trial:
            self._add("dossier.link", link, where, event, expected=self.trial, found=event.trialid)
        if not signed(statement, {**self.keys, **brought(event)}):
            kids = ", ".join(s.kid for s in statement.signatures)
            self._add("dossier.signature", link, where, event, found=kids)
        end.withheld += self._sealed(event, disclosed, link, where)
        return event.type == ISSUED and self._commitment(link, statement, event, where)

    def _sealed(self, event: Event, disclosed: list[str], link: Link, where: str) -> int:
        """How many sealed members stay closed; an opening of nothing that was signed is named."""
        closed = set(digests_of(event.data))
        for text in disclosed:
            try:
                closed.remove(parse_disclosure(text).digest)
            except (LedgerError, KeyError):
                self._add("openings.foreign", link, where, event)
        return len(closed)

    def _commitment(self, link: Link, statement: Statement, event: Event, where: str) -> bool:
        kids = [s.kid for s in statement.signatures]
        names = (event.data.get("stream"), event.data.get("stream_seq"), event.data.get("link"))
        fault = None
        if self.ledger is None:
            return False
        if kids != [self.ledger]:
            fault = "not signed by the ledger's statement key alone"
        elif names != (link.stream, link.stream_seq - 1, link.stream_prev):
            fault = "it does not name the link before it"
        if fault is not None:
            self._add("dossier.commitment", link, where, event, found=fault)
        return fault is None

    def _add(
        self,
        code: str,
        link: Link,
        where: str,
        event: Event | None = None,
        *,
        expected: str = "",
        found: str = "",
    ) -> None:
        self.findings.add(
            code, None, expected=expected, found=found, subject=link.stream, field=where,
            event_id=None if event is None else event.id,
        )  # fmt: skip


def read_link(line: bytes | None, stream: str) -> Link | str:
    """A link, or what is wrong with the line."""
    try:
        value = parse_object(line or b"", limits=Limits(size=LONGEST_LINE))
    except LedgerError as error:
        return error.message
    number, prev = value.get("stream_seq"), value.get("stream_prev")
    statement, named = value.get("statement"), value.get("stream")
    if set(value) != _MEMBERS or type(number) is not int or number < 0:
        return "not the four members of a link"
    if not isinstance(prev, str) or not isinstance(statement, str) or named != stream:
        return f"not a link of {stream}"
    link = Entry(0, "", "", stream, number, prev, statement).link_bytes()
    if link != line:
        return "not in canonical form"
    return Link(stream, number, prev, sha256(link).hexdigest(), statement)


def read_openings(archive: Archive, findings: Findings) -> Openings:
    """The disclosures of a dossier, numbered within each link without a gap."""
    found: Openings = {}
    for line_number, line in enumerate(lines_of(archive, "openings.jsonl"), 1):
        value = read_object(line)
        stream, place = value.get("stream"), value.get("stream_seq")
        number, text = value.get("number"), value.get("disclosure")
        if isinstance(stream, str) and type(place) is int and isinstance(text, str):
            known = found.setdefault((stream, place), [])
            known.append(text)
            if type(number) is int and number == len(known) - 1 and len(value) == 4:
                continue
        findings.add(
            "manifest.line", None, found="not an opening in its place",
            field=f"openings.jsonl line {line_number}",
        )  # fmt: skip
    return found


def name_strays(openings: Openings, findings: Findings) -> None:
    """Name the openings that no link took."""
    for stream, number in sorted(openings):
        findings.add("openings.stray", None, subject=stream, field=f"link {number}")


def brought(event: Event) -> dict[str, PublicJwk]:
    """The keys an event brings along, none where they cannot be read."""
    try:
        return self_certified(event)
    except LedgerError:
        return {}


def stream_of(name: str) -> str:
    """The stream whose links a member holds."""
    return name.removeprefix(_FOLDER).removesuffix(_ENDING)


def member_of(stream: str) -> str:
    """The member that holds a stream's links."""
    return f"{_FOLDER}{stream}{_ENDING}"
