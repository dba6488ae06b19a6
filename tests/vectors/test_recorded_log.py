"""The log of ``docs/formats/vectors/log``, recorded once, reads the same for ever."""

from __future__ import annotations

import hashlib
import itertools
import json
from pathlib import Path
from typing import Any

import pytest

from ledger.history import ACCEPTED, REFUSED, History, current, kind_of
from ledger.log.chain import ChainHead, Link, StreamHead, advance, check_link
from ledger.log.checkpoint import open_checkpoint
from ledger.log.entry import parse_entry
from ledger.log.note import VerifierKey
from ledger.log.proof import parse_receipt, verify_receipt
from ledger.record import Record, read_record
from ledger.signing.authority import verify_statement
from ledger.signing.register import Register
from ledger.vocabulary import Kind
from tests.vectors import plain

LOG = Path(__file__).parents[2] / "docs" / "formats" / "vectors" / "log"
ENTRIES = (LOG / "entries.jsonl").read_bytes().splitlines()
TRUST: dict[str, str] = json.loads((LOG / "root-of-trust.json").read_text("utf-8"))
STANDS: dict[str, Any] = json.loads((LOG / "what-stands.json").read_text("utf-8"))


@pytest.fixture(scope="module")
def records() -> list[Record]:
    """All records, with their openings."""
    opened: dict[int, list[str]] = {}
    for text in (LOG / "openings.jsonl").read_text("utf-8").splitlines():
        row = json.loads(text)
        opened.setdefault(row["seq"], []).append(row["disclosure"])
    return [read_record(data, opened.get(seq, ())) for seq, data in enumerate(ENTRIES)]


def test_its_chain_is_checked_with_a_hash_function_alone() -> None:
    """The SHA-256 of each line is the next line's ``prev``; the first line is the genesis."""
    hashes = [hashlib.sha256(line).hexdigest() for line in ENTRIES]
    assert len(ENTRIES) == STANDS["size"]
    assert hashes[0] == TRUST["genesis"]
    assert [json.loads(line)["prev"] for line in ENTRIES] == ["0" * 64, *hashes[:-1]]


def test_its_entries_continue_both_chains() -> None:
    """Canonical bytes, positions, links."""
    head, streams = ChainHead(), dict[str, StreamHead]()
    for data in ENTRIES:
        entry = parse_entry(data)
        check_link(head, streams.get(entry.stream, StreamHead()), entry)
        head, streams[entry.stream] = advance(Link(entry, data))


def test_its_checkpoint_covers_it() -> None:
    """The root is that of the reference tree, under the key handed over."""
    vkey = VerifierKey.parse(TRUST["key"])
    found = open_checkpoint((LOG / "checkpoint").read_bytes(), vkey)
    root = plain.root([plain.leaf(entry) for entry in ENTRIES])
    assert (found.size, found.root) == (STANDS["size"], root)
    receipt = parse_receipt((LOG / "5.tlog-proof").read_text("utf-8"))
    verify_receipt(receipt, ENTRIES[receipt.index], vkey)


def test_every_statement_was_signed_by_keys_in_force(records: list[Record]) -> None:
    """Judged at its position, by a register folded from the log itself."""
    register = Register()
    for record in records:
        verify_statement(record.statement, record.event, register)
        if record.stream in ("trial", "access"):
            register.apply(record)


def test_results_answer_the_command_before_them(records: list[Record]) -> None:
    """Which commands took effect, and which were refused."""
    answers: dict[str, list[int]] = {ACCEPTED: [], REFUSED: []}
    for before, record in itertools.pairwise(records):
        if kind_of(record.type) is Kind.RESULT:
            request = {"id": before.id, "seq": before.seq, "sha256": before.sha256}
            assert record.data["request"] == request
            answers[record.type].append(before.seq)
    assert answers == {ACCEPTED: STANDS["accepted"], REFUSED: STANDS["refused"]}


def test_each_record_reads_as_it_stood(records: list[Record]) -> None:
    """Corrected, voided and signed from the position on that the page gives."""
    ids = [record.id for record in records]
    for row in STANDS["values"]:
        fact = History(records[: row["after"] + 1]).facts[ids[row["record"]]]
        assert current(fact, row["pointer"]) == row["value"]
    for row in STANDS["voided"]:
        assert History(records[: row["after"]]).facts[ids[row["record"]]].voided_by is None
        assert History(records[: row["after"] + 1]).facts[ids[row["record"]]].voided_by
    for row in STANDS["signed"]:
        fact = History(records[: row["after"] + 1]).facts[ids[row["record"]]]
        assert [one.id for one in fact.signed_by] == [ids[row["by"]]]


def test_keys_are_in_force_from_their_acceptance_to_their_revocation(
    records: list[Record],
) -> None:
    """By position in the log."""
    for row in STANDS["keys"]:
        for after in (*row["in_force_after"], *row["revoked_after"]):
            register = Register(r for r in records[: after + 1] if r.stream in ("trial", "access"))
            (key,) = (one for one in register.keys.values() if one.owner == row["owner"])
            assert (key.revoked is not None) is (after in row["revoked_after"])
