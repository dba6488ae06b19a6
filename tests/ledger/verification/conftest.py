"""One sound ledger with everything a verifier looks at, built once; each test alters a copy."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ledger.allocation.sealed_list import SealedList
from ledger.verification.report import RootOfTrust
from tests.build_ledger import (
    COORDINATOR,
    EDC,
    REGISTRAR,
    BuiltLedger,
    build_ledger,
    each,
    identify,
)
from tests.ledger.verification.damage import Damaged
from tests.ledger.verification.forge import Forger
from tests.ledger.verification.publish import Published, policy_text, publish_all
from tests.running_authority import new_authority, openssl_stamps
from tests.whole_group import whole_groups

if TYPE_CHECKING:
    from pathlib import Path

    from ledger.signing.strict_json import JsonObject

SUBJECTS = range(1, 131)
STRATUM = "baseline-child-pugh-class=B"


def randomize(forger: Forger, number: int, slot: int, **changes: object) -> int:
    """Record a request and its allocation of a slot; the position of the allocation."""
    built = forger.built
    request = forger.write(
        built.sign(
            "subject.randomization-requested.v1",
            f"subject/SY01-{number:04d}",
            {"confirmation": "0190a1b2-0000-7000-8000-000000000000"},
            by=COORDINATOR,
        )
    )
    drawn = SealedList.load(built.files.allocation)
    opening = drawn.opening(STRATUM, slot)
    members: dict[str, object] = {
        "list_root": drawn.root,
        "stratum": STRATUM,
        "slot": slot,
        "path": list(opening.path),
        "arm": opening.slot.arm,
        "slot_salt": opening.slot.salt,
        **changes,
    }
    return forger.result(request, "subject.randomized.v1", members, ("arm", "slot_salt")).seq


def revoke(forger: Forger, owner: str, since: str) -> None:
    """Revoke a party's key as compromised since an instant."""
    data: JsonObject = {
        "kid": forger.built.parties[owner].key.kid,
        "reason": {"code": "stolen"},
        "compromised_since": since,
    }
    forger.accept(forger.built.sign("key.revoked.v1", "access", data, by=REGISTRAR))


@pytest.fixture(scope="session")
def sound(tmp_path_factory: pytest.TempPathFactory) -> BuiltLedger:
    """A closed ledger of over 300 entries: one full tile, allocations, texts, a compromised key."""
    built = build_ledger(tmp_path_factory.mktemp("sound"))
    with whole_groups():  # the sizes that were signed are named in the tests
        built.record_all(each(built, SUBJECTS, identify))
    for number in (131, 132):
        built.record(identify(built, number))
    built.close()
    forger = Forger(built)
    for slot in (1, 2, 3):
        randomize(forger, slot, slot)
    forger.write(
        built.sign(
            "deviation.reported.v1", "subject/SY01-0001", {"description": "A visit was late."},
            by=COORDINATOR, meaning="authorship",
        )
    )  # fmt: skip
    since = built.now.isoformat()
    forger.write(built.sign("visit.completed.v1", "subject/SY01-0002", {"visit": "V1"}, by=EDC))
    revoke(forger, EDC, since)
    forger.close()
    return built


@pytest.fixture
def forger(sound: BuiltLedger, tmp_path: Path) -> Forger:
    """Whoever holds the ledger's keys, with an own copy of the sound ledger."""
    from tests.ledger.build_service import open_copy

    opened = open_copy(sound, tmp_path / "forged")
    opened.close()
    return Forger(opened)


@pytest.fixture
def damaged(sound: BuiltLedger, tmp_path: Path) -> Damaged:
    """A copy of the sound ledger's files, its triggers dropped."""
    return Damaged.copy_of(sound.directory / "ledger.sqlite3", sound.files.head, tmp_path)


@pytest.fixture(scope="session")
def trust(sound: BuiltLedger) -> RootOfTrust:
    """What was handed over when the sound ledger was opened."""
    from ledger.log.entry import entry_hash

    copy = Damaged(sound.directory / "ledger.sqlite3", sound.files.head)
    return RootOfTrust(sound.keys.vkey, entry_hash(copy.state(0)))


@pytest.fixture(scope="session")
def bundle(sound: BuiltLedger, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bundle of the sound ledger."""
    from tests.ledger.verification.pack import made

    return made(sound.directory / "ledger.sqlite3", tmp_path_factory.mktemp("bundle") / "b.zip")


@pytest.fixture(scope="session")
def issued(sound: BuiltLedger, tmp_path_factory: pytest.TempPathFactory) -> Published:
    """The sound ledger with three published checkpoints, cosigned and time-stamped."""
    directory = tmp_path_factory.mktemp("published")
    authority = (
        new_authority(directory / "authority", "Example authority") if openssl_stamps() else None
    )
    return publish_all(sound, directory / "ledger.published", authority)


@pytest.fixture
def published(issued: Published, tmp_path: Path) -> Published:
    """The same with an own copy of what was published."""
    return issued.beside(tmp_path)


@pytest.fixture(scope="session")
def whole_bundle(issued: Published, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bundle of the sound ledger with all that was published of it."""
    from api.vocabulary_schemas import schemas_bytes
    from ledger.publication.bundling import Beside
    from tests.ledger.verification.pack import PAGES, made

    beside = Beside("trial-ledger 0", PAGES, schemas_bytes(), policy_text("any"))
    path = tmp_path_factory.mktemp("bundle") / "whole.zip"
    return made(issued.database, path, issued.file, beside=beside)
