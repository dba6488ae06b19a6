"""Identities: a person or system with its key, who signs events and seals what must be sealed."""

from __future__ import annotations

import json
import os
import secrets
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from uuid_utils import uuid7

from ledger.errors import RejectedInput, TrustFailure
from ledger.signing import base64url
from ledger.signing.envelope import Event, event_bytes
from ledger.signing.jwk import Curve, SigningKey
from ledger.signing.sealing import Disclosure, encode_sd_jwt, seal
from ledger.signing.statement import Meaning, Signer, sign_statement
from ledger.signing.strict_json import JsonObject, JsonValue, canonical, parse_object
from ledger.vocabulary import vocabulary

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

SALT_BYTES: Final = 16


def random_id() -> str:
    """A fresh UUIDv7."""
    return str(uuid7())


def random_salt(_name: str) -> str:
    """A fresh salt of 128 bits."""
    return base64url.encode(secrets.token_bytes(SALT_BYTES))


def present() -> datetime:
    """The machine's present instant."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class SignedEvent:
    """An event ready to be posted: the statement's text and the disclosures beside it.

    The same value can be posted any number of times; it is recorded once.
    """

    id: str
    type: str
    subject: str
    text: str
    disclosures: tuple[Disclosure, ...] = ()

    @property
    def media_type(self) -> str:
        """The media type of ``body``."""
        if self.text.startswith("{"):
            return "application/jose+json"
        return "application/sd-jwt" if self.disclosures else "application/jose"

    @property
    def body(self) -> bytes:
        """The bytes to post under ``media_type``."""
        if not self.disclosures:
            return self.text.encode("ascii")
        if self.text.startswith("{"):
            return self._wrapped()
        return encode_sd_jwt(self.text, self.disclosures).encode("ascii")

    @property
    def line(self) -> bytes:
        """The line to post among many (``application/x-ndjson``), with its newline."""
        if self.text.startswith("{"):
            return self.body + b"\n"
        return json.dumps(self.body.decode("ascii")).encode("ascii") + b"\n"

    def _wrapped(self) -> bytes:
        texts: list[JsonValue] = [disclosure.text for disclosure in self.disclosures]
        return canonical({"statement": self.text, "disclosures": texts})


@dataclass(frozen=True, slots=True)
class Identity:
    """A person or system by its source URI, with its private key.

    A source with ``/persons/`` in it is a person, who signs with a meaning; all others are
    systems. ``new_id``, ``new_salt`` and ``now`` are random and the machine's clock unless a
    demonstration gives its own.
    """

    source: str
    key: SigningKey = field(repr=False)
    new_id: Callable[[], str] = field(default=random_id, repr=False, compare=False)
    new_salt: Callable[[str], str] = field(default=random_salt, repr=False, compare=False)
    now: Callable[[], datetime] = field(default=present, repr=False, compare=False)

    @property
    def person(self) -> bool:
        """Whether this is a person."""
        return "/persons/" in self.source

    @classmethod
    def generate(cls, source: str, *, curve: Curve = Curve.ED25519) -> Identity:
        """A new identity with a fresh key; a registrar registers its public half."""
        return cls(source, SigningKey.generate(curve=curve))

    @classmethod
    def load(cls, path: Path | str) -> Identity:
        """Read an identity file.

        Raises TrustFailure ``identity.open-to-others`` when others can read the file, and
        RejectedInput when it is no identity file.
        """
        file = Path(path)
        if file.stat().st_mode & 0o077:
            raise TrustFailure(
                "identity.open-to-others",
                f"The identity file {file.name} can be read by others.",
                remedy=f"Run chmod 600 {file.name}, and have the key revoked if it may be known.",
            )
        value = parse_object(file.read_bytes())
        source = value.get("source")
        if not isinstance(source, str) or value.keys() != {"source", "jwk"}:
            raise RejectedInput("identity.malformed", f"{file.name} is no identity file.")
        return cls(source, SigningKey.from_private_jwk(value["jwk"]))

    def save(self, path: Path | str) -> None:
        """Write the identity to a new file that only its owner can read.

        Raises FileExistsError when the file is there: a key is never overwritten.
        """
        content = {"source": self.source, "jwk": self.key.to_private_jwk()}
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(json.dumps(content, indent=2) + "\n")
            file.flush()
            os.fsync(file.fileno())

    def at(self, now: datetime) -> Identity:
        """The same identity whose signatures claim a given time."""
        return replace(self, now=lambda: now)

    def signer(self, meaning: Meaning | str | None = None) -> Signer:
        """This identity about to sign, with a meaning or without (proof of possession)."""
        if meaning is None:
            return Signer(key=self.key)
        return Signer(key=self.key, meaning=Meaning(meaning), iat=int(self.now().timestamp()))

    def sign(
        self,
        type_name: str,
        subject: str,
        data: Mapping[str, JsonValue],
        *,
        trial: str,
        time: str | datetime | None = None,
        meaning: Meaning | str | None = None,
        also: Sequence[Signer] = (),
        event_id: str | None = None,
    ) -> SignedEvent:
        """Make an event, seal what its type says must be sealed, and sign it.

        ``time`` is when it happened, with its offset (now, if absent). A person gives a
        ``meaning``; ``also`` are the further signers. Raises RejectedInput for what the ledger
        would refuse by its form.
        """
        if self.person != (meaning is not None):
            raise RejectedInput(
                "identity.meaning",
                "A person says what the signature means; a system does not.",
                remedy=f"One of: {', '.join(Meaning)}." if self.person else "Leave meaning out.",
            )
        event, disclosures = self._event(
            type_name, subject, data, (trial, _written(time or self.now()), event_id)
        )
        statement = sign_statement(event_bytes(event), [self.signer(meaning), *also])
        return SignedEvent(event.id, type_name, subject, statement.text, disclosures)

    def _event(
        self,
        type_name: str,
        subject: str,
        data: Mapping[str, JsonValue],
        about: tuple[str, str, str | None],
    ) -> tuple[Event, tuple[Disclosure, ...]]:
        rule = vocabulary().get(type_name)
        if rule is None:
            raise RejectedInput(
                "schema.unknown-type",
                f"There is no event type {type_name}.",
                remedy="See docs/events.md for the vocabulary.",
            )
        trial, time, event_id = about
        members = [name for name in sorted(rule.sealed) if name in data]
        payload: JsonObject = dict(data)
        payload, disclosures = seal(payload, members, self.new_salt)
        event = Event(
            id=event_id or self.new_id(),
            source=self.source,
            type=type_name,
            subject=subject,
            time=time,
            trialid=trial,
            data=payload,
        )
        return event, tuple(disclosures)


def _written(time: str | datetime) -> str:
    if isinstance(time, str):
        return time
    text = time.isoformat()
    return text.removesuffix("+00:00") + "Z" if text.endswith("+00:00") else text
