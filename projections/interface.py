"""What a reader may ask of the projections, whoever he is; masked or not, the answers differ."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from ledger.signing.strict_json import JsonObject, JsonValue

Known_contra = TypeVar("Known_contra", contravariant=True)
"""How a state of knowledge is named: a tree size, for a masked reader a day of record."""

Place_contra = TypeVar("Place_contra", contravariant=True)
"""How a place in the audit trail is named: a position, for a masked reader an event id."""


class Reading(Protocol[Known_contra, Place_contra]):
    """The reading interface of the projections.

    ``projections.reading.Projections`` is a ``Reading[int, int]``,
    ``projections.masking.MaskedProjections`` a ``Reading[date, str]``.
    """

    def subjects(self, after: str = "", limit: int = 100) -> list[JsonObject]:
        """Subjects in order of their ids; page by the last id."""

    def subject(
        self, subject_id: str, known_at: Known_contra | None = None, true_at: datetime | None = None
    ) -> JsonObject | None:
        """Everything about one subject; None when nothing of it is recorded."""

    def replay(
        self, subject_id: str, known_at: Known_contra | None = None, true_at: datetime | None = None
    ) -> JsonObject | None:
        """The subject's header and course of events in order of occurrence."""

    def enrolment(self, known_at: Known_contra | None = None) -> JsonObject:
        """The CONSORT counts."""

    def recruitment(self) -> list[JsonValue]:
        """Consented, randomized and cumulative numbers by month."""

    def deviations(
        self,
        subject: str | None = None,
        rule: str | None = None,
        as_of: datetime | None = None,
        after: str = "",
        limit: int | None = None,
        *,
        site: str | None = None,
    ) -> list[JsonObject]:
        """Deviations that hold by an instant; page by the last one's place."""

    def register(self, known_at: Known_contra | None = None) -> JsonObject:
        """Keys, grants, delegations and training with their dates."""

    def documents(self, known_at: Known_contra | None = None) -> list[JsonObject]:
        """Documents with their approvals."""

    def audit_trail(
        self,
        subject: str | None = None,
        type: str | None = None,  # noqa: A002 - the column's own name
        actor: str | None = None,
        site: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        after: Place_contra = ...,
        limit: int = 100,
    ) -> list[JsonObject]:
        """Field-level rows of the first ``limit`` entries that match, from a place on."""

    def audit_entries(self, after: Place_contra = ...) -> Iterator[JsonObject]:
        """Audit entries in order of the log, from a place on."""

    def problems(self) -> list[JsonValue]:
        """The views and rules that failed, by subject."""
