"""The logs of ``docs/formats/vectors``, recorded once, read the same for ever."""

from __future__ import annotations

import hashlib
import itertools
import json
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest

from ledger.history import REFUSED, History, current, kind_of
from ledger.log.chain import ChainHead, Link, StreamHead, advance, check_link
from ledger.log.checkpoint import open_checkpoint
from ledger.log.entry import parse_entry
from ledger.log.note import VerifierKey
from ledger.log.proof import parse_receipt, verify_receipt
from ledger.record import Record, read_record
from ledger.signing.authority import (
    day_of_authority,
    shortfalls,
    site_of,
    verify_statement,
)
from ledger.signing.register import Register
from ledger.signing.strict_json import canonical, parse
from ledger.verification.allocation import AllocationCheck
from ledger.verification.report import Findings
from ledger.vocabulary import Kind, vocabulary
from tests.vectors import plain

VECTORS = Path(__file__).parents[2] / "docs" / "formats" / "vectors"


class Whole:
    """A recorded log: its entries, openings, root of trust, and what stands in it."""

    def __init__(self, name: str) -> None:
        self.directory = VECTORS / name
        self.entries = (self.directory / "entries.jsonl").read_bytes().splitlines()
        self.trust: dict[str, str] = json.loads(self.text("root-of-trust.json"))
        self.stands: dict[str, Any] = json.loads(self.text("what-stands.json"))
        self.disclosures: dict[int, list[str]] = defaultdict(list)
        for line in self.text("openings.jsonl").splitlines():
            row = json.loads(line)
            self.disclosures[row["seq"]].append(row["disclosure"])

    def text(self, name: str) -> str:
        """A file of it."""
        return (self.directory / name).read_text("utf-8")

    def records(self) -> list[Record]:
        """All records, with their openings."""
        rows = enumerate(self.entries)
        return [read_record(data, self.disclosures[seq]) for seq, data in rows]


LOG, TRIAL = Whole("log"), Whole("trial")


@pytest.fixture(params=[LOG, TRIAL], ids=["log", "trial"], scope="module")
def whole(request: pytest.FixtureRequest) -> Whole:
    """The one or the other."""
    found: Whole = request.param
    return found


@pytest.fixture(scope="module")
def records(whole: Whole) -> list[Record]:
    """Its records."""
    return whole.records()


def test_its_chain_is_checked_with_a_hash_function_alone(whole: Whole) -> None:
    """The SHA-256 of each line is the next line's ``prev``; the first line is the genesis."""
    hashes = [hashlib.sha256(line).hexdigest() for line in whole.entries]
    assert len(whole.entries) == whole.stands["size"]
    assert hashes[0] == whole.trust["genesis"]
    assert [json.loads(line)["prev"] for line in whole.entries] == ["0" * 64, *hashes[:-1]]


def test_its_entries_continue_both_chains(whole: Whole) -> None:
    """Canonical bytes, positions, links."""
    head, streams = ChainHead(), dict[str, StreamHead]()
    for data in whole.entries:
        entry = parse_entry(data)
        check_link(head, streams.get(entry.stream, StreamHead()), entry)
        head, streams[entry.stream] = advance(Link(entry, data))


def test_its_checkpoint_covers_it(whole: Whole) -> None:
    """The root is that of the reference tree, under the key handed over."""
    vkey = VerifierKey.parse(whole.trust["key"])
    found = open_checkpoint(whole.text("checkpoint").encode(), vkey)
    root = plain.root([plain.leaf(entry) for entry in whole.entries])
    assert (found.size, found.root) == (whole.stands["size"], root)
    receipt = parse_receipt(whole.text("5.tlog-proof"))
    verify_receipt(receipt, whole.entries[receipt.index], vkey)


def test_every_statement_was_signed_by_keys_in_force(records: list[Record]) -> None:
    """Judged at its position, by a register folded from the log itself."""
    register = Register()
    for record in records:
        verify_statement(record.statement, record.event, register)
        if record.stream in ("trial", "access"):
            register.apply(record)


def test_results_answer_the_command_before_them(whole: Whole, records: list[Record]) -> None:
    """Which commands took effect, and which were refused."""
    accepted, refused = list[int](), list[int]()
    for before, record in itertools.pairwise(records):
        if kind_of(record.type) is Kind.RESULT:
            request = {"id": before.id, "seq": before.seq, "sha256": before.sha256}
            assert record.data["request"] == request
            (refused if record.type == REFUSED else accepted).append(before.seq)
    assert (accepted, refused) == (whole.stands["accepted"], whole.stands["refused"])


def test_each_record_reads_as_it_stood(whole: Whole, records: list[Record]) -> None:
    """Corrected, voided and signed from the position on that the page gives."""
    ids = [record.id for record in records]
    for row in whole.stands["values"]:
        fact = History(records[: row["after"] + 1]).facts[ids[row["record"]]]
        assert current(fact, row["pointer"]) == row["value"]
    for row in whole.stands["voided"]:
        assert History(records[: row["after"]]).facts[ids[row["record"]]].voided_by is None
        assert History(records[: row["after"] + 1]).facts[ids[row["record"]]].voided_by
    for row in whole.stands["signed"]:
        fact = History(records[: row["after"] + 1]).facts[ids[row["record"]]]
        assert [one.id for one in fact.signed_by] == [ids[row["by"]]]


def test_keys_are_in_force_from_their_acceptance_to_their_revocation(
    whole: Whole, records: list[Record]
) -> None:
    """By position in the log."""
    for row in whole.stands["keys"]:
        for after in (*row["in_force_after"], *row["revoked_after"]):
            register = Register(r for r in records[: after + 1] if r.stream in ("trial", "access"))
            (key,) = (one for one in register.keys.values() if one.owner == row["owner"])
            assert (key.revoked is not None) is (after in row["revoked_after"])


def lacks_of_the_ledger(records: list[Record]) -> dict[int, list[str]]:
    """The rules lacking at each position, as the ledger judges."""
    register, found, zones = Register(), dict[int, list[str]](), dict[str, str]()
    for before, record in itertools.pairwise([records[0], *records]):
        signers = verify_statement(record.statement, record.event, register)
        if before.type == "site.activated.v1":
            zones[str(before.data["site"])] = str(before.data["timezone"])
        if record.seq:
            rule, site = vocabulary()[record.type], site_of(record.event)
            day = day_of_authority(
                rule, record.event, recorded_at=record.recorded_at, zone=zones.get(site or "")
            )
            lacking = shortfalls(rule, record.event, signers, register, day=day)
            found[record.seq] = [item.rule for item in lacking]
        if record.stream in ("trial", "access"):
            register.apply(record)
    return found


def test_what_lacks_lacks_where_the_vector_says(whole: Whole, records: list[Record]) -> None:
    """A refused command, a fact that is recorded all the same, the first and last day."""
    expected = {row["entry"]: row["rules"] for row in whole.stands["lacks"]}
    assert {seq: rules for seq, rules in lacks_of_the_ledger(records).items() if rules} == expected


def test_what_a_stolen_key_signed_is_in_doubt(whole: Whole, records: list[Record]) -> None:
    """From the instant stated, by the time of recording, up to the revocation."""
    register = Register(one for one in records if one.stream in ("trial", "access"))
    stolen = {kid: key for kid, key in register.keys.items() if key.compromised_since is not None}
    assert [
        record.seq
        for record in records
        for signature in record.statement.signatures
        if (key := stolen.get(signature.kid)) is not None
        and key.compromised_since is not None
        and record.recorded_at >= key.compromised_since
        and record.seq < (key.revoked or 0)
    ] == whole.stands["doubtful"]


def test_its_allocations_lead_to_the_sealed_list(whole: Whole, records: list[Record]) -> None:
    """The ledger's own check finds nothing, in what an envelope opened neither."""
    findings = Findings()
    check = AllocationCheck(findings)
    for record in records:
        check.take(record.seq, record)
    assert len(findings) == 0
    revealed = [one for one in records if one.type == "allocation.revealed.v1"]
    assert len(revealed) == (whole is TRIAL)


def test_its_openings_are_canonical_json(whole: Whole) -> None:
    """A line each, as in a bundle."""
    for line in whole.text("openings.jsonl").splitlines():
        assert canonical(parse(line.encode())) == line.encode()
