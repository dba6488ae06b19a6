"""Which subjects state the same person: an index of identity checks, by a few of their bits.

A check is itself a keyed hash under a key of the site. It stands in the sealed body; the key of a
row tells 12 bits of a hash of it, so that a row is found and holds few others.
"""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING, Final

from ledger.aggregates.trial_state import IDENTIFIED
from ledger.history import changes_of
from ledger.rules.members import shape, text, texts

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ledger.history import Fact, History
    from ledger.signing.strict_json import JsonObject
    from projections.kept import KeptRows, PageRows

IDENTITIES: Final = "identities"
SHARED: Final = "shared"
IDENTITY_CHECK: Final = "identity_check"
_DIGITS: Final = 3


def ever_stated(facts: Iterable[Fact], member: str) -> set[str]:
    """Every text that a member of these facts ever had, corrected and voided ones too.

    It only grows, so that what is indexed by it does not depend on when it was looked at.
    """
    found: set[str | None] = set()
    for fact in facts:
        found |= {text(fact.record.data, member), text(fact.data, member)}
        for record in fact.corrections:
            for change in changes_of(record.data):
                if isinstance(change, dict) and change.get("pointer") == f"/data/{member}":
                    found.add(text(change, "new"))
    return {value for value in found if value}


def checks_of(records: History) -> set[str]:
    """Every identity check ever stated for a subject."""
    identified = (fact for fact in records.facts.values() if fact.type == IDENTIFIED)
    return ever_stated(identified, IDENTITY_CHECK)


def note(rows: PageRows, subject: str, checks: Iterable[str]) -> None:
    """Enter a subject under its checks."""
    for check in sorted(checks):
        bucket = _bucket(check)
        known = shape(rows.one(IDENTITIES, bucket) or {}, "checks") or {}
        subjects = set(texts(known, check))
        if subject in subjects:
            continue
        subjects.add(subject)
        body: JsonObject = {**known, check: [*sorted(subjects)]}
        rows.put(IDENTITIES, bucket, {"checks": body})
        if len(subjects) > 1:
            together = subjects | shared(rows)
            rows.put(IDENTITIES, SHARED, {"subjects": [*sorted(together)]})


def shared(rows: KeptRows) -> set[str]:
    """All subjects that were ever said to be the same person as another."""
    return set(texts(rows.one(IDENTITIES, SHARED) or {}, "subjects"))


def sharing(rows: KeptRows, checks: Iterable[str]) -> set[str]:
    """The subjects that were ever stated with one of these checks."""
    found: set[str] = set()
    for check in checks:
        body = shape(rows.one(IDENTITIES, _bucket(check)) or {}, "checks") or {}
        found |= set(texts(body, check))
    return found


def _bucket(check: str) -> str:
    return sha256(check.encode()).hexdigest()[:_DIGITS]
