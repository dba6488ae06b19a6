"""Personal data that came in unsealed: which members are never served again.

Nothing can take a word out of a signed entry. What can be done is to stop handing it out: views
show ``REDACTED`` in its place, and the statement and the entry that hold it are withheld with their
hash shown, which is all that chain and tree need. The bytes stay in the ledger's own archive.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Final

from ledger.history import ACCEPTED, put, value_at

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ledger.record import Record
    from ledger.signing.strict_json import JsonObject

RESTRICTED: Final = "personal-data.restricted.v1"
MARK: Final = "REDACTED"
"""What stands for a restricted member: a text and a code alike, so that folds read on."""


class Restrictions:
    """Follows the log and knows, by event id, the members that are no longer served.

    A restriction takes effect when the ledger has accepted it. It reaches a member also inside the
    corrections of the event, where the same words are repeated.
    """

    def __init__(self, records: Iterable[Record] = ()) -> None:
        self._pending: dict[str, Record] = {}
        self._pointers: dict[str, dict[str, str]] = {}
        self._corrections: dict[str, str] = {}
        for record in records:
            self.apply(record)

    def __len__(self) -> int:
        """How many members are no longer served."""
        return sum(len(known) for known in self._pointers.values())

    def apply(self, record: Record) -> None:
        """Take one more record in, in order of the log."""
        if record.type == RESTRICTED:
            self._pending[record.id] = record
        elif record.type == ACCEPTED:
            request = record.data.get("request")
            accepted = self._pending.pop(
                str(request.get("id")) if isinstance(request, dict) else "", None
            )
            if accepted is not None:
                self._restrict(accepted)
        elif record.type == "data.corrected.v1":
            self._corrections[record.id] = str(record.data.get("target"))

    def concerns(self, event_id: str) -> str | None:
        """The id of the act by which an event's statement is withheld, if any."""
        known = self._pointers.get(event_id) or self._pointers.get(
            self._corrections.get(event_id, "")
        )
        return next(iter(known.values()), None) if known else None

    def events(self) -> set[str]:
        """The ids of all events whose statements are withheld, corrections among them."""
        corrections = {
            name for name, target in self._corrections.items() if target in self._pointers
        }
        return {*self._pointers, *corrections}

    def pointers(self, event_id: str) -> tuple[str, ...]:
        """The members of an event that are no longer served, as JSON pointers."""
        return tuple(self._pointers.get(event_id, ()))

    def served(self, event_id: str, data: JsonObject) -> JsonObject:
        """A payload as it may be shown: the very one where nothing is restricted, else a copy."""
        pointers = self.pointers(event_id)
        restricted = self.pointers(self._corrections.get(event_id, ""))
        if not pointers and not restricted:
            return data
        document: JsonObject = {"data": copy.deepcopy(data)}
        for pointer in pointers:
            if isinstance(value_at(document, pointer), str):
                put(document, pointer, MARK)
        if restricted:
            _hide_changes(document, frozenset(restricted))
        found = document["data"]
        return found if isinstance(found, dict) else {}

    def _restrict(self, act: Record) -> None:
        pointers = act.data.get("pointers")
        known = self._pointers.setdefault(str(act.data.get("target")), {})
        for pointer in pointers if isinstance(pointers, list) else ():
            known.setdefault(str(pointer), act.id)


def _hide_changes(document: JsonObject, pointers: frozenset[str]) -> None:
    changes = value_at(document, "/data/changes")
    for change in changes if isinstance(changes, list) else ():
        if isinstance(change, dict) and change.get("pointer") in pointers:
            change.update({name: MARK for name in ("old", "new") if change.get(name) is not None})
