"""The dossier of one subject: a gap, a cut tail or a foreign link shows, offline."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from ledger.errors import RejectedInput
from ledger.publication.dossiers import write_dossier
from ledger.signing.ledger_keys import LedgerKeys
from ledger.verification.dossier import verify_dossier
from ledger.verification.report import RootOfTrust, Status
from tests.build_ledger import ORIGIN, BuiltLedger, build_ledger, identify
from tests.ledger.build_service import bilirubin
from tests.ledger.verification.damage import Damaged, codes
from tests.ledger.verification.pack import members_of, sealed_again, write

if TYPE_CHECKING:
    from pathlib import Path

SUBJECT = "SY01-0001"
STREAM = f"streams/subject/{SUBJECT}.jsonl"


def issue(built: BuiltLedger, path: Path) -> Path:
    """The dossier of the first subject."""
    with path.open("wb") as file:
        write_dossier(
            file, built.ledger, SUBJECT,
            purpose="inspection", now=built.tick(), software="trial-ledger 0", pages={},
        )  # fmt: skip
    return path


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> BuiltLedger:
    """A ledger with one subject and some results, closed after two dossiers were issued."""
    one = build_ledger(tmp_path_factory.mktemp("dossier"))
    one.record(identify(one, 1))
    for value in ("21", "22", "23"):
        one.record(bilirubin(one, value))
    issue(one, one.directory / "first.zip")
    one.record(bilirubin(one, "24"))
    issue(one, one.directory / "second.zip")
    one.close()
    return one


@pytest.fixture
def members(built: BuiltLedger) -> dict[str, bytes]:
    """The members of the second dossier, to be altered."""
    return members_of(built.directory / "second.zip")


def found(members: dict[str, bytes], tmp_path: Path) -> list[str]:
    """The codes found in members whose manifest was made again to fit."""
    return codes(verify_dossier(write(tmp_path / "d.zip", sealed_again(members))).findings)


def lines(members: dict[str, bytes], name: str) -> list[bytes]:
    """A member's lines with their ends."""
    return members[name].splitlines(keepends=True)


def test_a_dossier_is_found_sound_under_the_root_of_trust(built: BuiltLedger) -> None:
    """It says what it did not check."""
    trust = RootOfTrust(built.keys.vkey, built.ledger.genesis.record.sha256)
    report = verify_dossier(built.directory / "second.zip", trust=trust)
    assert (report.status, report.findings) == (Status.SOUND, ())
    assert "standing and authority of the signers" in report.not_checked
    assert not report.internally_consistent_only


def test_a_ledger_that_issued_dossiers_verifies(built: BuiltLedger) -> None:
    """Its commitments are statements of its own, behind no request."""
    report = Damaged(built.directory / "ledger.sqlite3", built.files.head).verify()
    assert report.findings == ()


def test_a_dossier_shows_each_record_of_its_streams(members: dict[str, bytes]) -> None:
    """The commitment before is a link of the stream like any other."""
    assert len(lines(members, STREAM)) == 1 + 3 + 1 + 1
    assert len(lines(members, STREAM.replace("subject/", "treatment/", 1))) == 1 + 1


@pytest.mark.parametrize(
    ("cut", "codes_expected"),
    [
        (slice(None, -1), "dossier.tail"),
        (slice(None, 3), "dossier.tail"),
        (slice(1, None), "dossier.gap"),
        (slice(None, None, 2), "dossier.gap"),
        (slice(None, None, -1), "dossier.gap"),
        (slice(0, 0), "dossier.tail"),
    ],
)
def test_links_left_out_or_out_of_order_are_named(
    members: dict[str, bytes], tmp_path: Path, cut: slice, codes_expected: str
) -> None:
    """Whatever the manifest says."""
    members[STREAM] = b"".join(lines(members, STREAM)[cut])
    assert codes_expected in found(members, tmp_path)


def test_a_repeated_link_is_named(members: dict[str, bytes], tmp_path: Path) -> None:
    """Behind the end that was committed to."""
    members[STREAM] += lines(members, STREAM)[-1]
    assert "dossier.gap" in found(members, tmp_path)


def test_an_older_commitment_does_not_cover_what_came_after(
    built: BuiltLedger, members: dict[str, bytes], tmp_path: Path
) -> None:
    """Nor does it let the newer links be cut silently: it is another dossier, whole in itself."""
    older = members_of(built.directory / "first.zip")
    mixed = {**older, STREAM: members[STREAM]}
    assert "dossier.tail" in found(mixed, tmp_path)


def test_a_changed_link_is_named(members: dict[str, bytes], tmp_path: Path) -> None:
    """By its signature and by the link behind it."""
    changed = lines(members, STREAM)
    changed[2] = changed[2].replace(b'"statement":"e', b'"statement":"f', 1)
    members[STREAM] = b"".join(changed)
    assert {"dossier.broken", "dossier.link"} <= set(found(members, tmp_path))


def test_the_stream_of_another_subject_is_named(members: dict[str, bytes], tmp_path: Path) -> None:
    """Links say whose they are."""
    members[STREAM.replace("0001", "0002")] = members.pop(STREAM)
    assert {"dossier.link", "dossier.gap", "dossier.commitment"} <= set(found(members, tmp_path))


def test_a_missing_stream_is_named(members: dict[str, bytes], tmp_path: Path) -> None:
    """The commitment to it is there."""
    del members[STREAM]
    assert "dossier.gap" in found(members, tmp_path)


def test_a_missing_commitment_is_named(members: dict[str, bytes], tmp_path: Path) -> None:
    """Links alone do not show that the tail is there."""
    members["proven.jsonl"] = b"".join(lines(members, "proven.jsonl")[:-1])
    assert "dossier.commitment" in found(members, tmp_path)


def test_a_missing_key_is_named(members: dict[str, bytes], tmp_path: Path) -> None:
    """Its statements cannot be verified then."""
    kept = lines(members, "proven.jsonl")
    members["proven.jsonl"] = kept[0] + kept[-2] + kept[-1]
    assert found(members, tmp_path) == ["dossier.signature"]


def test_an_entry_without_its_receipt_proves_nothing(
    members: dict[str, bytes], tmp_path: Path
) -> None:
    """Its receipt must be there and lead to the checkpoint."""
    name = max(n for n in members if n.startswith("receipts/"))
    members[name] = members["receipts/0.tlog-proof"]
    assert "dossier.unproven" in found(members, tmp_path)


def test_a_foreign_opening_is_named(members: dict[str, bytes], tmp_path: Path) -> None:
    """It opens nothing that was signed."""
    line = b'{"disclosure":"WyJhIiwiYiIsImMiXQ","number":0,"stream":"subject/SY01-0001",'
    members["openings.jsonl"] = line + b'"stream_seq":5}\n'
    assert "openings.foreign" in found(members, tmp_path)


def test_another_root_of_trust_is_named(built: BuiltLedger) -> None:
    """The bundle's own entry 0 counts for nothing."""
    trust = RootOfTrust(built.keys.vkey, "0" * 64)
    report = verify_dossier(built.directory / "second.zip", trust=trust)
    assert codes(report.findings) == ["statements.genesis"]
    other = replace(trust, vkey=LedgerKeys.from_seed(ORIGIN, bytes(32)).vkey)
    assert "checkpoints.signature" in codes(
        verify_dossier(built.directory / "second.zip", trust=other).findings
    )


@pytest.mark.parametrize(
    "name", ["README.txt", "checkpoint", "proven.jsonl", "receipts/0.tlog-proof", STREAM]
)
def test_each_member_altered_is_named(members: dict[str, bytes], tmp_path: Path, name: str) -> None:
    """By its SHA-256 in the manifest."""
    content = bytearray(members[name])
    content[len(content) // 2] ^= 1
    members[name] = bytes(content)
    report = verify_dossier(write(tmp_path / "d.zip", members))
    assert name in [f.field for f in report.findings if f.code == "manifest.member"]


def test_an_unknown_subject_has_no_dossier(built: BuiltLedger, tmp_path: Path) -> None:
    """Nothing is recorded for it."""
    ledger = built.reopen()
    size = ledger.application.store.head().size
    try:
        with pytest.raises(RejectedInput), (tmp_path / "d.zip").open("wb") as file:
            write_dossier(
                file,
                ledger,
                "SY01-0099",
                purpose="",
                now=built.now,
                software="trial-ledger 0",
                pages={},
            )
        assert ledger.application.store.head().size == size
    finally:
        ledger.close()


def test_two_dossiers_at_one_instant_are_two_statements(built: BuiltLedger, tmp_path: Path) -> None:
    """Their ids differ though the clock stands still."""
    built.reopen()
    try:
        before = built.ledger.application.store.head().size
        for name in ("a.zip", "b.zip"):
            with (tmp_path / name).open("wb") as file:
                write_dossier(
                    file, built.ledger, SUBJECT, purpose="again", now=built.now, software="",
                    pages={},
                )  # fmt: skip
        assert built.ledger.application.store.head().size == before + 4
    finally:
        built.ledger.close()
