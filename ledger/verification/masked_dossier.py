"""Check 12 for a masked reader: one arm-neutral stream, whole, and nothing that tells the arm.

It shows the stream ``subject/X`` as links, up to the ``dossier.issued.v1`` by which the ledger
commits to the link before. Entry 0 is whole, the root; the signers' keys are bare statements,
each signed under a key before it, up to the sponsor's root key. There is no position in the log,
no record time, no receipt and no checkpoint: their differences would count the records of
treatment. So it does not prove that anything of it is in the log.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from ledger.errors import LedgerError
from ledger.record import build_record
from ledger.signing.envelope import Event, parse_event
from ledger.signing.statement import Statement, parse_statement
from ledger.signing.strict_json import Limits, canonical, parse_object
from ledger.verification.evidence import UNREADABLE, StoredRow
from ledger.verification.genesis import check_genesis, check_trust, keys_of
from ledger.verification.kinds import Check
from ledger.verification.links import (
    LinkCheck,
    StreamEnd,
    brought,
    member_of,
    name_strays,
    read_openings,
)
from ledger.verification.manifest import DOSSIER, MANIFEST, check_members, check_values
from ledger.verification.proven import lines_of, signed
from ledger.verification.reading import ReadEntry, read_row
from ledger.verification.redaction import MASKED
from ledger.verification.report import Findings, RootOfTrust, VerificationReport
from ledger.verification.unpacked import LONGEST_LINE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ledger.signing.jwk import PublicJwk
    from ledger.signing.strict_json import JsonValue
    from ledger.verification.archive import Archive
    from ledger.verification.manifest import Manifest

PROVES: Final = (
    "the subject's arm-neutral stream is complete and unchanged from its first record to the "
    "ledger's own commitment at its end, so that no record was left out, changed or cut off; every "
    "statement in it is signed, by a key whose registration leads to the sponsor's root key"
)
DOES_NOT_PROVE: Final = (
    "that these records are in the log, nor when and in which order against other streams they "
    "entered it, because a place in the log can tell the arm; anything of treatment, allocation "
    "or product; what the ledger answered to commands, the registration of keys among them; "
    "whether a signer's key, role or delegation was in force; what came after the commitment. A "
    "reader who is not masked proves these from the full dossier or a bundle of the whole log"
)
INCLUSION: Final = "inclusion in the log"
GENESIS: Final = "genesis.json"
KEYS: Final = "keys.jsonl"
NOT_PROVEN: Final = (
    INCLUSION, "order and time across streams", "treatment, allocation and product",
    "results of commands", "standing and authority of the signers",
)  # fmt: skip
"""What the manifest MUST say is not proven, in these words."""

_ELSEWHERE: Final = ("schema of payloads", "projections", "witnesses")
_NEVER: Final = ("size", "root", "head", "recorded_at")
_WITHHELD_WHY: Final = "its place in the log, or what it says, can tell a masked reader the arm"
_REGISTERED: Final = "key.registered.v1"
_MOST_KEYS: Final = 10_000
_LONGEST_GENESIS: Final = 1_000_000
_ALLOWED: Final = frozenset(
    (MANIFEST, "README.txt", GENESIS, KEYS, "openings.jsonl", "vocabulary.json", "schemas.json",
     "replay.json")
)  # fmt: skip


@dataclass(slots=True)
class _Root:
    """What entry 0 and the registrations behind it tell."""

    genesis: str | None = None
    origin: str | None = None
    trial: str | None = None
    vkey: str | None = None
    ledger_kid: str | None = None
    keys: dict[str, PublicJwk] = field(default_factory=dict)


def verify_masked(
    archive: Archive, manifest: Manifest | None, trust: RootOfTrust | None, findings: Findings
) -> VerificationReport:
    """Verify the masked dossier in an archive; what it proves and what not is stated above."""
    check_members(archive, manifest, findings)
    root = _read_root(archive, trust, findings)
    _read_keys(archive, root, findings)
    stream = f"subject/{_subject(archive, manifest)}"
    for name in archive.names:
        if name not in _ALLOWED and name != member_of(stream):
            findings.add("manifest.surplus", None, found="not of a masked dossier", field=name)
    openings = read_openings(archive, findings)
    end = StreamEnd()
    if member_of(stream) in archive:
        walked = LinkCheck(
            archive, root.keys, openings, findings, ledger=root.ledger_kid, trial=root.trial
        )
        end = walked.walk(member_of(stream))
    _check_end(stream, end, findings)
    name_strays(openings, findings)
    if manifest is not None:
        check_values(manifest, _values(manifest, root, stream, end), findings)
    return _report(findings, root, end, trust)


def _read_root(archive: Archive, trust: RootOfTrust | None, findings: Findings) -> _Root:
    root = _Root()
    read = read_row(StoredRow(0, _genesis(archive)))
    event, statement = read.event, read.statement
    if read.entry is None or event is None or statement is None or read.entry.seq != 0:
        findings.add("statements.genesis", 0, found=read.fault or "no entry 0", field=GENESIS)
        return root
    root.genesis, root.trial = read.sha256, event.trialid
    vkey = next(iter(keys_of(event.data.get("log_vkeys"))), None)
    root.origin, root.vkey = (None, None) if vkey is None else (vkey.name, str(vkey))
    check_trust(read, trust, findings)
    _check_itself(read, statement, event, findings)
    root.keys = dict(brought(event))
    stated = event.data.get("statement_key")
    root.ledger_kid = next((k for k, j in root.keys.items() if j.as_object() == stated), None)
    return root


def _check_itself(read: ReadEntry, statement: Statement, event: Event, findings: Findings) -> None:
    """Entry 0 is signed by the keys it states, and says what an entry 0 must."""
    if read.entry is None:
        return
    if not signed(statement, brought(event)):
        findings.add("statements.genesis", 0, found="signatures that do not hold", field=GENESIS)
    record = build_record(read.entry, sha256=read.sha256 or "", parsed=(statement, event))
    check_genesis(record, findings)


def _genesis(archive: Archive) -> object:
    if GENESIS not in archive:
        return UNREADABLE
    try:
        return archive.read(GENESIS, most=_LONGEST_GENESIS)
    except LedgerError:
        return UNREADABLE


def _read_keys(archive: Archive, root: _Root, findings: Findings) -> None:
    """Take each key whose registration is signed by itself and under a key before it."""
    for number, line in zip(range(1, _MOST_KEYS + 1), lines_of(archive, KEYS), strict=False):
        where = f"{KEYS} line {number}"
        try:
            value = parse_object(line or b"", limits=Limits(size=LONGEST_LINE))
            statement = parse_statement(str(value.get("statement")))
            event = parse_event(statement.payload)
        except LedgerError as error:
            findings.add("manifest.line", None, found=error.message, field=where)
            continue
        if canonical({"statement": statement.text}) != line:
            findings.add("manifest.line", None, found="not a statement alone", field=where)
            continue
        fault = _fault(statement, event, root)
        if fault is None:
            root.keys.update(brought(event))
        else:
            findings.add(
                "dossier.signature", None, found=fault, event_id=event.id, subject=event.subject,
                field=where,
            )  # fmt: skip


def _fault(statement: Statement, event: Event, root: _Root) -> str | None:
    """What keeps a statement from registering its key under a key before it."""
    new = brought(event)
    kids = {signature.kid for signature in statement.signatures}
    registrars = (kids & set(root.keys)) - set(new) - {root.ledger_kid}
    if (event.type, event.subject, event.trialid) != (_REGISTERED, "access", root.trial):
        return f"{event.type} in {event.subject} of {event.trialid} registers no key here"
    if len(new) != 1 or not kids.issuperset(new):
        return "the new key has not signed"
    if not registrars:
        return "no key that leads to the sponsor's root key has signed"
    if not signed(statement, {**root.keys, **new}):
        return "a signature does not hold, or its key is not known"
    return None


def _check_end(stream: str, end: StreamEnd, findings: Findings) -> None:
    if not end.committed:
        findings.add(
            "dossier.tail", None, expected="the ledger's commitment as the last link",
            found=f"link {end.count - 1}" if end.count else "no links at all", subject=stream,
            field=member_of(stream),
        )  # fmt: skip


def _subject(archive: Archive, manifest: Manifest | None) -> str:
    """The subject by the manifest, or by the one stream there is."""
    stated = None if manifest is None else manifest.value.get("subject")
    if isinstance(stated, str):
        return stated
    shown = [n for n in archive.names if n.startswith("streams/subject/")]
    return shown[0].removeprefix("streams/subject/").removesuffix(".jsonl") if shown else ""


def _values(
    manifest: Manifest, root: _Root, stream: str, end: StreamEnd
) -> Iterator[tuple[str, JsonValue]]:
    yield "kind", DOSSIER
    yield "redaction", MASKED
    yield "not_proven", [*NOT_PROVEN]
    yield "streams", {stream: end.count}
    for name, value in (
        ("genesis_sha256", root.genesis), ("origin", root.origin), ("trial", root.trial),
        ("vkey", root.vkey),
    ):  # fmt: skip
        if value is not None:
            yield name, value
    for name in _NEVER:
        if name in manifest.value:
            yield name, None


def _report(
    findings: Findings, root: _Root, end: StreamEnd, trust: RootOfTrust | None
) -> VerificationReport:
    reasons = dict.fromkeys(NOT_PROVEN, _WITHHELD_WHY)
    reasons[NOT_PROVEN[-1]] = "it is read from the whole log"
    reasons.update(dict.fromkeys(_ELSEWHERE, "a dossier does not hold what that takes"))
    return VerificationReport(
        findings=findings.damage(0),
        doubtful=findings.doubtful(),
        notices=findings.notices(),
        uncounted=findings.uncounted,
        size=0,
        head="",
        root="",
        origin=root.origin,
        genesis_sha256=root.genesis,
        last_good=0,
        withheld=end.withheld,
        checks_done=(Check.OPENINGS, Check.MANIFEST, Check.DOSSIER),
        not_checked=tuple(reasons),
        reasons=reasons,
        internally_consistent_only=trust is None,
    )
