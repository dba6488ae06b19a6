"""The log as any tool for C2SP tlog-tiles reads it: addresses, headers, proofs out of tiles."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ledger.log.checkpoint import Checkpoint, open_checkpoint
from ledger.log.entry import parse_entry
from ledger.log.lexical import decode_hash
from ledger.log.note import VerifierKey
from ledger.log.proof import parse_receipt, verify_receipt
from ledger.log.tiles import (
    TILE_WIDTH,
    TileName,
    decode_entries,
    full_tiles,
    node_from_tiles,
    partial_width,
)
from ledger.log.tree import (
    frontier_at,
    inclusion_path,
    leaf_hash,
    root_of,
    verify_consistency,
    verify_inclusion,
)
from tests.api.test_problems import require_problem
from tests.build_ledger import TRIAL, BuiltLedger, build_ledger, each, identify

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from flask import Flask
    from flask.testing import FlaskClient


LOG = f"/v1/trials/{TRIAL}/log"
EVENTS = f"/v1/trials/{TRIAL}/events"


class Reader:
    """A foreign reader: it has the address and the log's key."""

    def __init__(self, client: FlaskClient, vkey: str) -> None:
        """Open the newest checkpoint."""
        self.client = client
        self.key = VerifierKey.parse(vkey)
        self.checkpoint: Checkpoint = open_checkpoint(self.get("checkpoint"), self.key)
        self.size = self.checkpoint.size

    def get(self, path: str) -> bytes:
        """What is served there."""
        answer = self.client.get(f"{LOG}/{path}")
        assert answer.status_code == 200, answer.text
        return answer.data

    def names(self, level: int | None) -> list[TileName]:
        """The tiles of a level at the checkpoint's size."""
        count, width = full_tiles(level or 0, self.size), partial_width(level or 0, self.size)
        names = [TileName(level, index) for index in range(count)]
        return [*names, TileName(level, count, width)] if width else names

    def node(self, level: int, index: int) -> bytes:
        """A node of the tree, out of one tile."""
        return node_from_tiles(level, index, lambda at, n: self.get(str(self.names(at)[n])))

    def entries(self) -> list[bytes]:
        """All entries, out of the bundles."""
        found: list[bytes] = []
        for name in self.names(None):
            found += decode_entries(self.get(str(name)), width=name.width or TILE_WIDTH)
        return found


@pytest.fixture(scope="module")
def grown(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BuiltLedger]:
    """A ledger of two full tiles and a partial one."""
    one = build_ledger(tmp_path_factory.mktemp("tiles"))
    one.record_all(each(one, range(1, 301), identify))
    assert 512 < one.ledger.application.store.head().size < 767
    yield one
    one.close()


@pytest.fixture
def client(grown: BuiltLedger, open_doors: Callable[..., Flask]) -> FlaskClient:
    """A client of the ledger that has tiles."""
    return open_doors(grown.ledger).test_client()


def test_the_bundles_hash_to_the_signed_root(grown: BuiltLedger, client: FlaskClient) -> None:
    """Every entry is there, in its place."""
    reader = Reader(client, grown.vkey)
    entries = reader.entries()
    assert [parse_entry(entry).seq for entry in entries] == [*range(reader.size)]
    assert root_of(leaf_hash(entry) for entry in entries) == reader.checkpoint.root


def test_an_entry_is_proved_out_of_tiles_alone(grown: BuiltLedger, client: FlaskClient) -> None:
    """The server makes no proof; the root comes out of the tiles too."""
    reader = Reader(client, grown.vkey)
    assert frontier_at(reader.size, reader.node).root() == reader.checkpoint.root
    for index in (0, 255, 256, reader.size - 1):
        verify_inclusion(
            index=index,
            size=reader.size,
            leaf=leaf_hash(reader.entries()[index]),
            path=inclusion_path(index, reader.size, reader.node),
            root=reader.checkpoint.root,
        )


def test_what_was_served_stays_when_the_log_grows(
    built: BuiltLedger, client: FlaskClient, open_doors: Callable[..., Flask]
) -> None:
    """Byte for byte, and each checkpoint follows from the one before."""
    growing = open_doors(built.ledger).test_client()
    before, kept = None, dict[str, bytes]()
    for first in (1, 40, 260):
        reader = Reader(growing, built.vkey)
        for level in (None, 0, 1):
            kept |= {str(name): reader.get(str(name)) for name in reader.names(level)}
        if before is not None:
            text = reader.get(f"consistency?old={before.size}&new={reader.size}").decode()
            verify_consistency(
                old_size=before.size,
                new_size=reader.size,
                path=[decode_hash(line, where="line") for line in text.splitlines()],
                old_root=before.root,
                new_root=reader.checkpoint.root,
            )
        before = reader.checkpoint
        built.record_all(each(built, range(first, first + 220), identify))
    assert kept == {path: Reader(growing, built.vkey).get(path) for path in kept}


def test_tiles_are_bytes_that_may_be_kept_for_ever(client: FlaskClient) -> None:
    """Hashes by caches several readers share; entries only by the reader's own."""
    for path, scope in (
        ("tile/0/000", "public"),
        ("tile/0/000.p/17", "public"),
        ("tile/1/000.p/1", "public"),
        ("tile/entries/000", "private"),
        ("tile/entries/001.p/3", "private"),
    ):
        answer = client.get(f"{LOG}/{path}")
        assert answer.content_type == "application/octet-stream"
        assert answer.headers["Cache-Control"] == f"{scope}, max-age=31536000, immutable"
        again = client.get(f"{LOG}/{path}", headers={"If-None-Match": answer.headers["ETag"]})
        assert (again.status_code, again.data) == (304, b"")


@pytest.mark.parametrize(
    "path",
    [
        "0/002", "0/000.p/0", "0/000.p/256", "0/000.p/017", "0/002.p/255", "0/0", "0/000/",
        "1/000", "1/000.p/3", "2/000.p/1", "64/000", "0//000", "/0/000", "0/000.p//17", "8/0/000",
        "00/000", "data/000", "entries/002", "entries/00", "entries/x000/001", "0/x001/000",
        "0/000.p/17/", "0/%D9%A0%D9%A0%D9%A0", "0/..%2f0/000", "0/000%0A",
        "0/x999/x999/x999/x999/x999/x999/999",
    ],
)  # fmt: skip
def test_what_does_not_exist_at_the_newest_size_is_not_found(
    path: str, client: FlaskClient
) -> None:
    """Nor any second spelling of what does; never a redirection to it."""
    require_problem(client.get(f"{LOG}/tile/{path}"), 404)


@pytest.mark.parametrize(
    ("query", "status", "code"),
    [
        ("old=1&new=100000", 404, "log.beyond-newest"),
        ("old=2&new=1", 422, "tree.out-of-range"),
        ("old=1", 422, "query.parameter"),
        ("new=1", 422, "query.parameter"),
        ("old=01&new=2", 422, "query.parameter"),
        ("old=-1&new=2", 422, "query.parameter"),
        ("old=1&new=2&new=3", 422, "query.duplicate-parameter"),
    ],
)
def test_a_consistency_proof_needs_two_sizes_of_the_log(
    query: str, status: int, code: str, client: FlaskClient
) -> None:
    """Both are named, in order, exactly."""
    told = require_problem(client.get(f"{LOG}/consistency?{query}"), status)
    assert told["code"] == code


def test_nothing_is_to_be_proved_between_equal_sizes(client: FlaskClient) -> None:
    """The path is empty, the answer is plain text."""
    answer = client.get(f"{LOG}/consistency?old=7&new=7")
    assert (answer.data, answer.content_type) == (b"", "text/plain; charset=utf-8")


def test_a_receipt_is_given_under_a_later_checkpoint(
    grown: BuiltLedger, client: FlaskClient
) -> None:
    """By its size, or the newest; the first one stays the answer without a query."""
    record = grown.ledger.application.record(5)
    key, newest = VerifierKey.parse(grown.vkey), Reader(client, grown.vkey).size
    signed = [size for size, _ in grown.ledger.application.store.checkpoints(after=5, limit=9)]
    address = f"{EVENTS}/{record.id}/receipt"
    asked = {"": signed[0], "?latest=false": signed[0], "?latest=true": newest}
    asked |= {f"?size={size}": size for size in signed}
    for query, size in asked.items():
        receipt = parse_receipt(client.get(f"{address}{query}").text)
        assert verify_receipt(receipt, record.entry.to_bytes(), key).size == size


@pytest.mark.parametrize(
    ("query", "status", "code"),
    [
        ("size=5", 404, "receipt.not-covered"),
        ("size=0", 404, "receipt.no-such-checkpoint"),
        ("size=100000", 404, "receipt.no-such-checkpoint"),
        ("size=9&latest=true", 422, "query.parameter"),
        ("size=x", 422, "query.parameter"),
        ("latest=1", 422, "query.parameter"),
    ],
)
def test_a_receipt_is_not_given_under_a_checkpoint_nobody_signed(
    query: str, status: int, code: str, grown: BuiltLedger, client: FlaskClient
) -> None:
    """Nor under one from before the entry."""
    record = grown.ledger.application.record(5)
    answer = client.get(f"{EVENTS}/{record.id}/receipt?{query}")
    assert require_problem(answer, status)["code"] == code


def test_later_receipts_are_asked_for_again(grown: BuiltLedger, client: FlaskClient) -> None:
    """Their checkpoints gather cosignatures; the newest changes with the next entry."""
    record = grown.ledger.application.record(5)
    size = Reader(client, grown.vkey).size
    for query in (f"size={size}", "latest=true"):
        address = f"{EVENTS}/{record.id}/receipt?{query}"
        first = client.get(address)
        assert first.headers["Cache-Control"] == "no-cache"
        again = client.get(address, headers={"If-None-Match": first.headers["ETag"]})
        assert again.status_code == 304
