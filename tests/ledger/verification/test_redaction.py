"""Redacted bundles: openings left out by purpose, everything else proven as before."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import pytest

from ledger.clock import SystemClock
from ledger.concealment.evidence import revealing
from ledger.concealment.openings import Openings
from ledger.concealment.settings import open_vault
from ledger.publication.bundling import Beside, write_bundle
from ledger.publication.redaction import Redaction, purpose_of
from ledger.signing.sealing import make_disclosure, parse_disclosure
from ledger.signing.strict_json import parse_object
from ledger.storage.open_evidence import open_evidence
from ledger.verification.bundle import verify_bundle
from ledger.verification.redaction import UNPROVEN, unproven, withheld_of
from ledger.verification.report import RootOfTrust, Status, VerificationReport
from ledger.vocabulary import Purpose
from tests.ledger.verification.pack import PAGES, manifest_of, members_of, sealed_again, write

if TYPE_CHECKING:
    from pathlib import Path

    from tests.build_ledger import BuiltLedger

SALT: Final = "k" * 22
ALL: Final = frozenset(Purpose)


def redacted(built: BuiltLedger, path: Path, *purposes: Purpose) -> dict[str, bytes]:
    """The members of a bundle without the openings of some purposes."""
    beside = Beside("trial-ledger 0", PAGES, leave=frozenset(purposes), why="for a test")
    trial, place = built.definition.protocol.trial, built.database.place
    with (
        open_vault(trial, place, places=None, clock=SystemClock()) as vault,
        open_evidence(built.database, reveal=revealing(Openings(vault))) as source,
        path.open("wb") as file,
    ):
        write_bundle(file, source, beside)
    return members_of(path)


def names(members: dict[str, bytes]) -> set[str]:
    """The names of the members that are opened."""
    lines = members["openings.jsonl"].splitlines()
    return {parse_disclosure(str(parse_object(line)["disclosure"])).name for line in lines}


def judged(path: Path, members: dict[str, bytes], **values: object) -> VerificationReport:
    """The report on members whose manifest was made again to fit."""
    return verify_bundle(write(path, sealed_again(members, **values)))


@pytest.mark.parametrize("purpose", list(Purpose))
def test_a_purpose_left_out_is_gone_stated_and_said_to_be_unproven(
    sound: BuiltLedger, trust: RootOfTrust, tmp_path: Path, purpose: Purpose
) -> None:
    """Everything else is found sound, under the root of trust."""
    whole = redacted(sound, tmp_path / "whole.zip")
    members = redacted(sound, tmp_path / "one.zip", purpose)
    lost = names(whole) - names(members)
    assert lost
    items: Any = manifest_of(members)["redaction"]
    stated, pages = items["withheld"]
    assert (stated["what"], stated["why"], pages["what"]) == (purpose, "for a test", "pages")
    missing = len(whole["openings.jsonl"].splitlines()) - len(
        members["openings.jsonl"].splitlines()
    )
    assert stated["number"] == missing
    report = verify_bundle(tmp_path / "one.zip", trust=trust)
    assert (report.status, report.findings) == (Status.SOUND, ())
    assert report.reasons[f"contents of sealed members ({purpose})"] == UNPROVEN[purpose]
    assert {one.code for one in report.notices} >= {"manifest.redacted"}


def test_nothing_but_openings_and_pages_is_left_out(sound: BuiltLedger, tmp_path: Path) -> None:
    """Entries, tiles, checkpoints and receipts are the same bytes."""
    whole = redacted(sound, tmp_path / "whole.zip")
    members = redacted(sound, tmp_path / "none.zip", *Purpose)
    assert members["openings.jsonl"] == b""
    assert set(whole) - set(members) == set(PAGES)
    other = {name for name in members if members[name] != whole[name]}
    assert other == {"openings.jsonl", "manifest.json"}


def test_a_whole_bundle_says_that_nothing_was_left_out(sound: BuiltLedger, tmp_path: Path) -> None:
    """And its verification lacks nothing."""
    members = redacted(sound, tmp_path / "whole.zip")
    assert manifest_of(members)["redaction"] == "none"
    assert unproven("none") == {}


def test_a_bundle_cannot_have_left_out_more_than_is_closed(
    sound: BuiltLedger, tmp_path: Path
) -> None:
    """Whatever else the manifest says."""
    members = redacted(sound, tmp_path / "one.zip", Purpose.TEXT)
    value = {"withheld": [{"what": "text", "why": "so", "number": 10_000}]}
    report = judged(tmp_path / "d.zip", members, redaction=value)
    assert [(f.code, f.field) for f in report.findings] == [
        ("manifest.value", "manifest.json /redaction")
    ]


@pytest.mark.parametrize(
    "value",
    [
        "all", "masked", {}, {"withheld": []}, {"withheld": [{"what": "text"}]},
        {"withheld": [{"what": "text", "why": ""}]}, {"withheld": "text"},
        {"withheld": [{"what": "text", "why": "so", "number": -1}]},
        {"withheld": [{"what": "text", "why": "so", "number": True}]},
    ],
)  # fmt: skip
def test_a_redaction_that_does_not_say_what_and_why_is_named(
    sound: BuiltLedger, tmp_path: Path, value: object
) -> None:
    """A bundle of the log is never masked."""
    members = redacted(sound, tmp_path / "one.zip", Purpose.TEXT)
    report = judged(tmp_path / "d.zip", members, redaction=value)
    assert "manifest.json /redaction" in [f.field for f in report.findings]
    assert withheld_of(value) == []  # type: ignore[arg-type]


def test_what_the_vocabulary_does_not_know_is_left_out_with_anything() -> None:
    """Nobody can say for what purpose it was sealed."""
    known = make_disclosure("comment", "x", salt=SALT).text
    strange = make_disclosure("strange", "x", salt=SALT).text
    for purposes in ({Purpose.IDENTITY}, ALL):
        redaction = Redaction(frozenset(purposes))
        assert not redaction.keeps("diagnosis.recorded.v1", strange)
        assert not redaction.keeps("unknown.type.v1", known)
        assert not redaction.keeps("diagnosis.recorded.v1", "no disclosure")
    assert Redaction(frozenset({Purpose.IDENTITY})).keeps("diagnosis.recorded.v1", known)
    assert Redaction().keeps("unknown.type.v1", strange)
    assert purpose_of("diagnosis.recorded.v1", known) is Purpose.TEXT
