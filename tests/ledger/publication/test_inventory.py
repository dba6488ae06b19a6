"""What a bundle keeps of its members while it is written: the same bytes, and nothing held."""

from __future__ import annotations

import io
import os
import tracemalloc
import zipfile
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.errors import RejectedInput
from ledger.publication.inventory import Inventory
from ledger.verification.archive import Member, measure
from ledger.verification.manifest import MANIFEST, manifest_bytes

if TYPE_CHECKING:
    from collections.abc import Iterable
    from random import Random

    from ledger.signing.strict_json import JsonObject

STATED: JsonObject = {"format": "trial-ledger-bundle/1", "size": 7, "counts": {"entries": 7}}
NAMES = st.from_regex(r"[a-zA-Z0-9_-]{1,4}(/[a-z0-9]{1,3})?", fullmatch=True)
CONTENTS = st.dictionaries(NAMES, st.binary(max_size=40), max_size=12)


def content_of(name: str) -> tuple[bytes]:
    """The content of a member, made from its name at each call."""
    return (name.encode() * 3,)


def most_held(count: int) -> int:
    """The most bytes of objects that writing so many members takes."""
    tracemalloc.start()
    try:
        with Inventory() as inventory, Path(os.devnull).open("wb") as nowhere:
            inventory.take_each((f"receipts/{n}.tlog-proof" for n in range(count)), content_of)
            inventory.write(nowhere, STATED)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def written(members: Iterable[Member]) -> bytes:
    """The bundle of these members."""
    out = io.BytesIO()
    with Inventory(members) as inventory:
        inventory.write(out, STATED)
    return out.getvalue()


@given(contents=CONTENTS, order=st.randoms(use_true_random=False))
def test_the_order_in_which_members_are_taken_changes_no_byte(
    contents: dict[str, bytes], order: Random
) -> None:
    """The file lists them by name."""
    members = [Member.of(name, content) for name, content in contents.items()]
    assert written(members) == written(order.sample(members, len(members)))


@given(contents=CONTENTS)
def test_the_manifest_is_the_canonical_one_over_every_member(contents: dict[str, bytes]) -> None:
    """It is spelled a member at a time, and hashes as if it had been spelled at once."""
    out = io.BytesIO()
    with Inventory(Member.of(name, content) for name, content in contents.items()) as inventory:
        stated = inventory.write(out, STATED)
        assert len(inventory) == len(contents) + 1
    with zipfile.ZipFile(out) as found:
        manifest = found.read(MANIFEST)
        assert {name: found.read(name) for name in contents} == contents
    measured = [measure(Member.of(name, content)) for name, content in contents.items()]
    listed: JsonObject = {m.name: {"bytes": m.size, "sha256": m.sha256} for m in measured}
    assert manifest == manifest_bytes({**STATED, "members": listed})
    assert stated == sha256(manifest).hexdigest()


def test_members_read_by_their_names_are_written_as_others_are() -> None:
    """Whoever takes them is told how many they were."""
    names = ["b/2", "a/1", "b/10"]
    out = io.BytesIO()
    with Inventory() as inventory:
        assert inventory.take_each(names, content_of) == len(names)
        inventory.write(out, STATED)
    assert out.getvalue() == written(Member(name, partial(content_of, name)) for name in names)


def test_a_name_taken_twice_is_refused() -> None:
    """A name says which content."""
    with pytest.raises(RejectedInput) as caught:
        written((Member.of("a", b"1"), Member.of("a", b"2")))
    assert caught.value.code == "bundle.name"


def test_members_are_not_held_while_they_are_written() -> None:
    """Ten times as many take no more memory, where each used to take over a thousand bytes."""
    few, many = most_held(1_000), most_held(10_000)
    assert many - few < 9_000 * 20
