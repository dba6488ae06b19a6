"""The schemas in a bundle: whether they are those of the types in its own vocabulary.

The kernel has no schema library; it compares names. Payloads are checked a layer above.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ledger.errors import IntegrityFailure, LedgerError
from ledger.signing.strict_json import Limits, parse, parse_object

if TYPE_CHECKING:
    from ledger.verification.archive import Archive
    from ledger.verification.report import Findings

SCHEMAS: Final = "schemas.json"

_VOCABULARY: Final = "vocabulary.json"
_MOST: Final = 16_000_000
_LIMITS: Final = Limits(size=_MOST, members=1_000_000)


def check_schemas(archive: Archive, findings: Findings) -> None:
    """Check that ``schemas.json``, where it is, has a schema for each type and for no other."""
    if SCHEMAS not in archive:
        return
    try:
        schemas = parse_object(archive.read(SCHEMAS, most=_MOST), limits=_LIMITS)
        types, definitions = schemas.get("types"), schemas.get("$defs")
        if not isinstance(types, dict) or not isinstance(definitions, dict):
            raise IntegrityFailure("schemas.form", "It names no types.")
        if set(types) != _types(archive):
            raise IntegrityFailure("schemas.types", "Its types are others.")
    except LedgerError as error:
        findings.add("manifest.schemas", None, found=error.message, field=SCHEMAS)


def _types(archive: Archive) -> set[str]:
    if _VOCABULARY not in archive:
        return set()
    rows = parse(archive.read(_VOCABULARY, most=_MOST), limits=_LIMITS)
    found = rows if isinstance(rows, list) else []
    return {str(row.get("type")) for row in found if isinstance(row, dict)}
