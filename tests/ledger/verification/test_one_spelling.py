"""A member of a bundle has one spelling: lines are canonical, in order, and each ends."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ledger.verification.bundle import verify_bundle
from ledger.verification.report import Status
from tests.ledger.verification.pack import members_of, sealed_again, write

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from ledger.verification.report import RootOfTrust


def spaced(content: bytes) -> bytes:
    """A space behind a colon of the second line."""
    lines = content.split(b"\n")
    lines[1] = lines[1].replace(b'":', b'": ', 1)
    return b"\n".join(lines)


def swapped(content: bytes) -> bytes:
    """The second line before the first."""
    first, second, rest = content.split(b"\n", 2)
    return b"\n".join((second, first, rest))


def unended(content: bytes) -> bytes:
    """The last line without its end."""
    return content.removesuffix(b"\n")


@pytest.mark.parametrize(
    ("member", "change"),
    [
        ("checkpoints.jsonl", spaced),
        ("checkpoints.jsonl", swapped),
        ("checkpoints.jsonl", unended),
        ("openings.jsonl", spaced),
        ("openings.jsonl", unended),
        ("entries.jsonl", unended),
    ],
)
def test_another_spelling_is_named(
    bundle: Path, tmp_path: Path, trust: RootOfTrust, member: str, change: Callable[[bytes], bytes]
) -> None:
    """Even where the manifest fits it and nothing that is signed was touched."""
    members = members_of(bundle)
    altered = {**members, member: change(members[member])}
    report = verify_bundle(write(tmp_path / "other.zip", sealed_again(altered)), trust=trust)
    assert report.status is Status.DAMAGED
    assert any(
        finding.code == "manifest.line" and member in str(finding.field)
        for finding in report.findings
    )
