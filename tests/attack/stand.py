"""One sound ledger with everything that is ever stored beside it or issued from it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from api.access.journal import access_log_path
from api.receipts import ENTRY_SUFFIX, PROOF_SUFFIX
from api.vocabulary_schemas import schemas_bytes
from ledger.access_log.log import AccessLog
from ledger.access_log.record import Access
from ledger.clock import SystemClock
from ledger.errors import LedgerError
from ledger.publication.bundling import Beside
from ledger.publication.dossiers import write_dossier
from projections.reading import Projections
from tests.build_ledger import COORDINATOR, TRIAL, BuiltLedger, build_ledger, each, identify, party
from tests.ledger.build_service import bilirubin
from tests.ledger.verification.conftest import randomize
from tests.ledger.verification.forge import Forger
from tests.ledger.verification.pack import PAGES, made
from tests.ledger.verification.publish import policy_text, publish_all, sizes_of
from tests.running_authority import new_authority, openssl_stamps
from tests.whole_group import whole_groups

if TYPE_CHECKING:
    from pathlib import Path

    from ledger.signing.strict_json import JsonObject

SUBJECTS = range(1, 131)
FIRST = 34
"""Where the first subject is identified."""

IN_TILE = 100
"""A command in the full tile: subject SY01-0034 is identified."""

IN_EDGE = 282
"""A command behind the last full tile."""

ALLOCATED = 299
"""The last of three allocations."""

TEXT = 300
"""A record with one sealed text."""

SIZE = 305
STRANGER = "/sites/SY01/persons/nobody"


@dataclass(frozen=True, slots=True, repr=False)
class Stand:
    """A closed ledger in a directory of its own; bundle, dossier and receipts in another.

    ``sizes`` are those of the three published checkpoints.
    """

    built: BuiltLedger
    issued: Path
    sizes: tuple[int, int, int]
    genesis_sha256: str

    def __repr__(self) -> str:
        """Its place alone; the rest fills pages."""
        return f"Stand({self.directory})"

    @property
    def directory(self) -> Path:
        """Where the database and all its files lie."""
        return self.built.directory


def build_stand(directory: Path) -> Stand:
    """Record, allocate, read, quarantine, publish, stamp, and issue a bundle, a dossier, receipts.

    Without OpenSSL nothing is time-stamped.
    """
    issued = directory / "issued"
    issued.mkdir(parents=True)
    (directory / "ledger").mkdir()
    built = build_ledger(directory / "ledger")
    record(built)
    fill(built, issued)
    _read_it(built)
    _receipts(built, issued)
    genesis = built.ledger.genesis.record.sha256
    built.close()
    _publish(built, directory)
    database, sizes = built.directory / "ledger.sqlite3", sizes_of(built)
    beside = Beside("trial-ledger 0", PAGES, schemas_bytes(), policy_text("any"))
    made(database, issued / "bundle.zip", built.files.published, beside=beside)
    return Stand(built, issued, (sizes[0], sizes[1], sizes[2]), genesis)


def record(built: BuiltLedger) -> None:
    """Identify all subjects and allocate the first three, whatever a rule would say."""
    with whole_groups():  # else rows of the bench may meet a checkpoint at 200 or 290
        built.record_all(each(built, SUBJECTS, identify))
    built.close()
    forger = Forger(built)
    for slot in (1, 2, 3):
        randomize(forger, slot, slot)
    forger.close()
    built.reopen()


def fill(built: BuiltLedger, issued: Path) -> None:
    """Record a text and two results, and issue the first subject's dossier."""
    anchor = built.ledger.application.record(FIRST)
    data: JsonObject = {"anchor": anchor.id, "description": "A visit was late."}
    built.state(
        "deviation.reported.v1", "subject/SY01-0001", data, by=COORDINATOR, meaning="authorship"
    )
    for value in ("21", "22"):
        built.record(bilirubin(built, value))
    with (issued / "dossier.zip").open("wb") as file:
        write_dossier(
            file, built.ledger, "SY01-0001", purpose="inspection", now=built.tick(),
            software="trial-ledger 0", pages={},
        )  # fmt: skip


def _read_it(built: BuiltLedger) -> None:
    """Somebody reads; a stranger's statement is turned away; the projections follow."""
    built.parties[STRANGER] = party(STRANGER, "Nobody")
    signed = built.sign(
        "visit.completed.v1", "subject/SY01-0001", {"visit": "V1"}, by=STRANGER,
        meaning="authorship",
    )  # fmt: skip
    (answer,) = built.record_all([signed])
    if not isinstance(answer, LedgerError):
        raise AssertionError("a stranger's statement was recorded")
    views = Projections(built.ledger)
    views.follow()
    views.close()
    log = AccessLog(
        access_log_path(built.files), built.keys, trial=TRIAL, clock=SystemClock(),
        genesis_sha256=built.ledger.genesis.record.sha256, instance="first",
    )  # fmt: skip
    for number in range(1, 13):
        log.record(
            Access(
                source=COORDINATOR, role="study-coordinator", site="SY01",
                operation="subject.read", subject=f"SY01-{number:04d}", outcome="served",
            )
        )  # fmt: skip
    log.close()


def _receipts(built: BuiltLedger, issued: Path) -> None:
    """The receipt of one entry as it was, and those of two entries now."""
    for seq in (IN_TILE, IN_EDGE):
        record = built.ledger.application.record(seq)
        receipt = built.ledger.receipt(seq)
        (issued / f"{seq}{PROOF_SUFFIX}").write_text(receipt.text(), "utf-8", newline="\n")
        (issued / f"{seq}{ENTRY_SUFFIX}").write_bytes(record.entry.to_bytes())


def _publish(built: BuiltLedger, directory: Path) -> None:
    authority = (
        new_authority(directory / "authority", "Example authority") if openssl_stamps() else None
    )
    publish_all(built, built.files.published, authority)
