"""The rows a report holds, taken once as of an instant, and what must be counted before them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Final, Self, TypeAlias

from ledger.rules.members import shapes, text
from projections.enrolment import enrolment_view
from projections.report.aside import Aside, Kept
from projections.report.basis import Sections
from projections.sections import deviation_order
from projections.times import holds_by, resolved

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from ledger.signing.strict_json import JsonObject
    from ledger.trials.protocol import Protocol
    from projections.report.basis import Listing, Row

Bodies: TypeAlias = Callable[[str], Iterator[tuple[str, "JsonObject"]]]
"""The rows of a projection with their keys, in order of keys."""

SHOWN: Final = ("subject", "consent", "eligibility", "allocation", "product", "visits", "safety")
"""The projections that are sections of a subject's view."""

OVERSIGHT: Final = (
    "refusals",
    "corrections",
    "voided",
    "late_entries",
    "unsigned",
    "stale_signatures",
    "personal_data",
)
DEVIATIONS: Final = "deviations"
PROBLEMS: Final = "problems"
_HANGING: Final = "hanging"
_TRIAL: Final = "trial"
_SIGNED: Final = ("name", "person", "kind", "kid", "meaning")


class SignatureCounts:
    """How often each key signed with which meaning in audit entries, and when first and last."""

    def __init__(self) -> None:
        self._counts: Counter[tuple[str, ...]] = Counter()
        self._spans: dict[tuple[str, ...], tuple[str, str]] = {}

    def take(self, entry: JsonObject) -> None:
        """Count the signatures of one audit entry."""
        recorded = str(entry["recorded"])
        for block in shapes(entry, "signatures"):
            key = tuple(text(block, name) or "" for name in _SIGNED)
            self._counts[key] += 1
            first, last = self._spans.get(key, (recorded, recorded))
            self._spans[key] = min(first, recorded), max(last, recorded)

    def listed(self) -> list[JsonObject]:
        """A row for each key and meaning, in order."""
        return [
            {
                **{name: value or None for name, value in zip(_SIGNED, key, strict=True)},
                "count": self._counts[key],
                "first": self._spans[key][0],
                "last": self._spans[key][1],
            }
            for key in sorted(self._counts)
        ]


def signature_counts(audit: Iterable[JsonObject]) -> list[JsonObject]:
    """How often each key signed with which meaning in these audit entries."""
    counts = SignatureCounts()
    for entry in audit:
        counts.take(entry)
    return counts.listed()


class Taken:
    """The rows as of an instant, put aside in the order they are shown in; numbers are held."""

    def __init__(self, protocol: Protocol, as_of: datetime) -> None:
        self.as_of = as_of
        self._protocol = protocol
        self.aside = Aside()
        self.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.aside.close()

    def clear(self) -> None:
        """Forget all that was taken."""
        self.aside.close()
        self.aside = Aside()
        self.signatures = SignatureCounts()
        self.deviating: Counter[str] = Counter()
        self.enrolment: JsonObject = {}
        self.register: JsonObject = {}
        self.documents: JsonObject = {}

    @property
    def sections(self) -> Sections:
        """The sections of the subjects."""
        return _AsideSections(self.aside)

    @property
    def lots(self) -> Listing:
        """The lots, in order of their ids."""
        return Kept(self.aside, "lots")

    def findings(self, event: str) -> list[str]:
        """The rules that found something in an event, in order."""
        return [str(row["rule"]) for row in self.aside.at(_HANGING, event)]

    def take(self, bodies: Bodies) -> None:
        """Take the rows of all projections but the audit trail."""
        for name in SHOWN:
            self.aside.put(name, self._of_subjects(name, bodies))
        self._order_allocations()
        for name in (DEVIATIONS, "trial-deviations"):
            for _, body in bodies(name):
                self._take_deviations(body)
        for _, body in bodies("oversight"):
            for member in OVERSIGHT:
                for row in shapes(body, member):
                    self.aside.add(member, (*in_log_order(row), ""), dict(row))
        for key, body in bodies(PROBLEMS):
            for row in shapes(body, PROBLEMS):
                self.aside.add(PROBLEMS, (key, "", ""), {"key": key, **row})
        self.aside.put("lots", ((key, at(body, self.as_of)) for key, body in bodies("lots")))
        self.register = dict(bodies("register")).get(_TRIAL, {})
        self.documents = dict(bodies("documents")).get(_TRIAL, {})
        dispositions = (body for _, body in bodies("disposition"))
        self.enrolment = enrolment_view(dispositions, self._protocol, self.as_of)

    def _of_subjects(self, name: str, bodies: Bodies) -> Iterator[tuple[str, JsonObject]]:
        for subject, body in bodies(name):
            if name == "subject" or self.aside.holds("subject", subject):
                yield subject, at(body, self.as_of)

    def _order_allocations(self) -> None:
        for subject, found in self.aside.rows("allocation"):
            for member in ("allocations", "unblindings"):
                for row in shapes(found, member):
                    place = (*_position(row), "")
                    self.aside.add(member, place, {"subject": subject, **row})

    def _take_deviations(self, body: JsonObject) -> None:
        for found in shapes(body, DEVIATIONS):
            row = dict(found)
            if not holds_by(row, self.as_of):
                continue
            self.aside.add(DEVIATIONS, deviation_order(row), row)
            rule, subject = text(row, "rule"), row["subject"]
            if rule is not None:
                self.aside.add(_HANGING, (str(row.get("anchor")), rule, ""), {"rule": rule})
            if row["standing"] == "deviation" and isinstance(subject, str):
                self.deviating[subject] += 1


class _AsideSections(Sections):
    """The sections of subjects that were put aside; each is read when it is asked for."""

    def __init__(self, aside: Aside) -> None:
        self._aside = aside

    def __getitem__(self, subject: str) -> Row:
        if subject not in self:
            raise KeyError(subject)
        found = ((name, self._aside.one(name, subject)) for name in SHOWN)
        return {name: body for name, body in found if body is not None}

    def __contains__(self, subject: object) -> bool:
        return isinstance(subject, str) and self._aside.holds("subject", subject)

    def __iter__(self) -> Iterator[str]:
        return self._aside.names("subject")

    def __len__(self) -> int:
        return self._aside.count("subject")

    def of(self, section: str) -> Iterator[tuple[str, Row]]:
        return self._aside.rows(section)


def at(body: JsonObject, as_of: datetime) -> JsonObject:
    """A body as it reads at an instant."""
    found = resolved(body, as_of)
    return found if isinstance(found, dict) else {}


def in_log_order(row: Row) -> tuple[int, str]:
    """Sort key of rows: position, then field."""
    seq = row.get("seq")
    return (seq if isinstance(seq, int) else 0), str(row.get("field") or "")


def _position(row: Row) -> tuple[int, str]:
    seq = row.get("seq")
    return (seq if isinstance(seq, int) else 0), str(row.get("event"))
