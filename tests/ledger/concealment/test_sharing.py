"""Nodes of one PostgreSQL ledger whose key stores differ, and key stores behind several hosts."""

from __future__ import annotations

import shutil
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING

import psycopg
import pytest

from ledger.concealment.postgres_store import PostgresKeyStore
from ledger.concealment.settings import KeyPlaces
from ledger.errors import Unavailable
from ledger.service import TrialLedger
from ledger.storage.database import Database
from ledger.storage.postgres_pool import Timeline
from tests.build_ledger import identify
from tests.ledger.build_service import answer, bag, code_of

if TYPE_CHECKING:
    from pathlib import Path

    from tests.build_ledger import BuiltLedger

OWN = ".concealed"


def another_node(built: BuiltLedger, directory: Path) -> Database:
    """A further node of the same database, with copies of all files but the key store."""
    shutil.copytree(built.directory, directory, ignore=shutil.ignore_patterns(f"*{OWN}*"))
    return Database.parse(built.url, files=directory)


def test_a_node_with_a_key_store_of_its_own_does_not_record(
    postgres_built: BuiltLedger, tmp_path: Path
) -> None:
    """It would seal what no other node could open; its records can be read, with receipts."""
    with closing(TrialLedger(another_node(postgres_built, tmp_path / "node"))) as ledger:
        assert ledger.refusal is not None
        assert ledger.refusal.code == "concealment.keys-elsewhere"
        assert "LEDGER_KEY_STORE" in str(ledger.refusal.remedy)
        last = ledger.application.store.head().size - 1
        assert ledger.receipt(last).index == last
        assert ledger.writer is None
    assert code_of(postgres_built, bag(postgres_built, 1)) == ""


def test_openings_are_looked_for_behind_many_entries_without(
    postgres_built: BuiltLedger, tmp_path: Path
) -> None:
    """A page of facts at the end of the log hides nothing."""
    postgres_built.record_all([bag(postgres_built, number) for number in range(150)])
    with closing(TrialLedger(another_node(postgres_built, tmp_path / "node"))) as ledger:
        assert ledger.refusal is not None
        assert ledger.refusal.code == "concealment.keys-elsewhere"


def test_a_key_store_copied_once_is_told_when_the_nodes_went_apart(
    postgres_built: BuiltLedger, tmp_path: Path
) -> None:
    """At the copy all keys are there; the next subject's are not."""
    node = another_node(postgres_built, tmp_path / "node")
    for path in postgres_built.directory.glob(f"*{OWN}*"):
        shutil.copy(path, node.place.parent / path.name)
    with closing(TrialLedger(node)) as ledger:
        assert ledger.refusal is None
    answer(postgres_built, identify(postgres_built, 2))
    with closing(TrialLedger(node)) as ledger:
        assert ledger.refusal is not None
        assert ledger.refusal.code == "concealment.keys-elsewhere"


def test_nodes_that_began_before_anything_was_sealed_are_told_at_the_first_write(
    postgres_built: BuiltLedger, tmp_path: Path
) -> None:
    """Whoever writes behind the other's opening refuses from then on; the other records."""
    node = another_node(postgres_built, tmp_path / "node")
    for path in postgres_built.directory.glob(f"*{OWN}*"):
        shutil.copy(path, node.place.parent / path.name)
    with closing(TrialLedger(node)) as ledger:
        other = replace(postgres_built, ledger=ledger)
        assert code_of(other, bag(postgres_built, 1)) == ""
        answer(postgres_built, identify(postgres_built, 2))
        assert code_of(other, bag(postgres_built, 3)) == "ledger.refuses-to-sign"
        assert ledger.refusal is not None
        assert ledger.refusal.code == "concealment.keys-elsewhere"
        assert code_of(other, identify(postgres_built, 4)) == "ledger.refuses-to-sign"
    assert code_of(postgres_built, bag(postgres_built, 5)) == ""


def test_a_lost_common_key_store_costs_members_and_not_the_ledger(
    postgres_built: BuiltLedger, tmp_path: Path, key_database: str
) -> None:
    """A new one that the operator has named is taken."""
    node = another_node(postgres_built, tmp_path / "node")
    with closing(TrialLedger(node, keys_at=KeyPlaces(key_database))) as ledger:
        assert ledger.refusal is None


def test_a_key_store_passes_over_a_server_that_was_replaced(key_database: str) -> None:
    """A promotion begins a new timeline; who has met it takes nothing from an older one."""
    with closing(PostgresKeyStore(key_database, schema="replaced")) as store:
        begun = store.generation()
        store._timeline.newest += 1
        assert store.generation() == begun
        store.close()
        with pytest.raises(Unavailable) as refused:
            store.generation()
    assert refused.value.code == "concealment.store"
    assert "had taken its place" in str(refused.value.__cause__)


def test_who_has_met_no_server_asks_all_of_them_first(
    key_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of two that take writes the one that was promoted later is used, wherever it stands."""
    timelines = {"old": 1, "new": 2}
    monkeypatch.setattr(
        "ledger.storage.postgres_pool._timeline",
        lambda connection: timelines[connection.info.parameter_status("application_name")],
    )

    def connect(settings: object) -> psycopg.Connection[object]:
        first = dict(settings)["host"].split(",")[0]  # type: ignore[call-overload]
        return psycopg.connect(key_database, autocommit=True, application_name=first)

    found = Timeline().connect({"host": "old,new"}, connect, ask_all=True)
    with closing(found):
        assert found.info.parameter_status("application_name") == "new"
