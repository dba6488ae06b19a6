"""A node that starts while another one writes reads two moving things and must mistrust neither."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from ledger.service import TrialLedger
from ledger.storage.head_file import HeadFile
from ledger.storage.sqlite import SQLiteLedgerRecorder
from tests.ledger.build_service import answer, bag, require_sound

if TYPE_CHECKING:
    from tests.build_ledger import BuiltLedger


@pytest.mark.parametrize(("owner", "name"), [(HeadFile, "read"), (SQLiteLedgerRecorder, "head")])
@pytest.mark.parametrize("when", ["before", "after"])
def test_a_start_beside_a_busy_writer_is_not_taken_for_a_roll_back(
    built: BuiltLedger, monkeypatch: pytest.MonkeyPatch, owner: type, name: str, when: str
) -> None:
    """Another node commits right before or after the head file, or the head row, is read."""
    whole = getattr(owner, name)
    left = [bag(built, 1)]

    def meanwhile() -> None:
        if left:
            signed = left.pop()
            answer(built, signed)

    def read(self: Any, *arguments: Any) -> Any:
        if when == "before":
            meanwhile()
        found = whole(self, *arguments)
        if when == "after":
            meanwhile()
        return found

    monkeypatch.setattr(owner, name, read)
    with closing(TrialLedger(built.url, built.files)) as other:
        monkeypatch.undo()
        assert other.refusal is None, other.refusal
        assert left == []
    require_sound(built)
