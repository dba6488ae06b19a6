"""A bundle with what was published: every member of it is checked, and each alteration is named."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from api.vocabulary_schemas import schemas_bytes
from ledger.errors import IntegrityFailure
from ledger.log.cosignature import open_cosigned
from ledger.log.note import VerifierKey
from ledger.log.policy import parse_policy
from ledger.log.proof import parse_receipt, verify_receipt
from ledger.publication.bundling import Beside
from ledger.verification.bundle import verify_bundle
from ledger.verification.cosignatures import Asked
from ledger.verification.kinds import Check
from ledger.verification.report import Status
from tests.ledger.verification.damage import codes
from tests.ledger.verification.pack import PAGES, made, manifest_of, members_of, sealed_again, write
from tests.ledger.verification.publish import ETHICS, Published, policy_text
from tests.running_authority import openssl_stamps

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from ledger.signing.strict_json import JsonObject, JsonValue
    from ledger.verification.report import RootOfTrust, VerificationReport
    from tests.build_ledger import BuiltLedger

ADDED = (
    "checkpoint", "policy.txt", "published.jsonl", "receipts/0.tlog-proof", "schemas.json",
    "tallies.jsonl", "timestamps.jsonl", "vkeys.txt",
)  # fmt: skip


@pytest.fixture
def members(whole_bundle: Path) -> dict[str, bytes]:
    """Its members, to be altered."""
    return members_of(whole_bundle)


@pytest.fixture
def forged(tmp_path: Path) -> Callable[..., VerificationReport]:
    """The report on members under a manifest that fits them, as a forger would make it."""

    def verify(members: dict[str, bytes], **values: object) -> VerificationReport:
        return verify_bundle(write(tmp_path / "b.zip", sealed_again(members, **values)))

    return verify


def altered(members: dict[str, bytes], name: str, old: bytes, new: bytes) -> dict[str, bytes]:
    """The members with one place of one of them changed."""
    assert old in members[name]
    return {**members, name: members[name].replace(old, new, 1)}


def test_a_whole_bundle_is_found_sound(whole_bundle: Path, trust: RootOfTrust) -> None:
    """With all that was published, under the policy in it, which is only the ledger's word."""
    report = verify_bundle(whole_bundle, trust=trust)
    assert (report.status, report.findings, report.notices) == (Status.SOUND, (), ())
    assert set(Check) - set(report.checks_done) == {Check.HEAD_FILE, Check.DOSSIER}
    assert "bundle's own" in report.reasons["witnesses"]
    assert report.publication is not None
    assert report.publication.cosigned == report.size


def test_the_verifiers_own_policy_decides(whole_bundle: Path) -> None:
    """Whatever the policy in the bundle says."""
    stranger = type(ETHICS).from_seed("witness.example/stranger", bytes(32))
    report = verify_bundle(whole_bundle, asked=Asked(parse_policy(policy_text("all", stranger))))
    assert codes(report.findings) == ["cosignatures.quorum"]


def test_the_checkpoint_bears_every_line_and_a_receipt_leads_to_it(
    members: dict[str, bytes], sound: BuiltLedger
) -> None:
    """Both keys of the log, and the witness; the receipt is checked by its format alone."""
    ed25519, ml_dsa = (VerifierKey.parse(line) for line in members["vkeys.txt"].decode().split())
    opened = open_cosigned(members["checkpoint"], ed25519, [ml_dsa, ETHICS.vkey])
    assert [one.vkey for one in opened.cosignatures] == [ml_dsa, ETHICS.vkey]
    entries = members["entries.jsonl"].split(b"\n")
    for name, content in members.items():
        if name.startswith("receipts/"):
            receipt = parse_receipt(content.decode())
            verify_receipt(receipt, entries[receipt.index], sound.keys.vkey)


def test_consents_allocations_and_releases_have_receipts(members: dict[str, bytes]) -> None:
    """As entry 0 has; no other entry does."""
    from ledger.verification.bundle_receipts import has_receipt
    from ledger.vocabulary import vocabulary

    kinds = [json.loads(line) for line in members["entries.jsonl"].split(b"\n")[:-1]]
    found = {int(n[9:-11]) for n in members if n.startswith("receipts/")}
    assert 0 in found
    assert len(found) == 4  # entry 0 and three allocations
    assert found < set(range(len(kinds)))
    assert {name for name in vocabulary() if has_receipt(name)} >= {
        "trial.opened.v1", "consent.obtained.v1", "subject.randomized.v1", "bag.released.v1",
    }  # fmt: skip


@pytest.mark.parametrize("name", ADDED)
def test_a_dropped_or_altered_member_is_named(
    members: dict[str, bytes], tmp_path: Path, name: str
) -> None:
    """By the manifest already."""
    less = {n: content for n, content in members.items() if n != name}
    report = verify_bundle(write(tmp_path / "less.zip", less))
    assert name in [f.field for f in report.findings if f.code == "manifest.member"]
    content = bytearray(members[name])
    if content:
        content[len(content) // 2] ^= 1
        report = verify_bundle(write(tmp_path / "b.zip", {**members, name: bytes(content)}))
        assert name in [f.field for f in report.findings if f.code == "manifest.member"]


@pytest.mark.parametrize(
    ("name", "change", "code"),
    [
        ("vkeys.txt", lambda data: data[: data.index(b"\n") + 1], "manifest.value"),
        ("checkpoint", lambda data: data[: data.rindex("— ".encode())], "manifest.value"),
        ("policy.txt", lambda data: data + b"quorum none\n", "manifest.policy"),
        ("schemas.json", lambda data: b"{}", "manifest.schemas"),
        ("schemas.json", lambda data: data.replace(b"consent.", b"content."), "manifest.schemas"),
        ("schemas.json", lambda data: data[:-1], "manifest.schemas"),
        ("published.jsonl", lambda data: data + b"{}\n", "manifest.line"),
        ("published.jsonl", lambda data: data + data, "manifest.line"),
        ("timestamps.jsonl", lambda data: data + b"[]\n", "manifest.line"),
        (
            "tallies.jsonl",
            lambda data: data.replace(b'"number":3', b'"number":4', 1),
            "cosignatures.missing",
        ),
        ("receipts/0.tlog-proof", lambda data: data[:-3], "manifest.receipt"),
        (
            "receipts/0.tlog-proof",
            lambda data: data.replace(b"index 0", b"index 1"),
            "manifest.receipt",
        ),
    ],
    ids=["vkeys", "checkpoint", "policy", "none", "types", "cut", "line", "twice", "stamps",
         "tally", "receipt", "index"],
)  # fmt: skip
def test_a_forged_member_is_named_though_the_manifest_fits(
    members: dict[str, bytes],
    forged: Callable[..., VerificationReport],
    name: str,
    change: Callable[[bytes], bytes],
    code: str,
) -> None:
    """By what it says against what the log says; receipts follow the checkpoint they copy."""
    report = forged({**members, name: change(members[name])}, counts=None)
    found = [f for f in report.findings if f.field != "manifest.json /counts"]
    rest = [f for f in found if not f.code.startswith(code)]
    assert len(found) > len(rest)
    assert {f.code for f in rest} <= ({"manifest.receipt"} if name == "checkpoint" else set())


def test_a_forged_cosignature_in_a_bundle_is_named(
    members: dict[str, bytes], forged: Callable[..., VerificationReport]
) -> None:
    """As in the file it came from."""
    rows = [json.loads(line) for line in members["published.jsonl"].split(b"\n")[:-1]]
    line = rows[1]["cosignatures"][0]["line"]
    other = line[:-10] + ("A" if line[-10] != "A" else "B") + line[-9:]
    report = forged(altered(members, "published.jsonl", line[:-1].encode(), other[:-1].encode()))
    assert codes(report.findings) == ["cosignatures.signature"]


def test_a_published_checkpoint_left_out_of_a_bundle_is_missed(
    members: dict[str, bytes], forged: Callable[..., VerificationReport]
) -> None:
    """The counts go along."""
    first, rest = members["published.jsonl"].split(b"\n", 1)
    size = json.loads(first)["size"]
    report = forged({**members, "published.jsonl": rest}, counts=None)
    found = [f for f in report.findings if f.code != "manifest.value"]
    assert ("published.missing", size - 1) in [(f.code, f.first) for f in found]
    assert {f.code for f in found} <= {"published.missing", "cosignatures.missing"}


@pytest.mark.skipif(not openssl_stamps(), reason="no openssl with ts on this machine")
def test_a_forged_time_stamp_in_a_bundle_is_named(
    members: dict[str, bytes], forged: Callable[..., VerificationReport]
) -> None:
    """A response altered, one of another size, one that nothing lists."""
    one, other = sorted(name for name in members if name.endswith(".tsr"))
    report = forged({**members, one: members[one][:-1]})
    assert codes(report.findings) == ["timestamps.altered"]
    report = forged({**members, one: members[other]})
    assert codes(report.findings) == ["timestamps.altered"]
    report = forged({**members, "timestamps/7.tsr": members[one]})
    assert [(f.code, f.field) for f in report.findings] == [
        ("manifest.surplus", "timestamps/7.tsr")
    ]


def test_what_is_withheld_is_said_in_the_manifest(issued: Published, tmp_path: Path) -> None:
    """A statement with what and why is a notice; anything else is named."""
    said: JsonObject = {"what": "identity", "why": "masked reader"}
    beside = Beside("trial-ledger 0", PAGES, withheld=(said,))
    path = made(issued.database, tmp_path / "b.zip", issued.file, beside=beside)
    report = verify_bundle(path)
    assert (report.findings, codes(report.notices)) == ((), ["manifest.redacted"])
    assert report.notices[0].found == "identity: masked reader"
    members = members_of(path)
    others: list[JsonValue] = [
        "some", {"withheld": []}, {"withheld": [{"what": "identity"}]}, None,
    ]  # fmt: skip
    for other in others:
        forgery = sealed_again(members, redaction=other)
        found = verify_bundle(write(tmp_path / "f.zip", forgery)).findings
        assert [f.field for f in found] == ["manifest.json /redaction"]


def test_a_stray_cosignature_has_no_place_in_a_bundle(published: Published, tmp_path: Path) -> None:
    """It is named when the database is verified; a bundle could not show it."""
    published.table.run(
        "UPDATE cosignatures SET size = 7"
        " WHERE size = (SELECT MIN(size) FROM cosignatures) AND vkey = ?",
        str(ETHICS.vkey),
    )
    with pytest.raises(IntegrityFailure) as caught:
        made(published.database, tmp_path / "b.zip", published.file)
    assert caught.value.code == "bundle.damaged"


def test_a_rolled_back_database_is_bundled_with_what_it_published(
    published: Published, sound: BuiltLedger, tmp_path: Path
) -> None:
    """Whoever verifies the bundle sees what a verification of the database sees."""
    from ledger.log.checkpoint import Checkpoint, sign_checkpoint
    from ledger.storage.published import PublishedCheckpoints
    from tests.ledger.verification.publish import with_both_keys

    keys = sound.keys
    note = sign_checkpoint(Checkpoint(keys.origin, 900, bytes(32)), keys.checkpoint_signer)
    PublishedCheckpoints(published.file).publish(900, with_both_keys(note, keys))
    path = made(published.database, tmp_path / "b.zip", published.file)
    assert codes(verify_bundle(path).findings) == ["published.rolled-back"]


def test_the_schemas_cover_every_type_of_the_vocabulary() -> None:
    """Each is found where its reference points; nothing points outside."""
    value = json.loads(schemas_bytes())
    from ledger.vocabulary import vocabulary

    assert set(value["types"]) == set(vocabulary())
    references: list[str] = []

    def walk(one: object) -> None:
        if isinstance(one, dict):
            if isinstance(one.get("$ref"), str):
                references.append(one["$ref"])
            for inner in one.values():
                walk(inner)
        elif isinstance(one, list):
            for inner in one:
                walk(inner)

    walk(value)
    assert all(ref.removeprefix("#/$defs/") in value["$defs"] for ref in references)


def test_another_root_is_still_named(whole_bundle: Path, trust: RootOfTrust) -> None:
    """Nothing published makes another log this one."""
    report = verify_bundle(whole_bundle, trust=replace(trust, genesis_sha256="0" * 64))
    assert codes(report.findings) == ["statements.genesis"]


def test_the_manifest_counts_what_there_is(members: dict[str, bytes]) -> None:
    """Members that are many are counted, lines too."""
    counts = manifest_of(members)["counts"]
    assert isinstance(counts, dict)
    stamps = 2 if openssl_stamps() else 0
    assert {name: counts[name] for name in ("published", "cosignatures", "timestamps")} == {
        "published": 3, "cosignatures": 5, "timestamps": stamps,
    }  # fmt: skip
    assert counts["receipts"] == 4
