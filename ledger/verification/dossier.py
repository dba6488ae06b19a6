"""Check 12: the dossier of one subject, streams without the log they stand in.

It shows each stream as links, from the first to the one that the ledger committed to in
``dossier.issued.v1``. That entry, entry 0 and the registrations of the signers' keys are there as
whole entries with receipts, so that nothing but the log's key has to be trusted.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Final

from ledger.errors import LedgerError
from ledger.log.entry import ZERO_HASH, Entry
from ledger.signing.authority import self_certified
from ledger.signing.envelope import Event, parse_event
from ledger.signing.sealing import digests_of, parse_disclosure
from ledger.signing.statement import parse_statement
from ledger.signing.strict_json import Limits, parse_object
from ledger.verification.archive import Archive
from ledger.verification.kinds import Check
from ledger.verification.manifest import (
    DOSSIER,
    check_members,
    check_redaction,
    check_values,
    read_manifest,
)
from ledger.verification.proven import Proven, lines_of, read_proven, signed
from ledger.verification.report import Findings, RootOfTrust, VerificationReport
from ledger.verification.unpacked import LONGEST_LINE

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from ledger.signing.jwk import PublicJwk
    from ledger.signing.strict_json import JsonObject, JsonValue

PROVES: Final = (
    "each stream is complete and unchanged from its first record to the one that the ledger "
    "committed to, and that commitment is in the log; every statement is signed by a key whose "
    "registration is in the log"
)
DOES_NOT_PROVE: Final = (
    "whether a signer's key, role or delegation was in force when the statement was recorded, "
    "when and in which order across streams records entered the log, what came after the "
    "commitment, and whether another stream of the subject exists; a bundle of the whole log does"
)
NOT_CHECKED: Final = (
    "standing and authority of the signers", "order across streams", "allocation",
    "schema of payloads", "projections", "witnesses",
)  # fmt: skip

_MEMBERS: Final = {"statement", "stream", "stream_prev", "stream_seq"}


@dataclass(frozen=True, slots=True)
class _Link:
    stream: str
    stream_seq: int
    stream_prev: str
    sha256: str
    statement: str


def verify_dossier(path: Path, *, trust: RootOfTrust | None = None) -> VerificationReport:
    """Verify the bundle of one subject; what it proves and what it does not is stated above.

    Raises:
        Unavailable: ``bundle.…`` when the file cannot be opened.
    """
    findings = Findings()
    with Archive(path) as archive:
        manifest = read_manifest(archive, findings)
        check_members(archive, manifest, findings)
        proven = read_proven(archive, trust, findings)
        names = [n for n in archive.names if n.startswith("streams/")]
        openings = _openings(archive, findings)
        withheld = sum(_check_stream(archive, n, proven, openings, findings) for n in names)
        for stream in sorted(set(proven.issued) - {_stream_of(n) for n in names}):
            findings.add("dossier.gap", None, found="no links at all", subject=stream, field=stream)
        for stream, number in sorted(openings):
            findings.add("openings.stray", None, subject=stream, field=f"link {number}")
        if manifest is not None:
            check_values(manifest, _values(proven), findings)
            check_redaction(manifest, findings)
    return _report(findings, proven, withheld, trust)


def _report(
    findings: Findings, proven: Proven, withheld: int, trust: RootOfTrust | None
) -> VerificationReport:
    checkpoint = proven.checkpoint
    return VerificationReport(
        findings=findings.damage(0),
        doubtful=findings.doubtful(),
        notices=findings.notices(),
        uncounted=findings.uncounted,
        size=checkpoint.size if checkpoint else 0,
        head="",
        root=checkpoint.root.hex() if checkpoint else "",
        origin=proven.origin,
        genesis_sha256=proven.genesis,
        last_good=0,
        withheld=withheld,
        checks_done=(Check.OPENINGS, Check.MANIFEST, Check.DOSSIER),
        not_checked=NOT_CHECKED,
        internally_consistent_only=trust is None,
    )


def _values(proven: Proven) -> Iterator[tuple[str, JsonValue]]:
    if proven.genesis is not None:
        yield "genesis_sha256", proven.genesis
    if proven.checkpoint is not None:
        yield "size", proven.checkpoint.size
        yield "root", proven.checkpoint.root.hex()
        yield "origin", proven.checkpoint.origin
    yield "kind", DOSSIER
    yield "streams", {stream: number + 1 for stream, (number, _) in sorted(proven.issued.items())}


def _check_stream(
    archive: Archive,
    name: str,
    proven: Proven,
    openings: dict[tuple[str, int], list[str]],
    findings: Findings,
) -> int:
    """Walk one stream's links to its committed end; give how many members are withheld."""
    stream, count, before, withheld = _stream_of(name), 0, ZERO_HASH, 0
    for number, line in enumerate(lines_of(archive, name)):
        where = f"{name} line {number + 1}"
        link = _read_link(line, stream)
        if isinstance(link, str):
            findings.add("dossier.link", None, found=link, subject=stream, field=where)
            count, before = count + 1, ""
            continue
        if link.stream_seq != count:
            findings.add(
                "dossier.gap", None, expected=f"link {count}", found=f"link {link.stream_seq}",
                subject=stream, field=where,
            )  # fmt: skip
        elif before and link.stream_prev != before:
            findings.add(
                "dossier.broken", None, expected=before, found=link.stream_prev, subject=stream,
                field=where,
            )  # fmt: skip
        withheld += _check_statement(link, where, proven, openings, findings)
        count, before = link.stream_seq + 1, link.sha256
    end = proven.issued.get(stream)
    if end is None:
        findings.add("dossier.commitment", None, found="none", subject=stream, field=name)
    elif end != (count - 1, before):
        findings.add(
            "dossier.tail", None, expected=f"link {end[0]} with SHA-256 {end[1]}",
            found=f"link {count - 1} with SHA-256 {before}", subject=stream, field=name,
        )  # fmt: skip
    return withheld


def _read_link(line: bytes | None, stream: str) -> _Link | str:
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
    return _Link(stream, number, prev, sha256(link).hexdigest(), statement)


def _check_statement(
    link: _Link,
    where: str,
    proven: Proven,
    openings: dict[tuple[str, int], list[str]],
    findings: Findings,
) -> int:
    disclosed = openings.pop((link.stream, link.stream_seq), [])
    try:
        statement = parse_statement(link.statement)
        event = parse_event(statement.payload)
    except LedgerError as error:
        findings.add("dossier.link", None, found=error.message, subject=link.stream, field=where)
        return 0
    if event.subject != link.stream:
        findings.add(
            "dossier.link", None, expected=link.stream, found=event.subject, event_id=event.id,
            subject=link.stream, field=where,
        )  # fmt: skip
    if not signed(statement, {**proven.keys, **_brought(event)}):
        findings.add(
            "dossier.signature", None, event_id=event.id, subject=link.stream, field=where,
            found=", ".join(s.kid for s in statement.signatures),
        )  # fmt: skip
    closed = set(digests_of(event.data))
    for text in disclosed:
        try:
            closed.remove(parse_disclosure(text).digest)
        except (LedgerError, KeyError):
            findings.add(
                "openings.foreign", None, event_id=event.id, subject=link.stream, field=where
            )
    return len(closed)


def _brought(event: Event) -> dict[str, PublicJwk]:
    try:
        return self_certified(event)
    except LedgerError:
        return {}


def _openings(archive: Archive, findings: Findings) -> dict[tuple[str, int], list[str]]:
    found: dict[tuple[str, int], list[str]] = {}
    for number, line in enumerate(lines_of(archive, "openings.jsonl"), 1):
        value = _object(line)
        stream, place = value.get("stream"), value.get("stream_seq")
        kept, text = value.get("number"), value.get("disclosure")
        if isinstance(stream, str) and type(place) is int and isinstance(text, str):
            known = found.setdefault((stream, place), [])
            known.append(text)
            if kept == len(known) - 1 and len(value) == 4:
                continue
        findings.add(
            "manifest.line", None, found="not an opening in its place",
            field=f"openings.jsonl line {number}",
        )  # fmt: skip
    return found


def _object(line: bytes | None) -> JsonObject:
    try:
        return parse_object(line or b"", limits=Limits(size=LONGEST_LINE))
    except LedgerError:
        return {}


def _stream_of(name: str) -> str:
    return name.removeprefix("streams/").removesuffix(".jsonl")
