"""The vault: seals openings under data keys, opens them, and erases by destroying keys."""

from __future__ import annotations

import hashlib
import secrets
import threading
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Self

from ledger.clock import SystemClock
from ledger.concealment import custody
from ledger.concealment.binding import KEY_BYTES, NONCE_BYTES, KeyName, Place
from ledger.concealment.envelope import (
    KEY_ID_BYTES,
    ConcealedOpening,
    altered,
    decrypt,
    encrypt,
    pad,
    parse_concealed,
    unpad,
)
from ledger.concealment.key_store import StoredKey
from ledger.errors import IntegrityFailure, RejectedInput, Unavailable
from ledger.signing.rfc3339 import format_recorded_at
from ledger.vocabulary import Purpose

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from ledger.clock import Clock
    from ledger.concealment.custody import Status
    from ledger.concealment.key_ring import KeyEncryptionKey, KeyRing
    from ledger.concealment.key_store import KeyStore

CACHED_KEYS: Final = 1024
"""How many unwrapped data keys a process holds at most."""

_TRIES: Final = 3

ERASABLE: Final = frozenset((Purpose.IDENTITY, Purpose.TEXT))
"""The purposes whose keys may be destroyed; without its allocations a trial proves nothing."""


@dataclass(frozen=True, slots=True)
class Opening:
    """A disclosure about to be stored, and where it belongs."""

    place: Place
    text: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Concealed:
    """A stored opening and where it stands."""

    stream: str
    event_id: str
    data: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Erased:
    """What is left of an opening whose key was destroyed: by which act, and the digest signed."""

    act: str
    digest: bytes


@dataclass(frozen=True, slots=True)
class Erasure:
    """An order to erase, as the log holds it: the event's id, the subject, the purposes."""

    act: str
    subject: str
    purposes: frozenset[Purpose]


@dataclass(frozen=True, slots=True)
class Evidence:
    """What an erasure did: the keys destroyed, each with its purpose, and when."""

    act: str
    destroyed: tuple[tuple[str, Purpose], ...]
    at: str


class Vault:
    """Seals and opens the openings of one trial; safe for several threads.

    Every process has its own; they meet in the store. ``entropy`` gives fresh random bytes.
    """

    def __init__(
        self,
        trial: str,
        store: KeyStore,
        ring: KeyRing,
        *,
        clock: Clock | None = None,
        entropy: Callable[[int], bytes] = secrets.token_bytes,
    ) -> None:
        self.trial, self.store, self.ring = trial, store, ring
        self._clock = clock or SystemClock()
        self._entropy = entropy
        self._lock = threading.Lock()
        self._cache: OrderedDict[bytes, tuple[StoredKey, bytes]] = OrderedDict()
        self._in_use: dict[KeyName, StoredKey] = {}
        self._generation = -1

    def seal(self, opening: Opening) -> bytes:
        """Encrypt one disclosure; see `seal_all`."""
        return self.seal_all([opening])[0]

    def seal_all(self, openings: Sequence[Opening]) -> list[bytes]:
        """Encrypt disclosures; the data keys they need are durable when this returns.

        Raises Unavailable when the key store or the key-encryption key is not at hand.
        """
        if not openings:
            return []
        names = [opening.place.key_name(self.trial) for opening in openings]
        keys = self._keys_for(names, self._follow())
        return [
            self._sealed(opening, *keys[name])
            for opening, name in zip(openings, names, strict=True)
        ]

    def open(self, concealed: Concealed) -> str | Erased:
        """The disclosure, or what is left of it; raises IntegrityFailure as `open_all` gives."""
        found = self.open_all([concealed])[0]
        if isinstance(found, IntegrityFailure):
            raise found
        return found

    def open_all(self, rows: Sequence[Concealed]) -> list[str | Erased | IntegrityFailure]:
        """The disclosures of stored openings, each with its own outcome.

        Faults of a row are ``concealment.malformed``, ``.altered``, ``.unknown-key``,
        ``.key-altered``. Raises Unavailable when the store or a key-encryption key is not at hand.
        """
        if not rows:
            return []
        generation = self._follow()
        outcomes: list[str | Erased | IntegrityFailure] = []
        for row in rows:
            try:
                outcomes.append(self._opened(row, generation))
            except IntegrityFailure as error:
                outcomes.append(error)
        return outcomes

    def retire(self, erasure: Erasure) -> None:
        """Set the keys of an erasure aside, before the entry that orders it is committed.

        From now on new openings come under new keys. When the entry is decided again, because
        another writer was first, this is called again and takes what was sealed meanwhile.
        Raises RejectedInput ``concealment.allocation-kept``.
        """
        kept = erasure.purposes - ERASABLE
        if kept or not erasure.purposes:
            raise RejectedInput(
                "concealment.allocation-kept",
                "Only what is sealed for identity or text is ever erased.",
                where="/data/purposes",
            )
        owner = f"subject/{erasure.subject}"
        self.store.retire(
            erasure.act, [KeyName(self.trial, owner, item) for item in sorted(erasure.purposes)]
        )

    def destroy(self, act: str) -> Evidence:
        """Destroy the keys an erasure set aside; again is the same once.

        Raises RejectedInput ``concealment.unknown-act`` for one that was never begun, Unavailable
        when the store cannot be cleaned now; then it is asked for again.
        """
        if all(known.id != act for known in self.store.acts()):
            raise RejectedInput("concealment.unknown-act", f"No erasure {act} was begun.")
        self.store.destroy(act, at=format_recorded_at(self._clock.now()))
        self._follow()
        keys = self.store.retired(act)
        done = next(known for known in self.store.acts() if known.id == act)
        listed = tuple((key.id.hex(), key.name.purpose) for key in keys)
        return Evidence(act, listed, str(done.destroyed_at))

    def erase(self, erasure: Erasure) -> Evidence:
        """Retire and destroy in one, for an erasure whose entry is in the log already.

        Once done it stays done: content that is recorded later is not erased by asking again.
        """
        self.retire(erasure)
        return self.destroy(erasure.act)

    def enforce(self, ordered: Iterable[Erasure]) -> list[Evidence]:
        """Carry out the erasures the log orders that this store has not finished.

        Run at start, with all of the log: it ends what a crash cut short, and it erases again from
        a key store that came back from a backup older than the act. Keys that came into use after
        an act was begun are not its.
        """
        begun = {act.id: act.destroyed_at for act in self.store.acts()}
        found = []
        for erasure in ordered:
            if erasure.act not in begun:
                found.append(self.erase(erasure))
            elif begun[erasure.act] is None:
                found.append(self.destroy(erasure.act))
        return found

    def rotate(self, ring: KeyRing | None = None) -> int:
        """Wrap every data key under the current key of the ring; see `custody.rotate`."""
        if ring is not None:
            self.ring = ring
        return custody.rotate(self.store, self.ring, entropy=self._entropy)

    def status(self) -> Status:
        """Counts of the key store; see `custody.status`."""
        return custody.status(self.store)

    def close(self) -> None:
        """Forget all keys and close the store."""
        with self._lock:
            self._cache.clear()
        self.store.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _keys_for(
        self, names: Sequence[KeyName], generation: int
    ) -> dict[KeyName, tuple[StoredKey, bytes]]:
        with self._lock:
            current = generation == self._generation
            found = {n: self._in_use[n] for n in names if n in self._in_use} if current else {}
        unknown = [name for name in dict.fromkeys(names) if name not in found]
        if unknown:
            found |= self._asked_for(unknown, generation)
        return {name: (key, self._unwrapped(key, generation)) for name, key in found.items()}

    def _asked_for(self, names: Sequence[KeyName], generation: int) -> dict[KeyName, StoredKey]:
        found = self.store.in_use(names)
        missing = [name for name in names if name not in found]
        if missing:
            self._add(missing)
            found |= self.store.in_use(missing)
        with self._lock:
            if generation == self._generation:
                if len(self._in_use) > CACHED_KEYS:
                    self._in_use.clear()
                self._in_use |= found
        return found

    def _add(self, names: Sequence[KeyName]) -> None:
        for _ in range(_TRIES):
            kek = self.ring.get(self.store.kek() or self.ring.current.id)
            if self.store.add([self._new_key(name, kek) for name in names]):
                return
        raise Unavailable("concealment.rotating", "The key-encryption key is being changed.")

    def _new_key(self, name: KeyName, kek: KeyEncryptionKey) -> StoredKey:
        key_id = self._entropy(KEY_ID_BYTES)
        wrapped = kek.wrap(
            self._entropy(KEY_BYTES),
            context=name.context(key_id, kek.id),
            nonce=self._entropy(NONCE_BYTES),
        )
        return StoredKey(key_id, name, kek.id, wrapped)

    def _sealed(self, opening: Opening, key: StoredKey, secret: bytes) -> bytes:
        digest = hashlib.sha256(opening.text.encode("ascii")).digest()
        context = opening.place.context(self.trial, digest=digest, key_id=key.id)
        body = encrypt(
            secret, pad(opening.text), context=context, nonce=self._entropy(NONCE_BYTES)
        )  # fmt: skip
        return ConcealedOpening(key.id, digest, body).to_bytes()

    def _opened(self, row: Concealed, generation: int) -> str | Erased:
        stored = parse_concealed(row.data)
        key, secret = self._key(stored.key_id, generation)
        place = Place(row.stream, row.event_id, key.name.purpose)
        if key.name != place.key_name(self.trial):
            raise altered()
        if secret is None:
            return Erased(str(key.act), stored.digest)
        context = place.context(self.trial, digest=stored.digest, key_id=key.id)
        text = unpad(decrypt(secret, stored.body, context=context))
        if hashlib.sha256(text.encode("ascii")).digest() != stored.digest:
            raise altered()
        return text

    def _key(self, key_id: bytes, generation: int) -> tuple[StoredKey, bytes | None]:
        with self._lock:
            if key_id in self._cache and generation == self._generation:
                self._cache.move_to_end(key_id)
                return self._cache[key_id]
        key = self.store.get(key_id)
        if key is None or (key.wrapped is None and key.act is None):
            raise IntegrityFailure(
                "concealment.unknown-key",
                "The key of an opening is not in the key store, and no erasure took it.",
                remedy="Restore the key store from its latest backup.",
            )
        if key.wrapped is None:
            return key, None
        return key, self._unwrapped(key, generation)

    def _unwrapped(self, key: StoredKey, generation: int) -> bytes:
        with self._lock:
            cached = self._cache.get(key.id)
            if cached is not None:
                return cached[1]
        secret = custody.unwrap(key, self.ring)
        with self._lock:
            if generation == self._generation:  # or an erasure came between look and cache
                self._cache[key.id] = key, secret
                if len(self._cache) > CACHED_KEYS:
                    self._cache.popitem(last=False)
        return secret

    def _follow(self) -> int:
        """Drop every cached key when any process erased or rotated since the last look."""
        generation = self.store.generation()
        with self._lock:
            if generation != self._generation:
                self._cache.clear()
                self._in_use.clear()
                self._generation = generation
        return generation
