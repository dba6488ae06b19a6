"""One verification: everything stored is read once, in order, and all that is wrong is listed."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from typing import TYPE_CHECKING, Final

from ledger.errors import Unavailable
from ledger.verification.allocation import AllocationCheck
from ledger.verification.chain import ChainCheck, EntryCheck, StreamCheck
from ledger.verification.checkpoints import (
    SignedHeads,
    check_head_row,
    check_kept,
    check_links,
    check_tail,
    last_good,
    read_heads,
    valid_checkpoints,
)
from ledger.verification.coverage import checks_made
from ledger.verification.crew import Begun, Crew, crew_for
from ledger.verification.doubt import find_doubtful
from ledger.verification.evidence import EvidenceSource, StoredHead, all_rows
from ledger.verification.genesis import check_genesis, check_trust, stated_key
from ledger.verification.growth import Growth
from ledger.verification.integrity import BytesAlone
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
    from ledger.verification.payloads import PayloadCheck

Progress = Callable[[int, int], None]
"""Called with entries checked and entries in all."""

_WIDEST_GAP: Final = 10_000_000
"""A row further behind the one before belongs to no gap that is worth walking through."""


def verify(  # noqa: PLR0913 - all but the source may be left out
    source: EvidenceSource,
    *,
    trust: RootOfTrust | None = None,
    progress: Progress | None = None,
    findings: Findings | None = None,
    published: PublishedSource | None = None,
    asked: Asked | None = None,
    jobs: int | Crew | None = None,
    integrity_only: bool = False,
    payloads: PayloadCheck | None = None,
) -> VerificationReport:
    """Check all that a source holds and list every finding; damage never raises.

    Memory is a page of entries, one tile for each level, the register of keys and roles, the
    sealed list's slots, and the end of each stream. Without ``trust`` the log's key is taken
    from entry 0 and the report says "internally consistent only". What cannot be read at all
    gives a report with an ``obstacle``. ``findings`` may hold what was found about the file that
    the source reads from. ``published`` is what was published of the log, read before ``source``
    was; ``asked`` the witness policy to hold it against. ``jobs`` is how many processes examine
    entries, by default as many as there are cores when the log is long enough, or a crew that is
    at work already; what is found does not depend on it. ``integrity_only`` compares the stored
    bytes with what the log signed (chain, tree, tiles, checkpoints, what was published) and does
    not look into the entries. ``payloads`` judges the payloads as they are read.
    """
    if integrity_only:
        jobs = 1
    with (
        nullcontext(jobs) if isinstance(jobs, Crew) else crew_for(_extent(source), jobs, payloads)
    ) as crew:
        found = Findings() if findings is None else findings
        run = _Run(source, trust, found, published=published, asked=asked)
        run.integrity_only, run.payloads = integrity_only, payloads
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
        self.payloads: PayloadCheck | None = None
        self._given, self._asked = published, asked
        self._published: PublicationCheck | None = None
        self._source, self._trust = source, trust
        self._findings = findings
        self._key: VerifierKey | None = None
        self._heads = SignedHeads()
        self._tree = TreeCheck(source, findings)
        self._growth = Growth(self._tree, Signed(iter(())), self._heads, None, findings)
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
        self._growth = Growth(self._tree, signed, self._heads, self._published, self._findings)
        for _ in self._by_bytes() if self.integrity_only else self._by_entries(crew):
            progress(self._tree.size, max(total, self._tree.size))
        self._end(stated)
        self._finished = True

    def report(self) -> VerificationReport:
        """What was found."""
        findings, size, root = self._findings, self._tree.size, self._tree.root()
        altered = None if self.obstacle is not None else findings.first_altered()
        good = last_good(self._source, self._heads, self._tree.proven, altered)
        done, reasons = checks_made(
            self._published,
            nothing_given=self._given is None,
            with_head_file=self._source.head_note() is not None,
            concealed=self._openings.concealed,
            integrity_only=self.integrity_only,
        )
        return VerificationReport(
            findings=findings.damage(good),
            doubtful=findings.doubtful(),
            notices=findings.notices(),
            uncounted=findings.uncounted,
            size=size,
            head=(self._last.sha256 if self._last else None) or "",
            root=root.hex() if root is not None else "",
            origin=self._key.name if self._key else None,
            genesis_sha256=self._genesis,
            last_good=good,
            withheld=self._openings.withheld,
            checks_done=tuple(done) if self._finished else (),
            not_checked=tuple(reasons),
            reasons=reasons,
            publication=None if self._published is None else self._published.summary(),
            internally_consistent_only=self._trust is None,
            obstacle=self.obstacle,
        )

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

    def _by_entries(self, crew: Crew) -> Iterator[None]:
        judged = self.payloads is None or crew.payloads is self.payloads
        for page, verdicts in self._examined(crew):
            rest = list(zip(page.stored, verdicts, strict=True))
            while rest:
                rest = rest[self._pass_by(rest) if judged else 0 :]
                if rest:
                    row, (_, held) = rest.pop(0)
                    self._read(row, page.openings.get(row.seq, ()), frozenset(held))
            yield

    def _by_bytes(self) -> Iterator[None]:
        bytes_alone = BytesAlone(
            self._source, self._chain, self._tree, self._growth, self._compare_read
        )
        for last in bytes_alone.pages(self._limit):
            self._last = last or self._last
            yield

    def _compare_read(self, row: StoredRow) -> None:
        if row.seq == 0:
            self._read(row, (), frozenset())
            return
        read = read_row(row)
        if not self._place(read):
            return
        self._entries.take(read)
        self._chain.take(read)
        self._growth.take(read.leaf)
        self._last = Last.of(read)

    def _pass_by(self, following: Sequence[tuple[StoredRow, Verdict]]) -> int:
        """Take the entries up to the first that a check may say something about; how many."""
        size, end, leaves = self._tree.size, self._chain.end_so_far(), list[bytes]()
        if end is None or self._allocation.waits or self._openings.waits:
            return 0
        before, time = end
        for seq, (row, (members, _)) in enumerate(following, size):
            if members is None or row.seq != seq or 0 < self._limit <= seq:
                break
            sound = Sound._make(members)
            if (
                (sound.withheld and self._source.keeps_openings)
                or sound.prev != before
                or sound.recorded_at < time
                or not self._streams.continues(sound)
                or not self._statements.passes(seq, sound)
            ):
                break
            before, time = sound.sha256, sound.recorded_at
            self._streams.pass_by(seq, sound)
            self._statements.pass_by(seq, sound)
            self._openings.withheld += sound.withheld
            self._openings.concealed += sound.concealed
            leaves.append(sound.leaf)
        if leaves:
            self._chain.pass_by(before, time)
            self._growth.extend(leaves)
            self._last = Last(self._tree.size - 1, before, time)
        return len(leaves)

    def _read(self, row: StoredRow, kept: Sequence[StoredOpening], held: frozenset[str]) -> None:
        if self.payloads is not None:
            self.payloads.judge(row, kept)
        read = read_row(row)
        if not self._place(read):
            return
        self._entries.take(read)
        self._chain.take(read)
        self._streams.take(read)
        self._growth.take(read.leaf)
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

    def _place(self, read: ReadEntry) -> bool:
        """Account for missing positions before a row; whether the row belongs to the log."""
        size = self._tree.size
        beyond = self._limit > 0 and read.seq >= self._limit
        if read.seq < 0 or beyond or read.seq - size > _WIDEST_GAP:
            self._findings.add("entries.extra", read.seq)
            return False
        if read.seq > size:
            self._missing(size, read.seq - 1)
        return True

    def _missing(self, first: int, last: int) -> None:
        self._findings.add("entries.missing", first, last, expected="entries", found="none")
        self._chain.gap()
        self._statements.gap()
        for _ in range(first, last + 1):
            self._growth.take(None)

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
        elif self._key is not None:
            check_tail(self._source, self._heads, self._findings, size=size)

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


def _extent(source: EvidenceSource) -> int:
    """About how many entries there are; 0 where the place cannot be read, which shows later."""
    try:
        return source.extent()
    except Unavailable:
        return 0


def _silent(_done: int, _total: int) -> None:
    """Progress that nobody watches."""
