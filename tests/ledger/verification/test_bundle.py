"""An evidence bundle: the same bytes each time, and each member altered is named."""

from __future__ import annotations

import io
import warnings
import zipfile
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ledger.errors import IntegrityFailure, LedgerError, Unavailable
from ledger.log.entry import parse_entry
from ledger.verification.bundle import verify_bundle
from ledger.verification.kinds import Check
from ledger.verification.manifest import MANIFEST
from ledger.verification.report import RootOfTrust, Status
from tests.ledger.verification.damage import Damaged, altered_payload, codes, of
from tests.ledger.verification.pack import deflated, made, members_of, sealed_again, write

if TYPE_CHECKING:
    from pathlib import Path

    from tests.build_ledger import BuiltLedger

SIZE = 308
FIXED = ("README.txt", "checkpoint", "checkpoints.jsonl", "entries.jsonl", "openings.jsonl",
         "report.html", "tile/0/000", "vocabulary.json")  # fmt: skip


@pytest.fixture
def members(bundle: Path) -> dict[str, bytes]:
    """Its members, to be altered."""
    return members_of(bundle)


def outcome(path: Path) -> str:
    """The status of a verification, or the family of the reason why there was none."""
    try:
        return str(verify_bundle(path).status)
    except LedgerError as error:
        return error.code[: len("bundle.")]


def with_lines(members: dict[str, bytes], member: str, change: object) -> dict[str, bytes]:
    """The members with one member's lines changed by a function of the list."""
    lines = members[member].split(b"\n")[:-1]
    changed = change(lines)  # type: ignore[operator]
    return {**members, member: b"".join(one + b"\n" for one in changed)}


def test_a_sound_bundle_is_found_sound(bundle: Path, trust: RootOfTrust) -> None:
    """Under the root of trust, with everything checked that is in it."""
    report = verify_bundle(bundle, trust=trust)
    assert (report.status, report.findings) == (Status.SOUND, ())
    assert report.size == SIZE
    assert set(Check) - set(report.checks_done) == {Check.HEAD_FILE, Check.DOSSIER}
    assert not report.internally_consistent_only


def test_a_bundle_reports_what_its_database_does(
    bundle: Path, sound: BuiltLedger, trust: RootOfTrust
) -> None:
    """Head, root, doubtful entries and withheld members agree."""
    of_database = Damaged(sound.directory / "ledger.sqlite3", sound.files.head).verify(trust)
    of_bundle = verify_bundle(bundle, trust=trust)
    assert of_bundle.doubtful == of_database.doubtful
    apart: dict[str, Any] = {"checks_done": (), "not_checked": (), "reasons": {}}
    apart |= {"notices": (), "publication": None}
    assert replace(of_bundle, **apart) == replace(of_database, **apart)


def test_the_same_log_gives_the_same_bytes(
    bundle: Path, sound: BuiltLedger, tmp_path: Path
) -> None:
    """No clock, no order of a directory, no library's version is in them."""
    again = made(sound.directory / "ledger.sqlite3", tmp_path / "again.zip")
    assert again.read_bytes() == bundle.read_bytes()


def test_a_common_program_reads_a_bundle(bundle: Path) -> None:
    """Names in order, one time, nothing compressed."""
    with zipfile.ZipFile(bundle) as archive:
        assert archive.testzip() is None
        assert archive.namelist() == sorted(archive.namelist())
        assert {i.date_time for i in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}


def test_another_root_of_trust_is_named(bundle: Path, trust: RootOfTrust) -> None:
    """The manifest's own word for it counts for nothing."""
    report = verify_bundle(bundle, trust=replace(trust, genesis_sha256="0" * 64))
    assert codes(report.findings) == ["statements.genesis"]


@pytest.mark.parametrize("name", FIXED)
def test_a_dropped_member_is_named(members: dict[str, bytes], tmp_path: Path, name: str) -> None:
    """Though the zip file itself is well-formed."""
    del members[name]
    report = verify_bundle(write(tmp_path / "b.zip", members))
    assert name in [f.field for f in report.findings if f.code == "manifest.member"]


@pytest.mark.parametrize("name", FIXED)
def test_an_altered_member_is_named(members: dict[str, bytes], tmp_path: Path, name: str) -> None:
    """One bit in the middle, packed again with a checksum that fits."""
    content = bytearray(members[name])
    content[len(content) // 2] ^= 1
    members[name] = bytes(content)
    report = verify_bundle(write(tmp_path / "b.zip", members))
    assert name in [f.field for f in report.findings if f.code == "manifest.member"]


@pytest.mark.parametrize("name", FIXED)
def test_a_truncated_member_is_named(members: dict[str, bytes], tmp_path: Path, name: str) -> None:
    """Its last byte is gone."""
    members[name] = members[name][:-1]
    report = verify_bundle(write(tmp_path / "b.zip", members))
    assert name in [f.field for f in report.findings if f.code == "manifest.member"]


def test_swapped_members_are_both_named(members: dict[str, bytes], tmp_path: Path) -> None:
    """Each holds what belongs under the other's name."""
    one, other = "report.html", "report.json"
    members[one], members[other] = members[other], members[one]
    report = verify_bundle(write(tmp_path / "b.zip", members))
    assert [f.field for f in report.findings] == [one, other]
    assert codes(report.findings) == ["manifest.member"]


def test_an_added_member_is_named(members: dict[str, bytes], tmp_path: Path) -> None:
    """Nothing covers it."""
    members["tile/0/001"] = bytes(8_192)
    report = verify_bundle(write(tmp_path / "b.zip", members))
    assert {(f.code, f.field) for f in report.findings} >= {
        ("manifest.surplus", "tile/0/001"),
        ("tree.tile-extra", "tile/0/001"),
    }


def test_a_dropped_manifest_is_named(members: dict[str, bytes], tmp_path: Path) -> None:
    """What the bundle holds is verified all the same."""
    del members[MANIFEST]
    report = verify_bundle(write(tmp_path / "b.zip", members))
    assert codes(report.findings) == ["checkpoints.head", "manifest.unreadable"]
    assert report.size == SIZE


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("size", SIZE - 1), ("head", "0" * 64), ("root", "0" * 64),
        ("origin", "ledger.example/other"),
        ("vkey", "x"), ("genesis_sha256", "0" * 64), ("redaction", "some"), ("trial", "OTHER"),
        ("recorded_at", "2024-01-01T00:00:00.000000Z"), ("counts", {}), ("counts", None),
    ],
)  # fmt: skip
def test_a_manifest_that_states_otherwise_is_named(
    members: dict[str, bytes], tmp_path: Path, name: str, value: object
) -> None:
    """Made again by somebody who knows its checksum."""
    report = verify_bundle(write(tmp_path / "b.zip", sealed_again(members, **{name: value})))
    fields = {f.field for f in report.findings}
    assert report.status is Status.DAMAGED
    assert fields & {
        f"manifest.json /{name}",
        f"ledger_head.{name}".replace("head.head", "head.hash"),
    }


def test_an_altered_manifest_is_named_even_where_nothing_else_tells(
    members: dict[str, bytes], tmp_path: Path
) -> None:
    """The name of the software is covered by the manifest's own checksum alone."""
    members[MANIFEST] = members[MANIFEST].replace(b"trial-ledger 0", b"trial-ledger 1")
    report = verify_bundle(write(tmp_path / "b.zip", members))
    assert "manifest.unreadable" in codes(report.findings)


def test_a_changed_entry_is_found_where_it_stands(
    members: dict[str, bytes], tmp_path: Path
) -> None:
    """Under a manifest made to fit, the signed tree still tells."""

    def change(lines: list[bytes]) -> list[bytes]:
        entry = parse_entry(lines[100])
        altered = replace(entry, statement=altered_payload(entry.statement)).to_bytes()
        return [*lines[:100], altered, *lines[101:]]

    forged = sealed_again(with_lines(members, "entries.jsonl", change))
    report = verify_bundle(write(tmp_path / "b.zip", forged))
    assert of(report, "chain.broken") == [(100, 100)]
    assert of(report, "statements.signature") == [(100, 100)]
    assert 0 < report.last_good <= 100


def test_a_dropped_line_is_missing_and_accuses_nobody_else(
    members: dict[str, bytes], tmp_path: Path
) -> None:
    """The lines behind it stay where they state that they are."""
    forged = sealed_again(
        with_lines(members, "entries.jsonl", lambda lines: lines[:100] + lines[101:])
    )
    report = verify_bundle(write(tmp_path / "b.zip", forged))
    assert of(report, "entries.missing") == [(100, 100)]
    assert {f.first for f in report.findings} == {100, None}


def test_swapped_lines_are_both_named(members: dict[str, bytes], tmp_path: Path) -> None:
    """Each stands where the other belongs."""

    def change(lines: list[bytes]) -> list[bytes]:
        lines[100], lines[140] = lines[140], lines[100]
        return lines

    forged = sealed_again(with_lines(members, "entries.jsonl", change))
    report = verify_bundle(write(tmp_path / "b.zip", forged))
    assert of(report, "entries.position") == [(100, 100), (140, 140)]


def test_an_inserted_line_is_extra_and_displaces_nothing(
    members: dict[str, bytes], tmp_path: Path
) -> None:
    """Its neighbours show where they belong."""
    forged = sealed_again(
        with_lines(members, "entries.jsonl", lambda found: [*found[:100], found[7], *found[100:]])
    )
    report = verify_bundle(write(tmp_path / "b.zip", forged))
    assert codes(report.findings) == ["entries.extra"]
    assert [f.field for f in report.findings] == ["entries.jsonl line 101"]


def test_a_cut_tail_is_named(members: dict[str, bytes], tmp_path: Path) -> None:
    """The checkpoints say how far the log was signed."""
    forged = sealed_again(with_lines(members, "entries.jsonl", lambda lines: lines[:-9]))
    report = verify_bundle(write(tmp_path / "b.zip", forged))
    assert of(report, "entries.missing") == [(SIZE - 9, SIZE - 1)]


def test_a_dropped_checkpoint_is_named(members: dict[str, bytes], tmp_path: Path) -> None:
    """The one behind it names the size that is missing."""
    forged = sealed_again(
        with_lines(members, "checkpoints.jsonl", lambda lines: lines[:5] + lines[6:])
    )
    assert "checkpoints.gap" in codes(verify_bundle(write(tmp_path / "b.zip", forged)).findings)


def test_a_dropped_opening_of_an_allocation_is_named(
    members: dict[str, bytes], tmp_path: Path
) -> None:
    """Texts and identities may be withheld, an allocation never is."""
    forged = sealed_again(with_lines(members, "openings.jsonl", lambda lines: []))
    report = verify_bundle(write(tmp_path / "b.zip", forged))
    assert "openings.missing" in codes(report.findings)


@pytest.mark.parametrize("text", [b"{}", b"", b"not json", b'{"seq":0,"number":0,"disclosure":1}'])
def test_a_line_that_is_none_is_named(
    members: dict[str, bytes], tmp_path: Path, text: bytes
) -> None:
    """With its number."""
    forged = sealed_again(with_lines(members, "openings.jsonl", lambda lines: [text, *lines]))
    report = verify_bundle(write(tmp_path / "b.zip", forged))
    assert [f.field for f in report.findings if f.code == "manifest.line"] == [
        "openings.jsonl line 1"
    ]


def test_a_line_without_end_does_not_fill_the_memory(
    members: dict[str, bytes], tmp_path: Path
) -> None:
    """It is an entry that cannot be read."""
    forged = sealed_again(
        with_lines(
            members, "entries.jsonl", lambda found: [*found[:9], b"x" * 9_000_000, *found[10:]]
        )
    )
    assert (9, 9) in of(verify_bundle(write(tmp_path / "b.zip", forged)), "entries.unreadable")


def test_another_protocol_is_named(members: dict[str, bytes], tmp_path: Path) -> None:
    """Its name is the SHA-256 that entry 0 states."""
    (name,) = (n for n in members if n.startswith("protocol/"))
    members[name] = b"{}"
    report = verify_bundle(write(tmp_path / "b.zip", sealed_again(members)))
    assert [(f.code, f.field) for f in report.findings] == [("manifest.protocol", name)]


def test_a_vocabulary_of_another_version_is_a_notice(
    members: dict[str, bytes], tmp_path: Path
) -> None:
    """The verifier judges by its own."""
    members["vocabulary.json"] = b"[]"
    report = verify_bundle(write(tmp_path / "b.zip", sealed_again(members)))
    assert report.status is Status.SOUND
    assert "manifest.vocabulary" in codes(report.notices)


def test_a_bundle_packed_again_is_read_and_named(members: dict[str, bytes], tmp_path: Path) -> None:
    """Its members are whole; it is not the file that was issued."""
    path = tmp_path / "b.zip"
    path.write_bytes(deflated(members))
    report = verify_bundle(path)
    assert codes(report.findings) == ["manifest.container"]


@pytest.mark.parametrize("name", ["../entries", "/etc/passwd", "a\\b", "a//b", "tile/./0", "C:x"])
def test_a_path_that_leads_out_is_named_and_never_written(
    members: dict[str, bytes], tmp_path: Path, name: str
) -> None:
    """Nothing is unpacked to a path at all."""
    path = tmp_path / "b.zip"
    path.write_bytes(deflated({**members, name: b"x"}))
    report = verify_bundle(path)
    assert ("manifest.surplus", name) in [(f.code, f.field) for f in report.findings]


def test_duplicate_names_are_refused(members: dict[str, bytes], tmp_path: Path) -> None:
    """Two readers could read two bundles."""
    out = io.BytesIO(deflated(members))
    with warnings.catch_warnings(), zipfile.ZipFile(out, "a") as archive:
        warnings.simplefilter("ignore")
        archive.writestr("entries.jsonl", b"")
    path = tmp_path / "b.zip"
    path.write_bytes(out.getvalue())
    with pytest.raises(Unavailable) as caught:
        verify_bundle(path)
    assert caught.value.code == "bundle.duplicate-name"


def test_a_zip_bomb_is_refused(tmp_path: Path) -> None:
    """By what it states, before anything is read."""
    path = tmp_path / "b.zip"
    path.write_bytes(deflated({"entries.jsonl": bytes(80_000_000), MANIFEST: b"{}"}))
    with pytest.raises(Unavailable) as caught:
        verify_bundle(path)
    assert caught.value.code == "bundle.too-large"


@pytest.mark.parametrize("content", [b"", b"PK", b"x" * 5_000, deflated({"a": b"b"})])
def test_what_is_no_bundle_could_not_be_checked(tmp_path: Path, content: bytes) -> None:
    """Neither sound nor damaged."""
    path = tmp_path / "b.zip"
    path.write_bytes(content)
    with pytest.raises(Unavailable):
        verify_bundle(path)


def test_a_truncated_bundle_could_not_be_checked(bundle: Path, tmp_path: Path) -> None:
    """The directory of a zip file is at its end."""
    path = tmp_path / "b.zip"
    path.write_bytes(bundle.read_bytes()[:-1])
    with pytest.raises(Unavailable):
        verify_bundle(path)


def test_a_stored_value_that_has_no_place_is_refused(damaged: Damaged, tmp_path: Path) -> None:
    """A bundle cannot hold an entry that is no bytes."""
    damaged.put(100, "text")
    with pytest.raises(IntegrityFailure) as caught:
        made(damaged.database, tmp_path / "b.zip")
    assert caught.value.code == "bundle.damaged"


def test_damage_in_the_database_goes_along_into_the_bundle(
    damaged: Damaged, tmp_path: Path
) -> None:
    """Whoever verifies the bundle finds what a verification of the database finds."""
    damaged.flip(100, 200)
    report = verify_bundle(made(damaged.database, tmp_path / "b.zip"))
    assert report.status is Status.DAMAGED
    assert min(f.first for f in report.findings if f.first is not None) in (99, 100)


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(place=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
def test_any_flipped_bit_is_found(bundle: Path, tmp_path: Path, place: float, bit: int) -> None:
    """Wherever it lies: in a member, in a header, in the directory."""
    content = bytearray(bundle.read_bytes())
    content[int(place * len(content))] ^= 1 << bit
    path = tmp_path / "b.zip"
    path.write_bytes(content)
    assert outcome(path) in ("damaged", "bundle.")


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(place=st.integers(1, 1_500), bit=st.integers(0, 7))
def test_any_flipped_bit_of_the_directory_is_found(
    bundle: Path, tmp_path: Path, place: int, bit: int
) -> None:
    """The last part of the file, where no member's hash reaches."""
    content = bytearray(bundle.read_bytes())
    content[-place] ^= 1 << bit
    path = tmp_path / "b.zip"
    path.write_bytes(content)
    assert outcome(path) in ("damaged", "bundle.")
