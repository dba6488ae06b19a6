"""The tree as it grows: at each size, all that was signed or published for it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ledger.verification.checkpoints import SignedHeads
    from ledger.verification.pages import Signed
    from ledger.verification.publication import PublicationCheck
    from ledger.verification.report import Findings
    from ledger.verification.tree import TreeCheck

_NEVER: Final = 2**63


class Growth:
    """Gives leaves to the tree, and stops at each size that a note speaks of to compare."""

    def __init__(
        self,
        tree: TreeCheck,
        signed: Signed,
        heads: SignedHeads,
        published: PublicationCheck | None,
        findings: Findings,
    ) -> None:
        self._tree, self._signed, self._heads = tree, signed, heads
        self._published, self._findings = published, findings
        self._due = self._next()

    def take(self, leaf: bytes | None) -> None:
        """Take the next leaf, None when the entry is missing or unreadable."""
        self._tree.take(leaf)
        if self._tree.size == self._due:
            self._compare()

    def extend(self, leaves: Sequence[bytes]) -> None:
        """Take leaves one behind the other."""
        start = 0
        while start < len(leaves):
            end = min(start + self._due - self._tree.size, len(leaves))
            self._tree.extend(leaves[start:end])
            start = end
            if self._tree.size == self._due:
                self._compare()

    def _next(self) -> int:
        """The next size that a note speaks of."""
        size, kept = self._tree.size, self._heads.kept
        sizes = [
            self._signed.following,
            None if self._published is None else self._published.following,
            None if kept is None or kept.size <= size else kept.size,
        ]
        return max(size + 1, min((one for one in sizes if one is not None), default=_NEVER))

    def _compare(self) -> None:
        size = self._tree.size
        roots = self._signed.at(size)
        for root in roots:
            self._tree.signed(size, root)
        if self._published is not None:
            self._published.reached(size, roots, self._tree)
        self._due = self._next()
        kept = self._heads.kept
        if kept is None or kept.size != size or kept.root in roots:
            return
        if not self._tree.contains(kept.root):
            self._findings.add(
                "head-file.forked", size - 1, expected=kept.root.hex(),
                found=(self._tree.root() or b"").hex(),
            )  # fmt: skip
