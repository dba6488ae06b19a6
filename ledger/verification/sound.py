"""Entries that are in order by themselves: what can be checked without knowing the rest of the log.

Reading, hashing and signatures take nearly all the time of a verification and need no order, so
they can be done anywhere (`ledger.verification.crew`). Where nothing is wrong with an entry, a
short `Sound` goes back, and the checks in order of the log need no more. Every other entry is read
again by those checks themselves, which alone say what is wrong: `Sound` never stands for a finding.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias

from ledger.errors import LedgerError
from ledger.history import ACCEPTED
from ledger.log.entry import Entry, entry_hash, link_hash_in, parse_entry
from ledger.log.tree import leaf_hash
from ledger.signing.authority import self_certified, site_of
from ledger.signing.envelope import Event, parse_event
from ledger.signing.jwk import PublicJwk, parse_jwk
from ledger.signing.rfc3339 import parse_recorded_at
from ledger.signing.sealing import open_sealed, parse_disclosure
from ledger.signing.statement import Signature, Statement, parse_statement, verify_signature
from ledger.verification.concealed import CONCEALED, concealed_digest
from ledger.vocabulary import Kind, StreamFamily, vocabulary

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ledger.signing.strict_json import JsonObject, JsonValue
    from ledger.verification.payloads import Conforms

Columns: TypeAlias = tuple[object, object, object, object]
"""Stream, number in it, type and event id, as a database keeps them beside an entry."""

Row: TypeAlias = "tuple[int, object, Columns | None, Sequence[tuple[object, object]]]"
"""Position, bytes, columns, and number and text of each disclosure: all as they were found."""

Verdict: TypeAlias = tuple[tuple[Any, ...] | None, tuple[str, ...]]
"""The members of a `Sound`, else None; and the kids whose signature over the statement holds."""

NAMED_BY: Final = {
    "subject_id": ("subject", "treatment"),
    "site": ("site",),
    "lot": ("lot",),
}
"""Members of a payload that name the stream's own subject, site or lot."""

APART: Final = frozenset(
    (
        "randomization-list.sealed.v1",
        "randomization.recorded.v1",
        "allocation.revealed.v1",
        "site.activated.v1",
        "personal-data.erased.v1",
    )
)
"""Types beside those of results and targets that other checks look into."""

_NAMING: Final = {
    family: member
    for member, families in NAMED_BY.items()
    for family in families
    if family != "lot"
}
"""The families whose entries can be plain, with the member that names their streams' own."""

_EPOCH: Final = datetime.fromtimestamp(0, tz=UTC)
_SECOND: Final = timedelta(seconds=1)


class Sound(NamedTuple):
    """An entry with which nothing is wrong, as far as it can be judged by itself.

    ``link`` and ``stream_prev`` have 32 bytes. ``day_at`` is the instant (Unix seconds) whose
    local day delegations are asked for, ``stated_day`` the day the event's own time spells.
    ``signers`` are kids with the meanings they signed with; each signature holds. ``request`` is
    what an acceptance answers. ``withheld`` counts sealed members without an opening,
    ``concealed`` those whose opening is encrypted.
    """

    sha256: str
    leaf: bytes
    prev: str
    recorded_at: str
    stream: str
    stream_seq: int
    stream_prev: bytes
    link: bytes
    id: str
    type: str
    source: str
    trialid: str
    site: str | None
    stated_day: str
    day_at: int
    signers: tuple[tuple[str, str | None], ...]
    request: tuple[str, int, str] | None
    withheld: int
    concealed: int


class Examiner:
    """Examines rows under the keys it was told of or met.

    A key is bound to its thumbprint by a hash, so whether a signature holds does not depend on
    where in the log the key stands; whether the key was in force there is judged in order.
    With ``conforms`` nothing is wrong with an entry only if its payload conforms, too.
    """

    def __init__(self, conforms: Conforms | None = None) -> None:
        self._conforms = conforms
        self._keys: dict[str, PublicJwk] = {}

    def learn(self, keys: Iterable[JsonValue]) -> None:
        """Take in public keys as JWK objects."""
        for jwk in keys:
            key = parse_jwk(jwk)
            self._keys[key.kid] = key

    def examine(self, rows: Sequence[Row]) -> tuple[list[Verdict], list[JsonObject]]:
        """A verdict for each row, and the keys that the rows brought along; never raises."""
        brought: list[JsonObject] = []
        verdicts: list[Verdict] = []
        early: list[tuple[int, Row]] = []
        for number, row in enumerate(rows):
            verdicts.append(self._verdict(row, brought))
            if verdicts[-1][0] is None:
                early.append((number, row))
        # The key of an early one may have come with a row behind it.
        for number, row in early if brought else ():
            verdicts[number] = self._verdict(row, [])
        return verdicts, brought

    def _verdict(self, row: Row, brought: list[JsonObject]) -> Verdict:
        parsed = _parsed(row[1])
        if parsed is None:
            return None, ()
        _, statement, event = parsed
        try:
            keys = self_certified(event)
            if keys:
                self._keys.update(keys)
                brought += [key.as_object() for key in keys.values()]
        except LedgerError:
            pass  # named when the statement is judged
        held = tuple([s.kid for s in statement.signatures if self._holds(statement, s)])
        if len(held) < len(statement.signatures):
            return None, held
        return _sound(row, *parsed, self._conforms), held

    def _holds(self, statement: Statement, signature: Signature) -> bool:
        key = self._keys.get(signature.kid)
        if key is None:
            return False
        try:
            verify_signature(statement, signature, key)
        except LedgerError:
            return False
        return True


def _parsed(data: object) -> tuple[Entry, Statement, Event] | None:
    if not isinstance(data, bytes):
        return None
    try:
        entry = parse_entry(data)
        statement = parse_statement(entry.statement)
        return entry, statement, parse_event(statement.payload)
    except LedgerError:
        return None


def _sound(
    row: Row, entry: Entry, statement: Statement, event: Event, conforms: Conforms | None
) -> tuple[Any, ...] | None:
    """The members of the entry's `Sound`; None when any check might have something to say."""
    seq, data, columns, openings = row
    type_name, subject = event.type, event.subject
    family, _, name = subject.partition("/")
    if not isinstance(data, bytes) or not _is_plain(type_name, family):
        return None
    if entry.seq != seq or entry.stream != subject or not _agree(columns, entry, event):
        return None
    member = _NAMING[family]
    if event.data.get(member, name) != name:
        return None
    request = _request(event) if type_name == ACCEPTED else None
    closed, recorded_at = _closed(statement, event, openings), _recorded(entry.recorded_at)
    if closed is None or recorded_at is None or (type_name == ACCEPTED and request is None):
        return None
    data_opened, withheld, concealed = closed
    if conforms is not None and not conforms(event, data_opened, withheld + concealed > 0):
        return None
    commands = vocabulary()[type_name].kind is Kind.COMMAND
    # In the order of `Sound`, which takes longer to be made than all these to be told.
    return (
        entry_hash(data), leaf_hash(data), entry.prev, entry.recorded_at,
        entry.stream, entry.stream_seq, bytes.fromhex(entry.stream_prev),
        bytes.fromhex(link_hash_in(data)),
        event.id, type_name, event.source, event.trialid, site_of(event), event.time[:10],
        recorded_at if commands else (event.occurred_at - _EPOCH) // _SECOND,
        signers_of(statement), request, withheld, concealed,
    )  # fmt: skip


def signers_of(statement: Statement) -> tuple[tuple[str, str | None], ...]:
    """Kids and meanings, in the order of the signatures."""
    return tuple([(s.kid, s.meaning and s.meaning.value) for s in statement.signatures])


@lru_cache(maxsize=1_024)
def _is_plain(type_name: str, family: str) -> bool:
    """Whether nothing but order and authority asks about a type in streams of a family."""
    rule = vocabulary().get(type_name)
    if rule is None or rule.stream is StreamFamily.TARGET or type_name in APART:
        return False
    if rule.kind is Kind.RESULT and type_name != ACCEPTED:
        return False
    return family in _NAMING and rule.stream in (family, StreamFamily.ANY)


def _agree(columns: Columns | None, entry: Entry, event: Event) -> bool:
    if columns is None:
        return True
    stream, number, type_name, event_id = columns
    return (
        stream == entry.stream
        and type(number) is int
        and number == entry.stream_seq
        and type_name == event.type
        and event_id == bytes.fromhex(event.id.replace("-", ""))
    )


def _request(event: Event) -> tuple[str, int, str] | None:
    request = event.data.get("request")
    if not isinstance(request, dict) or request.keys() != {"id", "seq", "sha256"}:
        return None
    name, seq, sha256 = request["id"], request["seq"], request["sha256"]
    if isinstance(name, str) and type(seq) is int and isinstance(sha256, str):
        return name, seq, sha256
    return None


def _closed(
    statement: Statement, event: Event, openings: Sequence[tuple[object, object]]
) -> tuple[JsonObject, int, int] | None:
    """The data with what is opened; how many members have no opening, how many an encrypted one.

    None when their openings are not in order.
    """
    # Most entries seal nothing, and looking for digests takes as long as reading the event.
    payload = statement.payload
    if not openings and not (b'"_sd"' in payload or b'"..."' in payload or b"\\" in payload):
        return event.data, 0, 0
    texts = [text for _, text in openings if isinstance(text, str)]
    plain = [text for text in texts if not text.startswith(CONCEALED)]
    encrypted = [concealed_digest(text) for text in texts if text.startswith(CONCEALED)]
    try:
        opened = open_sealed(event.data, [parse_disclosure(text) for text in plain])
    except (LedgerError, UnicodeError):
        return None
    data, _, missing = opened
    fitting = set(encrypted)
    if len(texts) != len(openings) or len(fitting) != len(encrypted) or not fitting <= {*missing}:
        return None
    withheld = len(missing) - len(encrypted)
    if not withheld and [number for number, _ in openings] != [*range(len(openings))]:
        return None
    return data, withheld, len(encrypted)


@lru_cache(maxsize=16)
def _recorded(text: str) -> int | None:
    """Unix seconds of a ``recorded_at``; entries of one commit share it."""
    try:
        return (parse_recorded_at(text) - _EPOCH) // _SECOND
    except LedgerError:
        return None
