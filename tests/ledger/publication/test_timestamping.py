"""Time stamps from a real RFC 3161 authority: verified on receipt, kept, and never in the way."""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING

import pytest

from ledger.errors import TrustFailure, Unavailable
from ledger.publication.timestamp_follower import TimestampFollower
from ledger.publication.timestamping import (
    TimestampAuthority,
    TrustedCertificates,
    read_certificates,
    verify_timestamp,
)
from ledger.storage.published import PublishedCheckpoint, PublishedCheckpoints
from ledger.storage.timestamps import Timestamps
from tests.running_authority import RunningAuthority, new_authority, openssl_stamps

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

pytestmark = pytest.mark.skipif(not openssl_stamps(), reason="no openssl with ts on this machine")

TEXT = b"example.org/trial\n7\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n"
NOTE = TEXT.decode() + "\n\N{EM DASH} example.org/trial AAAAAAAA\n"


class Clock:
    """A clock that stands."""

    def __init__(self, now: datetime) -> None:
        self._now = now

    def now(self) -> datetime:
        """Always the same instant."""
        return self._now


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> RunningAuthority:
    """Keys and certificates of an authority, made once."""
    return new_authority(tmp_path_factory.mktemp("authority") / "one", "Example authority")


@pytest.fixture
def authority(made: RunningAuthority) -> Iterator[RunningAuthority]:
    """The authority, serving."""
    one = RunningAuthority(made.directory, made.name)
    one.start()
    yield one
    one.stop()


@pytest.fixture(scope="module")
def trusted(made: RunningAuthority) -> TrustedCertificates:
    """Its CA."""
    return read_certificates(made.ca)


@pytest.fixture
def kept(tmp_path: Path) -> Timestamps:
    """A file of published checkpoints with no time stamp yet."""
    PublishedCheckpoints(tmp_path / "published")
    return Timestamps(tmp_path / "published")


def code_of(act: Callable[[], object]) -> str:
    """The code that an act is refused with."""
    with pytest.raises((TrustFailure, Unavailable)) as refused:
        act()
    return refused.value.code


def until(holds: Callable[[], object]) -> None:
    """Wait for what another thread is about to do."""
    deadline = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < deadline, "it did not come to pass"
        time.sleep(0.01)


def test_a_stamp_has_the_authoritys_time_and_name(
    authority: RunningAuthority, trusted: TrustedCertificates
) -> None:
    """The response is kept whole, and verifies again without the request."""
    before = datetime.now(UTC) - timedelta(seconds=2)
    stamp = TimestampAuthority(authority.url, trusted).stamp(TEXT)
    assert before <= stamp.time <= datetime.now(UTC)
    assert stamp.authority == "CN=Example authority"
    assert verify_timestamp(stamp.response, TEXT, trusted) == stamp


def test_openssl_itself_verifies_the_kept_response(
    authority: RunningAuthority, trusted: TrustedCertificates, tmp_path: Path
) -> None:
    """A foreign tool needs the three lines, the response and the CA."""
    response, text = tmp_path / "reply.tsr", tmp_path / "checkpoint.txt"
    response.write_bytes(TimestampAuthority(authority.url, trusted).stamp(TEXT).response)
    text.write_bytes(TEXT)
    files = ("-data", str(text), "-in", str(response), "-CAfile", str(authority.ca))
    authority.openssl("ts", "-verify", *files)


def test_an_authority_whose_certificate_is_known_need_not_send_it(
    authority: RunningAuthority, tmp_path: Path
) -> None:
    """Then none is asked for, so an order of certificates that is not DER cannot matter."""
    both = tmp_path / "both.pem"
    both.write_bytes(authority.ca.read_bytes() + authority.own.read_bytes())
    known = read_certificates(both)
    stamp = TimestampAuthority(authority.url, known).stamp(TEXT)
    assert len(known.roots) == len(known.authorities) == 1
    assert stamp.authority == "CN=Example authority"
    alone = read_certificates(authority.ca)
    assert code_of(lambda: verify_timestamp(stamp.response, TEXT, alone)) == "timestamps.untrusted"


def test_no_changed_bit_gives_another_time_text_or_authority(
    authority: RunningAuthority, trusted: TrustedCertificates
) -> None:
    """Each byte of the response in turn; nearly all are refused, the rest say nothing."""
    stamp = TimestampAuthority(authority.url, trusted).stamp(TEXT)
    passed = 0
    for place in range(len(stamp.response)):
        altered = bytearray(stamp.response)
        altered[place] ^= 1
        try:
            found = verify_timestamp(bytes(altered), TEXT, trusted)
        except TrustFailure:
            continue
        passed += 1
        assert replace(found, response=stamp.response) == stamp
    assert passed < 20


def test_a_stamp_is_for_one_checkpoint_only(
    authority: RunningAuthority, trusted: TrustedCertificates
) -> None:
    """Not for the same log one entry later."""
    response = TimestampAuthority(authority.url, trusted).stamp(TEXT).response
    other = TEXT.replace(b"\n7\n", b"\n8\n")
    assert (
        code_of(lambda: verify_timestamp(response, other, trusted)) == "timestamps.other-checkpoint"
    )


def test_another_ca_is_not_trusted(authority: RunningAuthority, tmp_path: Path) -> None:
    """Though everything in the token is as it should be."""
    other = new_authority(tmp_path / "other", "Example authority")
    client = TimestampAuthority(authority.url, read_certificates(other.ca))
    assert code_of(lambda: client.stamp(TEXT)) == "timestamps.untrusted"


def test_the_certificate_must_be_valid_at_the_stamps_own_time(
    authority: RunningAuthority, tmp_path: Path
) -> None:
    """One that had ended when it stamped is refused; one that ends later does no harm."""
    ended = new_authority(tmp_path / "ended", "Ended authority", days=(-2, -1))
    response = ended.reply(authority.query(TEXT))
    ca = read_certificates(ended.ca)
    assert code_of(lambda: verify_timestamp(response, TEXT, ca)) == "timestamps.untrusted"


def test_a_response_to_an_earlier_request_is_refused(
    authority: RunningAuthority, trusted: TrustedCertificates
) -> None:
    """Its nonce is another, though the text is the same."""
    client = TimestampAuthority(authority.url, trusted)
    authority.answer = client.stamp(TEXT).response
    assert code_of(lambda: client.stamp(TEXT)) == "timestamps.other-request"


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"status": 500}, "timestamps.failed"),
        ({"answer": b"<html>"}, "timestamps.malformed"),
        ({"answer": bytes(200_000)}, "timestamps.malformed"),
        ({"media_type": "text/html"}, "timestamps.malformed"),
    ],
)
def test_what_is_no_response_is_named(
    authority: RunningAuthority, trusted: TrustedCertificates, change: dict[str, object], code: str
) -> None:
    """A broken service, a page, too much, another media type."""
    for name, value in change.items():
        setattr(authority, name, value)
    client = TimestampAuthority(authority.url, trusted)
    assert code_of(lambda: client.stamp(TEXT)) == code


def test_a_refusal_by_the_authority_is_named(
    authority: RunningAuthority, trusted: TrustedCertificates
) -> None:
    """OpenSSL's own rejection of a request it cannot read."""
    authority.answer = authority.reply(b"no request")
    client = TimestampAuthority(authority.url, trusted)
    assert code_of(lambda: client.stamp(TEXT)) == "timestamps.refused"


def test_certificates_that_cannot_be_used_are_refused(
    authority: RunningAuthority, tmp_path: Path
) -> None:
    """A file that is missing, no PEM, or has the authority's own certificate alone."""
    (tmp_path / "junk").write_text("junk")
    for file in (tmp_path / "none", tmp_path / "junk", authority.own):
        assert code_of(partial(read_certificates, file)) == "timestamps.certificates"


@pytest.mark.parametrize("url", ["ftp://tsa.example/", "tsa.example", "http://"])
def test_an_address_is_http_or_https(url: str, trusted: TrustedCertificates) -> None:
    """Anything else shows at start."""
    assert code_of(lambda: TimestampAuthority(url, trusted)) == "timestamps.address"


def follower(
    authority: RunningAuthority,
    kept: Timestamps,
    *,
    size: int = 7,
    interval: float = 3600,
    clock: Clock | None = None,
) -> TimestampFollower:
    """A follower that has one checkpoint to stamp."""
    return TimestampFollower(
        TimestampAuthority(authority.url, read_certificates(authority.ca)),
        kept,
        lambda: PublishedCheckpoint(size, NOTE),
        clock=clock or Clock(datetime.now(UTC)),
        interval=interval,
    )


def test_a_checkpoint_is_stamped_once_and_kept(
    authority: RunningAuthority, kept: Timestamps, trusted: TrustedCertificates
) -> None:
    """With what listings need; the same checkpoint is not asked for again."""
    one = follower(authority, kept)
    one.round()
    one.round()
    row = kept.at(7)
    assert len(authority.requests) == 1
    assert row is not None
    assert row.intact
    assert verify_timestamp(row.response, TEXT, trusted).rfc3339 == row.time
    assert (one.standing.size, one.standing.error) == (7, None)


def test_a_restart_within_the_interval_does_not_ask(
    authority: RunningAuthority, kept: Timestamps
) -> None:
    """Even though there is a newer checkpoint; after the interval it does."""
    follower(authority, kept).round()
    again = follower(authority, kept, size=9)
    again.start()
    until(lambda: again.standing.size == 7)
    again.close()
    assert len(authority.requests) == 1
    later = Clock(datetime.now(UTC) + timedelta(hours=2))
    after = follower(authority, kept, size=9, clock=later)
    after.start()
    until(lambda: after.standing.size == 9)
    after.close()
    assert [one.size for one in kept.all()] == [7, 9]


def test_an_outage_is_said_and_ends_by_itself(
    authority: RunningAuthority, kept: Timestamps
) -> None:
    """The thread goes on asking, once an interval."""
    authority.status = 503
    one = follower(authority, kept, interval=0.05)
    one.start()
    until(lambda: one.standing.failures > 1)
    assert one.standing.error is not None
    assert one.standing.error.code == "timestamps.failed"
    authority.status = 200
    until(lambda: one.standing.size == 7)
    healed = one.standing
    assert (healed.error, healed.failures) == (None, 0)
    one.close()


def test_an_answer_that_does_not_verify_is_not_kept(
    authority: RunningAuthority, kept: Timestamps
) -> None:
    """It is named instead."""
    authority.answer = b"no token"
    one = follower(authority, kept)
    one.round()
    assert kept.newest() is None
    assert one.standing.error is not None
    assert one.standing.error.code == "timestamps.malformed"


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE timestamps SET time = '2020-01-01T00:00:00Z'",
        "DELETE FROM timestamps",
        "INSERT OR REPLACE INTO timestamps SELECT * FROM timestamps",
    ],
)
def test_kept_stamps_are_only_ever_added(kept: Timestamps, statement: str) -> None:
    """The table's triggers refuse the rest."""
    kept.keep(size=7, time="2024-01-01T00:00:00Z", authority="CN=a", response=b"first")
    kept.keep(size=7, time="2024-01-01T00:00:00Z", authority="CN=a", response=b"second")
    with (
        closing(sqlite3.connect(kept.path)) as connection,
        pytest.raises(sqlite3.IntegrityError, match="append-only"),
    ):
        connection.execute(statement)
    assert [one.response for one in kept.all()] == [b"first"]


def test_a_file_that_is_not_there_holds_none_and_one_that_is_no_database_is_named(
    tmp_path: Path,
) -> None:
    """Reading makes no file."""
    missing = Timestamps(tmp_path / "missing")
    assert (missing.newest(), missing.path.exists()) == (None, False)
    (tmp_path / "junk").write_bytes(b"no database, certainly not one" * 100)
    assert code_of(Timestamps(tmp_path / "junk").newest) == "timestamps.unavailable"
