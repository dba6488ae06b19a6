"""The published page is enough to recompute a list: its program and its vector against the code."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from ledger.allocation.generator import DrawStream, ListDesign, draw_blocks
from ledger.allocation.opening import verify_opening
from ledger.allocation.sealed_list import SealedList
from ledger.allocation.slot import PERMUTED_BLOCKS, SIMPLE, Slot

PAGE = Path(__file__).parents[3] / "docs" / "formats" / "allocation-list.md"


def fenced(language: str) -> str:
    """Give the page's only block in a language."""
    block = re.compile(rf"^```{language}\n(.*?)^```", re.MULTILINE | re.DOTALL)
    found = block.findall(PAGE.read_text("utf-8"))
    assert len(found) == 1
    return str(found[0])


PROGRAM: dict[str, Any] = {}
exec(compile(fenced("python"), str(PAGE), "exec"), PROGRAM)
VECTOR: dict[str, Any] = json.loads(fenced("json"))
SEED = bytes.fromhex(VECTOR["seed"])
DESIGN = ListDesign(
    planned_number=VECTOR["design"]["planned_number"],
    ratio=tuple(sorted(VECTOR["design"]["ratio"].items())),
    block_sizes=tuple(VECTOR["design"]["block_sizes"]),
    strata=tuple(VECTOR["design"]["strata"]),
    algorithm=VECTOR["design"]["algorithm"],
)


def test_the_vector_shows_the_words_of_the_stream() -> None:
    """The first thing another implementation gets right or wrong."""
    stream = DrawStream(SEED, DESIGN.strata[0], DESIGN.algorithm)
    assert [stream.word() for _ in range(8)] == VECTOR["words"]


def test_the_vector_shows_the_blocks_that_are_drawn() -> None:
    """Block sizes, layout and shuffle of both strata."""
    drawn = {
        stratum: [" ".join(block) for block in blocks]
        for stratum, blocks in draw_blocks(DESIGN, SEED).items()
    }
    assert drawn == VECTOR["blocks"]


def test_the_vector_shows_leaf_root_and_commitment() -> None:
    """What the log would carry for this list."""
    sealed = SealedList(DESIGN, SEED)
    stated = VECTOR["commitment"]
    assert sealed.slots[0].leaf_bytes().decode("ascii") == VECTOR["first_leaf"]
    assert stated == sealed.commitment(
        generator=stated["generator"], protocol_version=stated["protocol_version"]
    )


def test_the_opening_of_the_vector_verifies_against_its_commitment() -> None:
    """The published numbers stand without the list they came from."""
    opened = dict(VECTOR["opening"])
    path, index = opened.pop("path"), opened.pop("index")
    verify_opening(VECTOR["commitment"], Slot(**opened), path=path, index=index)
    opening = SealedList(DESIGN, SEED).opening(opened["stratum"], opened["slot"])
    assert (opening.index, list(opening.path), opening.slot) == (index, path, Slot(**opened))


@given(
    seed=st.binary(min_size=32, max_size=32),
    shares=st.lists(st.integers(1, 3), min_size=1, max_size=4),
    multiples=st.lists(st.integers(1, 4), min_size=1, max_size=4),
    strata=st.sampled_from((("all",), ("sex=f", "sex=m"), ("a=1,b=x", "a=1,b=y", "a=2,b=x"))),
    planned=st.integers(1, 40),
    algorithm=st.sampled_from((PERMUTED_BLOCKS, SIMPLE)),
)
def test_the_program_on_the_page_recomputes_every_list(
    seed: bytes,
    shares: list[int],
    multiples: list[int],
    strata: tuple[str, ...],
    planned: int,
    algorithm: str,
) -> None:
    """The page's program shares no line with the code and reaches the same leaves and root."""
    ratio = {f"arm-{'DBCA'[at]}": share for at, share in enumerate(shares)}
    sizes = [sum(shares) * multiple for multiple in multiples if algorithm != SIMPLE]
    design = {
        "algorithm": algorithm, "planned_number": planned, "ratio": ratio, "block_sizes": sizes,
        "strata": strata,
    }  # fmt: skip
    sealed = SealedList(
        ListDesign(planned, tuple(sorted(ratio.items())), tuple(sizes), strata, algorithm), seed
    )
    leaves = list(PROGRAM["leaves"](design, seed))
    assert leaves == [slot.leaf_bytes() for slot in sealed.slots]
    assert PROGRAM["root"](leaves).hex() == sealed.root
