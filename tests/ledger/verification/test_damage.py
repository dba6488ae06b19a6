"""One alteration each over everything stored; each is named, at its place, without a flood."""

from __future__ import annotations

import dataclasses
from itertools import count
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ledger.log.checkpoint import Checkpoint, sign_checkpoint
from ledger.log.note import NoteSigner
from ledger.verification.report import RootOfTrust, Status
from tests.ledger.verification.damage import Damaged, altered_payload, codes, of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.build_ledger import BuiltLedger

IN_TILE, IN_EDGE, LAST = 100, 282, 307
ALTERED_COLUMNS: tuple[tuple[str, object], ...] = (
    ("originator_id", "subject/SY01-9999"),
    ("originator_version", 7_000),
    ("topic", "trial.opened.v1"),
    ("event_id", b"\x00" * 16),
    ("originator_id", b"trial"),
    ("originator_version", "many"),
    ("topic", None),
)


def first_of(damaged: Damaged) -> int | None:
    """The lowest position any finding names."""
    places = [f.first for f in damaged.verify().findings if f.first is not None]
    return min(places, default=None)


def test_a_sound_ledger_has_no_findings(damaged: Damaged, trust: RootOfTrust) -> None:
    """Nothing is wrong, the whole log is under its last checkpoint, and all checks were done."""
    report = damaged.verify(trust)
    assert (report.findings, report.notices) == ((), ())
    assert (report.status, report.size, report.last_good) == (Status.SOUND, 308, 308)
    assert len(report.checks_done) == 10
    assert not report.internally_consistent_only


def test_without_a_root_of_trust_the_report_says_so(damaged: Damaged) -> None:
    """A log forged from entry 0 on is consistent in itself."""
    report = damaged.verify()
    assert report.internally_consistent_only
    assert "projections" in report.not_checked


def test_another_root_of_trust_is_named_at_entry_0(damaged: Damaged, trust: RootOfTrust) -> None:
    """Both the key and the hash handed over out of band are compared."""
    other = RootOfTrust(NoteSigner.from_seed(trust.vkey.name, bytes(32)).verifier, "0" * 64)
    report = damaged.verify(other)
    assert of(report, "statements.genesis") == [(0, 0), (0, 0)]


@pytest.mark.parametrize("seq", [0, 3, 34, IN_TILE, 255, 256, IN_EDGE, 300, LAST])
@pytest.mark.parametrize("place", [1, 12, 80, 150, 900, -5, -90])
def test_a_flipped_byte_names_its_entry_first(damaged: Damaged, seq: int, place: int) -> None:
    """Whichever member the byte belongs to, no other entry is accused before."""
    damaged.flip(seq, place % len(damaged.state(seq)))
    assert first_of(damaged) == seq


@pytest.mark.parametrize(("column", "value"), ALTERED_COLUMNS)
def test_an_altered_column_is_named(damaged: Damaged, column: str, value: object) -> None:
    """The entry's bytes decide what stands beside them."""
    loosen(damaged)
    damaged.run(f"UPDATE stored_events SET {column} = ? WHERE seq = {IN_TILE}", value)
    report = damaged.verify()
    assert [(f.code, f.first, f.field) for f in report.findings] == [
        ("entries.column", IN_TILE, column)
    ]


def loosen(damaged: Damaged) -> None:
    """The same table without constraints, as an attacker could make it."""
    damaged.run("CREATE TABLE loose AS SELECT * FROM stored_events")
    damaged.run("DROP TABLE stored_events")
    damaged.run(
        "CREATE TABLE stored_events (seq INTEGER PRIMARY KEY, originator_id, originator_version,"
        " topic, state, event_id)"
    )
    damaged.run("INSERT INTO stored_events SELECT * FROM loose")
    damaged.run("DROP TABLE loose")


@pytest.mark.parametrize("seq", [IN_TILE, IN_EDGE])
def test_a_deleted_row_is_missing_and_accuses_nobody_else(damaged: Damaged, seq: int) -> None:
    """The result behind the deleted request is not blamed."""
    damaged.delete(seq)
    report = damaged.verify()
    assert of(report, "entries.missing") == [(seq, seq)]
    assert {f.first for f in report.findings} == {seq}


@pytest.mark.parametrize(("one", "other"), [(100, 140), (100, 101), (270, 280)])
def test_swapped_rows_are_both_named(damaged: Damaged, one: int, other: int) -> None:
    """Rows that changed places each hold an entry that belongs elsewhere."""
    damaged.swap(one, other)
    report = damaged.verify()
    places = [f for f in report.findings if f.code == "entries.position"]
    assert all(any(f.covers(seq) for f in places) for seq in (one, other))
    assert sum(f.places for f in places) == 2
    assert min(f.first for f in report.findings if f.first is not None) == one


def test_an_inserted_row_is_named_where_it_was_put(damaged: Damaged) -> None:
    """All rows behind it are displaced: one finding for all of them."""
    for seq in range(LAST, IN_TILE - 1, -1):
        damaged.move(seq, seq + 1)
    damaged.run(
        f"INSERT INTO stored_events SELECT {IN_TILE}, 'x', 0, topic, state, x'00'"
        " FROM stored_events WHERE seq = 99"
    )
    report = damaged.verify()
    assert of(report, "entries.position") == [(IN_TILE, LAST)]
    assert of(report, "entries.extra") == [(308, 308)]
    assert of(report, "chain.broken")[0] == (IN_TILE, IN_TILE)


@pytest.mark.parametrize("seq", [308, 30_000, -1])
def test_a_row_outside_the_log_is_one_finding(damaged: Damaged, seq: int) -> None:
    """Nothing signed covers it, so nothing else is said about it."""
    damaged.run(
        f"INSERT INTO stored_events SELECT {seq}, 'x', 0, topic, state, x'00'"
        " FROM stored_events WHERE seq = 99"
    )
    report = damaged.verify()
    assert [(f.code, f.first) for f in report.findings] == [("entries.extra", seq)]


def test_a_cut_tail_is_missing_up_to_the_signed_size(damaged: Damaged) -> None:
    """Checkpoints and head row still tell how long the log was."""
    damaged.cut(290)
    report = damaged.verify()
    assert of(report, "entries.missing") == [(290, LAST)]


def test_a_tail_cut_with_its_checkpoints_shows_in_the_head_file(damaged: Damaged) -> None:
    """A consistent roll-back is seen by the head kept outside alone."""
    damaged.roll_back(294)
    report = damaged.verify()
    assert [(f.code, f.first, f.last) for f in report.findings] == [
        ("head-file.rolled-back", 294, LAST)
    ]
    assert report.last_good == 294


@pytest.mark.parametrize("seq", [IN_TILE, 300])
def test_a_rewritten_row_is_named_though_both_chains_were_recomputed(
    damaged: Damaged, seq: int
) -> None:
    """The statement's signature and the signed roots do not follow the chain's recomputation."""
    damaged.rewrite(seq, lambda e: dataclasses.replace(e, statement=altered_payload(e.statement)))
    report = damaged.verify()
    assert first_of(damaged) == seq
    assert of(report, "statements.signature") == [(seq, seq)]
    assert "chain.broken" not in codes(report.findings)
    assert of(report, "tree.root")[0][0] == seq
    assert len(report.findings) <= 6


def test_a_backdated_row_with_recomputed_chains_is_bounded_by_checkpoints(
    damaged: Damaged,
) -> None:
    """No signature covers recorded_at but the log's own roots: they name the first size."""
    damaged.rewrite(
        300, lambda e: dataclasses.replace(e, recorded_at=damaged.entry(299).recorded_at)
    )
    report = damaged.verify()
    assert of(report, "tree.root") == [(300, LAST)]


def test_checkpoints_signed_by_another_key_are_one_finding(
    damaged: Damaged, sound: BuiltLedger
) -> None:
    """A complete re-signing does not flood the report."""
    damaged.sign_again(NoteSigner.from_seed(sound.keys.origin, bytes(32)))
    report = damaged.verify()
    assert of(report, "checkpoints.signature") == [(0, LAST)]
    assert codes(report.findings) == ["checkpoints.signature", "head-file.signature"]
    assert report.last_good == 0


def test_a_statement_signed_again_with_another_key_is_named(damaged: Damaged) -> None:
    """A signature that is exchanged does not verify."""
    entry, other = damaged.entry(IN_TILE), damaged.entry(IN_TILE + 2)
    signature = other.statement.rpartition(".")[2]
    changed = entry.statement.rpartition(".")[0] + "." + signature
    damaged.put(IN_TILE, dataclasses.replace(entry, statement=changed).to_bytes())
    assert of(damaged.verify(), "statements.signature") == [(IN_TILE, IN_TILE)]


TILES: tuple[tuple[str, str, object], ...] = (
    ("UPDATE tree_tiles SET hashes = zeroblob(8192)", "tree.tile", (0, 255)),
    ("UPDATE tree_tiles SET hashes = x'00'", "tree.tile", (0, 255)),
    ("UPDATE tree_tiles SET hashes = 'text'", "tree.tile", (0, 255)),
    ("UPDATE tree_tiles SET root = zeroblob(32)", "tree.tile-root", (0, 255)),
    ("UPDATE tree_tiles SET tile = 3", "tree.tile-extra", (None, None)),
    ("UPDATE tree_tiles SET level = 'x'", "tree.tile-extra", (None, None)),
    ("DELETE FROM tree_tiles", "tree.tile-missing", (0, 255)),
    ("DROP TABLE tree_tiles", "entries.store", (None, None)),
)


@pytest.mark.parametrize(("statement", "code", "place"), TILES)
def test_a_tile_altered_is_named_and_no_entry_is(
    damaged: Damaged, statement: str, code: str, place: tuple[int | None, int | None]
) -> None:
    """The signed roots say that the entries are whole."""
    damaged.run(statement)
    report = damaged.verify()
    assert of(report, code) == [place]
    assert report.last_good == 308
    assert all(f.code.startswith("tree.tile") or f.code == "entries.store" for f in report.findings)


def test_one_altered_hash_in_a_tile_is_named_at_its_entry(damaged: Damaged) -> None:
    """A tile's damage is as narrow as it can be."""
    hashes = bytearray(damaged.ask("SELECT hashes FROM tree_tiles")[0][0])
    hashes[77 * 32] ^= 1
    damaged.run("UPDATE tree_tiles SET hashes = ?", bytes(hashes))
    assert of(damaged.verify(), "tree.tile") == [(77, 77)]


HEADS: tuple[tuple[str, str, int], ...] = (
    ("UPDATE checkpoints SET note = 'x' WHERE size = 294", "checkpoints.signature", 293),
    ("UPDATE checkpoints SET note = x'00' WHERE size = 294", "checkpoints.signature", 293),
    ("UPDATE checkpoints SET size = 290 WHERE size = 294", "checkpoints.size", 289),
    ("DELETE FROM checkpoints WHERE size = 308", "checkpoints.missing", 307),
    ("DELETE FROM checkpoints WHERE size = 1", "checkpoints.missing", 0),
    ("DELETE FROM checkpoints WHERE size = 300", "checkpoints.gap", 299),
    ("DELETE FROM checkpoints WHERE size = 294", "checkpoints.gap", 34),
    ("UPDATE checkpoints SET size = 400 WHERE size = 300", "checkpoints.size", 399),
    ("UPDATE checkpoints SET previous = 290 WHERE size = 296", "checkpoints.previous", 295),
    ("UPDATE checkpoints SET previous = 296 WHERE size = 296", "checkpoints.previous", 295),
    ("UPDATE checkpoints SET previous = 'x' WHERE size = 296", "checkpoints.previous", 295),
    ("UPDATE checkpoints SET previous = 1 WHERE size = 1", "checkpoints.previous", 0),
    ("UPDATE ledger_head SET size = 300", "checkpoints.head", 307),
    ("UPDATE ledger_head SET size = 40000", "checkpoints.head", 307),
    ("UPDATE ledger_head SET hash = 'x'", "checkpoints.head", 307),
    ("UPDATE ledger_head SET recorded_at = ''", "checkpoints.head", 307),
    ("DELETE FROM ledger_head", "checkpoints.head", 307),
)


@pytest.mark.parametrize(("statement", "code", "place"), HEADS)
def test_an_altered_head_or_checkpoint_is_the_only_finding(
    damaged: Damaged, statement: str, code: str, place: int
) -> None:
    """Neither the entries nor the other checkpoints are accused."""
    damaged.run(statement)
    report = damaged.verify()
    assert [(f.code, f.first) for f in report.findings] == [(code, place)]


def test_checkpoints_removed_from_the_middle_are_one_finding(damaged: Damaged) -> None:
    """The entries between the sizes that are left, and what the later one names."""
    damaged.run("DELETE FROM checkpoints WHERE size BETWEEN 297 AND 301")
    (finding,) = damaged.verify().findings
    assert (finding.code, finding.first, finding.last) == ("checkpoints.gap", 296, 301)
    assert finding.field == "checkpoint 301"


def test_a_checkpoint_added_by_others_accuses_no_neighbour(damaged: Damaged) -> None:
    """It is not signed for its size; the next one names the one it stood behind."""
    damaged.run("INSERT INTO checkpoints SELECT 200, note, 1 FROM checkpoints WHERE size = 1")
    assert [(f.code, f.first) for f in damaged.verify().findings] == [("checkpoints.size", 199)]


def test_a_database_without_links_between_checkpoints_is_named_once(damaged: Damaged) -> None:
    """The column is missing; no checkpoint is accused of it."""
    damaged.run("ALTER TABLE checkpoints DROP COLUMN previous")
    assert [f.field for f in damaged.verify().findings] == ["checkpoints.previous"]


def test_a_missing_head_file_is_named(damaged: Damaged) -> None:
    """Without it a roll-back would not show."""
    damaged.head_file.unlink()
    assert codes(damaged.verify().findings) == ["head-file.missing"]


def test_an_altered_head_file_is_named(damaged: Damaged) -> None:
    """It is a signed note, nothing less."""
    data = bytearray(damaged.head_file.read_bytes())
    data[-4] ^= 1
    damaged.head_file.write_bytes(data)
    assert codes(damaged.verify().findings) == ["head-file.signature"]


def test_an_older_head_file_is_named_as_harmless(damaged: Damaged) -> None:
    """A death between commit and write leaves one: the service extends it at its next start."""
    (note,) = damaged.ask("SELECT note FROM checkpoints WHERE size = 294")[0]
    damaged.head_file.write_text(note, encoding="utf-8", newline="\n")
    report = damaged.verify()
    assert report.status is Status.SOUND
    assert of(report, "head-file.behind") == [(294, LAST)]


def test_a_head_of_another_history_is_a_fork(damaged: Damaged, sound: BuiltLedger) -> None:
    """The log's own key signed two histories."""
    signer = sound.keys.checkpoint_signer
    note = sign_checkpoint(Checkpoint(signer.name, 290, bytes(32)), signer)
    damaged.head_file.write_text(note, encoding="utf-8", newline="\n")
    assert of(damaged.verify(), "head-file.forked") == [(289, 289)]


def test_an_altered_opening_is_named(damaged: Damaged) -> None:
    """A disclosure that opens nothing signed is no opening, and the digest stays closed."""
    damaged.run("UPDATE openings SET disclosure = 'WyJ4Il0' WHERE seq = 304")
    report = damaged.verify()
    assert of(report, "openings.foreign") == [(304, 304)]
    assert of(report, "openings.withheld") == [(304, 304)]


def test_an_added_opening_is_named(damaged: Damaged) -> None:
    """One that belongs to another entry included."""
    damaged.run("INSERT INTO openings SELECT 305, 0, disclosure FROM openings WHERE seq = 304")
    assert of(damaged.verify(), "openings.foreign") == [(305, 305)]


def test_an_opening_of_no_entry_is_named(damaged: Damaged) -> None:
    """It belongs to no record."""
    damaged.run("INSERT INTO openings VALUES (5000, 0, 'x')")
    assert of(damaged.verify(), "openings.stray") == [(5000, 5000)]


def test_a_renumbered_opening_is_named(damaged: Damaged) -> None:
    """Numbers are stored values too."""
    damaged.run("UPDATE openings SET number = 9 WHERE seq = 304")
    assert of(damaged.verify(), "openings.number") == [(304, 304)]


def test_a_removed_text_is_counted_as_withheld(damaged: Damaged) -> None:
    """Identity and texts may be withheld or erased: named, not damage."""
    damaged.run("DELETE FROM openings WHERE seq = 304")
    report = damaged.verify()
    assert (report.status, report.withheld) == (Status.SOUND, 1)
    assert of(report, "openings.withheld") == [(304, 304)]


def test_a_removed_opening_of_an_allocation_is_damage(damaged: Damaged) -> None:
    """Allocations are never erased."""
    damaged.run("DELETE FROM openings WHERE seq = 301 AND number = 0")
    assert of(damaged.verify(), "openings.missing") == [(301, 301)]


@pytest.mark.parametrize(
    "state", [None, b"", b"{}", b"[" * 60_000, b"\xff" * 10, "text", 17, b"{" + b" " * 70_000]
)
def test_garbage_for_an_entry_is_a_finding(damaged: Damaged, state: object) -> None:
    """Whatever is stored, nothing is raised."""
    loosen(damaged)
    damaged.put(IN_EDGE, state)
    report = damaged.verify()
    assert of(report, "entries.unreadable") == [(IN_EDGE, IN_EDGE)]


def test_a_missing_column_is_named(damaged: Damaged) -> None:
    """The rest is checked nevertheless."""
    loosen(damaged)
    damaged.run("ALTER TABLE stored_events DROP COLUMN topic")
    report = damaged.verify()
    assert [(f.code, f.field) for f in report.findings if f.first is None] == [
        ("entries.store", "stored_events.topic")
    ]


def test_a_damaged_database_page_is_localised(damaged: Damaged) -> None:
    """Entries whose page the database cannot read are named, the others are checked."""
    data = bytearray(damaged.database.read_bytes())
    place = data.index(damaged.state(150)[:40])
    page = place - place % 16_384
    data[page : page + 64] = b"\xee" * 64
    damaged.database.write_bytes(data)
    report = damaged.verify()
    named = [f for f in report.findings if f.code == "entries.unreadable"]
    assert any(f.covers(150) for f in named)
    assert sum(f.places for f in named) < 40


STORED: tuple[tuple[str, str], ...] = tuple(
    (table, column)
    for table, columns in {
        "stored_events": ("originator_id", "originator_version", "topic", "state", "event_id"),
        "checkpoints": ("note", "previous"),
        "tree_tiles": ("hashes", "root", "level", "tile"),
        # Whether an encrypted opening was changed shows with its key; tests/attack has it.
        "openings": ("number", "seq"),
        "ledger_head": ("size", "hash", "recorded_at"),
    }.items()
    for column in columns
)


def altered(value: object, draw: Callable[[st.SearchStrategy[Any]], Any]) -> object:
    """Another value of the same type, near the old one."""
    if isinstance(value, int):
        return value + draw(st.integers(-3, 50).filter(bool))
    data = bytearray(value.encode() if isinstance(value, str) else bytes(value))  # type: ignore[call-overload]
    if data:
        data[draw(st.integers(0, len(data) - 1))] ^= 1 << draw(st.integers(0, 6))
    else:
        data += b"x"
    if isinstance(value, str):
        return data.decode("utf-8", "replace")
    return bytes(data)


numbers = count()


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_any_altered_value_is_covered_by_a_finding(
    sound: BuiltLedger, tmp_path: Path, data: st.DataObject
) -> None:
    """Promise 2: a finding's range holds the place, or it names the artefact."""
    directory = tmp_path / str(next(numbers))
    directory.mkdir()
    damaged = Damaged.copy_of(sound.directory / "ledger.sqlite3", sound.files.head, directory)
    table, column = data.draw(st.sampled_from(STORED))
    if table == "stored_events":
        loosen(damaged)
    keys = {"tree_tiles": "level, tile", "openings": "seq, number", "ledger_head": "id, id"}
    key = keys.get(table, "rowid, rowid")
    rows = damaged.ask(f"SELECT {key}, {column} FROM {table}")
    one, two, value = data.draw(st.sampled_from(rows))
    names = key.split(", ")
    new = altered(value, data.draw)
    taken = {(row[0], row[1]) for row in rows}
    if column == "seq" and (new, two) in taken:
        new = 5_000
    if column == "number" and (one, new) in taken:
        new = 50
    damaged.run(
        f"UPDATE {table} SET {column} = ? WHERE {names[0]} = ? AND {names[1]} = ?", new, one, two
    )
    report = damaged.verify()
    position = {"stored_events": one, "checkpoints": one - 1, "openings": one}.get(table)
    everything = (*report.findings, *report.notices)
    if position is None:
        artefact = "tile/" if table == "tree_tiles" else "ledger_head"
        assert any((f.field or "").startswith(artefact) for f in everything)
    else:
        assert any(f.covers(position) for f in everything)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_any_removed_row_is_covered_by_a_finding(
    sound: BuiltLedger, tmp_path: Path, data: st.DataObject
) -> None:
    """Whatever row is taken out, its place or its artefact is named."""
    directory = tmp_path / str(next(numbers))
    directory.mkdir()
    damaged = Damaged.copy_of(sound.directory / "ledger.sqlite3", sound.files.head, directory)
    table, keys = data.draw(
        st.sampled_from(
            [("stored_events", "seq"), ("checkpoints", "size"), ("openings", "seq, number")]
        )
    )
    key = data.draw(st.sampled_from(damaged.ask(f"SELECT {keys} FROM {table}")))
    condition = " AND ".join(f"{name} = ?" for name in keys.split(", "))
    damaged.run(f"DELETE FROM {table} WHERE {condition}", *key)
    report = damaged.verify()
    position = key[0] - 1 if table == "checkpoints" else key[0]
    assert any(f.covers(position) for f in (*report.findings, *report.notices))


def test_a_line_added_to_a_stored_checkpoint_is_named(damaged: Damaged) -> None:
    """The ledger keeps its own line alone; what others say stands in the published file."""
    ((size,),) = damaged.ask("SELECT size FROM checkpoints ORDER BY size LIMIT 1 OFFSET 5")
    damaged.run(
        "UPDATE checkpoints SET note = note || '— x AAAAAAAA' || char(10) WHERE size = ?", size
    )
    report = damaged.verify()
    assert [(f.code, f.first) for f in report.findings] == [("checkpoints.signature", size - 1)]
