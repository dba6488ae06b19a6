"""The ledger reads entries, trees, notes, receipts and policies as the published vectors say."""

from __future__ import annotations

import base64
import json
import re
import shutil
import subprocess
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from ledger.errors import IntegrityFailure, LedgerError
from ledger.log.chain import ChainHead, Link, StreamHead, advance, check_link
from ledger.log.checkpoint import open_checkpoint
from ledger.log.cosignature import open_cosigned
from ledger.log.entry import entry_hash, link_hash_in, parse_entry
from ledger.log.note import VerifierKey
from ledger.log.policy import parse_policy
from ledger.log.proof import parse_receipt, verify_receipt
from ledger.log.tiles import (
    TileName,
    completed_tiles,
    decode_entries,
    encode_entries,
    full_tiles,
    parse_tile_path,
    partial_width,
    tile_hashes,
)
from ledger.log.tree import leaf_hash, root_of, verify_consistency, verify_inclusion
from ledger.record import read_record
from ledger.signing.sealing import open_sealed, parse_disclosure

VECTORS = Path(__file__).parents[2] / "docs" / "formats" / "vectors"


def read(name: str) -> dict[str, Any]:
    """One file of vectors."""
    return json.loads((VECTORS / f"{name}.json").read_text(encoding="utf-8"))


def each(name: str, rows: str) -> pytest.MarkDecorator:
    """A test for each row of a list in a file."""
    found = read(name)[rows]
    ids = [str(row.get("name", number))[:40] for number, row in enumerate(found)]
    return pytest.mark.parametrize("row", found, ids=ids)


class Leaves:
    """A store of leaf hashes alone, whose full tiles are made as they are asked for."""

    def __init__(self, leaves: list[bytes]) -> None:
        self.leaves = leaves
        self.size = len(leaves)

    def full_tile(self, level: int, index: int) -> bytes:
        """A full tile."""
        assert level == 0
        return b"".join(self.leaf_hashes(256 * index, 256))

    def tile_roots(self, level: int, first: int, count: int) -> list[bytes]:
        """Roots of full tiles."""
        assert level == 0
        done = completed_tiles(0, self.leaves, Leaves([]))
        return [tile.root for tile in done if tile.level == 0][first : first + count]

    def leaf_hashes(self, first: int, count: int) -> list[bytes]:
        """Leaf hashes."""
        return self.leaves[first : first + count]


@each("disclosures", "disclosures")
def test_a_disclosure_is_read(row: dict[str, Any]) -> None:
    """Salt, name, value; the digest is over the text."""
    found = parse_disclosure(row["text"])
    assert (found.salt, found.name, found.value) == (row["salt"], row["member"], row["value"])
    assert found.digest == row["digest"]


@each("disclosures", "published")
def test_a_published_disclosure_has_its_digest(row: dict[str, Any]) -> None:
    """The example of the RFC."""
    assert parse_disclosure(row["text"]).digest == row["digest"]


@each("disclosures", "refused")
def test_a_text_that_is_no_disclosure_is_refused(row: dict[str, Any]) -> None:
    """By the code that the page names."""
    with pytest.raises(LedgerError) as caught:
        parse_disclosure(row["text"])
    assert caught.value.code == row["code"]


@each("disclosures", "opened")
def test_sealed_members_are_opened(row: dict[str, Any]) -> None:
    """As far as disclosures are at hand."""
    given = [parse_disclosure(text) for text in row["disclosures"]]
    merged, _, closed = open_sealed(row["data"], given)
    assert (merged, closed) == (row["merged"], row["closed"])


@each("disclosures", "not_opened")
def test_disclosures_that_do_not_belong_are_refused(row: dict[str, Any]) -> None:
    """With the payload they came with."""
    with pytest.raises(LedgerError) as caught:
        open_sealed(row["data"], [parse_disclosure(text) for text in row["disclosures"]])
    assert caught.value.code == row["code"]


def test_the_entries_continue_both_chains() -> None:
    """Bytes, hashes and links."""
    head, streams = ChainHead(), dict[str, StreamHead]()
    for row in read("entries")["chain"]:
        data = row["entry"].encode()
        entry = parse_entry(data)
        assert entry.link_bytes().decode() == row["link"]
        check_link(head, streams.get(entry.stream, StreamHead()), entry)
        head, streams[entry.stream] = advance(Link(entry, data))
        assert (head.hash, streams[entry.stream].link) == (row["sha256"], row["link_sha256"])


def test_the_page_s_entry_and_link_have_the_hashes_it_states() -> None:
    """Byte for byte, and as the ledger writes them."""
    page = (VECTORS.parent / "entry.md").read_text("utf-8")
    entry, link = re.findall(r"^```json\n(.*)\n```$", page, re.MULTILINE)
    read_back = parse_entry(entry.encode())
    assert (read_back.to_bytes(), read_back.link_bytes()) == (entry.encode(), link.encode())
    for text in (entry, link):
        assert f"`{sha256(text.encode()).hexdigest()}`" in page


@each("entries", "refused")
def test_a_text_that_is_no_entry_is_refused(row: dict[str, Any]) -> None:
    """By the code that the vector names."""
    with pytest.raises(IntegrityFailure) as caught:
        parse_entry(row["entry"].encode())
    assert caught.value.code == row["code"]


@each("entries", "read_alone")
def test_an_entry_is_read_without_what_stands_in_it(row: dict[str, Any]) -> None:
    """It has its hashes; its statement and date are judged when the record is read."""
    data = row["entry"].encode()
    entry = parse_entry(data)
    assert (entry_hash(data), entry.link_hash()) == (row["sha256"], row["link_sha256"])
    assert (link_hash_in(data), entry.to_bytes()) == (row["link_sha256"], data)
    code = None
    try:
        read_record(data)
    except LedgerError as error:
        reason = error.__cause__
        code = reason.code if isinstance(reason, LedgerError) else error.code
    assert code == row["record"]


@each("entries", "not_the_fifth")
def test_an_entry_that_does_not_continue_a_chain_is_refused(row: dict[str, Any]) -> None:
    """By the member at fault."""
    head, streams = ChainHead(), dict[str, StreamHead]()
    for text in (one["entry"] for one in read("entries")["chain"][:4]):
        entry = parse_entry(text.encode())
        head, streams[entry.stream] = advance(Link(entry, text.encode()))
    entry = parse_entry(row["entry"].encode())
    with pytest.raises(IntegrityFailure) as caught:
        check_link(head, streams[entry.stream], entry)
    assert caught.value.code == row["code"]


def test_roots_and_proofs_hold() -> None:
    """Every size, every index; every pair of sizes."""
    tree = read("trees")
    leaves = [bytes.fromhex(text) for text in tree["leaves"]]
    roots = [bytes.fromhex(text) for text in tree["roots"]]
    assert leaves == [leaf_hash(str(number).encode()) for number in range(len(leaves))]
    assert roots == [root_of(leaves[:size]) for size in range(len(leaves) + 1)]
    for row in tree["inclusion"]:
        index, size = row["index"], row["size"]
        path = [bytes.fromhex(step) for step in row["path"]]
        verify_inclusion(index=index, size=size, leaf=leaves[index], path=path, root=roots[size])
    for row in tree["consistency"]:
        old, new = row["old"], row["new"]
        path = [bytes.fromhex(step) for step in row["path"]]
        verify_consistency(
            old_size=old, new_size=new, path=path, old_root=roots[old], new_root=roots[new]
        )


@each("trees", "not_included")
def test_a_path_that_proves_nothing_is_refused(row: dict[str, Any]) -> None:
    """By the code that the vector names."""
    with pytest.raises(IntegrityFailure) as caught:
        verify_inclusion(
            index=row["index"],
            size=row["size"],
            leaf=bytes.fromhex(row["leaf"]),
            path=[bytes.fromhex(step) for step in row["path"]],
            root=bytes.fromhex(row["root"]),
        )
    assert caught.value.code == row["code"]


@each("trees", "not_consistent")
def test_a_path_that_joins_no_trees_is_refused(row: dict[str, Any]) -> None:
    """By the code that the vector names."""
    with pytest.raises(IntegrityFailure) as caught:
        verify_consistency(
            old_size=row["old"],
            new_size=row["new"],
            path=[bytes.fromhex(step) for step in row["path"]],
            old_root=bytes.fromhex(row["old_root"]),
            new_root=bytes.fromhex(row["new_root"]),
        )
    assert caught.value.code == row["code"]


def test_paths_and_widths_of_tiles_are_those_stated() -> None:
    """One spelling for each tile; the widths of the specification's example."""
    vectors = read("tiles")
    for row in vectors["paths"]:
        name = TileName(row["level"], row["index"], row["width"])
        assert (parse_tile_path(row["path"]), str(name)) == (name, row["path"])
    for path in vectors["no_paths"]:
        with pytest.raises(LedgerError):
            parse_tile_path(path)
    for row in vectors["widths"]:
        size, level = row["size"], row["level"]
        found = full_tiles(level, size), partial_width(level, size)
        assert found == (row["full"], row["partial"])


def test_the_tiles_of_a_tree_are_those_stated() -> None:
    """600 leaves: two full tiles, two partial ones."""
    store = Leaves([leaf_hash(str(number).encode()) for number in range(600)])
    for path, stated in read("tiles")["tree"]["sha256"].items():
        name = parse_tile_path(path)
        data = tile_hashes(name.level or 0, name.index, store.size, store)
        assert len(data) == 32 * (name.width or 256)
        assert sha256(data).hexdigest() == stated


@each("tiles", "bundles")
def test_a_bundle_is_read_and_written(row: dict[str, Any]) -> None:
    """As many entries as its name says."""
    data = base64.b64decode(row["data"])
    assert encode_entries(decode_entries(data, width=row["width"])) == data


@each("tiles", "no_bundles")
def test_what_is_no_bundle_is_refused(row: dict[str, Any]) -> None:
    """Cut, or of another width."""
    with pytest.raises(IntegrityFailure) as caught:
        decode_entries(base64.b64decode(row["data"]), width=row["width"])
    assert caught.value.code == row["code"]


def known_keys() -> tuple[VerifierKey, list[VerifierKey]]:
    """The log's key, and the cosigners'."""
    vectors = read("checkpoints")
    cosigners = [vectors[name]["vkey"] for name in ("witness", "ml_dsa_44")]
    return VerifierKey.parse(vectors["log"]["vkey"]), [VerifierKey.parse(one) for one in cosigners]


@each("checkpoints", "opened")
def test_a_checkpoint_opens(row: dict[str, Any]) -> None:
    """With the cosignatures of those known, and their times."""
    log, cosigners = known_keys()
    stated = read("checkpoints")["checkpoint"]
    opened = open_cosigned(row["note"], log, cosigners)
    found = opened.checkpoint
    assert {"origin": found.origin, "size": found.size, "root": found.root.hex()} == stated
    assert {str(one.vkey): one.time for one in opened.cosignatures} == row["cosigned_at"]


@each("checkpoints", "refused")
def test_a_note_that_is_no_checkpoint_of_the_log_is_refused(row: dict[str, Any]) -> None:
    """By the code that the vector names."""
    log, cosigners = known_keys()
    with pytest.raises(LedgerError) as caught:
        open_cosigned(row["note"], log, cosigners)
    assert caught.value.code == row["code"]


@each("checkpoints", "no_vkeys")
def test_a_text_that_is_no_verifier_key_is_refused(row: dict[str, Any]) -> None:
    """By the code that the vector names."""
    with pytest.raises(LedgerError) as caught:
        VerifierKey.parse(row["vkey"])
    assert caught.value.code == row["code"]


def test_openssl_verifies_the_log_s_line(tmp_path: Path) -> None:
    """The signature over the three lines is plain Ed25519."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("openssl is not installed")
    note = read("checkpoints")["opened"][0]["note"]
    text, _, last = note.rpartition("\n\n")
    public = known_keys()[0].public
    der = Ed25519PublicKey.from_public_bytes(public).public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    (tmp_path / "key").write_bytes(der)
    (tmp_path / "text").write_text(f"{text}\n", encoding="utf-8")
    (tmp_path / "signature").write_bytes(base64.b64decode(last.split(" ")[2])[4:])
    done = subprocess.run(
        [openssl, "pkeyutl", "-verify", "-pubin", "-inkey", "key", "-rawin", "-in", "text",
         "-sigfile", "signature"],
        cwd=tmp_path, check=False, timeout=60, capture_output=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout


@each("receipts", "accepted")
def test_a_receipt_proves_its_entry(row: dict[str, Any]) -> None:
    """With the log's key alone."""
    log = VerifierKey.parse(read("receipts")["vkey"])
    receipt = parse_receipt(row["receipt"])
    assert verify_receipt(receipt, row["entry"].encode(), log).size == row["size"]
    assert receipt.index == row["index"]


@each("receipts", "refused")
def test_a_text_that_proves_nothing_is_refused(row: dict[str, Any]) -> None:
    """By its form, its path or its checkpoint."""
    log = VerifierKey.parse(read("receipts")["vkey"])
    with pytest.raises(LedgerError) as caught:
        verify_receipt(parse_receipt(row["receipt"]), row["entry"].encode(), log)
    assert caught.value.code == row["code"]


@each("policies", "accepted")
def test_a_policy_is_met_by_the_witnesses_stated(row: dict[str, Any]) -> None:
    """And by no fewer."""
    policy = parse_policy(row["policy"].encode())
    assert all(policy.satisfied(names) for names in row["met_by"])
    assert not any(policy.satisfied(names) for names in row["not_met_by"])


@each("policies", "refused")
def test_a_text_that_is_no_policy_is_refused(row: dict[str, Any]) -> None:
    """By the rule it breaks."""
    with pytest.raises(LedgerError) as caught:
        parse_policy(row["policy"].encode())
    assert caught.value.code == row["code"]


def test_a_checkpoint_of_the_vectors_needs_the_log_alone() -> None:
    """Who knows no witness reads the same checkpoint."""
    log, _ = known_keys()
    for row in read("checkpoints")["opened"]:
        assert open_checkpoint(row["note"], log).size == 5
