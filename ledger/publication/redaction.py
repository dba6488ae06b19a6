"""What is left out of a bundle on purpose: openings by purpose, with the reason, counted."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from ledger.errors import LedgerError
from ledger.signing.sealing import parse_disclosure
from ledger.verification.redaction import PAGES, WHOLE
from ledger.vocabulary import Purpose, vocabulary

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ledger.signing.strict_json import JsonObject, JsonValue

ASKED: Final = "whoever had the bundle made asked for it without"
"""Why openings are left out where nothing else is said."""

_SHOWN: Final = "report and replay show the contents of openings that are left out"


@dataclass(slots=True)
class Redaction:
    """Leaves out the openings of some ``purposes``, for the reason ``why``, and counts them."""

    purposes: frozenset[Purpose] = frozenset()
    why: str = ASKED
    left: Counter[Purpose] = field(default_factory=Counter)

    def begin(self) -> None:
        """Count from the beginning: a member is made twice."""
        self.left.clear()

    def keeps(self, type_name: str | None, disclosure: str) -> bool:
        """Whether an opening of an event goes along; what cannot be told does not."""
        if not self.purposes:
            return True
        purpose = purpose_of(type_name, disclosure)
        if purpose is not None and purpose not in self.purposes:
            return True
        if purpose is not None:
            self.left[purpose] += 1
        return False

    def stated(self, *others: JsonObject) -> JsonValue:
        """The member ``redaction`` of a manifest; ``others`` were withheld for other reasons."""
        items: list[JsonValue] = [
            {"number": self.left[purpose], "what": str(purpose), "why": self.why}
            for purpose in Purpose
            if purpose in self.purposes
        ]
        if self.purposes:
            items.append({"what": PAGES, "why": _SHOWN})
        items += others
        return {"withheld": items} if items else WHOLE


def purpose_of(type_name: str | None, disclosure: str) -> Purpose | None:
    """For what purpose an opening is kept; None when the vocabulary does not say."""
    rule = vocabulary().get(type_name or "")
    try:
        name = parse_disclosure(disclosure).name
    except LedgerError:
        return None
    return None if rule is None else rule.sealed.get(name)


def purposes_of(names: Iterable[str]) -> frozenset[Purpose]:
    """The purposes of these names; raises ValueError for a name that is none."""
    return frozenset(Purpose(name) for name in names)
