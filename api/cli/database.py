"""``trial-ledger database``: the schema of a ledger's database, and who may do what in it."""

from __future__ import annotations

import click
from eventsourcing.persistence import PersistenceError

from api.cli import options
from ledger.errors import RejectedInput, Unavailable
from ledger.storage.database import Database, Engine
from ledger.storage.migrations import VERSION, migrate
from ledger.storage.postgres_copying import copy_to_postgres, copy_to_sqlite
from ledger.storage.rights import grant_service, require_role


@click.group("database")
def database_group() -> None:
    """Migrate a ledger's database and grant the service its rights."""


@database_group.command("migrate")
@options.database
@click.option(
    "--service-role",
    envvar="LEDGER_SERVICE_ROLE",
    metavar="ROLE",
    help="PostgreSQL: give this role what the service needs, and no more.",
)
@options.as_json
def migrate_command(*, database: Database, service_role: str | None, as_json: bool) -> None:
    """Bring the schema up to date; run it under the role that shall own the tables.

    Each migration has a number and is applied once, in one transaction; several processes may
    start it together. The service then runs under a role of its own, which may read, add rows and
    move the head on: `serve` refuses a role that may do more, where no demonstration is kept.
    """
    if database.engine is Engine.SQLITE:
        database.path.parent.mkdir(parents=True, exist_ok=True)
    try:
        if service_role is not None:
            require_role(database, service_role)
        applied = migrate(database)
        if service_role is not None:
            grant_service(database, service_role)
    except PersistenceError as error:
        raise Unavailable(
            "database.refused",
            f"The database {database} did not allow it: {error}.",
            remedy="Check the URL, and that the role may create a schema in the database.",
        ) from error
    if as_json:
        options.print_json({"version": VERSION, "applied": applied, "service_role": service_role})
        return
    done = f"applied {', '.join(map(str, applied))}" if applied else "nothing to do"
    click.echo(f"{database} has schema version {VERSION}: {done}.")
    if service_role is not None:
        click.echo(f"{service_role} may read, add rows and move the head on, and nothing else.")


@database_group.command("copy")
@options.database
@click.option(
    "--to",
    "target",
    required=True,
    metavar="URL",
    help="A new SQLite file for a ledger in PostgreSQL, an empty PostgreSQL database for one in "
    "SQLite.",
)
@options.as_json
def copy_command(*, database: Database, target: str, as_json: bool) -> None:
    """Carry a ledger's rows whole to the other engine, nothing signed anew.

    From PostgreSQL as of one moment, while it is served; a standby will do. From SQLite stop the
    service first. Files beside the database stay where they are: bring them along by hand, the
    head file too, and run `verify` before serving the copy.
    """
    goal = Database.parse(target)
    if database.engine is goal.engine:
        raise RejectedInput(
            "copy.same-engine",
            "Both are of one engine.",
            remedy="Use trial-ledger backup and restore.",
        )
    if goal.engine is Engine.SQLITE:
        size = copy_to_sqlite(database, goal.path)
    else:
        size = copy_to_postgres(database.path, goal)
    if as_json:
        options.print_json({"from": str(database), "size": size, "to": str(goal)})
        return
    entries = options.counted(size, "entry", "entries")
    click.echo(f"{goal} holds {entries} of {database}. Bring the files, then verify it.")
