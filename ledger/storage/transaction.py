"""Transactions on the library's SQLite datastore: the write lock first, errors in its own names."""

from __future__ import annotations

import sqlite3
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from eventsourcing import persistence

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from eventsourcing.sqlite import SQLiteCursor, SQLiteDatastore


def library_error(error: sqlite3.Error) -> persistence.PersistenceError:
    """What SQLite raised, as the event store library calls it: both use the names of PEP 249."""
    name = type(error).__name__
    kind: type[persistence.PersistenceError] = getattr(
        persistence, name, persistence.PersistenceError
    )
    return kind(error)


@contextmanager
def writing(datastore: SQLiteDatastore) -> Iterator[SQLiteCursor]:
    """One write transaction: committed when the block ends, rolled back when it raises.

    Raises the library's PersistenceError for what SQLite raises.
    """
    with datastore.get_connection(commit=True) as connection:
        cursor = connection.cursor()
        try:
            # The write lock comes before any read: a snapshot taken first could not be upgraded
            # after another process's commit and would fail at once.
            cursor.execute("BEGIN IMMEDIATE")
            yield cursor
            connection.commit()
        except sqlite3.Error as error:
            connection.rollback()
            raise library_error(error) from error
        except BaseException:
            connection.rollback()
            raise
        finally:
            cursor.sqlite_cursor.close()


def all_rows(datastore: SQLiteDatastore, sql: str, params: Sequence[object] = ()) -> list[Any]:
    """All rows of one query; raises the library's errors."""
    with datastore.get_connection(commit=False) as connection:
        cursor = connection.cursor()
        try:
            # No transaction around it: SQLite reads each statement by itself at one state.
            cursor.execute(sql, params)
            rows: list[Any] = cursor.fetchall()
        except sqlite3.Error as error:
            raise library_error(error) from error
        finally:
            cursor.sqlite_cursor.close()
        return rows
