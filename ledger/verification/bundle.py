"""An evidence bundle as evidence: one zip file, read in place, without network or database."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Final, Literal, Self

from ledger.errors import IntegrityFailure, LedgerError, Unavailable
from ledger.log.checkpoint import parse_checkpoint
from ledger.log.note import split_note
from ledger.log.tiles import TILE_BYTES, full_tiles, parse_tile_path, tile_path
from ledger.verification.archive import Archive
from ledger.verification.bundle_publication import (
    BundledPublication,
    check_responses,
    read_policy,
)
from ledger.verification.bundle_receipts import check_receipts
from ledger.verification.bundle_schemas import check_schemas
from ledger.verification.bundle_small import SmallMembers
from ledger.verification.crew import Crew, crew_for
from ledger.verification.evidence import (
    UNREADABLE,
    HeadNote,
    StoredCheckpoint,
    StoredHead,
    StoredOpening,
    StoredRow,
    StoredTile,
    Unreadable,
)
from ledger.verification.foreseen import ForeseeingCrew
from ledger.verification.genesis import stated_key, stated_keys
from ledger.verification.kinds import Check
from ledger.verification.manifest import (
    DOSSIER,
    LOG,
    check_members,
    check_values,
    kind_of,
    read_manifest,
)
from ledger.verification.publication import WITNESSES
from ledger.verification.reading import read_row
from ledger.verification.redaction import WHOLE, check_number, check_redaction, unproven
from ledger.verification.report import Findings
from ledger.verification.run import Progress, verify
from ledger.verification.unpacked import Unpacked, lines

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from pathlib import Path

    from ledger.signing.strict_json import JsonValue
    from ledger.verification.cosignatures import Asked
    from ledger.verification.payloads import PayloadCheck
    from ledger.verification.report import RootOfTrust, VerificationReport
    from ledger.verification.unpacked import Complaint

_LONGEST_NOTE: Final = 1_000_000
_BYTES_AN_ENTRY: Final = 2_000
_KEYS: Final = "vkeys.txt"
_COUNTED: Final = (
    "checkpoints", "cosignatures", "entries", "openings", "published", "timestamps",
)  # fmt: skip


class BundleEvidence:
    """The stored values of a bundle of the whole log.

    With ``crew`` entries are examined while the others are still being read.

    Raises:
        Unavailable: ``bundle.…`` when the file cannot be read, ``bundle.no-bundle`` when it holds
            no log.
    """

    def __init__(self, path: Path, crew: ForeseeingCrew | None = None) -> None:
        self._archive = Archive(path)
        self._unpacked = Unpacked(None if crew is None else crew.foresee)
        self._unended = False
        self._findings = Findings()
        self._policy: Asked | None = None
        try:
            self._manifest = read_manifest(self._archive, self._findings)
            self._require_log(path.name)
            check_members(self._archive, self._manifest, self._findings)
            self._load()
        except LedgerError:
            self.close()
            raise

    def close(self) -> None:
        """Close the file."""
        self._unpacked.close()
        self._archive.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def keeps_openings(self) -> bool:
        """Whether the manifest says that no opening was left out."""
        return self.redaction == WHOLE

    @property
    def redaction(self) -> JsonValue:
        """What the manifest says was left out; ``none`` where it cannot be read."""
        return WHOLE if self._manifest is None else self._manifest.value.get("redaction")

    @property
    def publication(self) -> BundledPublication:
        """What the bundle holds of what was published."""
        return BundledPublication(self._archive, self._unpacked)

    @property
    def policy(self) -> Asked | None:
        """The witness policy in the bundle."""
        return self._policy

    @property
    def links_checkpoints(self) -> bool:
        """A bundle keeps the size of the checkpoint before."""
        return True

    def faults(self) -> Sequence[tuple[str, str]]:
        """Missing members are findings of their own, see `own_findings`."""
        return ()

    def own_findings(self) -> Findings:
        """What is wrong with the bundle itself: its form, its members, what its manifest says."""
        if self._manifest is not None:
            check_values(self._manifest, self._values(), self._findings)
            check_redaction(self._manifest, self._findings)
        small = SmallMembers(self._archive, self.publication, self._findings)
        note = small.check_newest(self._unpacked.newest())
        check_receipts(self._archive, self._one, note, self._findings)
        check_responses(self._archive, self._unpacked, self._findings)
        small.check_keys("".join(f"{key}\n" for key in stated_keys(self)))
        check_schemas(self._archive, self._findings)
        small.check_protocols(self._unpacked.protocols)
        small.check_vocabulary()
        return self._findings

    def extent(self) -> int:
        """How many entries the bundle holds."""
        return self._unpacked.count("entries")

    def rows(self, after: int | None, limit: int) -> Sequence[StoredRow]:
        """The next entries."""
        return [_row(*found) for found in self._unpacked.rows(after, limit)]

    def entries(self, after: int | None, limit: int) -> Sequence[tuple[object, object]]:
        """The next entries, position and bytes alone."""
        return self._unpacked.rows(after, limit)

    def named(self, event_id: bytes) -> StoredRow | None:
        """The first entry that states an event id."""
        found = self._unpacked.named(event_id)
        return None if found is None else _row(*found)

    def checkpoints(self, after: int | None, limit: int) -> Sequence[StoredCheckpoint]:
        """The next checkpoints in order of size."""
        return [StoredCheckpoint(*found) for found in self._unpacked.checkpoints(after, limit)]

    def tile(self, level: int, index: int) -> StoredTile | None:
        """One full tile."""
        name = tile_path(level, index)
        if name not in self._archive:
            return None
        try:
            hashes: object = self._archive.read(name, most=TILE_BYTES)
        except IntegrityFailure:
            hashes = UNREADABLE
        return StoredTile(level, index, hashes, None)

    def stray_tiles(self, size: int, limit: int) -> Sequence[StoredTile]:
        """Tiles outside the tree of ``size`` entries, or under a name that is no tile's."""
        found: list[StoredTile] = []
        for name in self._archive.names:
            if name.startswith("tile/") and len(found) < limit and not _in_tree(name, size):
                level, _, index = name.removeprefix("tile/").partition("/")
                found.append(StoredTile(level, index, None, None))
        return found

    def openings(self, first: int, last: int) -> Sequence[StoredOpening]:
        """The disclosures of a range of entries."""
        return [StoredOpening(*found) for found in self._unpacked.openings(first, last)]

    def stray_openings(self, size: int, limit: int) -> Sequence[StoredOpening]:
        """Disclosures kept for no entry."""
        return [StoredOpening(*found) for found in self._unpacked.stray_openings(size, limit)]

    def head(self) -> StoredHead | Literal[Unreadable.UNREADABLE] | None:
        """The log's end as the manifest states it."""
        if self._manifest is None:
            return UNREADABLE
        value = self._manifest.value
        return StoredHead(value.get("size"), value.get("head"), value.get("recorded_at"))

    def head_note(self) -> HeadNote | None:
        """A bundle has no head file."""
        return None

    def _require_log(self, name: str) -> None:
        stated = None if self._manifest is None else self._manifest.kind
        if stated == DOSSIER or ("entries.jsonl" not in self._archive and self._manifest is None):
            raise Unavailable(
                "bundle.no-log" if stated == DOSSIER else "bundle.no-bundle",
                f"{name} is not a bundle of a log.",
                remedy="Name a file that `trial-ledger bundle` has written.",
            )

    def _load(self) -> None:
        unpacked = self._unpacked
        self._take("entries.jsonl", unpacked.take_entries, "entries.extra")
        self._take("openings.jsonl", unpacked.take_openings, "manifest.line")
        self._take("checkpoints.jsonl", unpacked.take_checkpoints, "manifest.line")
        self._take("published.jsonl", unpacked.take_published, "manifest.line")
        self._take("timestamps.jsonl", unpacked.take_timestamps, "manifest.line")
        self._take("tallies.jsonl", unpacked.take_tallies, "manifest.line")
        self._policy = read_policy(self._archive, self._findings)

    def _take(
        self,
        member: str,
        take: Callable[[Iterable[bytes | None]], Iterator[Complaint]],
        code: str,
    ) -> None:
        for number, complaint in take(lines(self._readable(member), unended=True)):
            self._findings.add(code, None, found=complaint, field=f"{member} line {number}")
        if self._unended:
            self._findings.add(
                "manifest.line", None, found="does not end", field=f"{member} last line"
            )

    def _readable(self, member: str) -> Iterator[bytes]:
        """A member as far as it can be read; that it cannot be is named where it is measured."""
        self._unended = False
        if member not in self._archive:
            return
        last = b"\n"
        try:
            for chunk in self._archive.chunks(member):
                last = chunk[-1:] or last
                yield chunk
        except IntegrityFailure:
            return
        self._unended = last != b"\n"

    def _values(self) -> Iterator[tuple[str, JsonValue]]:
        """What the manifest must state, as far as the members tell; its head is checked apart."""
        archive, unpacked = self._archive, self._unpacked
        yield "kind", LOG
        counted: dict[str, JsonValue] = {name: unpacked.count(name) for name in _COUNTED}
        for kind, folder in (("tiles", "tile/"), ("receipts", "receipts/")):
            counted[kind] = sum(name.startswith(folder) for name in archive.names)
        yield "counts", counted
        first = self.rows(None, 1)
        read = read_row(first[0]) if first else None
        if read is not None and read.seq == 0 and read.sha256 is not None:
            yield "genesis_sha256", read.sha256
            if read.event is not None:
                yield "trial", read.event.trialid
        key = stated_key(self)
        if key is not None:
            yield "origin", key.name
            yield "vkey", str(key)
        note = self._unpacked.newest()
        if note is not None:
            try:
                yield "root", parse_checkpoint(split_note(note)[0]).root.hex()
            except LedgerError:
                return

    def _one(self, seq: int) -> StoredRow | None:
        rows = self.rows(seq - 1, 1)
        return rows[0] if rows and rows[0].seq == seq else None


def verify_bundle(
    path: Path,
    *,
    trust: RootOfTrust | None = None,
    progress: Progress | None = None,
    asked: Asked | None = None,
    jobs: int | None = None,
    integrity_only: bool = False,
) -> VerificationReport:
    """Verify a bundle of the whole log, see `ledger.verification.run.verify`.

    Without a policy of the verifier's own (``asked``) the cosignatures are held against the one
    in the bundle, which then is no more than the ledger's word.

    Raises:
        Unavailable: as `BundleEvidence`: what cannot be opened cannot be checked.
    """
    with opened_bundle(path, jobs=1 if integrity_only else jobs) as (source, crew):
        return verify_opened(
            source, trust=trust, progress=progress, asked=asked, jobs=crew,
            integrity_only=integrity_only,
        )  # fmt: skip


@contextmanager
def opened_bundle(
    path: Path, *, jobs: int | None = None, payloads: PayloadCheck | None = None
) -> Iterator[tuple[BundleEvidence, Crew]]:
    """A bundle, and the crew that examined entries while it was read, to go on with.

    Raises:
        Unavailable: as `BundleEvidence`.
    """
    with (
        crew_for(_about(path), jobs, payloads) as examining,
        ForeseeingCrew(examining) as crew,
        BundleEvidence(path, crew) as source,
    ):
        yield source, crew


def verify_opened(
    source: BundleEvidence,
    *,
    trust: RootOfTrust | None,
    progress: Progress | None,
    asked: Asked | None = None,
    jobs: int | Crew | None = None,
    integrity_only: bool = False,
    payloads: PayloadCheck | None = None,
) -> VerificationReport:
    """Verify a bundle that was opened already, see `ledger.verification.run.verify`."""
    own = source.own_findings()
    report = verify(
        source, trust=trust, progress=progress, findings=own, published=source.publication,
        asked=asked or source.policy, jobs=jobs, integrity_only=integrity_only, payloads=payloads,
    )  # fmt: skip
    late = Findings()
    if report.obstacle is None and not integrity_only:
        check_number(source.redaction, report.withheld, late)
    report = replace(report, findings=(*report.findings, *late.damage(0)))
    done = tuple(sorted((*report.checks_done, Check.MANIFEST)))
    reasons = {**report.reasons, **unproven(source.redaction)}
    if asked is None and source.policy is not None:
        reasons[WITNESSES] = "the policy is the bundle's own; give yours with --policy"
    return replace(report, checks_done=done, not_checked=tuple(reasons), reasons=reasons)


def _about(path: Path) -> int:
    """About how many entries a bundle holds, by its length alone; 0 where there is no file."""
    try:
        return path.stat().st_size // _BYTES_AN_ENTRY
    except OSError:
        return 0


def _row(seq: int, data: bytes | None) -> StoredRow:
    return StoredRow(seq, UNREADABLE if data is None else data)


def _in_tree(name: str, size: int) -> bool:
    try:
        tile = parse_tile_path(name)
    except LedgerError:
        return False
    return (
        tile.level is not None and tile.width is None and tile.index < full_tiles(tile.level, size)
    )


def kind_of_bundle(path: Path) -> str:
    """``log`` or ``dossier``, by the manifest or, where that cannot be read, by the members."""
    with Archive(path) as archive:
        return kind_of(archive, read_manifest(archive, Findings()))
