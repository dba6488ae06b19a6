"""Between records and the vault: what is stored of a group, and what is read back of an entry."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Final

from ledger.concealment.binding import Place
from ledger.concealment.envelope import stored_bytes, stored_text
from ledger.concealment.vault import Concealed, Erased, Erasure, Opening
from ledger.errors import IntegrityFailure
from ledger.history import ACCEPTED
from ledger.vocabulary import Purpose, vocabulary

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from ledger.concealment.vault import Vault
    from ledger.record import Record
    from ledger.signing.sealing import Disclosure

ERASED: Final = "personal-data.erased.v1"

Row = tuple[int, int, str]
"""A row of the openings table: position of the entry, number within it, stored text."""


def ordered(records: Iterable[Record]) -> Iterator[Erasure]:
    """The erasures that the ledger accepted among some records, each with its result behind it."""
    for _, erasure in _orders(records):
        if erasure is not None:
            yield erasure


def _orders(records: Iterable[Record]) -> Iterator[tuple[Record, Erasure | None]]:
    asked: dict[str, Record] = {}
    for record in records:
        if record.type == ERASED:
            asked[record.id] = record
        request = record.data.get("request") if record.type == ACCEPTED else None
        act = asked.pop(str(request["id"]), None) if isinstance(request, dict) else None
        yield record, None if act is None else _erasure(act)


def _erasure(record: Record) -> Erasure:
    purposes = record.data["purposes"]
    named = purposes if isinstance(purposes, list) else []
    return Erasure(
        record.id, record.stream.partition("/")[2], frozenset(Purpose(str(item)) for item in named)
    )


class Openings:
    """The openings table of a ledger, concealed by a vault.

    ``others_recorded`` is called before a group is concealed that does not follow the one before:
    another node has recorded in between. What it raises keeps the group from being stored.
    """

    def __init__(self, vault: Vault, *, others_recorded: Callable[[], None] | None = None) -> None:
        self.vault = vault
        self._others_recorded = others_recorded
        self._following: int | None = None

    def conceal(
        self, records: Sequence[Record], disclosures: Mapping[int, Sequence[Disclosure]]
    ) -> tuple[list[Row], list[str]]:
        """The rows to store with a group of records, and the acts to destroy after its commit.

        Called for each attempt to commit, after the group was decided against the head it extends:
        what stands before an accepted erasure comes under the keys that it takes, what stands
        behind it under new ones. Raises Unavailable when keys are not at hand; nothing is stored
        then.
        """
        check = self._others_recorded
        if check is not None and records and records[0].seq != self._following:
            check()
        rows: list[Row] = []
        acts: list[str] = []
        waiting: list[tuple[int, int, Opening]] = []
        for record, erasure in _orders(records):
            for number, disclosure in enumerate(disclosures.get(record.seq, ())):
                place = Place(record.stream, record.id, purpose_of(record.type, disclosure.name))
                waiting.append((record.seq, number, Opening(place, disclosure.text)))
            if erasure is not None:
                rows += self._sealed(waiting)
                waiting = []
                self.vault.retire(erasure)
                acts.append(erasure.act)
        return [*rows, *self._sealed(waiting)], acts

    def recorded(self, records: Sequence[Record]) -> None:
        """Know that a group was stored: one that comes behind it has no other's in between."""
        if records:
            self._following = records[-1].seq + 1

    def reveal(self, rows: Sequence[tuple[str, str, str]]) -> list[str | Erased | IntegrityFailure]:
        """The disclosures in rows of ``(stream, event id, stored text)``, each with its outcome.

        A row of an earlier version, in clear, is given as it is. Raises Unavailable when keys are
        not at hand.
        """
        outcomes: list[str | Erased | IntegrityFailure] = [text for _, _, text in rows]
        sealed: list[tuple[int, Concealed]] = []
        for index, (stream, event_id, text) in enumerate(rows):
            try:
                data = stored_bytes(text)
            except IntegrityFailure as error:
                outcomes[index] = error
                continue
            if data is not None:
                sealed.append((index, Concealed(stream, event_id, data)))
        opened = self.vault.open_all([concealed for _, concealed in sealed])
        for (index, _), outcome in zip(sealed, opened, strict=True):
            outcomes[index] = outcome
        return outcomes

    def fingerprint(self) -> str:
        """A hash over the erasures whose keys are gone: what was made of opened text is stale.

        It never changes without the key store's generation, by which others see that it did.
        """
        return hashlib.sha256("\n".join(self.vault.store.wiped()).encode()).hexdigest()

    def _sealed(self, waiting: Sequence[tuple[int, int, Opening]]) -> list[Row]:
        sealed = self.vault.seal_all([opening for _, _, opening in waiting])
        return [
            (seq, number, stored_text(data))
            for (seq, number, _), data in zip(waiting, sealed, strict=True)
        ]


def purpose_of(type_name: str, member: str) -> Purpose:
    """The purpose under whose key a member of a type is kept."""
    rule = vocabulary().get(type_name)
    # What this version does not know is kept like words about a subject: readable, and erasable.
    return rule.sealed.get(member, Purpose.TEXT) if rule is not None else Purpose.TEXT
