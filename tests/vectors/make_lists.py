"""Vectors of allocation lists, drawn by the program on their own page."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from tests.vectors.plain import Json, inclusion, leaf, root, sha256

PAGE = Path(__file__).parents[2] / "docs" / "formats" / "allocation-list.md"
ONE_FACTOR = ["child-pugh-class=B", "child-pugh-class=C"]
TWO_FACTORS = [f"sex={sex},site={site}" for sex in ("female", "male") for site in ("SY01", "SY02")]


def _program() -> dict[str, Any]:
    """The functions of the page's program."""
    found = re.findall(r"^```python\n(.*?)^```", PAGE.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    names: dict[str, Any] = {}
    exec(compile(found[0], str(PAGE), "exec"), names)
    return names


PERMUTED, SIMPLE = "permuted-blocks-hmac-sha256.v1", "simple-hmac-sha256.v1"


def _design(
    planned: int, ratio: Json, sizes: list[int], strata: list[str], algorithm: str = PERMUTED
) -> Json:
    return {
        "algorithm": algorithm, "block_sizes": sizes,
        "planned_number": planned, "ratio": ratio, "strata": strata,
    }  # fmt: skip


def allocation_lists() -> Json:
    """Lists with their blocks, leaves and commitment, openings, and what is refused."""
    two = {"double": 1, "single": 1}
    designs = [
        ("one stratum, blocks of 4", _design(10, two, [4], ["all"])),
        ("two strata, blocks of 4 and 6", _design(12, two, [4, 6], ONE_FACTOR)),
        ("two factors, ratio 2 to 1, a size named twice",
         _design(9, {"active": 2, "control": 1}, [3, 6, 3], TWO_FACTORS)),
        ("four arms whose order is that of bytes",
         _design(20, {"b": 1, "B": 1, "a-1": 2, "a.1": 1}, [5, 10, 15], ["all"])),
        ("a single arm", _design(3, {"only": 1}, [1, 2], ["all"])),
        ("without blocks", _design(11, two, [], ONE_FACTOR, SIMPLE)),
        ("without blocks, ratio 2 to 1 to 1, one stratum",
         _design(13, {"b": 1, "B": 2, "a.1": 1}, [], ["all"], SIMPLE)),
    ]  # fmt: skip
    drawn = [_drawn(name, design) for name, design in designs]
    return {"lists": drawn, "refused": _refused(drawn[1]), "no_designs": _no_designs()}


def _drawn(name: str, design: Json) -> Json:
    program, seed = _program(), sha256(name.encode())
    leaves = list(program["leaves"](design, seed))
    hashed = [leaf(one) for one in leaves]
    blocks = {s: program["blocks"](design, seed, s) for s in design["strata"]}
    slots = {s: sum(map(len, rows)) for s, rows in blocks.items()}
    at = [0, len(leaves) // 2, len(leaves) - 1]
    return {
        "name": name,
        "design": design,
        "seed": seed.hex(),
        "blocks": {s: [" ".join(block) for block in rows] for s, rows in blocks.items()},
        "strata": [{"stratum": s, "slots": count} for s, count in slots.items()],
        "total_slots": len(leaves),
        "list_root": root(hashed).hex(),
        "openings": [
            {"index": i, "leaf": leaves[i].decode(),
             "path": [step.hex() for step in inclusion(i, hashed)]}
            for i in sorted(set(at))
        ],
    }  # fmt: skip


def _refused(drawn: Json) -> list[Json]:
    """Changes of an opening that its commitment must not cover."""
    rows: list[tuple[str, Json, str]] = [
        ("another arm", {"arm": "single"}, "allocation.slot-not-in-list"),
        ("another arm", {"arm": "double"}, "allocation.slot-not-in-list"),
        ("another salt", {"salt": "00" * 32}, "allocation.slot-not-in-list"),
        ("another slot", {"slot": 4}, "allocation.slot-not-in-list"),
        ("a slot beyond the stratum", {"slot": 99}, "allocation.no-such-slot"),
        ("another stratum", {"stratum": "child-pugh-class=A"}, "allocation.no-such-slot"),
    ]
    opening = drawn["openings"][1]
    members = json.loads(opening["leaf"])
    return [
        {"name": name, "list": drawn["name"], "slot": members | change, "path": opening["path"],
         "code": code}
        for name, change, code in rows if members | change != members
    ]  # fmt: skip


def _no_designs() -> list[Json]:
    two = {"a": 1, "b": 1}
    rows = [
        ("a block that the ratio does not divide", _design(10, two, [3], ["all"]), "block-size"),
        ("no block size", _design(10, two, [], ["all"]), "block-size"),
        ("a block of 0", _design(10, two, [0], ["all"]), "block-size"),
        ("nobody is planned", _design(0, two, [4], ["all"]), "planned-number"),
        ("a share of 0", _design(10, {"a": 0, "b": 1}, [4], ["all"]), "ratio"),
        ("an arm with a space", _design(10, {"a b": 1}, [4], ["all"]), "ratio"),
        ("no stratum", _design(10, two, [4], []), "strata"),
        ("a stratum twice", _design(10, two, [4], ["all", "all"]), "strata"),
        ("a stratum without level", _design(10, two, [4], ["sex"]), "strata"),
        ("over 100,000 slots", _design(99_998, two, [4], ["all"]), "list-too-long"),
        ("over 100,000 slots without blocks", _design(50_001, two, [], ONE_FACTOR, SIMPLE),
         "list-too-long"),
        ("block sizes where there are no blocks", _design(10, two, [2], ["all"], SIMPLE),
         "block-size"),
        ("an algorithm of another name", _design(10, two, [4], ["all"], PERMUTED[:-1] + "2"),
         "algorithm-unknown"),
        ("an algorithm in capitals", _design(10, two, [4], ["all"], PERMUTED.upper()),
         "algorithm-unknown"),
        ("no algorithm", _design(10, two, [4], ["all"], ""), "algorithm-unknown"),
    ]  # fmt: skip
    return [{"name": n, "design": d, "code": f"allocation.{c}"} for n, d, c in rows]
