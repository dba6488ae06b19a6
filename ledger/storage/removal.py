"""Taking a demonstration's ledger out of a PostgreSQL database, so that the next one has room."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from psycopg.rows import tuple_row

from ledger.storage.postgres_pool import connect, library_errors

if TYPE_CHECKING:
    from ledger.storage.database import Database

_LEAVING_SECONDS: Final = 3.0
"""Sessions of a service that has just ended are listed for a moment longer."""

_OTHERS: Final = (
    "SELECT count(*) FROM pg_catalog.pg_stat_activity WHERE datname = current_database()"
    " AND application_name = 'trial-ledger' AND pid <> pg_backend_pid()"
)


def remove_ledger(database: Database) -> bool:
    """Drop the ledger's schema with all that is in it; False while another process has it open.

    The caller has made sure that it holds a demonstration. Raises the library's PersistenceError
    when the role may not.
    """
    with (
        library_errors(),
        connect(database.settings) as connection,
        connection.transaction(),
        connection.cursor(row_factory=tuple_row) as cursor,
    ):
        until = time.monotonic() + _LEAVING_SECONDS
        while (row := cursor.execute(_OTHERS).fetchone()) is None or row[0]:
            if time.monotonic() > until:
                return False
            time.sleep(0.1)
        cursor.execute("DROP SCHEMA ledger CASCADE")
    return True
