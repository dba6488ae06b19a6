"""One verification: everything stored is read once, in order, and all that is wrong is listed."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Final

from ledger.errors import Unavailable
from ledger.log.entry import entry_hash
from ledger.log.tree import leaf_hash
from ledger.verification.allocation import AllocationCheck
from ledger.verification.chain import ChainCheck, EntryCheck, StreamCheck
from ledger.verification.checkpoints import (
    SignedHeads,
    check_head_row,
    check_kept,
    check_links,
    read_heads,
    valid_checkpoints,
)
from ledger.verification.crew import Begun, Crew, crew_for
from ledger.verification.doubt import find_doubtful
from ledger.verification.evidence import EvidenceSource, StoredHead, all_checkpoints, all_rows
from ledger.verification.genesis import check_genesis, check_trust, stated_key
from ledger.verification.kinds import Check
from ledger.verification.openings import OpeningCheck
from ledger.verification.pages import Last, Page, Signed
from ledger.verification.publication import PublicationCheck, demand_quorum
from ledger.verification.reading import ReadEntry, read_row
from ledger.verification.report import Findings, RootOfTrust, VerificationReport
from ledger.verification.sound import Sound, Verdict
from ledger.verification.statements import StatementCheck
from ledger.verification.targets import TargetStreams
from ledger.verification.tree import TreeCheck

if TYPE_CHECKING:
    from ledger.log.note import VerifierKey
    from ledger.verification.cosignatures import Asked
    from ledger.verification.evidence import (
        PublishedSource,
        StoredOpening,
        StoredRow,
    )

Progress = Callable[[int, int], None]
"""Called with entries checked and entries in all."""

_WIDEST_GAP: Final = 10_000_000
"""A row further behind the one before belongs to no gap that is worth walking through."""

OF_A_LOG: Final = tuple(check for check in Check if check <= Check.ALLOCATION)
"""The checks of a whole log; those of the file it came in are made beside them."""

ELSEWHERE: Final = ("schema of payloads", "projections")
"""What this verification leaves to the layers above."""

ENCRYPTED: Final = "encrypted openings"
"""What cannot be checked without the keys of what is concealed."""

OF_PUBLICATION: Final = (Check.PUBLISHED, Check.COSIGNATURES, Check.TIMESTAMPS)
"""The checks of what was published of a log; made where that is at hand."""

_WITHIN_ENTRIES: Final = (
    Check.ENTRIES, Check.STREAMS, Check.STATEMENTS, Check.AUTHORITY, Check.OPENINGS,
    Check.ALLOCATION,
)  # fmt: skip
_INTEGRITY_ALONE: Final = "integrity alone was asked for: bytes against what the log signed"
_PREV: Final = slice(9, 73)
_RECORDED_AT: Final = slice(90, 117)
"""Where an entry's canonical bytes hold its ``prev`` and its ``recorded_at``."""

_ABOVE: Final = "the kernel does not know schemas and folds; trial-ledger verify does"


def verify(
    source: EvidenceSource,
    *,
    trust: RootOfTrust | None = None,
    progress: Progress | None = None,
    findings: Findings | None = None,
    published: PublishedSource | None = None,
    asked: Asked | None = None,
    jobs: int | None = None,
    integrity_only: bool = False,
) -> VerificationReport:
    """Check all that a source holds and list every finding; damage never raises.

    Memory is a page of entries, one tile for each level, the register of keys and roles, the
    sealed list's slots, and the end of each stream. Without ``trust`` the log's key is taken
    from entry 0 and the report says "internally consistent only". What cannot be read at all
    gives a report with an ``obstacle``. ``findings`` may hold what was found about the file that
    the source reads from. ``published`` is what was published of the log, read before ``source``
    was; ``asked`` the witness policy to hold it against. ``jobs`` is how many processes examine
    entries, by default as many as there are cores when the log is long enough; what is found
    does not depend on it. ``integrity_only`` compares the stored bytes with what the log signed
    (chain, tree, tiles, checkpoints, what was published) and does not look into the entries.
    """
    with crew_for(_extent(source), 1 if integrity_only else jobs) as crew:
        found = Findings() if findings is None else findings
        run = _Run(source, trust, found, published=published, asked=asked)
        run.integrity_only = integrity_only
        try:
            run.check(crew, progress or _silent)
        except Unavailable as error:
            run.obstacle = error.message
        return run.report()


class _Run:
    """The state of one verification."""

    def __init__(
        self,
        source: EvidenceSource,
        trust: RootOfTrust | None,
        findings: Findings,
        *,
        published: PublishedSource | None,
        asked: Asked | None,
    ) -> None:
        self.obstacle: str | None = None
        self.integrity_only = False
        self._given, self._asked = published, asked
        self._published: PublicationCheck | None = None
        self._source, self._trust = source, trust
        self._findings = findings
        self._key: VerifierKey | None = None
        self._heads = SignedHeads()
        self._tree = TreeCheck(source, findings)
        self._entries = EntryCheck(findings)
        self._chain = ChainCheck(findings, self._tree.confirms)
        self._streams = StreamCheck(findings, self._altered)
        self._statements = StatementCheck(
            findings, lambda: self._tree.proven, TargetStreams(source)
        )
        self._openings = OpeningCheck(source, findings)
        self._allocation = AllocationCheck(findings)
        self._last: Last | None = None
        self._genesis: str | None = None
        self._limit = 0
        self._finished = False

    def check(self, crew: Crew, progress: Progress) -> None:
        """Read everything once."""
        executor = crew.executor
        for artefact, sentence in self._source.faults():
            self._findings.add("entries.store", None, found=sentence, field=artefact)
        self._key = self._trust.vkey if self._trust else stated_key(self._source)
        self._heads = read_heads(self._source, self._key, self._findings, executor)
        if self._source.links_checkpoints:
            check_links(self._source, self._heads, self._findings)
        head = self._source.head()
        stated = head.size if isinstance(head, StoredHead) and type(head.size) is int else 0
        self._limit = max(self._heads.reach, stated)
        if self._given is not None and self._key is not None:
            self._published = PublicationCheck(
                self._source, self._given, self._key, self._asked, self._findings
            )
            self._published.read(executor)
        elif self._asked is not None:
            demand_quorum(self._asked, self._findings)
        total = self._source.extent()
        signed = Signed(valid_checkpoints(self._source, self._heads))
        if self.integrity_only:
            for stored in all_rows(self._source):
                self._compare(stored, signed)
                progress(self._tree.size, max(total, self._tree.size))
        else:
            for page, verdicts in self._examined(crew):
                self._page(page, verdicts, signed)
                progress(self._tree.size, max(total, self._tree.size))
        self._end(stated)
        self._finished = True

    def report(self) -> VerificationReport:
        """What was found."""
        findings, size, root = self._findings, self._tree.size, self._tree.root()
        last_good = self._last_good()
        done, reasons = self._coverage()
        return VerificationReport(
            findings=findings.damage(last_good),
            doubtful=findings.doubtful(),
            notices=findings.notices(),
            uncounted=findings.uncounted,
            size=size,
            head=(self._last.sha256 if self._last else None) or "",
            root=root.hex() if root is not None else "",
            origin=self._key.name if self._key else None,
            genesis_sha256=self._genesis,
            last_good=last_good,
            withheld=self._openings.withheld,
            checks_done=tuple(done),
            not_checked=tuple(reasons),
            reasons=reasons,
            publication=None if self._published is None else self._published.summary(),
            internally_consistent_only=self._trust is None,
            obstacle=self.obstacle,
        )

    def _coverage(self) -> tuple[list[Check], dict[str, str]]:
        """The checks made, and what was not checked with the reason why."""
        reasons = dict.fromkeys(ELSEWHERE, _ABOVE)
        left: set[Check] = set()
        if self.integrity_only:
            left.update(_WITHIN_ENTRIES)
            reasons.update({check.label: _INTEGRITY_ALONE for check in _WITHIN_ENTRIES})
        if self._source.head_note() is None:
            left.add(Check.HEAD_FILE)
            reasons["head file"] = "there is none here; so a log cut back whole would not show"
        if self._openings.concealed:
            reasons[ENCRYPTED] = (
                f"{self._openings.concealed} of them cannot be opened without their keys; each "
                "stands beside the digest it belongs to"
            )
        if self._published is None:
            left.update(OF_PUBLICATION)
            why = "nothing published is at hand" if self._given is None else "no key of the log"
            reasons.update({check.label: why for check in OF_PUBLICATION})
        else:
            reasons.update(self._published.reasons())
            left.update(c for c in OF_PUBLICATION if c.label in reasons)
        every = (*OF_A_LOG, *OF_PUBLICATION)
        return [c for c in every if c not in left] if self._finished else [], reasons

    def _examined(self, crew: Crew) -> Iterator[tuple[Page, list[Verdict]]]:
        """Pages in order of the log with their verdicts; further ones are examined meanwhile."""
        begun: deque[tuple[Page, Begun]] = deque()
        ahead = 0  # the first page brings the keys that nearly all others are signed with
        for stored in all_rows(self._source):
            page = Page(stored, self._openings.page(stored[0].seq, stored[-1].seq))
            begun.append((page, crew.begin(page.rows())))
            while len(begun) > ahead:
                done, started = begun.popleft()
                yield done, crew.verdicts(started)
            ahead = crew.pages
        for done, started in begun:
            yield done, crew.verdicts(started)

    def _page(self, page: Page, verdicts: Sequence[Verdict], signed: Signed) -> None:
        for row, (members, held) in zip(page.stored, verdicts, strict=True):
            if members is None or not self._pass_by(row.seq, Sound._make(members), signed):
                self._read(row, page.openings.get(row.seq, ()), frozenset(held), signed)

    def _compare(self, stored: Sequence[StoredRow], signed: Signed) -> None:
        """Take rows by their bytes alone; what does not fit is read, so that it can be named."""
        for row in stored:
            data = row.data
            if row.seq == 0:
                self._read(row, (), frozenset(), signed)
            elif (
                isinstance(data, bytes)
                and row.seq == self._tree.size
                and not 0 < self._limit <= row.seq
                and data.startswith(b'{"prev":"')
                and data.isascii()
                and self._chain.continues(
                    data[_PREV].decode("ascii"), moment := data[_RECORDED_AT].decode("ascii")
                )
            ):
                sha256 = entry_hash(data)
                self._chain.pass_by(sha256, moment)
                self._grow(leaf_hash(data), signed)
                self._last = Last(row.seq, sha256, moment)
            else:
                self._compare_read(read_row(row), signed)

    def _compare_read(self, read: ReadEntry, signed: Signed) -> None:
        if not self._place(read, signed):
            return
        self._entries.take(read)
        self._chain.take(read)
        self._grow(read.leaf, signed)
        self._last = Last.of(read)

    def _pass_by(self, seq: int, sound: Sound, signed: Signed) -> bool:
        """Take an entry that no check has anything to say about; False when one may have."""
        if (
            seq != self._tree.size
            or (0 < self._limit <= seq)
            or (sound.withheld and self._source.keeps_openings)
            or self._allocation.waits
            or self._openings.waits
            or not self._chain.continues(sound.prev, sound.recorded_at)
            or not self._streams.continues(sound)
            or not self._statements.passes(seq, sound)
        ):
            return False
        self._chain.pass_by(sound.sha256, sound.recorded_at)
        self._streams.pass_by(seq, sound)
        self._grow(sound.leaf, signed)
        self._openings.withheld += sound.withheld
        self._statements.pass_by(seq, sound)
        self._last = Last(seq, sound.sha256, sound.recorded_at)
        return True

    def _read(
        self, row: StoredRow, kept: Sequence[StoredOpening], held: frozenset[str], signed: Signed
    ) -> None:
        read = read_row(row)
        if not self._place(read, signed):
            return
        self._entries.take(read)
        self._chain.take(read)
        self._streams.take(read)
        self._grow(read.leaf, signed)
        record = self._openings.record(read, kept)
        if read.seq == 0:
            self._genesis = read.sha256
            check_trust(read, self._trust, self._findings)
        if record is None:
            self._statements.gap()
        else:
            self._statements.take(read, record, held)
            if read.seq == 0:
                check_genesis(record, self._findings)
            self._allocation.take(read.seq, record)
        self._last = Last.of(read)

    def _place(self, read: ReadEntry, signed: Signed) -> bool:
        """Account for missing positions before a row; whether the row belongs to the log."""
        size = self._tree.size
        beyond = self._limit > 0 and read.seq >= self._limit
        if read.seq < 0 or beyond or read.seq - size > _WIDEST_GAP:
            self._findings.add("entries.extra", read.seq)
            return False
        if read.seq > size:
            self._missing(size, read.seq - 1, signed)
        return True

    def _missing(self, first: int, last: int, signed: Signed) -> None:
        self._findings.add("entries.missing", first, last, expected="entries", found="none")
        self._chain.gap()
        self._statements.gap()
        for _ in range(first, last + 1):
            self._grow(None, signed)

    def _grow(self, leaf: bytes | None, signed: Signed) -> None:
        self._tree.take(leaf)
        size = self._tree.size
        roots = signed.at(size)
        for root in roots:
            self._tree.signed(size, root)
        if self._published is not None:
            self._published.reached(size, roots, self._tree)
        kept = self._heads.kept
        if kept is None or kept.size != size or kept.root in roots:
            return
        if not self._tree.contains(kept.root):
            self._findings.add(
                "head-file.forked", size - 1, expected=kept.root.hex(),
                found=(self._tree.root() or b"").hex(),
            )  # fmt: skip

    def _altered(self, seq: int) -> bool:
        return self._chain.broken_after(seq) or self._tree.disputed(seq)

    def _end(self, stated: int) -> None:
        findings, size = self._findings, self._tree.size
        self._statements.end()
        self._openings.end(size)
        self._tail(size)
        self._head_row(max(size, self._heads.signed), stated)
        self._tree.end()
        if self._heads.kept is not None:
            check_kept(self._heads.kept, findings, self._tree, size=size, signed=self._heads.signed)
        if self._published is not None:
            self._published.end(size, self._heads.refused)
        if not self._source.rows(-1, 1):
            findings.add("entries.missing", 0, found="an empty log")
        find_doubtful(self._source, self._statements.register, findings)

    def _tail(self, size: int) -> None:
        """Compare where the rows end with how far the log is signed."""
        signed = self._heads.signed
        if size < signed:
            self._findings.add(
                "entries.missing", size, signed - 1, expected=f"size {signed}",
                found=f"size {size}",
            )  # fmt: skip
        elif size > signed and self._key is not None:
            if not self._heads.refused.intersection(range(signed + 1, size + 1)):
                self._findings.add("checkpoints.missing", signed, size - 1)
        elif size and self._key is not None and _lacks_the_first(self._source):
            self._findings.add("checkpoints.missing", 0, field="checkpoint 1")

    def _head_row(self, size: int, stated: int) -> None:
        """The head row against the last entry; a proven entry is right, else the row may be."""
        last = self._last
        complete = last is not None and size == self._tree.size == last.seq + 1
        sha256 = last.sha256 if last is not None and complete else None
        recorded_at = last.recorded_at if last is not None and complete else None
        head = self._source.head()
        altered = complete and self._tree.proven < size and stated == size
        if altered and isinstance(head, StoredHead) and head.hash != sha256:
            self._chain.end(size - 1, head_hash=str(head.hash))
            sha256 = None
        else:
            self._chain.end(size - 1, head_hash=None)
        check_head_row(
            self._source,
            self._findings,
            size=size,
            last_hash=sha256,
            recorded_at=None if altered else recorded_at,
        )

    def _last_good(self) -> int:
        """The size of the last checkpoint that agrees before the first damage."""
        first = self._findings.first_altered()
        if first is None or self.obstacle is not None:
            return self._tree.proven
        best = 0
        for stored in all_checkpoints(self._source):
            if stored.size > min(first, self._tree.proven):
                break
            if stored.size not in self._heads.refused:
                best = stored.size
        return best


def _extent(source: EvidenceSource) -> int:
    """About how many entries there are; 0 where the place cannot be read, which shows later."""
    try:
        return source.extent()
    except Unavailable:
        return 0


def _lacks_the_first(source: EvidenceSource) -> bool:
    """Whether a source that keeps every checkpoint does not begin with that of entry 0."""
    first = source.checkpoints(None, 1)
    return source.links_checkpoints and [stored.size for stored in first] != [1]


def _silent(_done: int, _total: int) -> None:
    """Progress that nobody watches."""
