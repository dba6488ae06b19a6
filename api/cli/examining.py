"""A ledger examined whole: the kernel's checks, and those of the layers above it."""

from __future__ import annotations

import sqlite3
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from eventsourcing.persistence import PersistenceError

from api.cli.progress import progress_bar
from api.stamping import stamp_findings
from ledger.concealment import custody
from ledger.concealment.evidence import revealing
from ledger.concealment.openings import Openings
from ledger.concealment.settings import has_keys, open_vault
from ledger.errors import LedgerError, Unavailable
from ledger.events.conformance import Conformance
from ledger.service import LedgerFiles
from ledger.storage.database import Database
from ledger.storage.open_evidence import open_evidence
from ledger.storage.published_evidence import open_published
from ledger.verification.coverage import ELSEWHERE, INTEGRITY_ALONE
from ledger.verification.held import check_held
from ledger.verification.publication import AUTHORITIES
from ledger.verification.reading import read_row
from ledger.verification.report import RootOfTrust, Status
from ledger.verification.run import verify as verify_evidence
from projections.reading import Projections, opened, projections_path

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from ledger.concealment.vault import Vault
    from ledger.verification.cosignatures import Asked
    from ledger.verification.evidence import EvidenceSource, HeadNote
    from ledger.verification.report import VerificationReport

KEYS = "keys of what is concealed"
HELD = "checkpoints held elsewhere"


@dataclass(frozen=True, slots=True)
class Examination:
    """The kernel's report with what the layers above it found, each finding one line.

    ``storage`` is about the database file and its schema, ``schema`` about payloads, ``derived``
    about the projections, ``stamps`` about the authorities' signatures under time stamps,
    ``custody`` about the keys of what is concealed, ``held`` about checkpoints that others hold;
    None when there was nothing to compare, or
    nothing to compare it with.
    """

    report: VerificationReport
    storage: list[str]
    schema: list[str] | None = None
    derived: list[str] | None = None
    stamps: list[str] | None = None
    custody: list[str] | None = None
    held: list[str] | None = None

    @property
    def above(self) -> list[str]:
        """All findings of the layers above the kernel."""
        layers = (self.storage, self.schema, self.derived, self.stamps, self.custody, self.held)
        return [line for found in layers for line in found or ()]

    @property
    def damaged(self) -> bool:
        """Whether anything at all is not as it must be."""
        return self.report.status is Status.DAMAGED or bool(self.above)

    @property
    def checked(self) -> list[str]:
        """The checks that were made, by their labels."""
        layers = {
            "storage": self.storage,
            "schema": self.schema,
            "projections": self.derived,
            AUTHORITIES: self.stamps,
            KEYS: self.custody,
            HELD: self.held,
        }
        done = [name for name, found in layers.items() if found is not None]
        return [*(check.label for check in self.report.checks_done), *done]

    @property
    def not_checked(self) -> list[str]:
        """What no layer could check."""
        return [*self.reasons]

    @property
    def reasons(self) -> dict[str, str]:
        """Why each of these could not be checked."""
        reasons = dict(self.report.reasons)
        for name in ELSEWHERE:
            reasons.pop(name, None)
        if self.stamps is not None:
            reasons.pop(AUTHORITIES, None)
        elif AUTHORITIES in reasons:
            reasons[AUTHORITIES] = "no certificates to trust were given (--tsa-certificates)"
        alone = INTEGRITY_ALONE if INTEGRITY_ALONE in reasons.values() else None
        above = {
            ELSEWHERE[0]: (self.schema, alone or "the records could not all be read"),
            ELSEWHERE[1]: (self.derived, alone or "there are none here, or they cannot be read"),
            KEYS: (self.custody, "the key-encryption key is not at hand (LEDGER_KEK)"),
        }
        reasons.update({name: why for name, (found, why) in above.items() if found is None})
        return reasons

    def to_json(self) -> dict[str, Any]:
        """The examination for machines."""
        report = asdict(self.report)
        report.update(
            status="damaged" if self.damaged else str(self.report.status),
            storage=self.storage,
            schema=self.schema,
            projections=self.derived,
            timestamps=self.stamps,
            custody=self.custody,
            held=self.held,
            checks_done=[check.label for check in self.report.checks_done],
            not_checked=self.not_checked,
            reasons=self.reasons,
        )
        return report


def examine(
    database: Database | str,
    *,
    head_file: Path | None = None,
    trust: RootOfTrust | None = None,
    tsa_certificates: Path | None = None,
    asked: Asked | None = None,
    held: Sequence[HeadNote] = (),
    jobs: int | None = None,
    integrity_only: bool = False,
) -> Examination:
    """Verify a database, what was published beside it, its schema, payloads and projections.

    Without ``head_file`` the one beside the database is taken, if there is one; the authorities of
    time stamps are checked where there are certificates to check them with, witnesses against the
    policy ``asked``, and ``held`` against the log when there is a root of trust. ``jobs`` and
    ``integrity_only`` are those of `ledger.verification.run.verify`; payloads and projections are
    no part of integrity.
    Raises Unavailable when the database cannot be opened at all, TrustFailure
    ``timestamps.certificates``.
    """
    named = Database.of(database)
    files = LedgerFiles.of(named, head=head_file)
    kept = files.head if head_file is not None or files.head.exists() else None
    with (
        _vault(named) as vault,
        open_published(files.published) as published,
        open_evidence(
            named, head_file=kept, reveal=revealing(Openings(vault)) if vault else None
        ) as source,
    ):
        if kept is None and trust is None:
            _require_begun(source, named)
        keys = _damaged_keys(vault) if vault else None
        stamps = stamp_findings(published, source, tsa_certificates)
        payloads = None if integrity_only else Conformance()
        with progress_bar("Verifying entries") as progress:
            report = verify_evidence(
                source, trust=trust, progress=progress, published=published, asked=asked,
                jobs=jobs, integrity_only=integrity_only, payloads=payloads,
            )  # fmt: skip
        storage = [str(found) for found in source.storage()]
        others = None
        if held and trust is not None:
            others = [str(found) for found in check_held(source, held, trust.vkey)]
    if report.obstacle or payloads is None:
        return Examination(report, storage, stamps=stamps, custody=keys, held=others)
    derived = _compare_projections(named, damaged=bool(report.findings))
    return Examination(report, storage, payloads.found, derived, stamps, keys, others)


def _require_begun(source: EvidenceSource, database: Database) -> None:
    """Tell a database in which no ledger was opened yet from one that has lost its own."""
    if not (source.rows(None, 1) or source.checkpoints(None, 1) or source.stray_tiles(0, 1)):
        raise Unavailable(
            "evidence.empty",
            f"{database} holds no ledger.",
            remedy="Open a trial with trial-ledger init, or name another database.",
        )


@contextmanager
def _vault(database: Database) -> Iterator[Vault | None]:
    """The vault of a ledger whose keys are at hand; without it openings stay encrypted."""
    trial = _trial(database) if has_keys(database.place) else None
    if trial is None:
        yield None
        return
    with open_vault(trial, database.place) as vault:
        yield vault


def _trial(database: Database) -> str | None:
    """The trial that entry 0 names, if it can be read; what is wrong with it is found elsewhere."""
    with open_evidence(database) as source:
        rows = source.rows(-1, 1)
    event = read_row(rows[0]).event if rows else None
    return None if event is None else event.trialid


def _damaged_keys(vault: Vault) -> list[str]:
    return [
        f"custody.damaged at key {key.id.hex()} ({key.name.owner}, {key.name.purpose}): it does "
        "not unwrap, or is gone though no erasure took it. Restore the key store from its latest "
        "backup; later erasures are carried out again at the next start."
        for key in custody.damaged(vault.store, vault.ring)
    ]


def _compare_projections(database: Database, *, damaged: bool) -> list[str] | None:
    if not projections_path(database.place).exists():
        return None
    try:
        with opened(database) as log:
            views = Projections(log)
            try:
                return [str(difference) for difference in views.check()] if views.kept else None
            except Unavailable:
                return None  # made before an erasure; the service makes them anew
            finally:
                views.close()
    except (LedgerError, PersistenceError, sqlite3.Error) as error:
        # What the kernel found damaged cannot be folded; its findings say so already.
        return None if damaged else [f"projections.unreadable at log: {error}"]
