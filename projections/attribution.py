"""Who stands behind a record: keys, persons, printed names and roles at its position (R-01)."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from ledger.rules.delegation import roles_at
from ledger.signing.authority import self_certified, site_of
from ledger.signing.statement import MEANING_SENTENCES
from projections.times import utc_text

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ledger.record import Record
    from ledger.signing.register import Key, Register
    from ledger.signing.statement import Signature
    from ledger.signing.strict_json import JsonObject, JsonValue


def signature_blocks(record: Record, register: Register) -> list[JsonValue]:
    """Each signature as 21 CFR 11.50 wants it shown: name, date and time, meaning.

    ``kind`` is ``person``, ``system`` or ``ledger``; a system's signature carries no meaning and
    never reads as a person's (R-30). ``signed_at`` is the time the signer claims.
    """
    return [_block(record, signature, register) for signature in record.statement.signatures]


def author(record: Record, register: Register) -> JsonObject:
    """Who made the record: the first person that signed, else the first key's owner."""
    return first_author(signature_blocks(record, register))


def first_author(signatures: Iterable[JsonValue]) -> JsonObject:
    """Who of a record's signature blocks made it."""
    blocks = [block for block in signatures if isinstance(block, dict)]
    persons = [block for block in blocks if block["kind"] == "person"]
    first = (persons or blocks)[0]
    return {
        name: first[name] for name in ("person", "name", "role", "organisation", "kind", "meaning")
    }


def roles_text(register: Register, holder: str, *, site: str | None, seq: int) -> str:
    """The roles a holder had at a position, in words; empty when none."""
    return ", ".join(sorted(roles_at(register, holder, site or "", max(seq, 1))))


def _block(record: Record, signature: Signature, register: Register) -> JsonObject:
    key = register.key(signature.kid)
    if key is None:
        owner, name, kind, organisation = _offered_owner(record, signature)
    else:
        owner, name, kind, organisation = key.owner, key.name, key.kind, key.organisation
    site = site_of(record.event)
    return {
        "kid": signature.kid,
        "algorithm": signature.algorithm.value,
        "kind": kind,
        "person": owner,
        "name": name,
        "role": roles_text(register, owner, site=site, seq=record.seq),
        "organisation": organisation or _organisation(owner, key, register),
        "meaning": signature.meaning.value if signature.meaning else None,
        "sentence": MEANING_SENTENCES[signature.meaning] if signature.meaning else None,
        "signed_at": (
            None
            if signature.iat is None
            else utc_text(datetime.fromtimestamp(signature.iat, tz=UTC))
        ),
        "doubtful": _doubtful(key, record),
    }


def _offered_owner(record: Record, signature: Signature) -> tuple[str, str, str, str | None]:
    owner = record.data.get("owner")
    if signature.kid in self_certified(record.event) and isinstance(owner, dict):
        organisation = owner.get("organisation")
        return (
            str(owner["id"]),
            str(owner["name"]),
            str(owner["kind"]),
            organisation if isinstance(organisation, str) else None,
        )
    return record.event.source, record.event.source, "unknown", None


def _organisation(owner: str, key: Key | None, register: Register) -> str:
    """The organisation as far as the owner's path tells it: the site, the sponsor, the ledger."""
    if key is not None and key.kind == "ledger":
        return "Ledger"
    parts = owner.split("/")
    if len(parts) > 2 and parts[1] == "sites":
        return f"Site {parts[2]}"
    return register.name_of(register.sponsor)


def _doubtful(key: Key | None, record: Record) -> bool:
    """Whether the key may have been misused when the record was made (21 CFR 11.300(c))."""
    since = key.compromised_since if key is not None else None
    return since is not None and record.recorded_at >= since
