"""Looking after the key store as a whole: what is in it, whether it reads, and rotation.

Rotation wraps every data key anew under the ring's current key. Neither the log nor one opening is
touched. Once nothing is left under the old key it can be destroyed; from then on copies of the key
store made before, in backups or in freed blocks of a disk, hold nothing that anybody can unwrap:
this is how backups lose erased keys.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ledger.concealment.binding import KEY_BYTES, NONCE_BYTES
from ledger.errors import IntegrityFailure

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from ledger.concealment.key_ring import KeyRing
    from ledger.concealment.key_store import KeyStore, StoredKey


@dataclass(frozen=True, slots=True)
class Status:
    """What a key store holds: counts, and the erasures that are not done yet."""

    in_use: Mapping[str, int]
    retired: int
    destroyed: int
    wrapped_under: Mapping[str, int]
    unfinished: tuple[str, ...]
    generation: int
    kek: str | None


def status(store: KeyStore) -> Status:
    """Count what a key store holds; needs no key-encryption key."""
    in_use: Counter[str] = Counter()
    under: Counter[str] = Counter()
    retired = destroyed = 0
    for key in store.every():
        if key.wrapped is None:
            destroyed += 1
            continue
        under[key.kek] += 1
        if key.act is None:
            in_use[key.name.purpose.value] += 1
        else:
            retired += 1
    open_acts = tuple(act.id for act in store.acts() if act.destroyed_at is None)
    return Status(in_use, retired, destroyed, under, open_acts, store.generation(), store.kek())


def unwrap(key: StoredKey, ring: KeyRing) -> bytes:
    """The data key that is wrapped in a row.

    Raises Unavailable ``concealment.key-missing``, IntegrityFailure ``concealment.key-altered``.
    """
    kek = ring.get(key.kek)
    try:
        found = kek.unwrap(key.wrapped or b"", context=key.name.context(key.id, key.kek))
    except IntegrityFailure as error:
        raise _altered(key) from error
    if len(found) != KEY_BYTES:
        raise _altered(key)
    return found


def damaged(store: KeyStore, ring: KeyRing) -> Iterator[StoredKey]:
    """The keys that do not unwrap, or are gone although no erasure ordered it."""
    for key in store.every():
        if key.wrapped is None:
            if key.act is None:
                yield key
            continue
        try:
            unwrap(key, ring)
        except IntegrityFailure:
            yield key


def rotate(store: KeyStore, ring: KeyRing, *, entropy: Callable[[int], bytes]) -> int:
    """Wrap every key under the ring's current one; give how many were wrapped anew.

    Interrupted, it goes on where it stopped when it is run again. A key that does not unwrap stops
    it before anything is lost.
    """
    current, count = ring.current, 0
    store.declare(current.id)
    while pairs := [
        (key, _rewrapped(key, ring, entropy=entropy))
        for key in _under_others(store, current.id)
    ]:  # fmt: skip
        store.rewrap(pairs)
        count += len(pairs)
    store.scrub([])
    return count


def _under_others(store: KeyStore, current: str) -> list[StoredKey]:
    after = b""
    while page := store.page(after):
        found = [key for key in page if key.wrapped is not None and key.kek != current]
        if found:
            return found
        after = page[-1].id
    return []


def _rewrapped(key: StoredKey, ring: KeyRing, *, entropy: Callable[[int], bytes]) -> StoredKey:
    kek = ring.current
    context = key.name.context(key.id, kek.id)
    wrapped = kek.wrap(unwrap(key, ring), context=context, nonce=entropy(NONCE_BYTES))
    return replace(key, kek=kek.id, wrapped=wrapped)


def _altered(key: StoredKey) -> IntegrityFailure:
    return IntegrityFailure(
        "concealment.key-altered",
        f"The {key.name.purpose} key of {key.name.owner} does not unwrap: it was changed or moved.",
        where=key.id.hex(),
        remedy="Restore the key store from its latest backup, then repeat later erasures.",
    )
