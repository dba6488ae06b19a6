"""A remote monitor: verifies a log over the network from its checkpoint, tiles and entries alone.

It keeps its own state, goes on where it stopped, and remembers the last checkpoint it found
sound: a log that is shorter or different afterwards was rolled back or forked.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import lru_cache
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

import urllib3

from api.access.asking import TokenSource, object_of, refusal_of
from api.access.entitlement import Wanted
from api.fetching_ahead import CONNECTIONS, BundlesAhead
from api.mirror import Mirror, Served
from ledger.errors import IntegrityFailure, LedgerError, TrustFailure, Unavailable
from ledger.log.checkpoint import Checkpoint, open_checkpoint
from ledger.log.tiles import (
    MAX_ENTRY_BYTES,
    TILE_BYTES,
    TILE_WIDTH,
    decode_entries,
    entries_path,
    node_from_tiles,
    tile_path,
    tile_width,
)
from ledger.log.tree import frontier_at
from ledger.verification.crew import crew_for
from ledger.verification.evidence import UNREADABLE, StoredRow
from ledger.verification.foreseen import ForeseeingCrew
from ledger.verification.kinds import Check
from ledger.verification.proven import stated_key
from ledger.verification.reading import read_row
from ledger.verification.report import Findings, RootOfTrust, VerificationReport
from ledger.verification.run import Progress, verify

if TYPE_CHECKING:
    from pathlib import Path

    from api.identity import Identity
    from ledger.log.note import VerifierKey
    from ledger.verification.cosignatures import Asked

_TILES_KEPT: Final = 16
_KEPT_TOGETHER: Final = 4_000_000
"""Bytes in memory, rounded up to a bundle, that are written to the state file at once."""

_BYTES_BESIDE: Final = 64
"""What an entry takes beside its own bytes; empty ones take it too."""

_MOST_NOTE: Final = 1_000_000
_LONGEST_PROBLEM: Final = 10_000
_MOST_ENTRIES: Final = TILE_WIDTH * (MAX_ENTRY_BYTES + 2)
_TIMEOUT: Final = urllib3.Timeout(connect=5.0, read=60.0)
_RETRIES: Final = urllib3.Retry(
    total=4, redirect=0, status_forcelist=(429, 502, 503, 504), backoff_factor=0.5
)


class NotServed(Unavailable):
    """The log answers, and has nothing there."""


@dataclass(frozen=True, slots=True)
class Access:
    """Who reads a log that is not open to everybody, and as what."""

    identity: Identity
    wanted: Wanted = field(default_factory=Wanted)


class RemoteLog:
    """Reads a log under its prefix (C2SP tlog-tiles); every answer is bounded.

    With ``access`` each request bears a token, which is asked for when needed.

    Raises:
        Unavailable: ``monitor.unreachable`` when the log does not answer as it must.
        TrustFailure: ``monitor.denied`` when it wants a token, or gives none.
    """

    def __init__(self, url: str, access: Access | None = None) -> None:
        base = url.rstrip("/")
        trial = base.removesuffix("/log")
        self.prefix = f"{trial}/log"
        self._tokens = (
            None if access is None else TokenSource(trial, access.identity, access.wanted)
        )
        self._pool = urllib3.PoolManager(maxsize=CONNECTIONS, retries=_RETRIES, timeout=_TIMEOUT)

    def close(self) -> None:
        """Close the connections."""
        self._pool.clear()

    def checkpoint(self) -> str:
        """The newest signed checkpoint's note."""
        return self._get("checkpoint", _MOST_NOTE).decode("utf-8", "replace")

    def cosigned(self) -> str | None:
        """The newest checkpoint with the quorum of the log's own policy; None where there is none.

        Raises Unavailable when the log does not answer at all.
        """
        try:
            return self._get("checkpoint/cosigned", _MOST_NOTE).decode("utf-8", "replace")
        except NotServed:
            return None

    def entries(self, index: int, width: int) -> list[bytes]:
        """The entries of a bundle; raises IntegrityFailure when it is malformed."""
        path = entries_path(index, width if width < TILE_WIDTH else None)
        return decode_entries(self._get(path, _MOST_ENTRIES), width=width)

    def tile(self, level: int, index: int, width: int = TILE_WIDTH) -> bytes:
        """The hashes of a tile."""
        return self._get(tile_path(level, index, width if width < TILE_WIDTH else None), TILE_BYTES)

    def _get(self, path: str, most: int) -> bytes:
        address = f"{self.prefix}/{path}"
        status, data = self._ask(address, most, self._headers())
        if status == HTTPStatus.UNAUTHORIZED and self._tokens is not None:
            # It has ended earlier than it said, or the server that made it was restarted.
            status, data = self._ask(address, most, self._headers(fresh=True))
        if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
            raise _denied(address, status, data)
        if status != HTTPStatus.OK or len(data) > most:
            kind = NotServed if status == HTTPStatus.NOT_FOUND else Unavailable
            raise kind(
                "monitor.unreachable",
                f"{address} answered {status} with {len(data)} bytes.",
                remedy="Name the log's address, such as https://host/v1/trials/TRIAL/log.",
            )
        return data

    def _headers(self, *, fresh: bool = False) -> dict[str, str]:
        return {} if self._tokens is None else self._tokens.headers(self._pool, fresh=fresh)

    def _ask(self, address: str, most: int, headers: dict[str, str]) -> tuple[int, bytes]:
        try:
            response = self._pool.request("GET", address, headers=headers, preload_content=False)
            try:
                return response.status, response.read(most + 1)
            finally:
                response.release_conn()
        except urllib3.exceptions.HTTPError as error:
            raise Unavailable(
                "monitor.unreachable", f"{address} cannot be read ({type(error).__name__})."
            ) from error


def _denied(address: str, status: int, data: bytes) -> TrustFailure:
    """The refusal in the log's own words, as far as it has any."""
    said = refusal_of(object_of(data[:_LONGEST_PROBLEM]), status)
    return TrustFailure(
        "monitor.denied",
        f"{address} is not for everybody: {said.message}",
        remedy="Name an identity whose role may read the tiles with --identity and --role.",
    )


@dataclass(slots=True)
class _Round:
    """One visit to a remote log."""

    remote: RemoteLog
    mirror: Mirror
    findings: Findings
    vkey: VerifierKey
    trust: RootOfTrust | None
    asked: Asked | None = None
    jobs: int | None = None


def verify_url(
    url: str,
    state: Path,
    *,
    trust: RootOfTrust | None = None,
    progress: Progress | None = None,
    asked: Asked | None = None,
    access: Access | None = None,
    jobs: int | None = None,
) -> VerificationReport:
    """Verify a remote log and what became of it since the last visit.

    The newest published and the newest cosigned checkpoint are checked too, against the policy
    ``asked``, if one is given.

    A log of a real trial wants a token for its tiles: ``access`` says who asks for one. ``jobs`` is
    how many processes examine entries.

    What was fetched is not fetched again; ``state`` moves on only when everything was sound.

    Raises:
        Unavailable: when the log or the state file cannot be read.
        TrustFailure: when the checkpoint is not signed by the log's key, or reading is denied.
    """
    remote = RemoteLog(url, access)
    try:
        mirror = Mirror(state, lru_cache(_TILES_KEPT)(remote.tile))
        try:
            vkey = trust.vkey if trust else _stated(remote, mirror)
            visit = _Round(remote, mirror, Findings(), vkey, trust, asked, jobs)
            return _visit(visit, progress)
        finally:
            mirror.close()
    finally:
        remote.close()


def _visit(visit: _Round, progress: Progress | None) -> VerificationReport:
    cosigned = visit.remote.cosigned()  # first, so that it is not newer than what is judged
    note = visit.remote.checkpoint()
    checkpoint = open_checkpoint(note, visit.vkey)
    visit.mirror.judge(checkpoint.size, note)
    if not _continues(visit, checkpoint):
        return _broken(visit, checkpoint)
    with crew_for(checkpoint.size, visit.jobs) as examining, ForeseeingCrew(examining) as crew:
        _fetch(visit, checkpoint.size, crew, progress)
        report = verify(
            visit.mirror, trust=visit.trust, progress=progress, findings=visit.findings,
            published=Served.of(note, cosigned, visit.vkey), asked=visit.asked, jobs=crew,
        )  # fmt: skip
    if report.findings:
        visit.mirror.forget()
    elif report.obstacle is None:
        visit.mirror.vouch()
    done = {c for c in report.checks_done if c is not Check.OPENINGS}
    reasons = {"openings": "the tiles carry none", **report.reasons}
    reasons.pop("head file", None)  # what this monitor verified before stands for it
    return replace(
        report,
        checks_done=tuple(sorted(done | {Check.HEAD_FILE})),
        not_checked=tuple(reasons),
        reasons=reasons,
    )


def _continues(visit: _Round, checkpoint: Checkpoint) -> bool:
    """Whether the log contains what was verified before: a consistency proof out of its tiles."""
    last = visit.mirror.last_verified()
    if last is None:
        return True
    try:
        kept = open_checkpoint(last[1], visit.vkey)
    except LedgerError as error:
        raise Unavailable(
            "monitor.other-log",
            f"The state file was made for another log ({error}).",
            remedy="Name a state file of its own for each log with --state.",
        ) from error
    if checkpoint.size < kept.size:
        visit.findings.add(
            "head-file.rolled-back", checkpoint.size, kept.size - 1,
            expected=f"size {kept.size}", found=f"size {checkpoint.size}", field="state file",
        )  # fmt: skip
        return False
    root = _root_at(visit.remote, kept.size, checkpoint.size)
    if root != kept.root:
        visit.findings.add(
            "head-file.forked", max(kept.size - 1, 0), expected=kept.root.hex(), found=root.hex(),
            field="state file",
        )  # fmt: skip
        return False
    return True


def _root_at(remote: RemoteLog, size: int, newest: int) -> bytes:
    """The root a log had at an earlier size, from the tiles it serves now."""
    tiles: dict[tuple[int, int], bytes] = {}

    def tile(level: int, index: int) -> bytes:
        if (level, index) not in tiles:
            tiles[level, index] = remote.tile(level, index, tile_width(level, index, newest))
        return tiles[level, index]

    try:
        return frontier_at(size, lambda level, index: node_from_tiles(level, index, tile)).root()
    except IntegrityFailure:
        return b""


def _fetch(visit: _Round, size: int, crew: ForeseeingCrew, progress: Progress | None) -> None:
    """Fetch the entries not yet at hand, which are examined meanwhile.

    What is malformed is missing afterwards.
    """
    start = have = visit.mirror.fetched
    taken: list[bytes] = []
    held = 0
    with BundlesAhead(visit.remote.entries) as bundles:
        try:
            for first, bundle in bundles.between(have, size):
                found = bundle.result()
                taken += found
                have = first + TILE_WIDTH
                held += sum(map(len, found)) + _BYTES_BESIDE * len(found)
                if held >= _KEPT_TOGETHER:
                    start, taken, held = _keep(visit, start, taken, crew), [], 0
                if progress is not None:
                    progress(min(have, size), size)
        except IntegrityFailure as error:
            first = have // TILE_WIDTH * TILE_WIDTH
            visit.findings.add(
                "entries.unreadable", first, found=error.message,
                field=entries_path(first // TILE_WIDTH),
            )  # fmt: skip
        finally:
            _keep(visit, start, taken, crew)


def _keep(visit: _Round, start: int, taken: list[bytes], crew: ForeseeingCrew) -> int:
    """Keep the bundles from the one on in which a position lies; the position behind them."""
    first = start // TILE_WIDTH * TILE_WIDTH
    visit.mirror.keep(first, taken)
    crew.foresee((seq, data, None, ()) for seq, data in enumerate(taken, first) if seq >= start)
    return first + len(taken)


def _broken(visit: _Round, checkpoint: Checkpoint) -> VerificationReport:
    """The report when the log is not the one that was verified before: nothing else counts."""
    last = visit.mirror.last_verified()
    return VerificationReport(
        findings=visit.findings.damage(0),
        doubtful=(),
        notices=(),
        uncounted=0,
        size=checkpoint.size,
        head="",
        root=checkpoint.root.hex(),
        origin=checkpoint.origin,
        genesis_sha256=None,
        last_good=last[0] if last else 0,
        withheld=0,
        checks_done=(Check.HEAD_FILE,),
        not_checked=("everything else",),
        reasons={"everything else": "the log is not the one verified before"},
        internally_consistent_only=visit.trust is None,
    )


def _stated(remote: RemoteLog, mirror: Mirror) -> VerifierKey:
    """The log's key as entry 0 states it, where no root of trust was given."""
    mirror.judge(1, "")
    rows = mirror.rows(None, 1)
    data: object = rows[0].data if rows else _first_entry(remote)
    key = stated_key(read_row(StoredRow(0, data)))
    if key is None:
        raise Unavailable("monitor.no-key", "Entry 0 states no key of the log.")
    return key


def _first_entry(remote: RemoteLog) -> object:
    try:
        return remote.entries(0, 1)[0]
    except IntegrityFailure:
        return UNREADABLE
