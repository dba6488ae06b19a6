"""The routes, one module for each thing that is asked for."""

from __future__ import annotations

from flask import g

from api.context import doors
from api.schemas.query import Door
from ledger.errors import RejectedInput

TRIAL_PREFIX = "/v1/trials/<string:trial>"


def trial_door(name: str, description: str) -> Door:
    """A blueprint under the trial's address; another trial's address is not found."""
    door = Door(name, __name__, url_prefix=TRIAL_PREFIX, description=description)

    @door.url_value_preprocessor
    def _trial(_endpoint: str | None, values: dict[str, object] | None) -> None:
        g.trial = (values or {}).pop("trial", None)

    @door.before_request
    def _ours() -> None:
        if g.trial != doors().ledger.trial:
            raise RejectedInput(
                "trial.not-found",
                "This service does not keep that trial.",
                remedy=f"It keeps {doors().ledger.trial}.",
            )

    return door
