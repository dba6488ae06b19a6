"""Reading a time stamp without a library for it: as OpenSSL makes them, and nothing else."""

from __future__ import annotations

import contextlib
import subprocess
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.errors import IntegrityFailure
from ledger.verification.timestamp_token import MAX_RESPONSE_BYTES, read_imprint
from tests.running_authority import RunningAuthority, new_authority, openssl_stamps

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.skipif(not openssl_stamps(), reason="no openssl with ts on this machine")

TEXT = b"log.example/trial\n3\nOF2jDzkXKCyJOd/4UZV+UZqxhGsTUaFMCts7EWMnQqo=\n"


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> RunningAuthority:
    """An authority that is asked on the command line."""
    return new_authority(tmp_path_factory.mktemp("authority") / "one", "Example authority")


@pytest.fixture(scope="module")
def response(authority: RunningAuthority) -> bytes:
    """What OpenSSL answers, with certificates."""
    return authority.reply(authority.query(TEXT))


def asked(directory: Path, *more: str) -> bytes:
    """A request of OpenSSL's own making."""
    file = directory / "text"
    file.write_bytes(TEXT)
    command = ["openssl", "ts", "-query", "-data", str(file), *more]
    return subprocess.run(command, capture_output=True, check=True).stdout


def test_imprint_time_and_names_are_read(response: bytes) -> None:
    """What was stamped, when, and the names in the certificates that came along."""
    found = read_imprint(response)
    assert found.digest == sha256(TEXT).digest()
    assert abs(datetime.now(UTC) - found.time) < timedelta(hours=1)
    assert "CN=Example authority" in found.subjects


def test_a_token_without_certificates_names_nobody(
    authority: RunningAuthority, tmp_path: Path
) -> None:
    """Who it was, only the authority's certificate tells."""
    found = read_imprint(authority.reply(asked(tmp_path, "-sha256")))
    assert (found.digest, found.subjects) == (sha256(TEXT).digest(), ())


def test_a_refusal_is_no_time_stamp(authority: RunningAuthority, tmp_path: Path) -> None:
    """Nor is a stamp over another hash."""
    with pytest.raises(IntegrityFailure):
        read_imprint(authority.reply(asked(tmp_path, "-sha512", "-cert")))


@pytest.mark.parametrize("length", [0, 1, 2, 5, 60, -1])
def test_what_ends_too_early_is_none(response: bytes, length: int) -> None:
    """Wherever it is cut."""
    with pytest.raises(IntegrityFailure):
        read_imprint(response[:length])


def test_what_goes_on_behind_its_end_is_none(response: bytes) -> None:
    """DER has one form."""
    with pytest.raises(IntegrityFailure):
        read_imprint(response + b"\x00")
    with pytest.raises(IntegrityFailure):
        read_imprint(bytes(MAX_RESPONSE_BYTES + 1))


@pytest.mark.filterwarnings("ignore::cryptography.utils.CryptographyDeprecationWarning")
@given(st.data())
def test_foreign_bytes_are_refused_and_nothing_else_is_raised(
    response: bytes, data: st.DataObject
) -> None:
    """Altered anywhere, it is read or refused."""
    content = bytearray(response)
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(0, len(content) - 1))
        content[place] = data.draw(st.integers(0, 255))
    with contextlib.suppress(IntegrityFailure):
        read_imprint(bytes(content))
