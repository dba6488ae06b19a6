"""Whether a node's key store is the one that the other nodes of a ledger seal under.

The key store beside a node's files is for one node alone. Where several share a database, what one
seals under a key of its own no other can open, and no erasure asked of another reaches that key.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from ledger.concealment.envelope import parse_concealed, stored_bytes
from ledger.concealment.sqlite_store import SQLiteKeyStore
from ledger.errors import IntegrityFailure, TrustFailure

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ledger.concealment.key_store import KeyStore
    from ledger.storage.store import LedgerStore

KEYS_ELSEWHERE: Final = "concealment.keys-elsewhere"

_log = logging.getLogger("ledger.concealment")

_NEWEST: Final = 16
"""So many openings are looked at, and those of the same page of the log."""

_FIRST_PAGE: Final = 64


def require_common_keys(log: LedgerStore, keys: KeyStore) -> None:
    """Make sure that the keys of the newest openings are in the key store at hand.

    A store named as a database is common to all nodes by its nature: where it lacks a key the key
    is lost, which costs members and not the ledger.
    Raises TrustFailure ``concealment.keys-elsewhere`` for a file.
    """
    lacking = [key_id for key_id in sorted(set(_newest(log))) if keys.get(key_id) is None]
    if not lacking:
        return
    if not is_own(keys):
        _log.error("The key store lacks %d keys of the newest openings", len(lacking))
        return
    raise TrustFailure(
        KEYS_ELSEWHERE,
        f"The newest openings are sealed under {len(lacking)} keys that are not in this node's own "
        "key store. Another node sealed them in a key store of its own.",
        remedy="Give all nodes the same LEDGER_KEY_STORE=postgresql://…; see docs/operations.md. "
        "Where the right key store is lost and has no backup, a new one named so will do.",
    )


def is_own(keys: KeyStore) -> bool:
    """Whether a key store is a node's own file, which another node may not have."""
    return isinstance(keys, SQLiteKeyStore)


def _newest(log: LedgerStore) -> Iterator[bytes]:
    """The key ids of the newest openings; looks back further and further until there are some."""
    stop, width, found = log.head().size, _FIRST_PAGE, 0
    while stop > 0 and found < _NEWEST:
        start = max(stop - width, 0)
        for texts in log.openings(start, stop).values():
            found += len(texts)
            yield from filter(None, map(_key_id, texts))
        stop, width = start, width * 2


def _key_id(text: str) -> bytes | None:
    try:
        data = stored_bytes(text)
        return None if data is None else parse_concealed(data).key_id
    except IntegrityFailure:
        return None  # damage is for the verifier to name
