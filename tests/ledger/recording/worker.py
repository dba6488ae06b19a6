"""A worker's end of a writer's socket, waited for as long as a busy machine needs."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ledger.recording.remote import RemoteWriter


def connected(worker: RemoteWriter) -> RemoteWriter:
    """The worker once it is connected; a submission waits a moment for that, then fails."""
    assert worker._connected.wait(60)
    return worker
