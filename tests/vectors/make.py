"""Write the test vectors of ``docs/formats/vectors``, or with ``--check`` see that they are there.

``python -m tests.vectors.make``. The same sources give the same bytes. What cannot be made twice
(an ML-DSA-44 signature is hedged) is kept as it was first made, as long as it verifies; the log in
``vectors/log`` was recorded once, is never made again, and must verify for ever.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from tests.vectors import (
    make_effects,
    make_entries,
    make_lists,
    make_log,
    make_policies,
    make_statements,
    make_trees,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tests.vectors.plain import Json

VECTORS = Path(__file__).parents[2] / "docs" / "formats" / "vectors"
FILES: Mapping[str, Callable[[], Json]] = {
    "allocation-lists": make_lists.allocation_lists,
    "checkpoints": make_log.checkpoints,
    "disclosures": make_entries.disclosures,
    "effects": make_effects.effects,
    "entries": make_entries.entries,
    "events": make_statements.events,
    "keys": make_statements.keys,
    "policies": make_policies.policies,
    "receipts": make_log.receipts,
    "statements": make_statements.statements,
    "strict-json": make_statements.strict_json,
    "tiles": make_trees.tiles,
    "trees": make_trees.trees,
}


def made() -> dict[Path, str]:
    """The text of every file."""
    return {
        VECTORS / f"{name}.json": json.dumps(make(), indent=1, ensure_ascii=True) + "\n"
        for name, make in FILES.items()
    }


def main(arguments: list[str]) -> int:
    """Write the files that differ, or with ``--check`` only name them: 1 when there are any."""
    stale = [
        (path, text)
        for path, text in made().items()
        if not path.exists() or path.read_text(encoding="utf-8") != text
    ]
    for path, text in stale:
        sys.stdout.write(f"{path.relative_to(VECTORS.parents[2])}\n")
        if arguments != ["--check"]:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
    return 1 if stale and arguments == ["--check"] else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
