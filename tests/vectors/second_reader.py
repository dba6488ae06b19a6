"""A second reader of the log, written from ``authority.md`` and ``effect.md`` without the ledger.

It shows that the pages suffice: it knows JSON, hashes, two signature algorithms, and the
vocabulary as data.
"""

from __future__ import annotations

import base64
import copy
import json
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, utils

from tests.vectors.plain import Json, b64u, canonical, sha256

VOCABULARY = Path(__file__).parents[2] / "ledger" / "events" / "vocabulary.json"
RULES: dict[str, Json] = {row["type"]: row for row in json.loads(VOCABULARY.read_bytes())}


TIME = (
    "[0-9]{4}-[0-9]{2}-[0-9]{2}T(?!24)[0-9]{2}:[0-9]{2}:[0-5][0-9]([.][0-9]{1,6})?"
    "(Z|(?!-00:00)[+-]([01][0-9]|2[0-3]):[0-5][0-9])"
)


def raw(text: str) -> bytes:
    """Base64url without padding."""
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


@dataclass
class Read:
    """An entry taken apart: event, opened data, signatures as (header, signed bytes, signature)."""

    entry: Json
    sha256: str
    event: Json
    data: Json
    signatures: list[tuple[Json, bytes, bytes]]


def read(line: bytes, disclosures: list[str]) -> Read:
    """Read one line of the archive."""
    entry = json.loads(line)
    text = entry["statement"]
    if text.startswith("{"):
        general = json.loads(text)
        payload = general["payload"]
        parts = [(one["protected"], one["signature"]) for one in general["signatures"]]
    else:
        protected, payload, signature = text.split(".")
        parts = [(protected, signature)]
    event = json.loads(raw(payload))
    opened = {name: value for name, value in event["data"].items() if name != "_sd"}
    for one in disclosures:
        if b64u(sha256(one.encode())) not in event["data"]["_sd"]:
            raise ValueError("a disclosure of another event")
        _, name, opened[name] = json.loads(raw(one))
    signed = [(json.loads(raw(p)), f"{p}.{payload}".encode(), raw(s)) for p, s in parts]
    return Read(entry, sha256(line).hex(), event, opened, signed)


def thumbprint(jwk: Json) -> str:
    """RFC 7638."""
    return b64u(sha256(canonical(jwk)))


def verify(jwk: Json, message: bytes, signature: bytes) -> None:
    """Raise InvalidSignature unless the signature holds."""
    if jwk["kty"] == "OKP":
        ed25519.Ed25519PublicKey.from_public_bytes(raw(jwk["x"])).verify(signature, message)
        return
    x, y, r, s = (
        int.from_bytes(part, "big")
        for part in (raw(jwk["x"]), raw(jwk["y"]), signature[:32], signature[32:])
    )
    key = ec.EllipticCurvePublicNumbers(x, y, ec.SECP256R1()).public_key()
    key.verify(utils.encode_dss_signature(r, s), message, ec.ECDSA(hashes.SHA256()))


@dataclass
class Reader:
    """What the log says, after the entries taken in; ``lacks`` are rules lacking, by position."""

    keys: dict[str, Json] = field(default_factory=dict)
    grants: list[Json] = field(default_factory=list)
    delegations: list[Json] = field(default_factory=list)
    zones: dict[str, str] = field(default_factory=dict)
    waiting: dict[str, Read] = field(default_factory=dict)
    standing: dict[str, Json] = field(default_factory=dict)
    lacks: dict[int, list[str]] = field(default_factory=dict)

    def take(self, one: Read) -> None:
        """Judge one entry and fold it."""
        signers = self._signers(one)
        rule = RULES[one.event["type"]]
        if one.entry["seq"]:
            self.lacks[one.entry["seq"]] = self._lacking(one, rule, signers)
        if rule["kind"] == "command":
            self.waiting[one.event["id"]] = one
        elif rule["kind"] == "result":
            command = self.waiting.pop(one.data.get("request", {}).get("id"), None)
            if one.event["type"] == "command.refused.v1":
                return
            if command is not None:
                self._effect(command)
            if one.event["type"] != "command.accepted.v1":
                self._effect(one)
        else:
            self._effect(one)

    def _signers(self, one: Read) -> list[tuple[Json, str | None]]:
        kind = one.event["type"]
        brought = {
            "trial.opened.v1": lambda d: [d["statement_key"], d["sponsor"]["jwk"]],
            "key.registered.v1": lambda d: [d["jwk"]],
        }.get(kind, lambda _: [])(one.data)
        own = {thumbprint(jwk): jwk for jwk in brought}
        signers: list[tuple[Json, str | None]] = []
        for header, message, signature in one.signatures:
            key = self.keys.get(header["kid"])
            if key is not None and key["revoked"]:
                raise ValueError("a revoked key")
            verify(own[header["kid"]] if key is None else key["jwk"], message, signature)
            if key is not None:
                if (key["kind"] == "person") is not ("meaning" in header):
                    raise ValueError("another manner")
                signers.append((key, header.get("meaning")))
        if set(own) - {header["kid"] for header, _, _ in one.signatures}:
            raise ValueError("no proof of possession")
        source = one.event["source"]
        if kind != "trial.opened.v1" and not any(
            source in (key["owner"], key["prefix"]) or source.startswith(f"{key['prefix']}/")
            for key, _ in signers
        ):
            raise ValueError("a foreign source")
        return signers

    def _lacking(self, one: Read, rule: Json, signers: list[tuple[Json, str | None]]) -> list[str]:
        who, data, signing = [key["owner"] for key, _ in signers], one.data, rule["signing"]
        if signing["ledger"]:
            return [] if any(key["kind"] == "ledger" for key, _ in signers) else ["AU-01"]
        site, lacks = site_of(one), []
        if signing["person"] and not any(key["kind"] == "person" for key, _ in signers):
            lacks.append("AU-02")
        stated = [meaning for _, meaning in signers if meaning is not None]
        if signing["meanings"]:
            lacks += ["AU-03" for meaning in stated if meaning not in signing["meanings"]]
        if (signing["roles"] or signing["tasks"]) and not any(
            self._covered(owner, site, signing, self._day(one, rule, site)) for owner in who
        ):
            lacks.append("AU-04")
        holder = {
            "key.registered.v1": lambda: data["owner"]["id"],
            "role.granted.v1": lambda: data["holder"],
            "staff.delegated.v1": lambda: data["person"],
        }.get(one.event["type"], lambda: None)()
        if holder in who:
            lacks.append("AU-05")
        homes = [owner.split("/")[2] for owner in who if owner.startswith("/sites/")]
        if site and any(home != site for home in homes):
            lacks.append("AU-06")
        return lacks

    def _covered(self, owner: str, site: str | None, signing: Json, day: str) -> bool:
        doctor = signing["physician"]
        by_role = any(
            grant["holder"] == owner
            and grant["role"] in signing["roles"]
            and grant["scope"] in ("trial", f"site/{site}")
            and (not doctor or grant["physician"] or grant["role"] == "principal-investigator")
            for grant in self.grants
        )
        return by_role or any(
            given["person"] == owner
            and given["site"] == site
            and set(given["tasks"]) & set(signing["tasks"])
            and given["from"] <= day <= given.get("to", "9999")
            and (not doctor or given["qualification"]["physician"])
            for given in self.delegations
        )

    def _day(self, one: Read, rule: Json, site: str | None) -> str:
        time, command = one.event["time"], rule["kind"] == "command"
        zone = self.zones.get(site or "")
        if zone is None and not command:
            return str(time[:10])
        at = datetime.fromisoformat(one.entry["recorded_at"] if command else time)
        local = datetime.fromisoformat(time).tzinfo if zone is None else ZoneInfo(zone)
        return at.astimezone(local).date().isoformat()

    def _effect(self, one: Read) -> None:
        kind, data = one.event["type"], one.data
        self.standing[one.event["id"]] = {
            "type": kind, "data": copy.deepcopy(data), "time": one.event["time"],
            "void": False, "signed_by": [],
        }  # fmt: skip
        target = self.standing.get(str(data.get("target")))
        if kind in REGISTER:
            REGISTER[kind](self, data, one)
        elif kind == "site.activated.v1":
            self.zones[data["site"]] = data["timezone"]
        elif target is not None and kind == "data.voided.v1":
            target["void"] = True
        elif target is not None and kind == "record.signed.v1":
            target["signed_by"].append(one.event["id"])
        elif target is not None and kind == "data.corrected.v1":
            before = target["time"]
            for name in ("changes", "identity_changes", "text_changes"):
                for change in data.get(name, ()):
                    correct(target, change)
            if not is_time(target.get("time")):
                target["time"] = before

    def add_key(self, jwk: Json, kind: str, owner: str, prefix: str | None = None) -> None:
        """A key in force from here on."""
        new = {"jwk": jwk, "kind": kind, "owner": owner, "prefix": prefix, "revoked": False}
        self.keys.setdefault(thumbprint(jwk), new)

    def opened(self, data: Json, _one: Read) -> None:
        """Entry 0."""
        sponsor = data["sponsor"]
        self.add_key(data["statement_key"], "ledger", "/ledger")
        self.add_key(sponsor["jwk"], "person", sponsor["id"])
        for role in ("sponsor", "registrar"):
            self.granted({"holder": sponsor["id"], "role": role, "scope": "trial"}, _one)

    def registered(self, data: Json, _one: Read) -> None:
        """A key of a person or system."""
        owner = data["owner"]
        self.add_key(data["jwk"], owner["kind"], owner["id"], data.get("source_prefix"))

    def revoked(self, data: Json, one: Read) -> None:
        """A key ends; perhaps it was not its owner's before."""
        self.keys[data["kid"]] |= {
            "revoked": True, "at": one.entry["seq"], "since": data.get("compromised_since"),
        }  # fmt: skip

    def doubtful(self, log: list[Read]) -> list[int]:
        """The entries that a stolen key signed from the instant on that its revocation states."""
        found = []
        for one in log:
            keys = [self.keys.get(header["kid"], {}) for header, _, _ in one.signatures]
            at = datetime.fromisoformat(one.entry["recorded_at"])
            found += [
                one.entry["seq"]
                for key in keys
                if key.get("since") is not None
                and one.entry["seq"] < key["at"]
                and at >= datetime.fromisoformat(key["since"])
            ]
        return found

    def granted(self, data: Json, _one: Read) -> None:
        """A role begins."""
        doctor = data.get("qualification", {}).get("physician") is True
        self.grants.append(data | {"physician": doctor})

    def withdrawn(self, data: Json, _one: Read) -> None:
        """A role ends."""
        names = ("holder", "role", "scope")
        self.grants = [g for g in self.grants if any(g[name] != data[name] for name in names)]

    def delegated(self, data: Json, one: Read) -> None:
        """Tasks are delegated."""
        self.delegations.append(data | {"id": one.event["id"]})

    def ended(self, data: Json, _one: Read) -> None:
        """A delegation ends."""
        for given in self.delegations:
            if (given["id"], given["person"]) == (data["delegation"], data["person"]):
                given["to"] = data["ended_on"]


REGISTER: dict[str, Any] = {
    "trial.opened.v1": Reader.opened,
    "key.registered.v1": Reader.registered,
    "key.revoked.v1": Reader.revoked,
    "role.granted.v1": Reader.granted,
    "role.revoked.v1": Reader.withdrawn,
    "staff.delegated.v1": Reader.delegated,
    "delegation.ended.v1": Reader.ended,
}


def site_of(one: Read) -> str | None:
    """The site of an event."""
    family, _, name = one.event["subject"].partition("/")
    if family == "site":
        return str(name)
    if family in ("subject", "treatment"):
        return str(name.rpartition("-")[0])
    site = one.data.get("site")
    if isinstance(site, str):
        return site
    source = one.event["source"].split("/")
    return source[2] if family == "lot" and source[1] == "sites" and len(source) > 2 else None


def value_at(record: Json, pointer: str) -> Any:
    """What stands at a pointer; null where nothing stands."""
    place: Any = record
    for token in tokens(pointer):
        if isinstance(place, list):
            at = index(token, len(place))
            place = None if at is None else place[at]
        else:
            place = place.get(token) if isinstance(place, dict) else None
    return place


def correct(record: Json, change: Any) -> None:
    """Make one change of a correction; what is none changes nothing."""
    pointer = change.get("pointer") if isinstance(change, dict) else None
    if isinstance(pointer, str) and (pointer == "/time" or pointer.startswith("/data/")):
        put(record, pointer, copy.deepcopy(change.get("new")))


def is_time(text: Any) -> bool:
    """Whether a text is the time of an event."""
    if not isinstance(text, str) or re.fullmatch(TIME, text) is None:
        return False
    try:
        return 1850 <= datetime.fromisoformat(text).astimezone(UTC).year <= 2199
    except (ValueError, OverflowError):
        return False


def put(record: Json, pointer: str, value: Any) -> None:
    """Set what stands at a pointer; null takes a member away."""
    *way, last = tokens(pointer)
    place = value_at(
        record, "".join(f"/{one.replace('~', '~0').replace('/', '~1')}" for one in way)
    )
    if isinstance(place, dict) and value is None:
        place.pop(last, None)
    elif isinstance(place, dict):
        place[last] = value
    elif isinstance(place, list) and index(last, len(place)) is not None:
        place[int(last.lstrip("0") or "0")] = value


def index(token: str, count: int) -> int | None:
    """The index that a token is in a list of this length, None where it is none."""
    found = re.fullmatch("0*([0-9]{1,9})", token)
    return int(found[1]) if found is not None and int(found[1]) < count else None


def tokens(pointer: str) -> list[str]:
    """RFC 6901."""
    return [one.replace("~1", "/").replace("~0", "~") for one in pointer.split("/")[1:]]
