"""Logs made of leaves: they sign any head, true or not, and prove what can be proved."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256

from ledger.log.checkpoint import Checkpoint, sign_checkpoint
from ledger.log.note import NoteSigner
from ledger.log.tree import consistency_path, leaf_hash, node_hash, root_of
from ledger.witness.request import AddCheckpoint

ORIGIN = "log.example/trial"


@dataclass(frozen=True)
class Log:
    """A log whose history is these leaves (any bytes), signing under its origin."""

    leaves: tuple[bytes, ...]
    origin: str = ORIGIN
    seed: bytes = bytes(range(32))

    @classmethod
    def of(cls, size: int, *, branch: str = "", since: int = 0, origin: str = ORIGIN) -> Log:
        """A log of a size whose entries from ``since`` on belong to a branch."""
        texts = (f"{branch if i >= since else ''}/{i}" for i in range(size))
        return cls(tuple(text.encode() for text in texts), origin, sha256(origin.encode()).digest())

    @property
    def signer(self) -> NoteSigner:
        """The log's key."""
        return NoteSigner.from_seed(self.origin, self.seed)

    def root(self, size: int) -> bytes:
        """The root over the first leaves."""
        return root_of(leaf_hash(leaf) for leaf in self.leaves[:size])

    def note(self, size: int | None = None, *, root: bytes | None = None) -> str:
        """A signed checkpoint of the first leaves, or of a root that is none of ours."""
        chosen = len(self.leaves) if size is None else size
        signed_root = self.root(chosen) if root is None else root
        return sign_checkpoint(Checkpoint(self.origin, chosen, signed_root), self.signer)

    def proof(self, old: int, size: int | None = None) -> tuple[bytes, ...]:
        """The consistency proof between two sizes."""
        chosen = len(self.leaves) if size is None else size
        if not 0 < old < chosen:
            return ()
        return tuple(consistency_path(old, chosen, self._node))

    def request(self, old: int, size: int | None = None, **more: bytes) -> bytes:
        """A request for a head of ours."""
        return body(self.note(size, **more), old=old, proof=self.proof(old, size))

    def _node(self, level: int, index: int) -> bytes:
        hashes = [leaf_hash(leaf) for leaf in self.leaves[index << level : (index + 1) << level]]
        while len(hashes) > 1:
            hashes = [node_hash(*hashes[i : i + 2]) for i in range(0, len(hashes), 2)]
        return hashes[0]


def body(note: str, *, old: int, proof: tuple[bytes, ...] = ()) -> bytes:
    """A request's body, whether it makes sense or not."""
    checkpoint = Checkpoint(ORIGIN, 0, bytes(32))
    return AddCheckpoint(old, proof, note, checkpoint).body()
