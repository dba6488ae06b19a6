"""Check 12: the dossier of one subject, streams without the log they stand in.

It shows each stream as links, from the first to the one that the ledger committed to in
``dossier.issued.v1``. That entry, entry 0 and the registrations of the signers' keys are there as
whole entries with receipts, so that nothing but the log's key has to be trusted.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from ledger.verification.archive import Archive
from ledger.verification.kinds import Check
from ledger.verification.links import LinkCheck, StreamEnd, name_strays, read_openings, stream_of
from ledger.verification.manifest import (
    DOSSIER,
    Manifest,
    check_members,
    check_values,
    is_masked,
    read_manifest,
)
from ledger.verification.masked_dossier import DOES_NOT_PROVE as MASKED_DOES_NOT_PROVE
from ledger.verification.masked_dossier import INCLUSION, verify_masked
from ledger.verification.masked_dossier import PROVES as MASKED_PROVES
from ledger.verification.proven import Proven, read_proven
from ledger.verification.redaction import WHOLE, check_number, check_redaction, unproven
from ledger.verification.report import Findings, RootOfTrust, VerificationReport

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from ledger.signing.strict_json import JsonValue

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


def verify_dossier(path: Path, *, trust: RootOfTrust | None = None) -> VerificationReport:
    """Verify the bundle of one subject; what it proves and what it does not is stated above.

    Raises:
        Unavailable: ``bundle.…`` when the file cannot be opened.
    """
    findings = Findings()
    with Archive(path) as archive:
        manifest = read_manifest(archive, findings)
        if is_masked(archive, manifest):
            return verify_masked(archive, manifest, trust, findings)
        return _verify_full(archive, manifest, trust, findings)


def is_of_masked(report: VerificationReport) -> bool:
    """Whether a report is that of a masked dossier."""
    return INCLUSION in report.not_checked


def what_is_proven(report: VerificationReport) -> tuple[str, str]:
    """What a sound dossier proves, and what it does not: by whether it was a masked one."""
    if is_of_masked(report):
        return MASKED_PROVES, MASKED_DOES_NOT_PROVE
    return PROVES, DOES_NOT_PROVE


def _verify_full(
    archive: Archive, manifest: Manifest | None, trust: RootOfTrust | None, findings: Findings
) -> VerificationReport:
    check_members(archive, manifest, findings)
    proven = read_proven(archive, trust, findings)
    names = [n for n in archive.names if n.startswith("streams/")]
    redaction = WHOLE if manifest is None else manifest.value.get("redaction")
    openings = read_openings(archive, findings)
    walked = LinkCheck(archive, proven.keys, openings, findings, ledger=proven.ledger_kid)
    withheld = 0
    for name in names:
        end = walked.walk(name)
        _check_end(name, end, proven, findings)
        withheld += end.withheld
    for stream in sorted(set(proven.issued) - {stream_of(n) for n in names}):
        findings.add("dossier.gap", None, found="no links at all", subject=stream, field=stream)
    name_strays(openings, findings)
    if manifest is not None:
        check_values(manifest, _values(proven), findings)
        check_redaction(manifest, findings)
        check_number(redaction, withheld, findings)
    report = _report(findings, proven, withheld, trust)
    reasons = unproven(redaction)
    return replace(report, not_checked=(*report.not_checked, *reasons), reasons=reasons)


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
    if proven.trial is not None:
        yield "trial", proven.trial
    if proven.vkey is not None:
        yield "vkey", proven.vkey
    # Without a commitment, or with another's, there is no subject that it could be the dossier of.
    subjects = {stream.partition("/")[2] for stream in proven.issued}
    yield "subject", subjects.pop() if len(subjects) == 1 else None
    yield "kind", DOSSIER
    yield "streams", {stream: number + 1 for stream, (number, _) in sorted(proven.issued.items())}


def _check_end(name: str, end: StreamEnd, proven: Proven, findings: Findings) -> None:
    """The last link must be the one that the ledger committed to."""
    stream = stream_of(name)
    issued = proven.issued.get(stream)
    if issued is None:
        findings.add("dossier.commitment", None, found="none", subject=stream, field=name)
    elif issued != (end.count - 1, end.last):
        findings.add(
            "dossier.tail", None, expected=f"link {issued[0]} with SHA-256 {issued[1]}",
            found=f"link {end.count - 1} with SHA-256 {end.last}", subject=stream, field=name,
        )  # fmt: skip
