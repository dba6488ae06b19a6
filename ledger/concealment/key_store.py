"""The store of wrapped data keys: the same tables in SQLite and in PostgreSQL.

A key is added durably before anything is encrypted under it. An erasure goes in two steps: its
keys are *retired* (nothing new comes under them, they still open) before the entry that orders it
is committed, and *destroyed* after. So a crash between the two neither loses what the log still
promises nor keeps what it has given up.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from ledger.concealment.binding import KeyName
from ledger.errors import IntegrityFailure
from ledger.vocabulary import Purpose

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from contextlib import AbstractContextManager

PAGE: Final = 500

_COLUMNS: Final = "id, trial, owner, purpose, kek, wrapped, act"


@dataclass(frozen=True, slots=True)
class StoredKey:
    """A data key as stored: wrapped under ``kek``, or destroyed by the erasure ``act``."""

    id: bytes
    name: KeyName
    kek: str
    wrapped: bytes | None = field(repr=False)
    act: str | None = None


@dataclass(frozen=True, slots=True)
class Act:
    """An erasure: the id of the event that orders it, and when its keys were destroyed."""

    id: str
    destroyed_at: str | None
    keys: int


def tables(binary: str) -> tuple[str, ...]:
    """The statements that make the tables; ``binary`` is the database's type for bytes."""
    return (
        f"""
CREATE TABLE IF NOT EXISTS concealed_keys (
    id {binary} PRIMARY KEY,
    trial TEXT NOT NULL,
    owner TEXT NOT NULL,
    purpose TEXT NOT NULL,
    kek TEXT NOT NULL,
    wrapped {binary},
    act TEXT
)
""",
        """
CREATE UNIQUE INDEX IF NOT EXISTS concealed_keys_in_use
    ON concealed_keys (trial, owner, purpose) WHERE act IS NULL
""",
        "CREATE TABLE IF NOT EXISTS erasures (act TEXT PRIMARY KEY, destroyed_at TEXT)",
        """
CREATE TABLE IF NOT EXISTS key_generation (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    generation BIGINT NOT NULL,
    kek TEXT
)
""",
        """
INSERT INTO key_generation (id, generation)
    SELECT 1, 0 WHERE NOT EXISTS (SELECT 1 FROM key_generation)
""",
    )


class KeyStore(ABC):
    """Wrapped data keys; every method is one transaction, durable when it returns.

    All methods raise Unavailable ``concealment.store`` when the database does not answer.
    """

    @abstractmethod
    def transaction(self) -> AbstractContextManager[Any]:
        """A cursor in a transaction that holds the write lock; statements use ``?``."""

    @abstractmethod
    def rows(self, sql: str, params: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """The rows of one query."""

    @abstractmethod
    def scrub(self, gone: Sequence[bytes]) -> None:
        """Leave no trace of overwritten values in the database's own files, as far as they reach.

        Raises Unavailable while some of ``gone`` is still found there.
        """

    @abstractmethod
    def close(self) -> None:
        """Let go of the database."""

    def generation(self) -> int:
        """A number that grows with every erasure and rotation, for caches to compare."""
        return int(self.rows("SELECT generation FROM key_generation")[0][0])

    def kek(self) -> str | None:
        """The id of the key-encryption key for new keys, as the first key or a rotation set it."""
        value = self.rows("SELECT kek FROM key_generation")[0][0]
        return None if value is None else str(value)

    def declare(self, kek: str) -> None:
        """From now on no process adds a key that is wrapped under another key-encryption key."""
        with self.transaction() as cursor:
            cursor.execute("UPDATE key_generation SET kek = ?, generation = generation + 1", (kek,))

    def in_use(self, names: Sequence[KeyName]) -> dict[KeyName, StoredKey]:
        """The keys under which new openings of these names are encrypted."""
        found: dict[KeyName, StoredKey] = {}
        for name in dict.fromkeys(names):
            rows = self.rows(
                f"SELECT {_COLUMNS} FROM concealed_keys"  # noqa: S608 - our own names
                " WHERE trial = ? AND owner = ? AND purpose = ? AND act IS NULL",
                (name.trial, name.owner, name.purpose.value),
            )
            if rows:
                found[name] = _stored(rows[0])
        return found

    def get(self, key_id: bytes) -> StoredKey | None:
        """The key of an id."""
        rows = self.rows(
            f"SELECT {_COLUMNS} FROM concealed_keys WHERE id = ?",  # noqa: S608 - our own names
            (key_id,),
        )
        return _stored(rows[0]) if rows else None

    def page(self, after: bytes = b"") -> list[StoredKey]:
        """Up to 500 keys in order of their ids."""
        return [
            _stored(row)
            for row in self.rows(
                f"SELECT {_COLUMNS} FROM concealed_keys WHERE id > ?"  # noqa: S608 - our own names
                f" ORDER BY id LIMIT {PAGE}",
                (after,),
            )
        ]

    def every(self) -> Iterator[StoredKey]:
        """All keys, page by page."""
        after = b""
        while page := self.page(after):
            yield from page
            after = page[-1].id

    def add(self, keys: Sequence[StoredKey]) -> bool:
        """Add keys; where another process was first, its key stays and this one is dropped.

        False, and nothing added, when one is wrapped under another key-encryption key than the
        store's: what is being destroyed after a rotation must not wrap anything new.
        """
        with self.transaction() as cursor:
            cursor.execute("UPDATE key_generation SET kek = COALESCE(kek, ?)", (keys[0].kek,))
            cursor.execute("SELECT kek FROM key_generation")
            kek = cursor.fetchone()[0]
            if any(key.kek != kek for key in keys):
                return False
            for key in keys:
                cursor.execute(
                    f"INSERT INTO concealed_keys ({_COLUMNS})"  # noqa: S608 - our own names
                    " VALUES (?, ?, ?, ?, ?, ?, NULL) ON CONFLICT DO NOTHING",
                    (
                        key.id,
                        key.name.trial,
                        key.name.owner,
                        key.name.purpose.value,
                        key.kek,
                        key.wrapped,
                    ),
                )
        return True

    def retire(self, act: str, names: Sequence[KeyName]) -> None:
        """Set the keys in use of these names aside for an erasure that is not done yet.

        Asked for again, because the group was decided again, it takes what is in use by then too.
        """
        with self.transaction() as cursor:
            cursor.execute(
                "INSERT INTO erasures (act, destroyed_at) VALUES (?, NULL) ON CONFLICT DO NOTHING",
                (act,),
            )
            cursor.execute("SELECT destroyed_at FROM erasures WHERE act = ?", (act,))
            if cursor.fetchone()[0] is not None:
                return
            for name in names:
                cursor.execute(
                    "UPDATE concealed_keys SET act = ?"
                    " WHERE trial = ? AND owner = ? AND purpose = ? AND act IS NULL",
                    (act, name.trial, name.owner, name.purpose.value),
                )
            _advance(cursor)

    def retired(self, act: str) -> list[StoredKey]:
        """The keys that an erasure set aside, destroyed or not."""
        return [
            _stored(row)
            for row in self.rows(
                f"SELECT {_COLUMNS} FROM concealed_keys WHERE act = ? ORDER BY id",  # noqa: S608 - our own names
                (act,),
            )
        ]

    def destroy(self, act: str, *, at: str) -> None:
        """Destroy what an erasure set aside, clean the files, and only then call it done."""
        gone = [key.wrapped for key in self.retired(act) if key.wrapped is not None]
        with self.transaction() as cursor:
            cursor.execute("UPDATE concealed_keys SET wrapped = NULL WHERE act = ?", (act,))
            _advance(cursor)
        self.scrub(gone)
        with self.transaction() as cursor:
            cursor.execute(
                "UPDATE erasures SET destroyed_at = ? WHERE act = ? AND destroyed_at IS NULL",
                (at, act),
            )

    def wiped(self) -> list[str]:
        """The erasures whose keys are gone, the files clean or not yet, in order of their ids.

        It changes only together with ``generation``.
        """
        return [
            str(row[0])
            for row in self.rows(
                "SELECT DISTINCT act FROM concealed_keys"
                " WHERE act IS NOT NULL AND wrapped IS NULL ORDER BY act"
            )
        ]

    def acts(self) -> list[Act]:
        """All erasures begun, in order of their ids."""
        return [
            Act(*row)
            for row in self.rows(
                "SELECT e.act, e.destroyed_at, COUNT(k.id) FROM erasures e"
                " LEFT JOIN concealed_keys k ON k.act = e.act"
                " GROUP BY e.act, e.destroyed_at ORDER BY e.act"
            )
        ]

    def rewrap(self, keys: Sequence[tuple[StoredKey, StoredKey]]) -> None:
        """Exchange how keys are wrapped, unless something happened to them meanwhile."""
        with self.transaction() as cursor:
            for old, new in keys:
                cursor.execute(
                    "UPDATE concealed_keys SET kek = ?, wrapped = ? WHERE id = ? AND wrapped = ?",
                    (new.kek, new.wrapped, old.id, old.wrapped),
                )
            _advance(cursor)


def _advance(cursor: Any) -> None:
    cursor.execute("UPDATE key_generation SET generation = generation + 1")


def _stored(row: Sequence[Any]) -> StoredKey:
    key_id, trial, owner, purpose, kek, wrapped, act = row
    try:
        name = KeyName(trial, owner, Purpose(purpose))
    except ValueError as error:
        raise IntegrityFailure(
            "concealment.key-altered", "A row of the key store holds what was never written there."
        ) from error
    return StoredKey(
        bytes(key_id), name, kek, None if wrapped is None else bytes(wrapped), act
    )  # fmt: skip


@contextmanager
def ended(connection: Any) -> Iterator[Any]:
    """A cursor whose transaction is committed at the end, and rolled back when the block raises."""
    cursor = connection.cursor()
    try:
        yield cursor
        connection.commit()
    except BaseException:
        connection.rollback()
        raise
    finally:
        cursor.close()
