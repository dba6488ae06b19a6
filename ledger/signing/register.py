"""The register: keys, roles and delegations as the log itself grants and takes them.

A fold over entry 0 and the ``access`` stream. What it says at a position is what was in force
at that position; nothing outside the log can add a key.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

from ledger.history import Fact, History
from ledger.signing.jwk import PublicJwk, parse_jwk
from ledger.signing.rfc3339 import parse_rfc3339
from ledger.vocabulary import Role, Task

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from datetime import datetime

    from ledger.record import Record
    from ledger.signing.strict_json import JsonObject, JsonValue

LEDGER = "/ledger"
"""The owner of the ledger's statement key."""

TRIAL_SCOPE = "trial"


@dataclass(frozen=True, slots=True)
class Key:
    """A registered key: ``kind`` is ``person``, ``system`` or ``ledger``.

    ``registered`` and ``revoked`` are positions in the log; ``compromised_since`` makes what
    was signed from then on doubtful (21 CFR 11.300(c)).
    """

    kid: str
    jwk: PublicJwk
    kind: str
    owner: str
    name: str
    registered: int
    source_prefix: str | None = None
    organisation: str | None = None
    revoked: int | None = None
    revoked_at: datetime | None = None
    compromised_since: datetime | None = None


@dataclass(frozen=True, slots=True)
class Grant:
    """A role granted to a holder for a scope (``trial`` or ``site/SY01``), by position."""

    holder: str
    role: Role
    scope: str
    granted: int
    withdrawn: int | None = None
    physician: bool = False


@dataclass(frozen=True, slots=True)
class Delegation:
    """Tasks a principal investigator delegated at a site, by calendar dates (E6(R3) 2.3)."""

    id: str
    person: str
    site: str
    tasks: frozenset[Task]
    physician: bool
    starts: str
    ends: str | None
    recorded: int


class Register(History):
    """Keys, grants and delegations in force after the records applied so far."""

    def __init__(self, records: Iterable[Record] = ()) -> None:
        self.keys: dict[str, Key] = {}
        self.grants: dict[str, list[Grant]] = {}
        self.delegations: dict[str, list[Delegation]] = {}
        self.sponsor = ""
        super().__init__(records)

    def key(self, kid: str) -> Key | None:
        """The key of that thumbprint, in force or revoked."""
        return self.keys.get(kid)

    def name_of(self, owner: str) -> str:
        """The printed name an owner was registered under, or the id (21 CFR 11.50(a)(1))."""
        for key in self.keys.values():
            if key.owner == owner and key.name:
                return key.name
        return owner

    def roles(self, holder: str, site: str | None) -> frozenset[Role]:
        """The roles a holder has now for a site, trial-wide grants included."""
        return frozenset(grant.role for grant in self.grants_in_force(holder, site))

    def grants_in_force(self, holder: str, site: str | None) -> list[Grant]:
        """The grants a holder has now for a site, trial-wide ones included."""
        scopes = {TRIAL_SCOPE} if site is None else {TRIAL_SCOPE, f"site/{site}"}
        return [
            grant
            for grant in self.grants.get(holder, ())
            if grant.withdrawn is None and grant.scope in scopes
        ]

    def delegated(self, person: str, site: str | None, day: str) -> list[Delegation]:
        """The delegations of a person at a site that cover a local calendar day."""
        return [
            delegation
            for delegation in self.delegations.get(person, ())
            if delegation.site == site
            and delegation.starts <= day
            and (delegation.ends is None or day <= delegation.ends)
        ]

    def took_effect(self, fact: Fact) -> None:
        """Index a fact of the access stream."""
        handler = self._HANDLERS.get(fact.type)
        if handler is not None:
            handler(self, fact)

    def changed(self, fact: Fact) -> None:  # noqa: ARG002 - everything is indexed again
        """Re-read everything: a grant or delegation was corrected or voided."""
        self.keys, self.grants, self.delegations = {}, {}, {}
        for known in list(self.in_effect()):
            self.took_effect(known)

    def _opened(self, fact: Fact) -> None:
        sponsor, ledger_jwk = _object(fact.data["sponsor"]), parse_jwk(fact.data["statement_key"])
        root = parse_jwk(sponsor["jwk"])
        self.sponsor = str(sponsor["id"])
        self._add(Key(ledger_jwk.thumbprint(), ledger_jwk, "ledger", LEDGER, "Ledger", fact.seq))
        self._add(
            Key(
                root.thumbprint(), root, "person", self.sponsor, str(sponsor["name"]), fact.seq,
                organisation=str(sponsor["name"]),
            )
        )  # fmt: skip
        for role in (Role.SPONSOR, Role.REGISTRAR):
            self._grant(Grant(self.sponsor, role, TRIAL_SCOPE, fact.seq))

    def _registered(self, fact: Fact) -> None:
        owner, jwk = _object(fact.data["owner"]), parse_jwk(fact.data["jwk"])
        prefix = fact.data.get("source_prefix")
        organisation = owner.get("organisation")
        self._add(
            Key(
                kid=jwk.thumbprint(),
                jwk=jwk,
                kind=str(owner["kind"]),
                owner=str(owner["id"]),
                name=str(owner["name"]),
                registered=fact.seq,
                source_prefix=prefix if isinstance(prefix, str) else None,
                organisation=organisation if isinstance(organisation, str) else None,
            )
        )

    def _revoked(self, fact: Fact) -> None:
        key = self.keys.get(str(fact.data["kid"]))
        since = fact.data.get("compromised_since")
        if key is not None:
            self.keys[key.kid] = replace(
                key,
                revoked=fact.seq,
                revoked_at=fact.record.recorded_at,
                compromised_since=parse_rfc3339(since) if isinstance(since, str) else None,
            )

    def _role_granted(self, fact: Fact) -> None:
        data = fact.data
        physician = _object(data.get("qualification")).get("physician") is True
        self._grant(
            Grant(
                holder=str(data["holder"]),
                role=Role(str(data["role"])),
                scope=str(data["scope"]),
                granted=fact.seq,
                physician=physician,
            )
        )

    def _role_revoked(self, fact: Fact) -> None:
        data = fact.data
        holder = str(data["holder"])
        self.grants[holder] = [
            replace(grant, withdrawn=fact.seq)
            if grant.withdrawn is None
            and grant.role == data["role"]
            and grant.scope == data["scope"]
            else grant
            for grant in self.grants.get(holder, ())
        ]

    def _delegated(self, fact: Fact) -> None:
        data = fact.data
        ends = data.get("to")
        tasks = data["tasks"]
        delegation = Delegation(
            id=fact.id,
            person=str(data["person"]),
            site=str(data["site"]),
            tasks=frozenset(Task(str(task)) for task in (tasks if isinstance(tasks, list) else ())),
            physician=_object(data["qualification"]).get("physician") is True,
            starts=str(data["from"]),
            ends=ends if isinstance(ends, str) else None,
            recorded=fact.seq,
        )
        self.delegations.setdefault(delegation.person, []).append(delegation)

    def _delegation_ended(self, fact: Fact) -> None:
        person, ended_on = str(fact.data["person"]), str(fact.data["ended_on"])
        self.delegations[person] = [
            replace(delegation, ends=ended_on)
            if delegation.id == fact.data["delegation"]
            else delegation
            for delegation in self.delegations.get(person, ())
        ]

    def _add(self, key: Key) -> None:
        self.keys.setdefault(key.kid, key)

    def _grant(self, grant: Grant) -> None:
        self.grants.setdefault(grant.holder, []).append(grant)

    _HANDLERS: ClassVar[Mapping[str, Callable[[Register, Fact], None]]] = {
        "trial.opened.v1": _opened,
        "key.registered.v1": _registered,
        "key.revoked.v1": _revoked,
        "role.granted.v1": _role_granted,
        "role.revoked.v1": _role_revoked,
        "staff.delegated.v1": _delegated,
        "delegation.ended.v1": _delegation_ended,
    }


def _object(value: JsonValue) -> JsonObject:
    return value if isinstance(value, dict) else {}
