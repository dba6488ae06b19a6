"""Bundles as their users see them: `bundle`, `GET /bundle`, `verify FILE`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from api.bundling import policy_bytes
from api.cli.bundling import bundle
from api.cli.verifying import COULD_NOT_CHECK, DAMAGED, verify
from ledger.errors import Unavailable
from ledger.log.cosignature import Cosigner, open_cosigned
from ledger.log.policy import parse_policy
from ledger.verification.dossier import is_of_masked, verify_dossier
from tests.build_ledger import TRIAL, BuiltLedger, build_ledger, identify, seed_of
from tests.ledger.verification.pack import members_of, sealed_again, write

if TYPE_CHECKING:
    from pathlib import Path

    from click.testing import Result
    from flask.testing import FlaskClient


@pytest.fixture
def closed(tmp_path: Path) -> BuiltLedger:
    """A closed ledger with one subject."""
    one = build_ledger(tmp_path)
    one.record(identify(one, 1))
    one.close()
    return one


def run(built: BuiltLedger, *more: str) -> Result:
    """The command on a ledger."""
    return CliRunner().invoke(bundle, ["--database", built.url, *more], catch_exceptions=False)


def test_a_bundle_is_written_verified_and_written_again_with_the_same_bytes(
    closed: BuiltLedger, tmp_path: Path
) -> None:
    """With the report of both forms, and no half-written file beside it."""
    one, other = tmp_path / "one.zip", tmp_path / "other.zip"
    written = run(closed, "--out", str(one), "--json")
    assert run(closed, "--out", str(other)).exit_code == 0
    assert one.read_bytes() == other.read_bytes()
    assert json.loads(written.stdout)["bytes"] == one.stat().st_size
    members = members_of(one)
    assert {"report.html", "report.json", "entries.jsonl", "schemas.json"} <= set(members)
    ed25519, ml_dsa = closed.keys.vkeys
    opened = open_cosigned(members["checkpoint"], ed25519, [ml_dsa])
    assert [held.vkey for held in opened.cosignatures] == [ml_dsa]
    trust = ["--key", closed.vkey, "--genesis", closed.ledger.genesis.record.sha256]
    outcome = CliRunner().invoke(verify, [str(one), *trust])
    assert outcome.exit_code == 0
    assert outcome.stdout.startswith("Sound: ")
    assert "Not checked: projections, head file, witnesses." in outcome.stdout.splitlines()
    assert not list(tmp_path.glob("*.part"))


def test_a_dossier_is_preceded_by_its_commitment(closed: BuiltLedger, tmp_path: Path) -> None:
    """And shows the replay beside the records."""
    path = tmp_path / "dossier.zip"
    assert run(closed, "--out", str(path), "--subject", "SY01-0001").exit_code == 0
    assert "replay.json" in members_of(path)
    outcome = CliRunner().invoke(verify, [str(path), "--json"])
    assert (outcome.exit_code, json.loads(outcome.stdout)["kind"]) == (0, "dossier")


def test_a_masked_dossier_shows_no_place(closed: BuiltLedger, tmp_path: Path) -> None:
    """Neither in the file nor on the terminal of whoever made it."""
    path = tmp_path / "masked.zip"
    written = run(closed, "--out", str(path), "--subject", "SY01-0001", "--masked", "--json")
    assert written.exit_code == 0
    assert set(json.loads(written.stdout)) == {"file", "bytes", "manifest_sha256"}
    members = members_of(path)
    assert "checkpoint" not in members
    assert not [name for name in members if name.startswith(("receipts/", "streams/treatment/"))]
    outcome = CliRunner().invoke(verify, [str(path)])
    assert outcome.exit_code == 0
    assert "inclusion in the log" in outcome.stdout
    assert "Not proven: that these records are in the log" in outcome.stdout
    assert run(closed, "--out", str(path), "--masked").exit_code == 2


def test_a_bundle_leaves_out_what_is_to_be_withheld(closed: BuiltLedger, tmp_path: Path) -> None:
    """Of the log and of a dossier; whoever verifies it is told."""
    path = tmp_path / "one.zip"
    for more in ((), ("--subject", "SY01-0001"), ("--subject", "SY01-0001", "--masked")):
        written = run(closed, "--out", str(path), "--withhold", "identity,text", *more)
        assert written.exit_code == 0
        members = members_of(path)
        assert members["openings.jsonl"] == b""
        assert not {"report.html", "report.json", "replay.json"} & set(members)
        outcome = CliRunner().invoke(verify, [str(path), "--json"])
        found = json.loads(outcome.stdout)
        assert (outcome.exit_code, found["status"], found["withheld"]) == (0, "sound", 1)
        assert ("contents of sealed members (identity)" in found["not_checked"]) == (
            "--masked" not in more
        )
    assert run(closed, "--out", str(path), "--withhold", "names").exit_code == 2


def test_the_service_gives_a_dossier_of_one_subject(
    built: BuiltLedger, client: FlaskClient, tmp_path: Path
) -> None:
    """To whoever reads unmasked the full one; an unknown subject has none."""
    built.record(identify(built, 1))
    answer = client.get(f"/v1/trials/{TRIAL}/bundle?subject=SY01-0001")
    assert answer.status_code == 200
    (tmp_path / "d.zip").write_bytes(answer.get_data())
    answer.close()
    report = verify_dossier(tmp_path / "d.zip")
    assert (report.findings, is_of_masked(report)) == ((), False)
    size = built.ledger.application.store.head().size
    assert client.get(f"/v1/trials/{TRIAL}/bundle?subject=SY01-0099").status_code == 404
    assert client.get(f"/v1/trials/{TRIAL}/bundle?subject=x").status_code == 422
    assert built.ledger.application.store.head().size == size


def test_an_altered_bundle_is_damage(closed: BuiltLedger, tmp_path: Path) -> None:
    """Each finding is a line; what is no bundle could not be checked."""
    path = tmp_path / "one.zip"
    run(closed, "--out", str(path))
    members = members_of(path)
    members["report.html"] += b" "
    outcome = CliRunner().invoke(verify, [str(write(path, members))])
    assert outcome.exit_code == DAMAGED
    assert outcome.stdout.startswith("manifest.member at log (report.html)")
    path.write_bytes(b"no zip")
    assert CliRunner().invoke(verify, [str(path)]).exit_code == COULD_NOT_CHECK


def test_the_service_serves_the_bundle_the_command_writes(
    built: BuiltLedger, client: FlaskClient, tmp_path: Path
) -> None:
    """Byte for byte."""
    answer = client.get(f"/v1/trials/{TRIAL}/bundle")
    assert (answer.status_code, answer.content_type) == (200, "application/zip")
    served = answer.get_data()
    assert answer.content_length == len(served)
    answer.close()
    run(built, "--out", str(tmp_path / "one.zip"))
    assert (tmp_path / "one.zip").read_bytes() == served


def test_a_dossier_ends_with_a_checkpoint_that_bears_both_keys(
    closed: BuiltLedger, tmp_path: Path
) -> None:
    """And says by which keys to check it; another line in it is named."""
    path = tmp_path / "dossier.zip"
    run(closed, "--out", str(path), "--subject", "SY01-0001")
    members = members_of(path)
    ed25519, ml_dsa = closed.keys.vkeys
    assert members["vkeys.txt"].decode().split() == [str(ed25519), str(ml_dsa)]
    opened = open_cosigned(members["checkpoint"], ed25519, [ml_dsa])
    assert [held.vkey for held in opened.cosignatures] == [ml_dsa]
    members["vkeys.txt"] = members["vkeys.txt"][:100]
    report = verify_dossier(write(tmp_path / "f.zip", sealed_again(members)))
    assert [(f.code, f.field) for f in report.findings] == [("manifest.value", "vkeys.txt")]


POLICY = b"""\
log %(log)s
witness a %(a)s https://witness.example/a
witness b %(b)s
group g 2 a b
group h any g
quorum h
"""


def test_a_policy_goes_along_in_one_form(closed: BuiltLedger, tmp_path: Path) -> None:
    """What is written is the policy that was read, comments and blanks apart."""
    keys = {
        name.encode(): str(Cosigner.from_seed(f"witness.example/{name}", seed_of(name)).vkey)
        for name in ("a", "b")
    }
    text = POLICY % {b"log": closed.vkey.encode(), **{k: v.encode() for k, v in keys.items()}}
    policy = tmp_path / "policy"
    policy.write_bytes(b"# ours\n" + text.replace(b"witness a ", b"witness\ta  "))
    path = tmp_path / "one.zip"
    assert run(closed, "--out", str(path), "--witness-policy", str(policy)).exit_code == 0
    written = members_of(path)["policy.txt"]
    assert parse_policy(written) == parse_policy(policy.read_bytes())
    assert policy_bytes(parse_policy(written)) == written
    outcome = CliRunner().invoke(verify, [str(path), "--json"])
    found = json.loads(outcome.stdout)
    assert outcome.exit_code == 0
    assert [one["code"] for one in found["notices"]] == ["cosignatures.behind"]
    demanded = CliRunner().invoke(verify, [str(path), "--policy", str(policy)])
    assert demanded.exit_code == DAMAGED
    assert demanded.stdout.startswith("cosignatures.quorum")


def test_a_bundle_of_a_ledger_in_doubt_says_so(closed: BuiltLedger, tmp_path: Path) -> None:
    """It is evidence and stays sound in itself; one that signs holds no such word."""
    sure, doubtful = tmp_path / "sure.zip", tmp_path / "doubtful.zip"
    assert run(closed, "--out", str(sure)).exit_code == 0
    closed.files.head.unlink()
    assert run(closed, "--out", str(doubtful)).exit_code == 0
    assert "doubt" not in json.loads(members_of(sure)["manifest.json"])
    manifest = json.loads(members_of(doubtful)["manifest.json"])
    assert "head file" in manifest["doubt"]
    assert manifest["doubt"] in members_of(doubtful)["README.txt"].decode()
    trust = ["--key", closed.vkey, "--genesis", closed.ledger.genesis.record.sha256]
    assert CliRunner().invoke(verify, [str(doubtful), *trust]).exit_code == 0


def test_no_dossier_is_issued_by_a_ledger_in_doubt(closed: BuiltLedger, tmp_path: Path) -> None:
    """Its commitment would have to be signed."""
    closed.files.head.unlink()
    with pytest.raises(Unavailable) as refused:
        run(
            closed, "--out", str(tmp_path / "one.zip"), "--subject", "SY01-0001",
            "--purpose", "Monitoring",
        )  # fmt: skip
    assert refused.value.code == "ledger.refuses-to-sign"
    assert not list(tmp_path.glob("one.zip*"))
