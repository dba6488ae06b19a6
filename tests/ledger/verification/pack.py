"""Bundles taken apart and put together again, with or without a manifest that fits."""

from __future__ import annotations

import io
import zipfile
from contextlib import ExitStack
from typing import TYPE_CHECKING

from ledger.clock import SystemClock
from ledger.concealment.evidence import revealing
from ledger.concealment.openings import Openings
from ledger.concealment.settings import has_keys, open_vault
from ledger.publication.bundling import Beside, write_bundle
from ledger.signing.strict_json import JsonObject, parse_object
from ledger.storage.evidence import DatabaseEvidence
from ledger.storage.published_evidence import open_published
from ledger.verification.archive import Member, measure, write_archive
from ledger.verification.manifest import MANIFEST, manifest_bytes
from tests.build_ledger import TRIAL

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


PAGES = {"report.html": b"<!doctype html>", "report.json": b"{}"}


BESIDE = Beside(software="trial-ledger 0", pages=PAGES)


def made(
    database: Path, path: Path, published: Path | None = None, *, beside: Beside = BESIDE
) -> Path:
    """The bundle of a database and of what was published beside it, opened where it has keys."""
    with ExitStack() as stack:
        reveal = None
        if has_keys(database):
            vault = stack.enter_context(open_vault(TRIAL, database, clock=SystemClock()))
            reveal = revealing(Openings(vault), keep_erased=False)
        found = stack.enter_context(open_published(published))
        source = stack.enter_context(DatabaseEvidence(database, reveal=reveal))
        file = stack.enter_context(path.open("wb"))
        write_bundle(file, source, beside, found)
    return path


def members_of(path: Path) -> dict[str, bytes]:
    """The members of a bundle by name, read by the standard library alone."""
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def write(path: Path, members: Mapping[str, bytes]) -> Path:
    """A bundle in the form it has, of exactly these members."""
    listed = [Member.of(name, content) for name, content in sorted(members.items())]
    with path.open("wb") as file:
        write_archive(file, [(member, measure(member)) for member in listed])
    return path


def manifest_of(members: Mapping[str, bytes]) -> JsonObject:
    """What the manifest says, without its own checksum."""
    value = parse_object(members[MANIFEST])
    del value["checksum"]
    return value


def sealed_again(members: Mapping[str, bytes], **values: object) -> dict[str, bytes]:
    """The members with a manifest that fits them, as a forger would make it."""
    value = manifest_of(members)
    others = {name: content for name, content in members.items() if name != MANIFEST}
    measured = [measure(Member.of(name, content)) for name, content in others.items()]
    value["members"] = {m.name: {"bytes": m.size, "sha256": m.sha256} for m in measured}
    value.update(values)  # type: ignore[arg-type]
    return {**others, MANIFEST: manifest_bytes(value)}


def deflated(members: Mapping[str, bytes]) -> bytes:
    """The members as somebody else's program would pack them."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return out.getvalue()
