"""One step of the plan: an event, when it is recorded, who signs it, what is expected of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

    from api.demonstration.mess import Mess
    from ledger.signing.statement import Meaning
    from ledger.signing.strict_json import JsonObject


class Expected(StrEnum):
    """What the ledger is to answer."""

    RECORDED = "recorded"
    REFUSED = "refused"
    REPEATED = "repeated"
    REJECTED = "rejected"
    QUARANTINED = "quarantined"


@dataclass(frozen=True, slots=True)
class Mark:
    """A signature to be made: by whose key, and for a person with which meaning."""

    signer: str
    meaning: Meaning | None = None


@dataclass(frozen=True, slots=True)
class Remark:
    """What is particular about a step: the answer expected, and the mess it shows."""

    expect: Expected = Expected.RECORDED
    mess: Mess | None = None


ORDINARY = Remark()


@dataclass(frozen=True, slots=True)
class Step:
    """An event to post at ``recorded_at``; ``data`` holds the members to seal still in clear.

    ``together``: a system sends it in one request with its neighbours of the same time.
    ``signed_at`` is what a person's signature claims; a repeated step repeats it too. ``slot`` is
    the stratum and the slot that a request to randomize is foreseen to get.
    """

    recorded_at: datetime
    id: str
    type: str
    stream: str
    time: str
    data: JsonObject = field(repr=False)
    source: str
    marks: tuple[Mark, ...]
    signed_at: datetime
    remark: Remark = ORDINARY
    together: bool = False
    slot: tuple[str, int] | None = None

    @property
    def expect(self) -> Expected:
        """What the ledger is to answer."""
        return self.remark.expect

    @property
    def subject(self) -> str | None:
        """The subject the step is about, if any."""
        family, _, name = self.stream.partition("/")
        return name if family in ("subject", "treatment") else None
