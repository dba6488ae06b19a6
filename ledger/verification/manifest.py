"""Check 11: a bundle's manifest against its members, and what it states against what they hold."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Final

from ledger.errors import IntegrityFailure, LedgerError
from ledger.signing.strict_json import Limits, canonical, parse_object
from ledger.verification.redaction import MASKED

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from ledger.signing.strict_json import JsonObject, JsonValue
    from ledger.verification.archive import Archive, Measured
    from ledger.verification.report import Findings

MANIFEST: Final = "manifest.json"
FORMAT: Final = "trial-ledger-bundle/1"
LOG: Final = "log"
DOSSIER: Final = "dossier"

REQUIRED: Final = {
    LOG: ("README.txt", "checkpoint", "checkpoints.jsonl", "entries.jsonl", "openings.jsonl",
          "published.jsonl", "timestamps.jsonl", "vkeys.txt", "vocabulary.json"),
    DOSSIER: ("README.txt", "checkpoint", "openings.jsonl", "proven.jsonl", "vkeys.txt",
              "vocabulary.json"),
    MASKED: ("README.txt", "genesis.json", "keys.jsonl", "openings.jsonl", "vocabulary.json"),
}  # fmt: skip
"""Members without which a bundle of each kind, or a masked dossier, is not whole."""

_MOST_BYTES: Final = 64_000_000
_LIMITS: Final = Limits(size=_MOST_BYTES, members=2_000_000)
_CHECKSUM: Final = "checksum"
_MEMBERS: Final = "members"
_GENESIS: Final = "genesis.json"


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
        members = self.value.get(_MEMBERS)
        return members if isinstance(members, dict) else {}


def manifest_bytes(value: JsonObject) -> bytes:
    """A manifest as it is stored: canonical JSON with its own checksum among its members."""
    return canonical({**value, _CHECKSUM: _checksum(value)})


def manifest_chunks(
    value: JsonObject, members: Callable[[], Iterable[Measured]]
) -> Iterator[bytes]:
    """A manifest as `manifest_bytes` spells it, a member at a time.

    ``members`` gives what it lists, in order of names and the same at each call; ``value`` is what
    it says beside them.
    """
    checksum = sha256()
    for chunk in _spelled(value, members()):
        checksum.update(chunk)
    yield from _spelled({**value, _CHECKSUM: checksum.hexdigest()}, members())


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
    form = MASKED if is_masked(archive, manifest) else kind_of(archive, manifest)
    wanted = set(stated or ()).union(REQUIRED[form])
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
    shown = "proven.jsonl" in archive or _GENESIS in archive
    return DOSSIER if shown and "entries.jsonl" not in archive else LOG


def is_masked(archive: Archive, manifest: Manifest | None) -> bool:
    """Whether a dossier is one for a masked reader, by the manifest or by the members."""
    if kind_of(archive, manifest) != DOSSIER:
        return False
    if manifest is not None:
        return manifest.value.get("redaction") == MASKED
    return _GENESIS in archive and "proven.jsonl" not in archive


def _checksum(value: JsonObject) -> str:
    return sha256(canonical(value)).hexdigest()


def _spelled(value: JsonObject, members: Iterable[Measured]) -> Iterator[bytes]:
    """Canonical JSON of a manifest: names in order, those of members as they come."""
    before = b"{"
    for name in sorted({*value, _MEMBERS}):
        yield before + canonical(name) + b":"
        if name == _MEMBERS:
            yield from _listed(members)
        else:
            yield canonical(value[name])
        before = b","
    yield b"}"


def _listed(members: Iterable[Measured]) -> Iterator[bytes]:
    before = b"{"
    for one in members:
        value: JsonObject = {one.name: {"bytes": one.size, "sha256": one.sha256}}
        yield before + canonical(value)[1:-1]
        before = b","
    yield b"}" if before == b"," else b"{}"
