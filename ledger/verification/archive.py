"""The zip file that a bundle is: one byte form for one content, and reading that is bounded.

Members are stored uncompressed, in order of their names, with a fixed time, without anything
between, before or behind them (APPNOTE.TXT 6.3.10; zip64 only where a number needs it). So the
same members give the same bytes, on any machine and with any version of a compression library.
A reader takes other zip files too, within caps, and says that they are not of this form.
"""

from __future__ import annotations

import re
import shutil
import struct
import tempfile
import zipfile
import zlib
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, BinaryIO, Final, Self

from ledger.errors import IntegrityFailure, RejectedInput, Unavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

BLOCK: Final = 1 << 16
"""Bytes read or written at once."""

MOST_MEMBERS: Final = 500_000
"""Members a bundle may have: room for the tiles of over 100 million entries."""

_MOST_DIRECTORY: Final = 64_000_000
_EXPANSION: Final = 50
_ALWAYS_ALLOWED: Final = 64_000_000
_LONGEST_NAME: Final = 200
_NAME: Final = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]*(?:/[A-Za-z0-9_-][A-Za-z0-9._-]*)*")

_DAY: Final = (1 << 5) | 1  # 1 January 1980, the first day a zip file can name
_LIMIT: Final = 0xFFFFFFFF
_LOCAL: Final = struct.Struct("<4s5H3L2H")
_CENTRAL: Final = struct.Struct("<4s6H3L5H2L")
_END: Final = struct.Struct("<4s4H2LH")
_END64: Final = struct.Struct("<4sQ2H2L4Q")
_LOCATOR: Final = struct.Struct("<4sLQL")


@dataclass(frozen=True, slots=True)
class Member:
    """A member to be written: its name and where its bytes come from, the same at each call."""

    name: str
    chunks: Callable[[], Iterable[bytes]]

    @classmethod
    def of(cls, name: str, content: bytes) -> Member:
        """A member whose content is at hand."""
        return cls(name, lambda: (content,))


@dataclass(frozen=True, slots=True)
class Measured:
    """A member's length in bytes, its CRC-32 and SHA-256 (hex)."""

    name: str
    size: int
    crc: int
    sha256: str


def measure(member: Member) -> Measured:
    """Read a member through once, a chunk in memory at a time."""
    return _measured(member.name, member.chunks())


def is_member_name(name: str) -> bool:
    """Whether a name is a relative path of plain ASCII names, at most 200 characters."""
    return len(name) <= _LONGEST_NAME and _NAME.fullmatch(name) is not None


def write_archive(out: BinaryIO, members: Iterable[tuple[Member, Measured]]) -> None:
    """Write members that were measured before, as they come: in order of their names.

    The directory is kept in a temporary file until they are written, so none of them is held.

    Raises:
        IntegrityFailure: ``bundle.changed`` when a member gives other bytes than were measured.
        RejectedInput: ``bundle.name`` for a name that is no plain relative path, or comes twice
            or behind a later one.
    """
    before, count, offset = "", 0, 0
    with tempfile.TemporaryFile() as directory:
        for member, measured in members:
            if not (before < measured.name and is_member_name(measured.name)):
                raise RejectedInput(
                    "bundle.name", f"A bundle cannot hold the member {measured.name!r} here."
                )
            directory.write(_central(measured, offset))
            header = _local(measured)
            out.write(header)
            if _measured(member.name, _copied(member.chunks(), out)) != measured:
                raise IntegrityFailure(
                    "bundle.changed", f"{member.name} changed while it was read."
                )
            before, count = measured.name, count + 1
            offset += len(header) + measured.size
        length = directory.tell()
        directory.seek(0)
        shutil.copyfileobj(directory, out)
    out.write(_ends(count, length, offset))


class Archive:
    """A zip file opened for reading; content is streamed, nothing is ever unpacked to a path.

    Raises:
        Unavailable: ``bundle.unreadable`` when it is no zip file, ``bundle.too-large`` beyond the
            caps, ``bundle.duplicate-name`` when a name comes twice: two readers could then read
            two different bundles.
    """

    def __init__(self, path: Path) -> None:
        try:
            self._file = path.open("rb")
        except OSError as error:
            raise _unreadable(path.name, error) from error
        try:
            _bound_directory(self._file)
            self._zip = zipfile.ZipFile(self._file)
            self._members = _bounded(self._zip, path.stat().st_size)
        except (zipfile.BadZipFile, NotImplementedError, ValueError, OSError) as error:
            self._file.close()
            raise _unreadable(path.name, error) from error
        except Unavailable:
            self._file.close()
            raise

    def close(self) -> None:
        """Close the file."""
        self._zip.close()
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def names(self) -> list[str]:
        """The members' names, in order."""
        return sorted(self._members)

    def __contains__(self, name: str) -> bool:
        return name in self._members

    def chunks(self, name: str) -> Iterator[bytes]:
        """A member's bytes, a block at a time.

        Raises:
            IntegrityFailure: ``bundle.member`` when they cannot be read; what came before was
                given. Of members stored as they are the CRC-32 is not looked at here.
        """
        info = self._members[name]
        if info.compress_type == zipfile.ZIP_STORED:
            yield from self._stored(info)
            return
        try:
            with self._zip.open(info) as stream:
                while block := stream.read(BLOCK):
                    yield block
        except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, ValueError, OSError) as e:
            raise IntegrityFailure("bundle.member", f"{name} cannot be read: {e}.") from e

    def measured(self, name: str) -> Measured:
        """A member as it is; raises IntegrityFailure also when its CRC-32 is not the one stated."""
        found = _measured(name, self.chunks(name))
        if found.crc != self._members[name].CRC:
            raise IntegrityFailure("bundle.member", f"The CRC-32 of {name} is not the one stated.")
        return found

    def read(self, name: str, *, most: int) -> bytes:
        """A member's whole content; raises IntegrityFailure also when it is over ``most`` bytes."""
        if name not in self._members:
            raise IntegrityFailure("bundle.member", f"There is no {name}.")
        if self._members[name].file_size > most:
            raise IntegrityFailure("bundle.member", f"{name} is over {most} bytes long.")
        return b"".join(self.chunks(name))

    def deviation(self) -> str | None:
        """Where the file differs from the one form of its content; None when it does not."""
        expected_offset = directory = 0
        found = list(self._zip.infolist())
        ordered = sorted(found, key=lambda info: info.filename)
        if [info.filename for info in found] != [info.filename for info in ordered]:
            return "The members are not in order of their names."
        for info in found:
            if not is_member_name(info.filename):
                return f"{info.filename[:80]!r} is not a name of a member."
            header = _local(_stated(info))
            if info.header_offset != expected_offset or not self._stands(expected_offset, header):
                return f"The header of {info.filename} is not in the form of a bundle."
            expected_offset += len(header) + info.file_size
        place = expected_offset
        for info in found:
            record = _central(_stated(info), info.header_offset)
            if not self._stands(place + directory, record):
                return f"The directory's record of {info.filename} is not in the form of a bundle."
            directory += len(record)
        ends = _ends(len(found), directory, expected_offset)
        if not self._stands(place + directory, ends, at_end=True):
            return "The end of the file is not in the form of a bundle."
        return None

    def _stored(self, info: zipfile.ZipInfo) -> Iterator[bytes]:
        # Not by the library: it withholds the last block when the checksum differs, and damage
        # could then not be told from loss.
        self._file.seek(max(0, info.header_offset))
        header = self._file.read(_LOCAL.size) if info.header_offset >= 0 else b""
        if len(header) < _LOCAL.size or not header.startswith(b"PK\x03\x04"):
            raise IntegrityFailure("bundle.member", f"{info.filename} is not where it should be.")
        *_, name, extra = _LOCAL.unpack(header)
        place = self._file.tell() + name + extra
        end = place + info.file_size
        while place < end:
            self._file.seek(place)
            block = self._file.read(min(BLOCK, end - place))
            if not block:
                raise IntegrityFailure("bundle.member", f"The file ends inside {info.filename}.")
            place += len(block)
            yield block

    def _stands(self, offset: int, expected: bytes, *, at_end: bool = False) -> bool:
        self._file.seek(offset)
        return self._file.read(len(expected) + at_end) == expected


def _measured(name: str, chunks: Iterable[bytes]) -> Measured:
    size = crc = 0
    digest = sha256()
    for chunk in chunks:
        size, crc = size + len(chunk), zlib.crc32(chunk, crc)
        digest.update(chunk)
    return Measured(name, size, crc, digest.hexdigest())


def _copied(chunks: Iterable[bytes], out: BinaryIO) -> Iterator[bytes]:
    for chunk in chunks:
        out.write(chunk)
        yield chunk


def _stated(info: zipfile.ZipInfo) -> Measured:
    return Measured(info.filename, info.file_size, info.CRC, "")


def _local(member: Measured) -> bytes:
    """Local file header (4.3.7), with the sizes in a zip64 field where they need it (4.5.3)."""
    extra = struct.pack("<2H2Q", 1, 16, member.size, member.size) if member.size >= _LIMIT else b""
    size = min(member.size, _LIMIT)
    name = member.name.encode("ascii")
    return (
        _LOCAL.pack(
            b"PK\x03\x04", 45 if extra else 20, 0, 0, 0, _DAY, member.crc, size, size, len(name),
            len(extra),
        )
        + name
        + extra
    )  # fmt: skip


def _central(member: Measured, offset: int) -> bytes:
    """Central directory record (4.3.12)."""
    large = [n for n in (member.size, member.size, offset) if n >= _LIMIT]
    extra = struct.pack(f"<2H{len(large)}Q", 1, 8 * len(large), *large) if large else b""
    size, name, version = min(member.size, _LIMIT), member.name.encode("ascii"), 45 if large else 20
    return (
        _CENTRAL.pack(
            b"PK\x01\x02", version, version, 0, 0, 0, _DAY, member.crc, size, size, len(name),
            len(extra), 0, 0, 0, 0, min(offset, _LIMIT),
        )
        + name
        + extra
    )  # fmt: skip


def _ends(count: int, directory: int, offset: int) -> bytes:
    """The records behind the directory (4.3.14 to 4.3.16)."""
    short = min(count, 0xFFFF)
    end = _END.pack(
        b"PK\x05\x06", 0, 0, short, short, min(directory, _LIMIT), min(offset, _LIMIT), 0
    )
    if count < 0xFFFF and directory < _LIMIT and offset < _LIMIT:
        return end
    end64 = _END64.pack(b"PK\x06\x06", 44, 45, 45, 0, 0, count, count, directory, offset)
    return end64 + _LOCATOR.pack(b"PK\x06\x07", 0, offset + directory, 1) + end


def _bound_directory(file: BinaryIO) -> None:
    """Look at the directory's stated length first: the library reads it whole."""
    file.seek(0, 2)
    length = file.tell()
    file.seek(max(0, length - _END64.size - _LOCATOR.size - _END.size))
    tail = file.read()
    at = tail.rfind(b"PK\x05\x06")
    if at < 0 or len(tail) - at < _END.size:
        raise zipfile.BadZipFile("it does not end as a zip file does")
    size = _END.unpack_from(tail, at)[5]
    if size == _LIMIT and tail.startswith(b"PK\x06\x06") and len(tail) >= _END64.size:
        size = _END64.unpack_from(tail)[8]
    if size > _MOST_DIRECTORY:
        raise Unavailable("bundle.too-large", "The zip file's directory is too long to be read.")


def _bounded(archive: zipfile.ZipFile, length: int) -> dict[str, zipfile.ZipInfo]:
    found: dict[str, zipfile.ZipInfo] = {}
    total = 0
    for info in archive.infolist():
        if info.filename in found:
            raise Unavailable(
                "bundle.duplicate-name",
                f"The zip file holds two members of the name {info.filename[:80]!r}.",
                remedy="Two readers could read two different bundles. Ask for it as issued.",
            )
        if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise Unavailable(
                "bundle.unreadable", f"{info.filename[:80]!r} is compressed in an unusual way."
            )
        found[info.filename] = info
        total += info.file_size
    if total > max(_ALWAYS_ALLOWED, _EXPANSION * length) or len(found) > MOST_MEMBERS:
        raise Unavailable(
            "bundle.too-large",
            f"The zip file says it holds {len(found)} members of {total} bytes in {length}.",
        )
    return found


def _unreadable(name: str, error: Exception) -> Unavailable:
    return Unavailable(
        "bundle.unreadable",
        f"{name} cannot be read as a zip file ({error}).",
        remedy="Check that the file was transferred whole, and is a bundle.",
    )
