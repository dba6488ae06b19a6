"""Key-encryption keys inside a PKCS#11 token: they wrap and unwrap there and never leave it.

Needs the optional ``python-pkcs11`` (extra ``hsm``) and a token with CKM_AES_GCM, such as SoftHSM2
or a hardware security module. A token is named by a PKCS#11 URI (RFC 7512):
``pkcs11:token=LEDGER;object=kek?module-path=/usr/lib/module.so&pin-source=/etc/ledger/pin``.
One label names one key; a rotation goes to a key with another label.
"""

from __future__ import annotations

import os
import re
import secrets
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Final
from urllib.parse import unquote

from ledger.concealment.binding import KEY_BYTES, NONCE_BYTES, TAG_BYTES
from ledger.concealment.envelope import altered
from ledger.concealment.key_file import read_private
from ledger.errors import IntegrityFailure, RejectedInput, TrustFailure, Unavailable

SCHEME: Final = "pkcs11:"
_PATH: Final = frozenset(("token", "object"))
_QUERY: Final = frozenset(("module-path", "pin-source"))
_LONGEST_PIN: Final = 256
_ATTRIBUTE: Final = re.compile(r"([a-z-]+)=([A-Za-z0-9%._~:/+-]{1,1024})")


@dataclass(frozen=True, slots=True)
class TokenAddress:
    """Which keys of which token, and how to reach it."""

    token: str
    label: str
    module: Path
    pin_source: Path


def parse_address(uri: str) -> TokenAddress:
    """Read a PKCS#11 URI; raises RejectedInput ``concealment.token-address``.

    A PIN stands in a private file (``pin-source``), never in the URI, where process lists show it.
    """
    path, _, query = uri.removeprefix(SCHEME).partition("?")
    found = {**_attributes(path, ";", _PATH), **_attributes(query, "&", _QUERY)}
    if not uri.startswith(SCHEME) or found.keys() != _PATH | _QUERY:
        raise RejectedInput(
            "concealment.token-address",
            "The token's address is not understood.",
            remedy="Write pkcs11:token=NAME;object=LABEL?module-path=FILE&pin-source=FILE.",
        )
    return TokenAddress(
        found["token"], found["object"], Path(found["module-path"]), Path(found["pin-source"])
    )


def _attributes(text: str, separator: str, allowed: frozenset[str]) -> dict[str, str]:
    matches = [_ATTRIBUTE.fullmatch(part) for part in text.split(separator)]
    return {m[1]: unquote(m[2]) for m in matches if m is not None and m[1] in allowed}


class TokenKey:
    """An AES-256 key of a token; every operation happens inside the token."""

    def __init__(self, session: TokenSession, key: Any) -> None:
        self._session = session
        self._key = key
        self.id = "token-" + bytes(key.id).hex()

    def wrap(self, key: bytes, *, context: bytes, nonce: bytes) -> bytes:
        """Encrypt a key inside the token, bound to ``context``."""
        return nonce + self._session.run(self._key.encrypt, key, nonce=nonce, context=context)

    def unwrap(self, wrapped: bytes, *, context: bytes) -> bytes:
        """Decrypt a key inside the token; raises IntegrityFailure ``concealment.altered``."""
        nonce, body = wrapped[:NONCE_BYTES], wrapped[NONCE_BYTES:]
        if len(body) != KEY_BYTES + TAG_BYTES:
            raise altered()
        try:
            return self._session.run(self._key.decrypt, body, nonce=nonce, context=context)
        except Unavailable as error:
            # Tokens name a tag that does not verify in many ways; one that has just proved to
            # encrypt with this key is at work, so it was the bytes.
            nonce = secrets.token_bytes(NONCE_BYTES)
            self._session.run(self._key.encrypt, bytes(KEY_BYTES), nonce=nonce, context=context)
            raise altered() from error


class TokenSession:
    """A way to one key of a token; sessions are shared by the whole process.

    A log-in holds for a process, not for a session (PKCS #11 v2.40, 5.6), and its end would end
    everybody's: so there is one session for a token, and it stays open.
    """

    _open: ClassVar[dict[tuple[int, Path, str], tuple[Any, threading.Lock]]] = {}
    _opening: ClassVar[threading.Lock] = threading.Lock()

    def __init__(self, address: TokenAddress) -> None:
        self.address = address
        self._api = _library()
        pin = _pin(address.pin_source)
        name = os.getpid(), address.module, address.token
        with self._opening:
            if name not in self._open:
                try:
                    token = self._api.lib(str(address.module)).get_token(token_label=address.token)
                    session = token.open(rw=True, user_pin=pin)
                except (self._api.PKCS11Error, RuntimeError) as error:
                    raise self._silent(error) from error
                self._open[name] = session, threading.Lock()
            self._session, self._lock = self._open[name]

    def key(self) -> TokenKey:
        """The key of the address; raises TrustFailure ``concealment.token-key``."""
        found = self._objects()
        if len(found) != 1 or not found[0].id:
            raise TrustFailure(
                "concealment.token-key",
                f"The token holds {len(found)} keys labelled {self.address.label}, where one with "
                "an id is needed.",
                remedy="Make one with trial-ledger concealment new-key, under a label of its own.",
            )
        return TokenKey(self, found[0])

    def taken(self) -> bool:
        """Whether a key has the address's label already."""
        return bool(self._objects())

    def _objects(self) -> list[Any]:
        wanted = {
            self._api.Attribute.CLASS: self._api.ObjectClass.SECRET_KEY,
            self._api.Attribute.LABEL: self.address.label,
        }
        with self._lock:
            try:
                return list(self._session.get_objects(wanted))
            except self._api.PKCS11Error as error:
                raise self._silent(error) from error

    def generate(self, key_id: bytes) -> TokenKey:
        """Make a new AES-256 key that can never be read out of the token; the id is 16 bytes."""
        attribute = self._api.Attribute
        with self._lock:
            try:
                key = self._session.generate_key(
                    self._api.KeyType.AES,
                    KEY_BYTES * 8,
                    label=self.address.label,
                    id=key_id,
                    store=True,
                    template={attribute.SENSITIVE: True, attribute.EXTRACTABLE: False},
                )
            except self._api.PKCS11Error as error:
                raise self._silent(error) from error
        return TokenKey(self, key)

    def run(self, operation: Any, data: bytes, *, nonce: bytes, context: bytes) -> bytes:
        """Run one AES-GCM operation; raises Unavailable ``concealment.token``."""
        parameters = self._api.GCMParams(nonce, context, TAG_BYTES * 8)
        with self._lock:
            try:
                return bytes(
                    operation(
                        data, mechanism=self._api.Mechanism.AES_GCM, mechanism_param=parameters
                    )
                )
            except self._api.PKCS11Error as error:
                raise self._silent(error) from error

    @staticmethod
    def _silent(error: Exception) -> Unavailable:
        return Unavailable(
            "concealment.token",
            f"The token does not do what was asked ({type(error).__name__}).",
            remedy="Check that it is connected, its name, its PIN and that it offers AES-GCM.",
        )


def _pin(path: Path) -> str:
    try:
        return read_private(path, largest=_LONGEST_PIN).decode("utf-8").removesuffix("\n")
    except (OSError, UnicodeError, IntegrityFailure) as error:
        raise TrustFailure(
            "concealment.token-pin",
            f"The PIN file {path.name} is missing or open to others.",
            remedy="Put the PIN into a file that only the service's account can read.",
        ) from error


def _library() -> Any:
    try:
        import pkcs11  # noqa: PLC0415 - an optional extra
    except ImportError as error:
        raise Unavailable(
            "concealment.token-support",
            "Keys in a token need the package python-pkcs11.",
            remedy="Install the extra hsm: pip install 'trial-ledger[hsm]'.",
        ) from error
    return pkcs11
