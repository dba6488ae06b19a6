"""The ledger draws, opens and refuses allocation lists as the published vectors say."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from ledger.allocation.generator import ListDesign, draw_blocks
from ledger.allocation.opening import index_of, verify_opening
from ledger.allocation.sealed_list import SealedList
from ledger.allocation.slot import Slot
from ledger.errors import LedgerError
from tests.vectors.make import VECTORS, made

LISTS: dict[str, Any] = json.loads((VECTORS / "allocation-lists.json").read_text("utf-8"))


def design_of(row: dict[str, Any]) -> ListDesign:
    """The design a vector states."""
    design = row["design"]
    return ListDesign(
        planned_number=design["planned_number"],
        ratio=tuple(sorted(design["ratio"].items())),
        block_sizes=tuple(design["block_sizes"]),
        strata=tuple(design["strata"]),
        algorithm=design["algorithm"],
    )


def commitment_of(row: dict[str, Any]) -> dict[str, Any]:
    """The members of the commitment that an opening is checked against."""
    names = ("strata", "total_slots", "list_root")
    return {"algorithm": row["design"]["algorithm"], **{name: row[name] for name in names}}


def named(row: dict[str, Any]) -> str:
    """The name of a vector."""
    return str(row["name"])


@pytest.mark.parametrize("row", LISTS["lists"], ids=named)
def test_a_list_is_drawn_from_design_and_seed(row: dict[str, Any]) -> None:
    """Blocks, number of slots and root."""
    design, seed = design_of(row), bytes.fromhex(row["seed"])
    drawn = draw_blocks(design, seed)
    assert {s: [" ".join(block) for block in rows] for s, rows in drawn.items()} == row["blocks"]
    made_again = SealedList(design, seed)
    assert (made_again.root, made_again.size) == (row["list_root"], row["total_slots"])
    stated = made_again.commitment(generator="/sponsor/persons/stat-01", protocol_version="1.0")
    assert commitment_of(row).items() <= stated.items()


@pytest.mark.parametrize("row", LISTS["lists"], ids=named)
def test_openings_hold_against_the_commitment(row: dict[str, Any]) -> None:
    """The first slot, one in the middle, the last."""
    for opening in row["openings"]:
        slot = Slot(**json.loads(opening["leaf"]))
        assert slot.leaf_bytes().decode() == opening["leaf"]
        assert index_of(slot.stratum, slot.slot, strata=row["strata"]) == opening["index"]
        verify_opening(commitment_of(row), slot, path=opening["path"], index=opening["index"])


@pytest.mark.parametrize("row", LISTS["refused"], ids=named)
def test_an_altered_opening_is_refused(row: dict[str, Any]) -> None:
    """By the code that the vector names."""
    (committed,) = (one for one in LISTS["lists"] if one["name"] == row["list"])
    with pytest.raises(LedgerError) as caught:
        verify_opening(commitment_of(committed), Slot(**row["slot"]), path=row["path"])
    assert caught.value.code == row["code"]


@pytest.mark.parametrize("row", LISTS["no_designs"], ids=named)
def test_a_design_that_gives_no_list_is_refused(row: dict[str, Any]) -> None:
    """By the rule it breaks."""
    with pytest.raises(LedgerError) as caught:
        design_of(row)
    assert caught.value.code == row["code"]


def test_the_files_are_what_the_sources_make() -> None:
    """``make vectors`` leaves nothing to commit, and no file there is made by nobody."""
    texts = made()
    assert {path: path.read_text("utf-8") for path in texts} == texts
    assert set(VECTORS.glob("*.json")) == set(texts)


def test_the_reference_shares_no_code_with_the_ledger() -> None:
    """Otherwise the vectors would repeat what they are to check."""
    sources = sorted(Path(__file__).parent.glob("make_*.py"))
    assert len(sources) > 5
    for path in (*sources, Path(__file__).with_name("plain.py")):
        assert re.search(r"^(from|import) ledger", path.read_text("utf-8"), re.MULTILINE) is None
