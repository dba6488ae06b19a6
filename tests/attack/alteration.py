"""One alteration of something stored, and the one finding that must name it."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.attack.tampered import TamperedLedger


class Target(StrEnum):
    """What is altered, and so which command has to name it."""

    DATABASE = "The ledger's database"
    HEAD_FILE = "The head file"
    PUBLISHED = "The file of published checkpoints"
    PROJECTIONS = "The projections"
    HISTORY = "The whole history"
    ACCESS_LOG = "The access log"
    BUNDLE = "A bundle of the whole log"
    DOSSIER = "A dossier of one subject"
    RECEIPT = "A receipt"


class Kind(StrEnum):
    """In which way it is altered."""

    FLIP = "flip"
    DROP = "drop"
    INSERT = "insert"
    SWAP = "swap"
    TRUNCATE = "truncate"
    FORK = "fork"
    BACK_DATE = "back-date"
    RE_SIGN = "re-sign"
    RE_CHAIN = "re-chain"
    ROLL_BACK = "roll back"
    REPLAY = "replay"
    SWELL = "swell"
    RETYPE = "retype"


COMMANDS = {
    Target.ACCESS_LOG: "trial-ledger access-log verify --database …",
    Target.BUNDLE: "trial-ledger verify BUNDLE",
    Target.DOSSIER: "trial-ledger verify DOSSIER",
    Target.RECEIPT: "trial-ledger verify --receipt FILE --key VKEY",
}
"""The command that has to name it; for all others ``verify --database``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Alteration:
    """``what`` is altered by ``make``; ``code`` must name it at ``place``.

    ``place`` is a position in the log, or a text that the finding's artefact must hold. ``also``
    are the further codes that may be reported because they see the same damage from another side;
    any code beside these is a false alarm. With ``key_needed`` the attacker holds the log's keys.
    """

    name: str
    target: Target
    kind: Kind
    what: str
    make: Callable[[TamperedLedger], None] = field(repr=False)
    code: str
    place: int | str
    also: frozenset[str] = frozenset()
    key_needed: bool = False
    sqlite_only: bool = False

    @property
    def id(self) -> str:
        """Its name among all."""
        return f"{self.target.name.lower()}-{self.name}".replace("_", "-")
