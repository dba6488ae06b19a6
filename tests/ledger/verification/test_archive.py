"""The zip form of bundles: large members, names, and what changes under the writer's hands."""

from __future__ import annotations

import io
import zipfile
from typing import TYPE_CHECKING

import pytest

from ledger.errors import IntegrityFailure, RejectedInput
from ledger.verification import archive
from ledger.verification.archive import Archive, Member, measure, write_archive

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def packed(*members: Member) -> bytes:
    """An archive of these members, given in order of their names."""
    out = io.BytesIO()
    write_archive(out, ((member, measure(member)) for member in members))
    return out.getvalue()


def test_members_beyond_32_bits_are_written_as_zip64_and_read_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the limit lowered, so that no test writes four gigabytes."""
    monkeypatch.setattr(archive, "_LIMIT", 1_000)
    header = archive._local(archive.Measured("a", 5_000, 7, ""))
    assert header[4:6] == (45).to_bytes(2, "little")
    assert header[-16:] == (5_000).to_bytes(8, "little") * 2


def test_more_members_than_16_bits_count_are_read_by_others(tmp_path: Path) -> None:
    """The zip64 end records are those other programs expect."""
    path = tmp_path / "many.zip"
    path.write_bytes(packed(*(Member.of(f"{n:06d}", b"") for n in range(70_000))))
    with zipfile.ZipFile(path) as foreign:
        assert len(foreign.namelist()) == 70_000
    with Archive(path) as own:
        assert own.deviation() is None


@pytest.mark.parametrize("name", ["", "/a", "../a", "a/", "a//b", ".a", "a b", "ä", "a" * 201])
def test_names_that_are_no_plain_path_are_not_written(name: str) -> None:
    """What a reader would refuse is not made."""
    with pytest.raises(RejectedInput):
        packed(Member.of(name, b""))


def test_a_name_is_not_written_twice() -> None:
    """A name says which content."""
    with pytest.raises(RejectedInput):
        packed(Member.of("a", b"1"), Member.of("a", b"2"))


def test_a_member_behind_a_later_one_is_not_written() -> None:
    """Two orders would be two spellings of one content."""
    with pytest.raises(RejectedInput):
        packed(Member.of("b", b"1"), Member.of("a", b"2"))


def test_a_member_that_changes_while_it_is_read_is_refused() -> None:
    """The header already states its checksum."""
    contents: Iterator[bytes] = iter((b"first", b"other"))
    with pytest.raises(IntegrityFailure) as caught:
        packed(Member("a", lambda: (next(contents),)))
    assert caught.value.code == "bundle.changed"


@pytest.mark.parametrize(("front", "back"), [(b"x", b""), (b"", b"x"), (b"PK\x05\x06", b"")])
def test_bytes_before_or_behind_are_a_deviation(tmp_path: Path, front: bytes, back: bytes) -> None:
    """Other readers may skip them; nothing covers them."""
    path = tmp_path / "a.zip"
    path.write_bytes(front + packed(Member.of("a", b"content")) + back)
    with Archive(path) as found:
        assert found.deviation() is not None
