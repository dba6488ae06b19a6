"""The client of whoever reads: a token when it is needed, routes, and in an emergency the arm."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any, Final, Self

import urllib3

from api.access.asking import TokenSource, object_of, refusal_of
from api.access.entitlement import Wanted
from ledger.errors import TrustFailure, Unavailable
from ledger.vocabulary import Role

if TYPE_CHECKING:
    from collections.abc import Sequence

    from api.identity import Identity, SignedEvent
    from ledger.signing.strict_json import JsonValue

RETRIED: Final = frozenset({429, 502, 503, 504})
URGENT_PAUSES: Final = (0.2, 0.5, 1.0, 2.0)
"""Seconds between attempts of somebody who waits."""


class LedgerReader:
    """Reads one trial's ledger as a person or system by its key; use it from one thread.

    ``role`` and ``site`` say as what, where more than one is held; ``masked`` reads less than the
    role may. The key is the one that a registrar registered.
    """

    def __init__(
        self,
        url: str,
        trial: str,
        identity: Identity,
        *,
        role: Role | str | None = None,
        site: str | None = None,
        masked: bool = False,
    ) -> None:
        self.trial = trial
        self._identity = identity
        self._base = f"{url.rstrip('/')}/v1/trials/{trial}"
        wanted = Wanted(Role(role) if role else None, site, masked)
        self._tokens = TokenSource(self._base, identity, wanted)
        timeout = urllib3.Timeout(connect=5.0, read=90.0)
        self._pool = urllib3.PoolManager(retries=False, timeout=timeout, maxsize=4)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._pool.clear()

    def get(self, path: str) -> bytes:
        """Read a route of the trial, such as ``/report?format=html``.

        Raises TrustFailure with the ledger's code and remedy when it refuses, Unavailable when it
        does not answer.
        """
        status, body = self._request(path, fresh=False)
        if status == 401:  # a restart, or a key exchanged meanwhile: ask once more
            status, body = self._request(path, fresh=True)
        if status != 200:
            raise refusal_of(object_of(body), status)
        return body

    def json(self, path: str) -> Any:
        """Read a route that answers with JSON."""
        return json.loads(self.get(path))

    def post(self, event: SignedEvent) -> dict[str, Any]:
        """Post a signed event and give the ledger's answer, its receipt unchecked.

        Tried again while the ledger does not answer. Raises TrustFailure with the ledger's code
        when it refuses, Unavailable.
        """
        for pause in (*URGENT_PAUSES, None):
            try:
                response = self._pool.request(
                    "POST",
                    f"{self._base}/events",
                    body=event.body,
                    headers={"Content-Type": event.media_type},
                )
            except urllib3.exceptions.HTTPError:
                status, body = 0, b""
            else:
                status, body = response.status, response.data
            if status in (200, 201):
                return object_of(body)
            if status not in (0, *RETRIED):
                raise refusal_of(object_of(body), status)
            if pause is not None:
                time.sleep(pause)
        if body:
            raise refusal_of(object_of(body), status)
        raise Unavailable("client.no-answer", "The ledger gave no answer.")

    def break_blind(
        self,
        subject_id: str,
        *,
        told_to: Sequence[str] = ("treating-physician",),
        reason_code: str | None = None,
    ) -> dict[str, Any]:
        """Break one subject's blind in an emergency, and be told its arm at once.

        Asks first, so that nothing is broken for somebody who would be told nothing. The answer's
        ``arm`` is the arm, ``blind`` says until when the reason is due. Raises as
        ``post`` and ``get`` do; once posted, ``arm_of`` reads again without breaking again.
        """
        self.arm_if_told(subject_id)
        return self.break_at_once(subject_id, told_to=told_to, reason_code=reason_code)

    def break_at_once(
        self, subject_id: str, *, told_to: Sequence[str], reason_code: str | None = None
    ) -> dict[str, Any]:
        """As ``break_blind``, for who has asked already: each refusal stands in the access log."""
        data: dict[str, JsonValue] = {"type": "emergency", "told_to": [*told_to]}
        if reason_code is not None:
            data["reason_code"] = reason_code
        stream = f"treatment/{subject_id}"
        self.post(
            self._identity.sign(
                "blind.broken.v1", stream, data, trial=self.trial, meaning="authorship"
            )
        )
        return self.arm_of(subject_id)

    def arm_if_told(self, subject_id: str) -> dict[str, Any] | None:
        """The arm as ``arm_of``; None for whoever is told it once he breaks the blind."""
        try:
            return self.arm_of(subject_id)
        except TrustFailure as error:
            if error.code not in ("unblinding.not-broken", "unblinding.not-entitled"):
                raise
            return None

    def arm_of(self, subject_id: str) -> dict[str, Any]:
        """The arm of a subject whose blind this reader broke; raises as ``get`` does."""
        found: dict[str, Any] = self.json(f"/subjects/{subject_id}/allocation")
        return found

    def _request(self, path: str, *, fresh: bool) -> tuple[int, bytes]:
        headers = self._tokens.headers(self._pool, fresh=fresh)
        try:
            response = self._pool.request(
                "GET", f"{self._base}{path}", headers=headers, redirect=False
            )
        except urllib3.exceptions.HTTPError as error:
            raise Unavailable("client.no-answer", "The ledger gave no answer.") from error
        return response.status, response.data
