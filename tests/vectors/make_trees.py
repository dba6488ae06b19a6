"""Vectors of Merkle trees, their proofs, tiles and entry bundles."""

from __future__ import annotations

from tests.vectors.make_log import ENTRIES
from tests.vectors.plain import Json, b64, consistency, inclusion, leaf, root, sha256


def trees() -> Json:
    """Roots of every size up to 20, and proofs between them; leaf n is the hash of n in decimal."""
    leaves = [leaf(str(number).encode()) for number in range(20)]
    return {
        "leaves": [hashed.hex() for hashed in leaves],
        "roots": [root(leaves[:size]).hex() for size in range(len(leaves) + 1)],
        "inclusion": [
            {"index": i, "size": size, "path": texts(inclusion(i, leaves[:size]))}
            for size in (1, 2, 3, 4, 7, 8, 13, 20) for i in range(size)
        ],
        "consistency": [
            {"old": old, "new": new, "path": texts(consistency(old, leaves[:new]))}
            for new in (1, 2, 4, 7, 8, 13, 20) for old in range(new + 1)
        ],
        "not_included": _not_included(leaves),
        "not_consistent": _not_consistent(leaves),
    }  # fmt: skip


def texts(path: list[bytes]) -> list[str]:
    """A path in hexadecimal."""
    return [step.hex() for step in path]


def _not_included(leaves: list[bytes]) -> list[Json]:
    path = texts(inclusion(5, leaves[:13]))
    rows = [
        (13, 13, path, "index-beyond-size"), (5, 13, path[:-1], "path-too-short"),
        (5, 13, [*path, path[0]], "path-too-long"), (5, 13, path[::-1], "root-mismatch"),
        (4, 13, path, "root-mismatch"),        (0, 1, path[:1], "path-too-long"),
    ]  # fmt: skip
    return [
        {"index": i, "size": size, "leaf": leaves[5].hex(), "path": steps,
         "root": root(leaves[:13]).hex(), "code": f"inclusion.{code}"}
        for i, size, steps, code in rows
    ]  # fmt: skip


def _not_consistent(leaves: list[bytes]) -> list[Json]:
    path = texts(consistency(6, leaves[:13]))
    six, thirteen, empty = (root(leaves[:size]).hex() for size in (6, 13, 0))
    rows = [
        (13, 6, path, thirteen, six, "sizes"), (6, 13, [], six, thirteen, "path-too-short"),
        (6, 13, path[:-1], six, thirteen, "path-too-short"),
        (6, 13, [*path, path[0]], six, thirteen, "path-too-long"),
        (6, 13, path, thirteen, six, "root-mismatch"),
        (13, 13, [], six, thirteen, "root-mismatch"), (13, 13, path, thirteen, thirteen,
                                                       "path-too-long"),
        (0, 13, path, empty, thirteen, "path-too-long"), (0, 13, [], six, thirteen,
                                                          "root-mismatch"),
    ]  # fmt: skip
    return [
        {"old": old, "new": new, "path": steps, "old_root": first, "new_root": second,
         "code": f"consistency.{code}"}
        for old, new, steps, first, second, code in rows
    ]  # fmt: skip


def tiles() -> Json:
    """Paths, the widths of tiles, one tree's tiles by hash, and entry bundles."""
    leaves = [leaf(str(number).encode()) for number in range(600)]
    rows = {
        "tile/0/000": leaves[:256], "tile/0/001": leaves[256:512], "tile/0/002.p/88": leaves[512:],
        "tile/1/000.p/2": [root(leaves[:256]), root(leaves[256:512])],
    }  # fmt: skip
    accepted = [
        (0, 0, None, "tile/0/000"), (0, 999, None, "tile/0/999"),
        (0, 1000, None, "tile/0/x001/000"),
        (1, 1_234_067, None, "tile/1/x001/x234/067"), (63, 5, 255, "tile/63/005.p/255"),
        (None, 273, 112, "tile/entries/273.p/112"),
        (0, 2**63 - 1, None, "tile/0/x009/x223/x372/x036/x854/x775/807"),
        (None, 2**63 - 1, 1, "tile/entries/x009/x223/x372/x036/x854/x775/807.p/1"),
    ]  # fmt: skip
    refused = [
        "tile/0/0", "tile/0/1000", "tile/00/000", "tile/64/000", "tile/0/x000/001", "tile/0/x001",
        "tile/0/001/000", "tile/0/000.p/0", "tile/0/000.p/256", "tile/0/000.p/01", "tile/0/000/",
        "/tile/0/000", "tile/data/000", "tile/8/0/000", "tile/-1/000", "tile/0/000\n",
        "tile/0/X001/000", "tile/entries/000.p/1.gz", "tile/0/%30%30%30",
        "tile/0/x009/x223/x372/x036/x854/x775/808", "tile/63/x999/x999/x999/x999/x999/x999/999",
        "tile/0/x001/x000/x000/x000/x000/x000/x000/000",
        "tile/entries/x009/x223/x372/x036/x854/x775/808.p/1",
    ]  # fmt: skip
    framed = b"".join(len(entry).to_bytes(2, "big") + entry for entry in ENTRIES)
    return {
        "paths": [
            {"level": level, "index": index, "width": width, "path": path}
            for level, index, width, path in accepted
        ],
        "no_paths": refused,
        "widths": [
            {"size": 70_000, "level": 0, "full": 273, "partial": 112},
            {"size": 70_000, "level": 1, "full": 1, "partial": 17},
            {"size": 70_000, "level": 2, "full": 0, "partial": 1},
            {"size": 256, "level": 0, "full": 1, "partial": 0},
            {"size": 256, "level": 1, "full": 0, "partial": 1},
            {"size": 65_536, "level": 1, "full": 1, "partial": 0},
        ],
        "tree": {
            "leaves": "leaf n is the hash of n in decimal, n below 600",
            "sha256": {path: sha256(b"".join(row)).hex() for path, row in rows.items()},
        },
        "bundles": [
            {"name": "the five entries of entries.json", "width": 5, "data": b64(framed)},
            {"name": "an empty entry", "width": 1, "data": b64(b"\x00\x00")},
        ],
        "no_bundles": [
            {"name": "cut inside an entry", "width": 5, "data": b64(framed[:-1]),
             "code": "tiles.bundle-truncated"},
            {"name": "cut inside a length", "width": 2, "data": b64(b"\x00\x01x\x00"),
             "code": "tiles.bundle-truncated"},
            {"name": "an entry less than its name says", "width": 6, "data": b64(framed),
             "code": "tiles.bundle-width"},
            {"name": "an entry more than its name says", "width": 4, "data": b64(framed),
             "code": "tiles.bundle-width"},
        ],
    }  # fmt: skip
