"""Listings of stored rows, as the report's tables and the doors ask for them."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from projections.kept import body_of
from projections.prefix import Prefix
from projections.times import resolved, utc_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ledger.application import LedgerApplication
    from ledger.signing.strict_json import JsonObject
    from projections.store import ProjectionStore

_PAGE = 500


class Listings:
    """Rows of the store as they stand at the head, one method a listing."""

    def __init__(self, application: LedgerApplication, store: ProjectionStore) -> None:
        self._application = application
        self.store = store

    def disposition(self) -> list[JsonObject]:
        """Each subject's consent, allocation, infusions, last contact, state and endpoint."""
        _, as_of = self._head()
        return [at_instant(body, as_of) for _, body in self._bodies("disposition")]

    def consents(self) -> list[JsonObject]:
        """The consent register, one object a subject."""
        return self._resolved("consent")

    def eligibility(self) -> list[JsonObject]:
        """The eligibility listing, one object a subject."""
        return self._resolved("eligibility")

    def allocations(self) -> list[JsonObject]:
        """All allocations in order of the log, each with its subject and sequence number."""
        rows = sorted(self._list("allocation", "allocations"), key=_seq)
        return [{**row, "number": number} for number, row in enumerate(rows, 1)]

    def unblindings(self) -> list[JsonObject]:
        """All unblindings in order of the log."""
        return sorted(self._list("allocation", "unblindings"), key=_seq)

    def infusions(self) -> list[JsonObject]:
        """All infusions given, by subject and start."""
        return self._list("product", "infusions")

    def stock(self) -> list[JsonObject]:
        """The balance of each lot."""
        _, as_of = self._head()
        return [at_instant(body, as_of) for _, body in self._bodies("lots")]

    def visits(self) -> list[JsonObject]:
        """All planned visits of all subjects with what became of them."""
        return self._list("visits", "visits")

    def child_pugh(self) -> list[JsonObject]:
        """All Child-Pugh scores with their inputs."""
        return self._list("visits", "child_pugh")

    def endpoint(self) -> list[JsonObject]:
        """The primary endpoint of each randomized subject, with its arm where opened."""
        arms = {str(row["subject"]): row["arm"] for row in self.allocations()}
        return [
            {"subject": key, "arm": arms[key], **row}
            for key, body in self._resolved_bodies("visits")
            if key in arms and isinstance(row := body.get("endpoint"), dict)
        ]

    def safety(self) -> list[JsonObject]:
        """All safety records."""
        return self._list("safety", "events")

    def refusals(self) -> list[JsonObject]:
        """All refused commands in order of the log."""
        return sorted(self._list("oversight", "refusals"), key=_seq)

    def corrections(self) -> list[JsonObject]:
        """All corrected fields in order of the log."""
        return sorted(self._list("oversight", "corrections"), key=_seq)

    def voided(self) -> list[JsonObject]:
        """All voided records."""
        return sorted(self._list("oversight", "voided"), key=_seq)

    def late_entries(self) -> list[JsonObject]:
        """All entries recorded later than the limit after they occurred."""
        return sorted(self._list("oversight", "late_entries"), key=_seq)

    def stale_signatures(self) -> list[JsonObject]:
        """Signed records that were corrected and not signed again."""
        return sorted(self._list("oversight", "stale_signatures"), key=_seq)

    def unsigned(self) -> list[JsonObject]:
        """Records that a person must still sign."""
        return sorted(self._list("oversight", "unsigned"), key=_seq)

    def signatures(self) -> list[JsonObject]:
        """How often each key signed with which meaning, and when first and last."""
        counts: Counter[tuple[str, str, str, str, str]] = Counter()
        spans: dict[tuple[str, str, str, str, str], tuple[str, str]] = {}
        for entry in self._audit_entries(-1):
            for block in rows_in(entry, "signatures"):
                names = ("person", "name", "kind", "kid", "meaning")
                key = tuple(str(block[name] or "") for name in names)
                owner, name, kind, kid, meaning = key
                row, recorded = (owner, name, kind, kid, meaning), str(entry["recorded"])
                counts[row] += 1
                spans[row] = (spans[row][0] if row in spans else recorded, recorded)
        return [
            {
                "person": row[0], "name": row[1], "kind": row[2], "kid": row[3],
                "meaning": row[4] or None, "count": counts[row],
                "first": spans[row][0], "last": spans[row][1],
            }
            for row in sorted(counts)
        ]  # fmt: skip

    # --- inside -------------------------------------------------------------------------------

    def _head(self) -> tuple[JsonObject, datetime]:
        position = self.store.place().position
        as_of = self._as_of(Prefix(self._application, position), None)
        return head_object(position, as_of), as_of

    @staticmethod
    def _as_of(prefix: Prefix, true_at: datetime | None) -> datetime:
        recorded = prefix.recorded_at() or datetime.fromtimestamp(0, tz=UTC)
        return recorded if true_at is None else min(true_at, recorded)

    def _bodies(self, projection: str) -> Iterator[tuple[str, JsonObject]]:
        after = ""
        while page := self.store.rows(projection, after=after, limit=_PAGE):
            for key, body in page:
                yield key, body_of(body)
            after = page[-1][0]

    def _resolved_bodies(self, projection: str) -> Iterator[tuple[str, JsonObject]]:
        _, as_of = self._head()
        for key, body in self._bodies(projection):
            yield key, at_instant(body, as_of)

    def _resolved(self, projection: str) -> list[JsonObject]:
        return [{"subject": key, **body} for key, body in self._resolved_bodies(projection)]

    def _list(self, projection: str, member: str) -> list[JsonObject]:
        return [
            row if "subject" in row or projection == "documents" else {"subject": key, **row}
            for key, body in self._resolved_bodies(projection)
            for row in rows_in(body, member)
        ]

    def _audit_entries(self, after: int) -> Iterator[JsonObject]:
        key = f"{after:012d}" if after >= 0 else ""
        while page := self.store.rows("audit", after=key, limit=_PAGE):
            for _, body in page:
                yield body_of(body)
            key = page[-1][0]


def head_object(size: int, as_of: datetime) -> JsonObject:
    """The head a reading rests on: entries folded, and the instant it is read as of."""
    return {"size": size, "as_of": utc_text(as_of)}


def at_instant(body: JsonObject, as_of: datetime) -> JsonObject:
    """A stored row as it reads at an instant."""
    found = resolved(body, as_of)
    return found if isinstance(found, dict) else {}


def rows_in(body: JsonObject, member: str) -> list[JsonObject]:
    """The objects of a list member; none where it is absent."""
    rows = body.get(member)
    return [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []


def _seq(row: JsonObject) -> int:
    seq = row["seq"]
    return seq if isinstance(seq, int) else 0
