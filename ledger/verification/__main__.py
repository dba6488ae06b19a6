"""``python -m ledger.verification BUNDLE``: verify a bundle with the kernel alone.

Needs Python, ``cryptography`` and ``rfc8785``; no network, no database, nothing of the service.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ledger.errors import LedgerError
from ledger.log.note import VerifierKey
from ledger.log.policy import MAX_POLICY_BYTES, parse_policy
from ledger.verification.bundle import kind_of_bundle, verify_bundle
from ledger.verification.cosignatures import Asked
from ledger.verification.dossier import is_of_masked, verify_dossier, what_is_proven
from ledger.verification.manifest import DOSSIER
from ledger.verification.report import RootOfTrust, Status

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ledger.verification.report import Publication, VerificationReport

SOUND: Final = 0
DAMAGED: Final = 1
COULD_NOT_CHECK: Final = 2
_SHA256: Final = re.compile(r"[0-9a-f]{64}")


def main(arguments: Sequence[str] | None = None) -> int:
    """Verify the bundle named; give 0 when sound, 1 when damaged, 2 when not to be checked."""
    given = _parser().parse_args(arguments)
    try:
        trust = _root_of_trust(given.key, given.genesis)
        kind = kind_of_bundle(given.bundle)
        report = _verified(given, kind, trust)
    except LedgerError as error:
        sys.stderr.write(f"Could not check: {error}\n")
        return COULD_NOT_CHECK
    sys.stdout.write(as_json(report, kind) if given.json else "".join(as_lines(report, kind)))
    if report.obstacle:
        return COULD_NOT_CHECK
    return DAMAGED if report.status is Status.DAMAGED else SOUND


def _verified(
    given: argparse.Namespace, kind: str, trust: RootOfTrust | None
) -> VerificationReport:
    asked = _policy(given.policy)
    if kind != DOSSIER:
        return verify_bundle(
            given.bundle, trust=trust, asked=asked, jobs=given.jobs,
            integrity_only=given.integrity_only,
        )  # fmt: skip
    if given.integrity_only:
        raise LedgerError(
            "dossier.no-tree", "A dossier is not the whole log: there is no tree to compare."
        )
    return verify_dossier(given.bundle, trust=trust)


def as_json(report: VerificationReport, kind: str) -> str:
    """The report for machines."""
    value = asdict(report)
    value.update(
        kind=kind,
        status=str(report.status),
        checks_done=[check.label for check in report.checks_done],
    )
    return json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def as_lines(report: VerificationReport, kind: str) -> list[str]:
    """The report as lines: each finding, the verdict, what was checked and what was not."""
    lines = [f"{finding}\n" for finding in report.findings]
    if report.uncounted:
        lines.append(f"{report.uncounted} more findings of the same kinds are not listed.\n")
    lines += [f"Note: {finding}\n" for finding in (*report.doubtful, *report.notices)]
    if report.obstacle:
        lines.append(f"Could not check everything: {report.obstacle}\n")
    words = {Status.SOUND: "Sound", Status.DAMAGED: "DAMAGED", Status.NOT_CHECKED: "Not checked"}
    lines.append(f"{words[report.status]}: {_extent(report, kind)}.\n")
    lines.append(f"Checked: {', '.join(check.label for check in report.checks_done)}.\n")
    lines.append(f"Not checked: {', '.join(report.not_checked)}.\n")
    lines += [f"  {name}: {why}.\n" for name, why in report.reasons.items()]
    if report.publication is not None:
        lines += publication_lines(report.publication)
    if kind == DOSSIER and report.status is Status.SOUND:
        proven, not_proven = what_is_proven(report)
        lines += [f"Proven: {proven}.\n", f"Not proven: {not_proven}.\n"]
    if report.withheld:
        lines.append(f"{report.withheld} sealed members have no opening; their seals hold.\n")
    if report.internally_consistent_only:
        lines.append(
            "Internally consistent only: no root of trust was given. Compare with --key and "
            f"--genesis from a source of your own; what was read says {report.genesis_sha256}.\n"
        )
    return lines


def _extent(report: VerificationReport, kind: str) -> str:
    if kind == DOSSIER and is_of_masked(report):
        return "a dossier for masked readers, of one arm-neutral stream"
    held = f"dossier of a log of {report.size}" if kind == DOSSIER else f"{report.size}"
    head = f", head {report.head}" if report.head else ""
    return f"{held} entries{head}, root {report.root}"


def publication_lines(published: Publication) -> list[str]:
    """What was published, in a line for each kind there is."""
    lines: list[str] = []
    if published.published:
        number = published.published
        lines.append(f"Published: {number} checkpoints, the newest of size {published.newest}.\n")
    if published.cosigned is not None:
        missing = f"; missing there: {', '.join(published.missing)}" if published.missing else ""
        lines.append(f"Cosigned by the quorum: up to size {published.cosigned}{missing}.\n")
    if published.unknown_lines:
        lines.append(
            f"{published.unknown_lines} cosignatures are of witnesses that no policy here names; "
            "they count for nothing.\n"
        )
    if published.stamps:
        number = published.stamps
        lines.append(f"Time stamps: {number}, the newest of size {published.stamped}.\n")
    return lines


def _policy(path: Path | None) -> Asked | None:
    """The verifier's own policy; raises LedgerError for a file that is none."""
    if path is None:
        return None
    try:
        with path.open("rb") as file:
            return Asked(parse_policy(file.read(MAX_POLICY_BYTES + 1)))
    except OSError as error:
        raise LedgerError("policy.unreadable", f"{path.name}: {error.strerror}.") from error


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m ledger.verification",
        description="Verify an evidence bundle offline. Exit status: 0 sound, 1 damaged, "
        "2 could not check. The schema of payloads, the projections and who signed time stamps "
        "are not checked here.",
    )
    parser.add_argument("bundle", type=Path, help="the bundle's zip file")
    parser.add_argument("--key", help="the log's verifier key, as handed over out of band")
    parser.add_argument("--genesis", help="SHA-256 of entry 0, as handed over out of band")
    parser.add_argument("--policy", type=Path, help="the witnesses you trust (C2SP tlog-policy)")
    parser.add_argument(
        "--integrity-only", action="store_true",
        help="compare the bytes with what the log signed, and look into no entry",
    )  # fmt: skip
    parser.add_argument("--jobs", type=_jobs, metavar="N", help="processes that examine entries")
    parser.add_argument("--json", action="store_true", help="print JSON for machines")
    return parser


def _jobs(text: str) -> int:
    if re.fullmatch(r"[1-9][0-9]{0,2}", text) is None:
        raise argparse.ArgumentTypeError("a number from 1 to 999")
    return int(text)


def _root_of_trust(key: str | None, genesis: str | None) -> RootOfTrust | None:
    if key is None and genesis is None:
        return None
    if key is None or genesis is None or _SHA256.fullmatch(genesis) is None:
        raise LedgerError(
            "trust.incomplete", "The root of trust is --key and --genesis (64 hex digits) together."
        )
    return RootOfTrust(VerifierKey.parse(key), genesis)


if __name__ == "__main__":
    sys.exit(main())
