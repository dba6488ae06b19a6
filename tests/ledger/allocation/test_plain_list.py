"""The list in clear, as it was kept before: read once, to be sealed."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.allocation.generator import ListDesign
from ledger.allocation.plain_list import load_plain, seal_plain
from ledger.allocation.sealed_list import SealedList
from ledger.concealment.key_file import FileKey
from ledger.concealment.key_ring import KeyRing
from ledger.errors import IntegrityFailure, TrustFailure
from ledger.signing.strict_json import canonical

if TYPE_CHECKING:
    from pathlib import Path

    from ledger.signing.strict_json import JsonObject

DESIGN = ListDesign(
    planned_number=7,
    ratio=(("double", 1), ("single", 1)),
    block_sizes=(4, 6),
    strata=("child-pugh-class=B", "child-pugh-class=C"),
)
SEALED = SealedList(DESIGN, bytes(range(32)))
RING = KeyRing.of(FileKey(bytes(32)))


def write_plain(path: Path) -> None:
    """Write the list as earlier versions did."""
    design: JsonObject = {
        "algorithm": DESIGN.algorithm,
        "block_sizes": [4, 6],
        "planned_number": 7,
        "ratio": {"double": 1, "single": 1},
        "strata": [*DESIGN.strata],
    }
    slots = [slot.members() for slot in SEALED.slots]
    content: JsonObject = {
        "design": design,
        "list_root": SEALED.root,
        "seed": SEALED.seed.hex(),
        "slots": [*slots],
    }
    path.write_bytes(canonical(content))
    path.chmod(0o600)


@pytest.fixture
def stored(tmp_path: Path) -> Path:
    """Give the path of a list in clear."""
    write_plain(tmp_path / "list.json")
    return tmp_path / "list.json"


def test_a_list_in_clear_is_not_allocated_from(stored: Path) -> None:
    """The operator is told the command that seals it."""
    with pytest.raises(IntegrityFailure) as failure:
        SealedList.load(stored)
    assert failure.value.code == "allocation.list-malformed"
    assert "allocation seal" in str(failure.value)


def test_a_list_in_clear_is_sealed_in_its_place(stored: Path) -> None:
    """It is the same list, and the old file's bytes are overwritten."""
    with stored.open("rb") as still_open:
        assert seal_plain(stored, RING) == SEALED
        assert set(still_open.read()) <= {0}
    assert SealedList.load(stored, RING) == SEALED
    assert [path.name for path in stored.parent.iterdir()] == ["list.json"]


def test_a_list_in_clear_that_others_can_read_is_not_taken_over(stored: Path) -> None:
    """It may be known already, and the statistician must hear of it."""
    stored.chmod(0o640)
    with pytest.raises(TrustFailure) as failure:
        seal_plain(stored, RING)
    assert failure.value.code == "allocation.list-open-to-others"


@given(place=st.integers(min_value=0), mask=st.integers(1, 255))
def test_a_list_in_clear_with_any_byte_changed_is_refused(
    tmp_path_factory: pytest.TempPathFactory, place: int, mask: int
) -> None:
    """Every byte of the file is a consequence of its design and seed."""
    path = tmp_path_factory.mktemp("changed") / "list.json"
    write_plain(path)
    content = bytearray(path.read_bytes())
    content[place % len(content)] ^= mask
    path.write_bytes(content)
    with pytest.raises(IntegrityFailure) as failure:
        load_plain(path)
    assert failure.value.code in ("allocation.list-malformed", "allocation.list-not-reproduced")


def test_a_swapped_arm_is_found_at_its_slot_without_naming_it(stored: Path) -> None:
    """The finding points to the slot; the message stays silent on the arms."""
    value = json.loads(stored.read_bytes())
    value["slots"][3]["arm"] = "single" if value["slots"][3]["arm"] == "double" else "double"
    stored.write_text(json.dumps(value, sort_keys=True, separators=(",", ":")), "ascii")
    with pytest.raises(IntegrityFailure) as failure:
        load_plain(stored)
    assert failure.value.where == "/slots/3"
    assert "single" not in str(failure.value)
    assert "double" not in str(failure.value)
