"""Checks 13 to 15 together: what was published of a log, beside the log itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ledger.log.policy import NO_QUORUM
from ledger.verification.cosignatures import CosignatureCheck, LogKeys
from ledger.verification.genesis import own_cosigner
from ledger.verification.kinds import Check
from ledger.verification.published import PublishedCheck
from ledger.verification.report import Publication
from ledger.verification.stamps import StampCheck
from ledger.verification.tally import Tally

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from concurrent.futures import Executor

    from ledger.log.note import VerifierKey
    from ledger.verification.cosignatures import Asked
    from ledger.verification.evidence import EvidenceSource, PublishedSource
    from ledger.verification.report import Findings
    from ledger.verification.tree import TreeCheck

WITNESSES: Final = "witnesses"
"""Named when no policy says who they are."""

AUTHORITIES: Final = "authorities of time stamps"
"""What of time stamps takes more than the kernel has."""


def demand_quorum(asked: Asked, findings: Findings) -> None:
    """Nothing published is at hand: a verifier who asks for cosignatures must hear of it."""
    if asked.given and asked.policy.quorum != NO_QUORUM:
        findings.add(
            "cosignatures.quorum", None, expected=f"the quorum {asked.policy.quorum}",
            found="nothing published is at hand",
        )  # fmt: skip


class PublicationCheck:
    """Reads what was published before the entries, and compares as the tree grows."""

    def __init__(
        self,
        source: EvidenceSource,
        given: PublishedSource,
        vkey: VerifierKey,
        asked: Asked | None,
        findings: Findings,
    ) -> None:
        keys = LogKeys(vkey, own_cosigner(source, vkey))
        own = [key for key in (keys.vkey, keys.cosigner) if key is not None]
        self._given, self._asked = given, asked
        self._tally = Tally()
        self._cosignatures = CosignatureCheck(asked, own, findings)
        self._published = PublishedCheck(given, keys, self._cosignatures, self._tally, findings)
        self._stamps = StampCheck(source, given, self._published.text, self._tally, findings)

    def read(self, executor: Executor) -> None:
        """Check every published checkpoint and every line under it."""
        self._published.read(executor)

    @property
    def following(self) -> int | None:
        """The next size that was published, None when there is none."""
        return self._published.following

    def reached(self, size: int, roots: Sequence[bytes], tree: TreeCheck) -> None:
        """The tree has grown to a size at which the log signed ``roots``."""
        self._published.reached(size, roots, tree)

    def end(self, size: int, refused: Collection[int]) -> None:
        """The log ends; ``refused`` are sizes whose stored checkpoint does not hold."""
        self._stamps.read(refused)
        self._published.end(size)
        self._cosignatures.end()

    def summary(self) -> Publication:
        """What was published."""
        return Publication(
            published=self._published.count,
            newest=self._published.newest,
            cosigned=self._cosignatures.cosigned,
            missing=self._cosignatures.missing,
            unknown_lines=self._cosignatures.unknown,
            stamps=self._stamps.count,
            stamped=self._stamps.newest,
        )

    def reasons(self) -> dict[str, str]:
        """What was not checked of it, and why."""
        reasons: dict[str, str] = {}
        if not self._given.keeps_timestamps:
            reasons[Check.TIMESTAMPS.label] = "they are not read over the network"
        elif self._stamps.count:
            reasons[AUTHORITIES] = (
                "the kernel compares what is stamped and when, not who signed; trial-ledger verify "
                "--tsa-certificates does"
            )
        if self._asked is None:
            reasons[WITNESSES] = (
                "no policy says who they are; each line holds under the key it names"
            )
        return reasons
