"""The dossier of one subject for masked readers: it proves its stream and tells nothing else."""

from __future__ import annotations

import json
import re
from hashlib import sha256
from typing import TYPE_CHECKING, Final

import pytest

from api.bundling import bundle_masked
from ledger.errors import RejectedInput
from ledger.log.entry import Entry
from ledger.recording.admission import Commitment
from ledger.signing.statement import parse_statement
from ledger.signing.strict_json import canonical
from ledger.verification.dossier import is_of_masked, verify_dossier, what_is_proven
from ledger.verification.report import RootOfTrust, Status
from ledger.vocabulary import Purpose
from projections.masking import MaskedProjections
from tests.build_ledger import COORDINATOR, INVESTIGATOR, REGISTRAR
from tests.ledger.verification.damage import codes
from tests.ledger.verification.pack import manifest_of, members_of, sealed_again, write
from tests.projections.masking.build_twins import ONE, TWO, Twin, Twins, build_twins
from tests.projections.masking.courses import EVERYTHING, take

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from ledger.verification.report import VerificationReport

STREAM: Final = f"streams/subject/{ONE}.jsonl"
OTHER: Final = f"streams/subject/{TWO}.jsonl"


def issue(
    twin: Twin, path: Path, subject: str = ONE, *, leave: frozenset[Purpose] = frozenset()
) -> dict[str, bytes]:
    """The members of a masked dossier, issued at the twin's own time."""
    with path.open("wb") as file:
        bundle_masked(
            file, twin.built.ledger, MaskedProjections(twin.built.ledger), subject,
            purpose="inspection", now=twin.built.now, leave=leave,
        )  # fmt: skip
    return members_of(path)


@pytest.fixture(scope="module")
def twins(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Twins]:
    """Both trials after a course with everything, treated by opposite arms."""
    one = build_twins([tmp_path_factory.mktemp(name) for name in ("left", "right")])
    for step in EVERYTHING:
        take(one, step)
    one.next_day()
    yield one
    one.close()


@pytest.fixture(scope="module")
def pair(twins: Twins, tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, bytes]]:
    """The masked dossier of one subject in each."""
    folder = tmp_path_factory.mktemp("issued")
    return [issue(twin, folder / f"{n}.zip") for n, twin in enumerate(twins.pair)]


@pytest.fixture
def members(pair: list[dict[str, bytes]]) -> dict[str, bytes]:
    """The members of the first, to be altered."""
    return dict(pair[0])


def lines(members: dict[str, bytes], name: str) -> list[bytes]:
    """A member's lines with their ends."""
    return members[name].splitlines(keepends=True)


def judged(members: dict[str, bytes], folder: Path, **values: object) -> VerificationReport:
    """The report on members whose manifest was made again to fit."""
    return verify_dossier(write(folder / "d.zip", sealed_again(members, **values)))


def found(members: dict[str, bytes], folder: Path, **values: object) -> set[tuple[str, str]]:
    """The codes and places found in altered members."""
    report = judged(members, folder, **values)
    return {(one.code, (one.field or "").partition(" ")[0]) for one in report.findings}


def test_trials_that_differ_only_in_arms_give_the_same_dossier(
    twins: Twins, pair: list[dict[str, bytes]]
) -> None:
    """Byte for byte, the commitment of the same instant included, though the logs differ."""
    sizes = {twin.built.ledger.application.store.head().size for twin in twins.pair}
    assert len(sizes) == 2
    assert [name for name in pair[0] if pair[0][name] != pair[1].get(name)] == []
    assert pair[0].keys() == pair[1].keys()


def test_no_member_tells_a_place_or_a_treatment_record(
    twins: Twins, pair: list[dict[str, bytes]]
) -> None:
    """Entry 0 alone has its position, as everybody knows it."""
    said = {name: content.decode() for name, content in pair[0].items()}
    assert set(said) == {
        "README.txt", "genesis.json", "keys.jsonl", "manifest.json", "openings.jsonl",
        "replay.json", "schemas.json", STREAM, "vocabulary.json",
    }  # fmt: skip
    own = {"README.txt", "genesis.json", "schemas.json", "vocabulary.json"}
    told = "".join(text for name, text in said.items() if name not in own)
    assert re.findall('"(?:seq|prev|recorded_at|size|tree_size|root|head|slot|arm)":', told) == []
    assert f"treatment/{ONE}" not in told
    application = twins.pair[0].built.ledger.application
    for record in application.stream(f"treatment/{ONE}"):
        assert record.id not in told
        assert record.sha256 not in told
    shown = [json.loads(line) for line in lines(pair[0], STREAM)]
    bare = [json.loads(line)["statement"] for line in lines(pair[0], "keys.jsonl")]
    kept = {r.entry.statement for r in application.stream(f"treatment/{ONE}")}
    assert kept.isdisjoint([*(link["statement"] for link in shown), *bare])


def test_a_masked_dossier_commits_to_its_own_stream_alone(twins: Twins, tmp_path: Path) -> None:
    """Nothing is recorded with treatment, and reading the same again records nothing."""
    twin = twins.pair[1]
    before = [
        len(twin.built.ledger.application.stream(f"{f}/{TWO}")) for f in ("subject", "treatment")
    ]
    first = issue(twin, tmp_path / "a.zip", TWO)
    again = issue(twin, tmp_path / "b.zip", TWO)
    after = [
        len(twin.built.ledger.application.stream(f"{f}/{TWO}")) for f in ("subject", "treatment")
    ]
    assert after == [before[0] + 1, before[1]]
    assert first == again


def test_it_is_sound_and_says_what_it_does_not_prove(
    twins: Twins, pair: list[dict[str, bytes]], tmp_path: Path
) -> None:
    """Under the root of trust; in the manifest, in the report and in words."""
    built = twins.pair[0].built
    trust = RootOfTrust(built.keys.vkey, built.ledger.genesis.record.sha256)
    report = verify_dossier(write(tmp_path / "d.zip", pair[0]), trust=trust)
    assert (report.status, report.findings) == (Status.SOUND, ())
    assert is_of_masked(report)
    assert not report.internally_consistent_only
    assert "inclusion in the log" in report.not_checked
    proven, not_proven = what_is_proven(report)
    assert "complete and unchanged" in proven
    assert not_proven.startswith("that these records are in the log")
    manifest = manifest_of(pair[0])
    assert manifest["redaction"] == "masked"
    assert {"size", "root", "head", "recorded_at"}.isdisjoint(manifest)
    assert set(manifest["not_proven"]) <= set(report.not_checked)  # type: ignore[arg-type]


def test_keys_lead_to_the_sponsors_root(pair: list[dict[str, bytes]]) -> None:
    """The registrar first; of whoever signed nothing in this stream there is none."""
    text = members_text(pair[0])
    assert REGISTRAR in text[0]
    assert any(INVESTIGATOR in one for one in text)
    assert any(COORDINATOR in one for one in text)
    assert not any("pharmacist" in one for one in text)


def members_text(members: dict[str, bytes]) -> list[str]:
    """The events that register keys, as text."""
    return [
        parse_statement(json.loads(line)["statement"]).payload.decode()
        for line in lines(members, "keys.jsonl")
    ]


def drop(at: int) -> Callable[[dict[str, bytes]], None]:
    """Leave one link out."""

    def alter(members: dict[str, bytes]) -> None:
        kept = lines(members, STREAM)
        del kept[at]
        members[STREAM] = b"".join(kept)

    return alter


def swap(members: dict[str, bytes]) -> None:
    """Two links change places."""
    kept = lines(members, STREAM)
    kept[3], kept[4] = kept[4], kept[3]
    members[STREAM] = b"".join(kept)


def renumbered(members: dict[str, bytes]) -> None:
    """A link is left out, and those behind it close the ranks under new hashes."""
    kept = [json.loads(line) for line in lines(members, STREAM)]
    del kept[3]
    before, made = "", []
    for number, one in enumerate(kept):
        link = Entry(
            0, "", "", one["stream"], number, before or one["stream_prev"], one["statement"]
        )
        made.append(link.link_bytes() + b"\n")
        before = sha256(link.link_bytes()).hexdigest()
    members[STREAM] = b"".join(made)


def changed(members: dict[str, bytes]) -> None:
    """One character of a statement's signature is another."""
    kept = lines(members, STREAM)
    one = json.loads(kept[2])
    end = "A" if one["statement"][-10] != "A" else "B"
    one["statement"] = one["statement"][:-10] + end + one["statement"][-9:]
    kept[2] = canonical(one) + b"\n"
    members[STREAM] = b"".join(kept)


def without_registrar(members: dict[str, bytes]) -> None:
    """The first registration is missing, so no other leads to the root."""
    members["keys.jsonl"] = b"".join(lines(members, "keys.jsonl")[1:])


def without_last_key(members: dict[str, bytes]) -> None:
    """One signer's key is missing."""
    members["keys.jsonl"] = b"".join(lines(members, "keys.jsonl")[:-1])


def with_treatment(members: dict[str, bytes]) -> None:
    """A stream is put in that no masked reader gets."""
    members[f"streams/treatment/{ONE}.jsonl"] = members[STREAM]


def with_other_genesis(members: dict[str, bytes]) -> None:
    """Entry 0 states another trial."""
    members["genesis.json"] = members["genesis.json"].replace(b'"seq":0', b'"seq":1', 1)


def with_number(members: dict[str, bytes]) -> None:
    """A link is shown with its place in the log."""
    kept = lines(members, STREAM)
    kept[1] = canonical({**json.loads(kept[1]), "seq": 40}) + b"\n"
    members[STREAM] = b"".join(kept)


@pytest.mark.parametrize(
    ("alter", "expected"),
    [
        (drop(0), ("dossier.gap", STREAM)),
        (drop(5), ("dossier.gap", STREAM)),
        (drop(-1), ("dossier.tail", STREAM)),
        (swap, ("dossier.gap", STREAM)),
        (renumbered, ("dossier.commitment", STREAM)),
        (changed, ("dossier.signature", STREAM)),
        (changed, ("dossier.broken", STREAM)),
        (without_registrar, ("dossier.signature", "keys.jsonl")),
        (without_last_key, ("dossier.signature", STREAM)),
        (with_treatment, ("manifest.surplus", f"streams/treatment/{ONE}.jsonl")),
        (with_other_genesis, ("statements.genesis", "genesis.json")),
        (with_number, ("dossier.link", STREAM)),
    ],
)
def test_each_alteration_has_its_finding(
    members: dict[str, bytes],
    tmp_path: Path,
    alter: Callable[[dict[str, bytes]], object],
    expected: tuple[str, str],
) -> None:
    """Although the manifest was made again to fit."""
    alter(members)
    assert expected in found(members, tmp_path)


def test_a_stream_cut_behind_any_record_is_named(members: dict[str, bytes], tmp_path: Path) -> None:
    """Wherever it is cut; only an older dossier, whole in itself, ends sooner."""
    whole = lines(members, STREAM)
    for count in range(0, len(whole), 7):
        members[STREAM] = b"".join(whole[:count])
        assert ("dossier.tail", STREAM) in found(members, tmp_path)


def test_a_commitment_under_another_key_is_none(
    twins: Twins, members: dict[str, bytes], tmp_path: Path
) -> None:
    """A link that a person signs in the ledger's place commits to nothing."""
    built = twins.pair[0].built
    kept = lines(members, STREAM)[:-1]
    last = json.loads(kept[-1])
    link = sha256(canonical(last)).hexdigest()
    stream = f"subject/{ONE}"
    signed = built.sign(
        "dossier.issued.v1", stream,
        {"stream": stream, "stream_seq": last["stream_seq"], "link": link, "purpose": "x"},
        by=INVESTIGATOR, meaning="authorship",
    )  # fmt: skip
    forged = Entry(0, "", "", stream, last["stream_seq"] + 1, link, signed.statement.text)
    members[STREAM] = b"".join(kept) + forged.link_bytes() + b"\n"
    named = found(members, tmp_path)
    assert {("dossier.commitment", STREAM), ("dossier.tail", STREAM)} <= named


def test_the_stream_of_another_subject_is_named(
    twins: Twins, members: dict[str, bytes], tmp_path: Path
) -> None:
    """Under this one's name, or in its place."""
    other = issue(twins.pair[0], tmp_path / "other.zip", TWO)
    members[STREAM] = other[OTHER]
    assert ("dossier.link", STREAM) in found(members, tmp_path)


def test_a_manifest_that_gives_a_place_or_promises_more_is_named(
    members: dict[str, bytes], tmp_path: Path
) -> None:
    """A size, a root, or less that is not proven."""
    others: list[dict[str, object]] = [
        {"size": 9},
        {"root": "0" * 64},
        {"not_proven": []},
        {"trial": "OTHER"},
    ]
    for values in others:
        assert ("manifest.value", "manifest.json") in found(members, tmp_path, **values)


def test_another_root_of_trust_is_named(
    twins: Twins, members: dict[str, bytes], tmp_path: Path
) -> None:
    """The dossier's own entry 0 counts for nothing."""
    trust = RootOfTrust(twins.pair[0].built.keys.vkey, "0" * 64)
    report = verify_dossier(write(tmp_path / "d.zip", members), trust=trust)
    assert codes(report.findings) == ["statements.genesis"]


def test_texts_and_identity_are_shown_unless_left_out(
    twins: Twins, members: dict[str, bytes], tmp_path: Path
) -> None:
    """As to every reader of the record; with them goes the replay, which shows what they say."""
    assert members["openings.jsonl"]
    both = frozenset((Purpose.IDENTITY, Purpose.TEXT))
    less = issue(twins.pair[0], tmp_path / "less.zip", leave=both)
    assert less["openings.jsonl"] == b""
    assert "replay.json" not in less
    report = verify_dossier(write(tmp_path / "less.zip", less))
    assert report.status is Status.SOUND
    assert report.withheld > 0


def test_an_unknown_subject_has_none(twins: Twins, tmp_path: Path) -> None:
    """And nothing is recorded for it."""
    built = twins.pair[0].built
    size = built.ledger.application.store.head().size
    with pytest.raises(RejectedInput):
        issue(twins.pair[0], tmp_path / "d.zip", "SY01-0099")
    assert built.ledger.application.store.head().size == size


def test_an_older_commitment_is_a_link_like_any_other(twins: Twins, tmp_path: Path) -> None:
    """A full dossier was issued before; the masked one shows its commitment in the stream."""
    twin = twins.pair[0]
    twin.built.ledger.submit(Commitment(f"subject/{TWO}", "another purpose"), twin.built.now)
    shown = issue(twin, tmp_path / "d.zip", TWO)
    assert verify_dossier(tmp_path / "d.zip").findings == ()
    assert len(lines(shown, OTHER)) >= 2
