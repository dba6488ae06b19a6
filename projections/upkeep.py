"""What an operator has done to projections while a service goes on following them."""

from __future__ import annotations

import gc
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Final

from ledger.errors import Unavailable
from projections.projector import PAGE, Projector, stale
from projections.row_tables import PositionMoved

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ledger.application import LedgerApplication
    from ledger.trials.definition import TrialDefinition
    from projections.comparing import Difference
    from projections.projector import Progress
    from projections.store import ProjectionStore

_ATTEMPTS: Final = 5


def made_again(projector: Projector, progress: Progress | None) -> int:
    """Fold the whole log into fresh rows and swap them in; the number of entries folded.

    It begins again when a service made the rows anew meanwhile, as after an erasure, and dropped
    these with the old ones. Raises Unavailable ``projections.made-anew`` when that was so each
    time.
    """
    for _ in range(_ATTEMPTS):
        with suppress(PositionMoved), _collector_at_rest():
            return projector.rebuild(progress).position
    raise Unavailable(
        "projections.made-anew",
        "A service that follows the same projections makes them anew itself, again and again.",
        remedy="See why in its log, or end it and rebuild then.",
    )


def compared(
    application: LedgerApplication,
    definition: TrialDefinition,
    store: ProjectionStore,
    progress: Progress | None,
    *,
    page: int = PAGE,
) -> list[Difference]:
    """Compare the rows as they are now with a fresh fold to the same position.

    They are compared in a copy: those that a service goes on to fold would never stand still.
    What differs because of an erasure or restriction meanwhile is no difference: it begins again.
    Raises Unavailable ``projections.stale``, as ``Projector.check`` or when that was so each time.
    """
    for _ in range(_ATTEMPTS):
        before = application.fingerprint
        with (
            _collector_at_rest(),
            TemporaryDirectory(prefix="projections-") as folder,
            closing(store.copied(Path(folder) / "kept.sqlite3")) as kept,
        ):
            found = Projector(application, definition, kept, page=page).check(progress)
        if not found or application.fingerprint == before:
            return found
    raise stale()


@contextmanager
def _collector_at_rest() -> Iterator[None]:
    """Fold a whole log without looking for cycles: it makes none, and looking took a tenth."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
