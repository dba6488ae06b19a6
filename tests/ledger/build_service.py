"""A ledger ready for subjects, copied for each test, and what its tests look at from outside."""

from __future__ import annotations

import base64
import hashlib
import json
import shutil
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any

import psycopg
from eventsourcing.persistence import PersistenceError

from ledger.application import LedgerApplication
from ledger.errors import IntegrityFailure, LedgerError
from ledger.log.checkpoint import open_checkpoint
from ledger.log.proof import verify_receipt
from ledger.log.tree import leaf_hash, root_of
from ledger.service import LedgerFiles, TrialLedger
from ledger.signing.envelope import event_bytes
from ledger.signing.jwk import SigningKey
from ledger.signing.statement import Signer, sign_statement
from ledger.storage.database import Database, Engine
from tests.build_ledger import (
    COORDINATOR,
    EDC,
    SITE,
    BuiltLedger,
    Signed,
    build_ledger,
    identify,
    seed_of,
)

if TYPE_CHECKING:
    from collections.abc import Sequence
    from multiprocessing.queues import Queue
    from multiprocessing.synchronize import Barrier
    from pathlib import Path

    from ledger.log.proof import Receipt
    from ledger.record import Record
    from ledger.recording.outcomes import Receipted
    from ledger.signing.strict_json import JsonObject, JsonValue
    from tests.postgres_server import PostgresServer

SUBJECT = f"{SITE}-0001"
STREAM = f"subject/{SUBJECT}"
LOT = "L-2024-01"


def open_copy(template: BuiltLedger, directory: Path) -> BuiltLedger:
    """An own open copy of a closed ledger and all its files."""
    shutil.copytree(template.directory, directory)
    return _reopened(template, Database.parse(f"sqlite:///{directory / 'ledger.sqlite3'}"))


def open_postgres_copy(
    template: BuiltLedger, server: PostgresServer, directory: Path
) -> BuiltLedger:
    """An own open copy of a closed ledger in PostgreSQL and all its files."""
    original = template.database.place.name
    name = server.create(original)
    directory.mkdir()
    for path in template.database.place.parent.iterdir():
        shutil.copy(path, directory / path.name.replace(original, name))
    return _reopened(template, Database.parse(server.url(name), files=directory))


def _reopened(template: BuiltLedger, database: Database) -> BuiltLedger:
    files = LedgerFiles.of(database)
    return BuiltLedger(
        database.place.parent,
        database.url,
        files,
        template.keys,
        template.definition,
        TrialLedger(database, files),
        now=template.now,
        made=template.made,
    )


def database(built: BuiltLedger) -> Path:
    """The database file."""
    return built.ledger.application.path


def plain(path: Path) -> sqlite3.Connection:
    """A connection that nobody of ours prepared, as an administrator would open it."""
    return sqlite3.connect(path, isolation_level=None)


def without_triggers(path: Path, *statements: str) -> None:
    """Change a database as somebody with rights over the file would, past its triggers."""
    with closing(plain(path)) as connection:
        names = connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'")
        for (name,) in names.fetchall():
            connection.execute(f"DROP TRIGGER {name}")
        for statement in statements:
            if connection.execute(statement).rowcount == 0:
                raise AssertionError(f"Nothing changed by: {statement}")


def bag(built: BuiltLedger, number: int, *, site: str = SITE, lot: str = LOT) -> Signed:
    """The site's system reports one bag of a lot; a fact."""
    data: JsonObject = {
        "lot": lot,
        "site": site,
        "donor_code": "D-012",
        "passage": 5,
        "manufactured": "2024-01-01",
        "expiry": "2024-09-01T00:00:00Z",
        "bags": [{"bag_id": f"B-{number:04d}"}],
    }
    return built.sign("lot.received.v1", f"lot/{lot}", data, by=EDC)


def bilirubin(
    built: BuiltLedger, value: str, *, by: str = COORDINATOR, time: str | None = None
) -> Signed:
    """A laboratory result of the first subject; a fact."""
    data: JsonObject = {"test_code": "bilirubin", "value": {"value": value, "unit": "umol/L"}}
    return built.sign(
        "lab-result.recorded.v1", STREAM, data, by=by, meaning="authorship", time=time
    )


def correction(
    built: BuiltLedger, target: Record, *changes: tuple[str, JsonValue, JsonValue], by: str
) -> Signed:
    """A correction by its changes ``(pointer, old, new)``; a command."""
    data: JsonObject = {
        "target": target.id,
        "changes": [{"pointer": p, "old": old, "new": new} for p, old, new in changes],
        "reason": {"code": "transcription", "text": "Misread from the print-out."},
        "source_ref": "Laboratory print-out 17",
    }
    return built.sign("data.corrected.v1", target.stream, data, by=by, meaning="authorship")


def again(signed: Signed, *signers: Signer) -> Signed:
    """The same event under other signatures."""
    return Signed(
        signed.event, sign_statement(event_bytes(signed.event), signers), signed.disclosures
    )


def answer(built: BuiltLedger, signed: Signed) -> Receipted:
    """What became of one submission; raises LedgerError."""
    return built.ledger.submit(built.receive(signed), built.tick())


def refusals(built: BuiltLedger, signed: Signed) -> list[str]:
    """The rule ids under which a command is refused; empty when it is accepted."""
    outcome = answer(built, signed).outcome
    if not outcome.refused:
        return []
    assert outcome.result_seq is not None
    rules = built.ledger.application.record(outcome.result_seq).data["rules"]
    assert isinstance(rules, list)
    return [str(rule["id"]) for rule in rules if isinstance(rule, dict)]


def code_of(built: BuiltLedger, signed: Signed) -> str:
    """The code under which a submission is turned away; empty when it is recorded."""
    try:
        answer(built, signed)
    except LedgerError as error:
        return error.code
    return ""


def receipt_of(given: Receipted, seq: int | None = None) -> Receipt:
    """The receipt of an outcome's entry, or of its result's."""
    return given.tree.receipt(
        given.outcome.seq if seq is None else seq, size=given.size, note=given.note
    )


def require_receipt(built: BuiltLedger, given: Receipted, signed: Signed) -> None:
    """A receipt that proves, offline, the entry that holds this very statement."""
    data = built.ledger.application.store.entry(given.outcome.seq)
    assert data is not None
    assert json.loads(data)["statement"] == signed.text
    verify_receipt(receipt_of(given), data, built.keys.vkey)


def require_sound(built: BuiltLedger) -> list[bytes]:
    """All entries, after checking them with nothing but JSON, SHA-256 and the log's key.

    Positions without gap, both chains, one id once, every checkpoint's root.
    """
    rows = look(built, "SELECT seq, state FROM stored_events ORDER BY seq")
    notes = look(built, "SELECT size, note FROM checkpoints ORDER BY size")
    leaves = [state for _, state in rows]
    prev, links, ids = "0" * 64, dict[str, tuple[int, str]](), set[str]()
    for number, (seq, state) in enumerate(rows):
        entry = json.loads(state)
        count, link = links.get(entry["stream"], (0, "0" * 64))
        assert (seq, entry["seq"], entry["prev"]) == (number, number, prev)
        assert (entry["stream_seq"], entry["stream_prev"]) == (count, link)
        own = {name: entry[name] for name in ("statement", "stream", "stream_prev", "stream_seq")}
        own_bytes = json.dumps(own, separators=(",", ":"), ensure_ascii=False).encode()
        links[entry["stream"]] = count + 1, hashlib.sha256(own_bytes).hexdigest()
        prev = hashlib.sha256(state).hexdigest()
        ids.add(payload_of(entry["statement"])["id"])
    assert len(ids) == len(rows)
    assert notes[-1][0] == len(rows)
    for size, note in notes:
        checkpoint = open_checkpoint(note, built.keys.vkey)
        assert checkpoint.size == size
        assert checkpoint.root == root_of(leaf_hash(leaf) for leaf in leaves[:size])
    return leaves


def look(built: BuiltLedger, query: str) -> list[tuple[Any, ...]]:
    """What a query finds in the ledger's database, on a connection of its own."""
    if built.database.engine is Engine.SQLITE:
        with closing(plain(database(built))) as connection:
            return connection.execute(query).fetchall()
    text: Any = query
    with psycopg.connect(built.database.url, options="-c search_path=ledger") as connection:
        return connection.execute(text).fetchall()


def payload_of(statement: str) -> dict[str, str]:
    """The event in a statement of either form, by the standard library alone."""
    payload = json.loads(statement)["payload"] if statement[0] == "{" else statement.split(".")[1]
    event: dict[str, str] = json.loads(
        base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4))
    )
    return event


def with_subject(built: BuiltLedger) -> BuiltLedger:
    """The ledger after the first subject was identified."""
    built.record(identify(built, 1))
    return built


def in_own_process(
    database: Database, numbers: Sequence[int], barrier: Barrier, answers: Queue[object]
) -> None:
    """Post bags one by one from a process of its own; answer with pairs (id, seq or code)."""
    built = _opened_elsewhere(database, numbers[0])
    outcomes: list[tuple[str, int | str]] = []
    barrier.wait(60)
    for number in numbers:
        signed = bag(built, number)
        try:
            seq: int | str = answer(built, signed).outcome.seq
        except LedgerError as error:
            seq = f"{error.code}: {error}"
        outcomes.append((signed.event.id, seq))
    built.close()
    answers.put(outcomes)


def create_in_own_process(
    databases: Sequence[Database], barrier: Barrier, answers: Queue[object]
) -> None:
    """Open new databases at the same moment as others do; answer with the faults met."""
    faults = []
    for database in databases:
        barrier.wait(60)
        try:
            LedgerApplication(database).close()
        except (PersistenceError, sqlite3.Error) as error:
            faults.append(f"{type(error).__name__}: {error}")
    answers.put("; ".join(faults))


def behave(directory: Path) -> list[object]:
    """What a new ledger says to good, refused, repeated, forged and damaged input."""
    built = with_subject(build_ledger(directory))
    stranger = SigningKey.from_seed(seed_of("stranger"))
    good = bag(built, 1)
    target = built.record(bilirubin(built, "34.2"))
    stale = correction(built, target, ("/data/value/value", "1", "2"), by=COORDINATOR)
    said: list[object] = [
        code_of(built, good),
        code_of(built, again(good, Signer(key=stranger))),
        code_of(built, again(bag(built, 2), Signer(key=stranger))),
        refusals(built, stale),
        receipt_of(answer(built, good)).text(),
        built.ledger.application.store.head(),
    ]
    built.close()
    without_triggers(database(built), "UPDATE stored_events SET topic = 'a.b.v1' WHERE seq = 1")
    try:
        TrialLedger(built.url, built.files).close()
    except IntegrityFailure as error:
        said.append((error.code, str(error)))
    return said


def _opened_elsewhere(database: Database, made: int) -> BuiltLedger:
    ledger = TrialLedger(database)
    return BuiltLedger(
        database.place.parent,
        database.url,
        ledger.files,
        ledger.keys,
        ledger.genesis.definition,
        ledger,
        made=made,
    )
