"""What roles may do on a ledger in PostgreSQL: granted to the service, examined before it serves.

The owner's role migrates and owns the tables; the service's role may read, add rows and move the
head on, and nothing else. A service that could change entries, drop a trigger or become another
role would make the triggers a courtesy, so it is refused where a real trial is kept.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from psycopg import sql
from psycopg.rows import tuple_row

from ledger.errors import RejectedInput, TrustFailure
from ledger.storage.database import Database, Engine
from ledger.storage.postgres_pool import connect, library_errors
from ledger.storage.postgres_schema import COLUMNS, SCHEMA

if TYPE_CHECKING:
    from typing import Any

    from psycopg import Cursor

_ROLE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_.$-]{0,62}")
_HEAD: Final = "ledger_head"
_APPENDED: Final = tuple(name for name in COLUMNS if name != _HEAD)
_MOVED: Final = ("size", "hash", "recorded_at")
_FORBIDDEN: Final = ("UPDATE", "DELETE", "TRUNCATE", "TRIGGER", "REFERENCES")
_ATTRIBUTES: Final = {
    "rolsuper": "is a superuser",
    "rolbypassrls": "bypasses row security (BYPASSRLS)",
    "rolcreaterole": "may create roles (CREATEROLE)",
    "rolcreatedb": "may create databases (CREATEDB)",
    "rolreplication": "may replicate (REPLICATION)",
}


_LOSSY: Final = {
    "fsync": "commits need not reach the disk, and a crash can destroy the database",
    "full_page_writes": "a page half written in a crash cannot be mended",
    "synchronous_commit": "commits are answered before they are durable",
}


@dataclass(frozen=True, slots=True)
class Standing:
    """A role's rights on a ledger: ``excess`` it must not have, ``lacking`` it needs.

    ``lossy`` are the server's settings, as seen by this role, under which what was acknowledged
    can be lost.
    """

    role: str
    excess: tuple[str, ...]
    lacking: tuple[str, ...]
    lossy: tuple[str, ...] = ()


def grant_service(database: Database, role: str) -> None:
    """Give a role exactly what the service needs, and take all else on the ledger's schema.

    Raises as `require_role`; the library's PersistenceError when the database refuses.
    """
    require_role(database, role)
    with (
        library_errors(),
        connect(database.settings) as connection,
        connection.transaction(),
        connection.cursor(row_factory=tuple_row) as cursor,
    ):
        for statement in _GRANTS:
            text: Any = statement
            cursor.execute(sql.SQL(text).format(role=sql.Identifier(role)))


def require_role(database: Database, role: str) -> None:
    """Refuse a role that cannot be given the service's rights, before anything is done for it.

    Raises RejectedInput ``database.role`` when there is no such role, and for SQLite, which has
    none; the library's PersistenceError when the database does not answer.
    """
    if database.engine is Engine.SQLITE:
        raise RejectedInput("database.role", "SQLite knows no roles.")
    with (
        library_errors(),
        connect(database.settings) as connection,
        connection.cursor(row_factory=tuple_row) as cursor,
    ):
        cursor.execute("SELECT 1 FROM pg_catalog.pg_roles WHERE rolname = %s", (role,))
        if cursor.fetchone() is None or _ROLE.fullmatch(role) is None:
            raise RejectedInput(
                "database.role",
                f"There is no role {role} that could be given the service's rights.",
                remedy="Create it first: CREATE ROLE name LOGIN.",
            )


_GRANTS: Final = (
    f"REVOKE ALL ON ALL TABLES IN SCHEMA {SCHEMA} FROM PUBLIC, {{role}}",
    f"REVOKE ALL ON SCHEMA {SCHEMA} FROM PUBLIC, {{role}}",
    f"GRANT USAGE ON SCHEMA {SCHEMA} TO {{role}}",
    *(f"GRANT SELECT, INSERT ON {SCHEMA}.{table} TO {{role}}" for table in _APPENDED),
    f"GRANT SELECT, UPDATE ({', '.join(_MOVED)}) ON {SCHEMA}.{_HEAD} TO {{role}}",
    f"GRANT SELECT ON {SCHEMA}.schema_version TO {{role}}",
)


def standing(database: Database) -> Standing:
    """What the role of a PostgreSQL URL may do beyond what the service needs, and what it lacks.

    Raises the library's PersistenceError when the database does not answer.
    """
    with (
        library_errors(),
        connect(database.settings) as connection,
        connection.cursor(row_factory=tuple_row) as cursor,
    ):
        role = str(_value(cursor, "SELECT current_user"))
        excess = [*_attributes(cursor), *_memberships(cursor), *_ownership(cursor)]
        excess += _table_rights(cursor)
        lacking = _lacking(cursor)
        lossy = _lossy(cursor)
    return Standing(role, tuple(excess), tuple(lacking), tuple(lossy))


def excess_rights(database: Database) -> tuple[str, ...]:
    """What the role may do beyond what the service needs; nothing for SQLite."""
    return () if database.engine is Engine.SQLITE else standing(database).excess


def require_service_rights(database: Database) -> None:
    """Refuse a role that may do more, or less, than the service needs; SQLite has no roles.

    A server that is set to lose commits is refused too.
    Raises TrustFailure ``database.excess-rights``, ``database.lacking-rights`` or
    ``database.not-durable``, each naming them all.
    """
    if database.engine is Engine.SQLITE:
        return
    found = standing(database)
    if found.excess:
        raise TrustFailure(
            "database.excess-rights",
            f"The role {found.role} has more rights than the service needs: it "
            f"{'; '.join(found.excess)}.",
            remedy="Serve under a role of its own, made with trial-ledger database migrate "
            "--service-role ROLE under the owner's.",
        )
    if found.lacking:
        raise TrustFailure(
            "database.lacking-rights",
            f"The role {found.role} lacks rights that the service needs: "
            f"{'; '.join(found.lacking)}.",
            remedy="Run trial-ledger database migrate --service-role ROLE under the owner's role.",
        )
    if found.lossy:
        raise TrustFailure(
            "database.not-durable",
            f"The server can lose what was acknowledged: {'; '.join(found.lossy)}.",
            remedy="Set fsync, full_page_writes and synchronous_commit to on for the server, and "
            "take away what ALTER ROLE or ALTER DATABASE set otherwise.",
        )


def _attributes(cursor: Cursor[tuple[Any, ...]]) -> list[str]:
    """Attributes of the role itself or of one it can become."""
    names = sql.SQL(", ").join(sql.Identifier(name) for name in _ATTRIBUTES)
    statement = sql.SQL(
        "SELECT rolname, rolname = current_user, {} FROM pg_catalog.pg_roles"
        " WHERE pg_catalog.pg_has_role(session_user, oid, 'MEMBER') ORDER BY rolname"
    ).format(names)
    cursor.execute(statement)
    rows = cursor.fetchall()
    own = next((row for row in rows if row[1]), None)
    if own is not None and own[2]:
        return [_ATTRIBUTES["rolsuper"]]  # may do everything; the rest would only repeat it
    found = []
    for name, self, *flags in rows:
        through = "" if self else f" as a member of {name}"
        found += [
            f"{sentence}{through}"
            for sentence, flag in zip(_ATTRIBUTES.values(), flags, strict=True)
            if flag
        ]
    return found


def _memberships(cursor: Cursor[tuple[Any, ...]]) -> list[str]:
    if _superuser(cursor):
        return []
    cursor.execute(
        "SELECT rolname FROM pg_catalog.pg_roles WHERE rolname <> session_user"
        " AND pg_catalog.pg_has_role(session_user, oid, 'MEMBER') ORDER BY rolname"
    )
    return [f"is a member of {row[0]}" for row in cursor.fetchall()]


def _ownership(cursor: Cursor[tuple[Any, ...]]) -> list[str]:
    if _superuser(cursor):
        return []
    cursor.execute(
        "SELECT 'owns the database' FROM pg_catalog.pg_database WHERE datname = current_database()"
        " AND pg_catalog.pg_has_role(session_user, datdba, 'MEMBER')"
        " UNION ALL SELECT 'may create in the database'"
        " WHERE has_database_privilege(current_database(), 'CREATE')"
        " UNION ALL SELECT 'owns the schema ' || nspname FROM pg_catalog.pg_namespace"
        " WHERE nspname = %(schema)s AND pg_catalog.pg_has_role(session_user, nspowner, 'MEMBER')"
        " UNION ALL SELECT 'may create in the schema ' || nspname FROM pg_catalog.pg_namespace"
        " WHERE nspname = %(schema)s AND has_schema_privilege(oid, 'CREATE')"
        " UNION ALL SELECT 'owns ' || relname FROM pg_catalog.pg_class"
        " WHERE relnamespace = to_regnamespace(%(schema)s) AND relkind IN ('r', 'p', 'v', 'm')"
        " AND pg_catalog.pg_has_role(session_user, relowner, 'MEMBER')",
        {"schema": SCHEMA},
    )
    return [str(row[0]) for row in cursor.fetchall()]


def _table_rights(cursor: Cursor[tuple[Any, ...]]) -> list[str]:
    if _superuser(cursor):
        return []
    found = []
    for table in (*COLUMNS, "schema_version"):
        name = f"{SCHEMA}.{table}"
        found += [
            f"may {right} {table}"
            for right in _FORBIDDEN
            if _may(cursor, name, right, on_head=table == _HEAD)
        ]
        if table in (_HEAD, "schema_version") and _may(cursor, name, "INSERT", on_head=False):
            found.append(f"may INSERT {table}")
    return found


def _may(cursor: Cursor[tuple[Any, ...]], table: str, right: str, *, on_head: bool) -> bool:
    # Columns may be granted one by one; the head's are.
    by_column = right in ("UPDATE", "INSERT", "REFERENCES") and not on_head
    function = "has_any_column_privilege" if by_column else "has_table_privilege"
    asked: Any = f"SELECT {function}(%s, %s)"
    return _value(cursor, asked, (table, right)) is True


def _lacking(cursor: Cursor[tuple[Any, ...]]) -> list[str]:
    found = []
    for table in _APPENDED:
        for right in ("SELECT", "INSERT"):
            asked = "SELECT has_table_privilege(%s, %s)"
            if _value(cursor, asked, (f"{SCHEMA}.{table}", right)) is not True:
                found.append(f"{right} on {table}")
    for column in _MOVED:
        for right in ("SELECT", "UPDATE"):
            asked = "SELECT has_column_privilege(%s, %s, %s)"
            if _value(cursor, asked, (f"{SCHEMA}.{_HEAD}", column, right)) is not True:
                found.append(f"{right} on {_HEAD}.{column}")
    return found


def _lossy(cursor: Cursor[tuple[Any, ...]]) -> list[str]:
    cursor.execute(
        "SELECT name, setting, (SELECT setting FROM pg_catalog.pg_settings"
        " WHERE name = 'synchronous_standby_names') FROM pg_catalog.pg_settings"
        " WHERE name = ANY(%s) ORDER BY name",
        (list(_LOSSY),),
    )
    return [
        f"{name} is {setting}, so {_LOSSY[name]}"
        for name, setting, standbys in cursor.fetchall()
        # 'local' waits for this server's disk, and for nobody's else.
        if setting == "off" or (setting == "local" and standbys)
    ]


def _superuser(cursor: Cursor[tuple[Any, ...]]) -> bool:
    asked = "SELECT rolsuper FROM pg_catalog.pg_roles WHERE rolname = session_user"
    return _value(cursor, asked) is True


def _value(cursor: Cursor[tuple[Any, ...]], asked: str, params: tuple[str, ...] = ()) -> object:
    text: Any = asked
    cursor.execute(sql.SQL(text), params)
    row = cursor.fetchone()
    return None if row is None else row[0]
