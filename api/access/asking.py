"""The reader's side of the token endpoint: sign an assertion, get a token, use it until it ends."""

from __future__ import annotations

import json
import secrets
import threading
import time
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlencode

import urllib3

from api.access.assertion import ASSERTION_TYPE, sign_assertion
from ledger.errors import TrustFailure, Unavailable

if TYPE_CHECKING:
    from api.access.entitlement import Wanted
    from api.identity import Identity

EARLY: Final = 30.0
"""Seconds before its end at which a token is replaced."""

_FORM: Final = "application/x-www-form-urlencoded"


class TokenSource:
    """Tokens of one trial for one identity, asked for when needed; safe for several threads."""

    def __init__(self, trial_url: str, identity: Identity, wanted: Wanted) -> None:
        self._address = f"{trial_url}/token"
        self._identity, self._wanted = identity, wanted
        self._token, self._until = "", 0.0
        self._asking = threading.Lock()

    def headers(self, pool: urllib3.PoolManager, *, fresh: bool = False) -> dict[str, str]:
        """The header that carries a token, a ``fresh`` one when the last was refused.

        Raises TrustFailure with the ledger's own code when it gives none, Unavailable when it
        does not answer.
        """
        with self._asking:
            if fresh or time.monotonic() >= self._until:
                self._ask(pool)
            return {"Authorization": f"Bearer {self._token}"}

    def _ask(self, pool: urllib3.PoolManager) -> None:
        assertion = sign_assertion(
            self._identity.source,
            self._identity.key,
            audience=self._address,
            now=self._identity.now(),
            jti=secrets.token_urlsafe(16),
        )
        fields = {
            "grant_type": "client_credentials",
            "client_assertion_type": ASSERTION_TYPE,
            "client_assertion": assertion,
            "scope": self._wanted.scope(),
        }
        try:
            response = pool.request(
                "POST",
                self._address,
                body=urlencode({name: value for name, value in fields.items() if value}),
                headers={"Content-Type": _FORM},
                redirect=False,
            )
        except urllib3.exceptions.HTTPError as error:
            raise Unavailable("client.no-answer", "The ledger gave no answer.") from error
        answer = object_of(response.data)
        token, life = answer.get("access_token"), answer.get("expires_in")
        if response.status != 200 or not isinstance(token, str) or not isinstance(life, int):
            raise refusal_of(answer, response.status)
        self._token, self._until = token, time.monotonic() + max(life - EARLY, 0.0)


def object_of(data: bytes) -> dict[str, Any]:
    """A JSON object in an answer, empty when there is none."""
    try:
        value = json.loads(data)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def refusal_of(answer: dict[str, Any], status: int) -> TrustFailure:
    """What the ledger refused, in its own words."""
    return TrustFailure(
        str(answer.get("code", "client.status")),
        str(answer.get("detail", f"The ledger answered {status}.")),
        remedy=answer.get("remedy"),
    )
