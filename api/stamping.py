"""Time-stamping as the doors and commands set it up, and what they say about it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from ledger.errors import RejectedInput, Unavailable
from ledger.publication.timestamp_follower import (
    INTERVAL_SECONDS,
    TimestampFollower,
    TimestampStanding,
)
from ledger.storage.timestamps import Timestamps
from ledger.worker import WatchedStamping

if TYPE_CHECKING:
    from pathlib import Path

    from ledger.publication.timestamping import TimestampAuthority
    from ledger.service import TrialLedger
    from ledger.storage.published import PublishedCheckpoint
    from ledger.verification.evidence import EvidenceSource, PublishedSource
    from ledger.worker import WorkerLedger

LEAST_INTERVAL_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class StampingSettings:
    """Which RFC 3161 authority is asked, whom it must lead to (PEM file), how often (seconds)."""

    url: str
    certificates: Path
    interval: float = INTERVAL_SECONDS

    @classmethod
    def given(
        cls, url: str | None, certificates: Path | None, interval: float = INTERVAL_SECONDS
    ) -> StampingSettings | None:
        """The settings from what was configured, None without an address.

        Raises RejectedInput ``serving.tsa``.
        """
        if url is None:
            return None
        if certificates is None:
            raise RejectedInput(
                "serving.tsa",
                "A time-stamping authority is named, but no certificates to check it with.",
                remedy="Give LEDGER_TSA_CERTIFICATES, a PEM file.",
            )
        if not interval >= LEAST_INTERVAL_SECONDS:
            raise RejectedInput("serving.tsa", "The interval of time stamps is at least 1 second.")
        return cls(url, certificates, interval)


def open_authority(settings: StampingSettings) -> TimestampAuthority:
    """The authority that the settings describe; their faults show here.

    Raises Unavailable ``timestamps.not-installed``, TrustFailure ``timestamps.address`` or
    ``.certificates``.
    """
    try:
        from ledger.publication import timestamping  # noqa: PLC0415 - needs the extra
    except ImportError as error:
        raise _not_installed() from error
    trusted = timestamping.read_certificates(settings.certificates)
    return timestamping.TimestampAuthority(settings.url, trusted)


def start_stamping(ledger: TrialLedger, settings: StampingSettings) -> TimestampFollower:
    """Begin to have the published checkpoints of a ledger time-stamped; raises as above.

    A ledger that refuses to sign has nothing stamped either.
    """

    def newest() -> PublishedCheckpoint | None:
        publisher = ledger.publisher
        return None if publisher is None or ledger.refusal is not None else publisher.newest()

    follower = TimestampFollower(
        open_authority(settings),
        Timestamps(ledger.files.published),
        newest,
        clock=ledger.clock,
        interval=settings.interval,
    )
    follower.start()
    return follower


def watched_stamping(
    ledger: WorkerLedger, settings: StampingSettings | None
) -> WatchedStamping | None:
    """What a worker says of time-stamping, which the writer's process has done."""
    if settings is None:
        return None
    return WatchedStamping(ledger, TimestampStanding(urlsplit(settings.url).netloc))


def stamping_state(
    ledger: TrialLedger, stamping: TimestampFollower | WatchedStamping | None
) -> dict[str, Any] | None:
    """How time-stamping stands; JSON members. None where no authority is configured."""
    if stamping is None:
        return None
    standing = stamping.standing
    age = None
    if standing.time is not None:
        age = max(0, int((ledger.clock.now() - standing.time).total_seconds()))
    error = standing.error
    return {
        "authority": standing.authority,
        "size": standing.size,
        "entries_behind": max(0, ledger.application.store.head().size - standing.size),
        "age_seconds": age,
        "error": None if error is None else {"code": error.code, "detail": error.message},
    }


def stamp_findings(
    published: PublishedSource | None, source: EvidenceSource, certificates: Path | None
) -> list[str] | None:
    """What is wrong with the signatures of time stamps, each a line.

    None where they were not checked: there are none, or no certificates to check them with.
    Raises as ``open_authority``, and Unavailable when ``source`` cannot be read.
    """
    if certificates is None:
        return None
    try:
        from ledger.publication import timestamp_check, timestamping  # noqa: PLC0415 - needs the extra
    except ImportError as error:
        raise _not_installed() from error
    trusted = timestamping.read_certificates(certificates)
    if published is None or not published.timestamps(None, 1):
        return None
    return [str(one) for one in timestamp_check.check_authorities(source, published, trusted)]


def _not_installed() -> Unavailable:
    return Unavailable(
        "timestamps.not-installed",
        "Time stamps need a library that is not installed here.",
        remedy="Install trial-ledger with the extra: pip install 'trial-ledger[timestamp]'.",
    )
