"""Check 11: a bundle's manifest against its members, and what it states against what they hold."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Final

from ledger.errors import IntegrityFailure, LedgerError
from ledger.signing.strict_json import Limits, canonical, parse_object

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ledger.signing.strict_json import JsonObject, JsonValue
    from ledger.verification.archive import Archive
    from ledger.verification.report import Findings

MANIFEST: Final = "manifest.json"
FORMAT: Final = "trial-ledger-bundle/1"
LOG: Final = "log"
DOSSIER: Final = "dossier"

REQUIRED: Final = {
    LOG: ("README.txt", "checkpoint", "checkpoints.jsonl", "entries.jsonl", "openings.jsonl",
          "published.jsonl", "timestamps.jsonl", "vkeys.txt", "vocabulary.json"),
    DOSSIER: ("README.txt", "checkpoint", "openings.jsonl", "proven.jsonl", "vocabulary.json"),
}  # fmt: skip
"""Members without which a bundle of each kind is not whole."""

WHOLE: Final = "none"
"""What ``redaction`` is where nothing that was kept was left out."""

_MOST_BYTES: Final = 64_000_000
_LIMITS: Final = Limits(size=_MOST_BYTES, members=2_000_000)
_CHECKSUM: Final = "checksum"


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a bundle says of itself (docs/formats/bundle.md)."""

    value: JsonObject

    @property
    def kind(self) -> JsonValue:
        """``log`` for the whole log, ``dossier`` for one subject."""
        return self.value.get("kind")

    @property
    def members(self) -> dict[str, JsonValue]:
        """Length and SHA-256 of each other member, by name."""
        members = self.value.get("members")
        return members if isinstance(members, dict) else {}


def manifest_bytes(value: JsonObject) -> bytes:
    """A manifest as it is stored: canonical JSON with its own checksum among its members."""
    return canonical({**value, _CHECKSUM: _checksum(value)})


def read_manifest(archive: Archive, findings: Findings) -> Manifest | None:
    """Read the manifest; None when that is not possible, which is then named."""
    try:
        data = archive.read(MANIFEST, most=_MOST_BYTES)
        archive.measured(MANIFEST)
        value = parse_object(data, limits=_LIMITS)
        stated = value.pop(_CHECKSUM, None)
        if stated != _checksum(value) or manifest_bytes(value) != data:
            raise IntegrityFailure("manifest.altered", "It is not what its own checksum says.")
        if value.get("format") != FORMAT:
            raise IntegrityFailure("manifest.format", f"The format is not {FORMAT}.")
    except LedgerError as error:
        findings.add("manifest.unreadable", None, found=error.message, field=MANIFEST)
        return None
    return Manifest(value)


def check_members(archive: Archive, manifest: Manifest | None, findings: Findings) -> None:
    """Compare each member with its length and SHA-256, and the zip file with its one form."""
    deviation = archive.deviation()
    if deviation is not None:
        findings.add("manifest.container", None, found=deviation, field="zip file")
    stated = None if manifest is None else manifest.members
    for name in archive.names:
        if name != MANIFEST:
            _check_member(archive, name, stated, findings)
    wanted = set(stated or ()).union(REQUIRED.get(kind_of(archive, manifest), ()))
    for name in sorted(wanted):
        if name not in archive:
            findings.add(
                "manifest.member", None, expected="the member", found="none", field=name[:200]
            )


def check_values(
    manifest: Manifest, found: Iterable[tuple[str, JsonValue]], findings: Findings
) -> None:
    """Compare what the manifest states with what was found by reading the members."""
    for name, value in found:
        stated = manifest.value.get(name)
        if type(stated) is not type(value) or stated != value:
            findings.add(
                "manifest.value", None, expected=value, found=stated, field=f"{MANIFEST} /{name}"
            )


def check_redaction(manifest: Manifest, findings: Findings) -> None:
    """``none``, or a statement of each thing that was left out, and why."""
    stated = manifest.value.get("redaction")
    if stated == WHOLE:
        return
    withheld = stated.get("withheld") if isinstance(stated, dict) and len(stated) == 1 else None
    items = withheld if isinstance(withheld, list) else []
    if not items or not all(_says_why(item) for item in items):
        findings.add(
            "manifest.value", None, expected="none, or what was withheld and why", found=stated,
            field=f"{MANIFEST} /redaction",
        )  # fmt: skip
        return
    for item in items:
        if isinstance(item, dict):
            findings.add(
                "manifest.redacted", None, found=f"{item['what']}: {item['why']}",
                field=f"{MANIFEST} /redaction", alone=True,
            )  # fmt: skip


def _says_why(item: JsonValue) -> bool:
    return isinstance(item, dict) and all(
        isinstance(item.get(name), str) and item.get(name) for name in ("what", "why")
    )


def _check_member(
    archive: Archive, name: str, stated: dict[str, JsonValue] | None, findings: Findings
) -> None:
    try:
        measured = archive.measured(name)
    except IntegrityFailure as error:
        findings.add("manifest.member", None, found=error.message, field=name)
        return
    if stated is None:
        return
    expected = stated.get(name)
    if expected is None:
        findings.add("manifest.surplus", None, found=f"{measured.size} bytes", field=name)
        return
    value = {"bytes": measured.size, "sha256": measured.sha256}
    if expected != value:
        findings.add("manifest.member", None, expected=expected, found=value, field=name)


def kind_of(archive: Archive, manifest: Manifest | None) -> str:
    """``log`` or ``dossier``, by the manifest or, where that cannot be read, by the members."""
    if manifest is not None and manifest.kind in (LOG, DOSSIER):
        return str(manifest.kind)
    return DOSSIER if "proven.jsonl" in archive and "entries.jsonl" not in archive else LOG


def _checksum(value: JsonObject) -> str:
    return sha256(canonical(value)).hexdigest()
