"""Key-encryption keys in a file that only its owner may read.

The file is canonical JSON: ``{"format": "trial-ledger-kek.v1", "keys": [HEX, ...]}``, the current
key first. It is replaced as a whole and durably; the bytes of the old file are overwritten before
its place is given back, as far as the file system lets anybody do that.
"""

from __future__ import annotations

import errno
import hashlib
import os
import re
import stat
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from ledger.concealment.binding import KEY_BYTES
from ledger.concealment.envelope import decrypt, encrypt
from ledger.errors import IntegrityFailure, RejectedInput, TrustFailure
from ledger.signing.strict_json import canonical, parse_object

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

FORMAT: Final = "trial-ledger-kek.v1"
_LARGEST: Final = 65_536
_KEY: Final = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class FileKey:
    """An AES-256 key-encryption key held in memory; its id is derived from it one way."""

    key: bytes = field(repr=False)

    @property
    def id(self) -> str:
        """``file-`` and the first 16 hexadecimal digits of a hash of the key."""
        return "file-" + hashlib.sha256(b"trial-ledger/kek-id/v1\0" + self.key).hexdigest()[:16]

    def wrap(self, key: bytes, *, context: bytes, nonce: bytes) -> bytes:
        """Encrypt a key, bound to ``context``."""
        return encrypt(self.key, key, context=context, nonce=nonce)

    def unwrap(self, wrapped: bytes, *, context: bytes) -> bytes:
        """Decrypt a key; raises IntegrityFailure ``concealment.altered``."""
        return decrypt(self.key, wrapped, context=context)


def create_key_file(path: Path, key: bytes) -> FileKey:
    """Write a new key file; raises FileExistsError, for a key is never overwritten."""
    made = FileKey(key)
    write_new(path, _content([made]))
    return made


def read_key_file(path: Path) -> list[FileKey]:
    """The keys of a file, the current one first.

    Raises TrustFailure ``key-file.missing``, ``key-file.open-to-others``, ``key-file.malformed``.
    """
    try:
        value = parse_object(read_private(path, largest=_LARGEST))
    except FileNotFoundError as error:
        raise TrustFailure(
            "key-file.missing",
            f"The key-encryption key file {path.name} is missing.",
            remedy="Put it back; without it nothing that is concealed can be read.",
        ) from error
    except PermissionError as error:
        raise TrustFailure(
            "key-file.open-to-others",
            f"The key-encryption key file {path.name} can be read by others.",
            remedy=f"Run chmod 600 {path.name}, then trial-ledger concealment rotate.",
        ) from error
    except (RejectedInput, IntegrityFailure) as error:
        raise _malformed(path) from error
    keys = value.get("keys")
    listed = keys if isinstance(keys, list) else []
    texts = [key for key in listed if isinstance(key, str) and _KEY.fullmatch(key)]
    if {**value, "keys": [*dict.fromkeys(texts)]} != {"format": FORMAT, "keys": keys} or not texts:
        raise _malformed(path)
    return [FileKey(bytes.fromhex(text)) for text in texts]


def replace_key_file(path: Path, keys: Sequence[FileKey]) -> None:
    """Exchange the keys of a file: a crash leaves the old file or the new one, never none."""
    replace_private(path, _content(keys))


def _content(keys: Sequence[FileKey]) -> bytes:
    if not keys or any(len(key.key) != KEY_BYTES for key in keys):
        raise ValueError("A key file holds keys of 32 bytes, at least one.")
    return canonical({"format": FORMAT, "keys": [key.key.hex() for key in keys]})


def _malformed(path: Path) -> TrustFailure:
    return TrustFailure(
        "key-file.malformed", f"{path.name} does not hold key-encryption keys of this ledger."
    )


# --- files only their owner reads -----------------------------------------------------------------


def write_new(path: Path, content: bytes) -> None:
    """Write a new private file durably; raises FileExistsError and leaves nothing half-written."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        sync_directory(path.parent)
    except OSError:
        path.unlink(missing_ok=True)
        raise


def replace_private(path: Path, content: bytes) -> None:
    """Replace a private file in one step and overwrite what the old one held."""
    fresh = path.with_name(path.name + ".new")
    fresh.unlink(missing_ok=True)  # left by a crash; it was never in force
    write_new(fresh, content)
    with path.open("r+b") as old:
        fresh.replace(path)
        sync_directory(path.parent)
        old.write(bytes(os.fstat(old.fileno()).st_size))
        old.flush()
        os.fsync(old.fileno())


def read_private(path: Path, *, largest: int) -> bytes:
    """The bytes of a regular file that only its owner can read.

    Raises PermissionError when others can read it, IntegrityFailure ``concealment.no-file`` for a
    pipe or the like, OSError otherwise; a longer file is cut.
    """
    # Rights are asked of the opened file, so that nobody can exchange it between look and read.
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    with os.fdopen(descriptor, "rb") as file:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise IntegrityFailure("concealment.no-file", f"{path.name} is no regular file.")
        if status.st_mode & 0o077:
            raise PermissionError(errno.EACCES, "open to others", str(path))
        return file.read(largest + 1)


def sync_directory(path: Path) -> None:
    """Make the names in a directory durable."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
