"""The token endpoint's own rules: the form, and from an assertion to a token (RFC 6749 §4.4)."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any, Final, NoReturn
from urllib.parse import parse_qsl

from api.access.assertion import ASSERTION_TYPE
from api.access.control import challenge
from api.access.entitlement import Wanted, entitle, parse_scope
from api.access.table import Operation
from api.access.tokens import LIFE
from api.problems import Problematic
from ledger.errors import LedgerError, RejectedInput, Unavailable

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from api.access.assertion import Asserted
    from api.access.control import AccessControl

FORM: Final = "application/x-www-form-urlencoded"
MAX_FORM_BYTES: Final = 8 * 1024
_MOST_FIELDS: Final = 16
_GRANT: Final = "client_credentials"


def parse_form(body: bytes) -> dict[str, str]:
    """The fields of a form, each given once (RFC 6749 section 3.2).

    Raises Problematic ``token.form`` (invalid_request).
    """
    try:
        pairs = parse_qsl(
            body.decode("ascii"),
            keep_blank_values=True,
            strict_parsing=True,
            max_num_fields=_MOST_FIELDS,
            errors="strict",
        )
    except ValueError:
        raise refusal("token.form", "The body is no form.", error="invalid_request") from None
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise refusal("token.form", "A field is given twice.", error="invalid_request")
    return fields


def token_answer(
    control: AccessControl,
    fields: Mapping[str, str],
    *,
    audiences: Collection[str],
    client: str,
) -> dict[str, Any]:
    """A token for whoever the assertion proves, or the refusal the standard asks for.

    Each token issued and each failed log-in goes into the access log before the answer. Raises
    Problematic, with the members ``error`` and ``error_description`` of RFC 6749 section 5.2.
    """
    text = _assertion_in(fields)
    asserted = _proven(control, text, audiences=audiences, client=client)
    if fields.get("client_id", asserted.source) != asserted.source:
        _fail(control, client, "assertion.client-id", "The client_id is not the assertion's sub.")
    try:
        wanted = parse_scope(fields["scope"]) if "scope" in fields else Wanted()
        reader = entitle(asserted.source, wanted, control.register(), control.masked_roles)
    except RejectedInput as error:
        control.journal.failed(Operation.TOKEN, outcome=error.code, source=asserted.source)
        raise refusal(
            error.code, error.message, error="invalid_scope", remedy=error.remedy
        ) from None
    now, identity = control.ledger.clock.now(), secrets.token_urlsafe(16)
    token = control.tokens.issue(reader, kid=asserted.kid, now=now, jti=identity)
    control.journal.record(reader, Operation.TOKEN, outcome="served")
    return {
        "access_token": token,
        "token_type": "Bearer",
        "expires_in": LIFE,
        "scope": Wanted(reader.role, reader.site, reader.masked).scope(),
    }


def refusal(
    code: str, message: str, *, error: str, remedy: str | None = None, wait: float = 0.0
) -> Problematic:
    """A refusal of the token endpoint."""
    headers = {"Cache-Control": "no-store"}
    if error == "invalid_client":
        headers["WWW-Authenticate"] = challenge(error)
    if wait:
        headers["Retry-After"] = str(int(wait) + 1)
    extra = {"error": error, "error_description": message}
    return Problematic(code, message, remedy=remedy, headers=headers, extra=extra)


def _assertion_in(fields: Mapping[str, str]) -> str:
    if fields.get("grant_type") != _GRANT:
        raise refusal(
            "token.grant-type",
            f"The grant_type must be {_GRANT}.",
            error="unsupported_grant_type" if "grant_type" in fields else "invalid_request",
        )
    if fields.get("client_assertion_type") != ASSERTION_TYPE or "client_assertion" not in fields:
        raise refusal(
            "token.assertion-missing",
            "A client_assertion, with its client_assertion_type, is needed.",
            error="invalid_request",
            remedy=f"The client_assertion_type is {ASSERTION_TYPE}.",
        )
    return fields["client_assertion"]


def _proven(
    control: AccessControl, text: str, *, audiences: Collection[str], client: str
) -> Asserted:
    try:
        return control.assertions.check(
            text,
            register=control.register(),
            audiences=audiences,
            now=control.ledger.clock.now(),
        )
    except Unavailable:
        raise
    except LedgerError as error:
        ours = error.code.startswith(("assertion.", "jwt."))
        code = error.code if ours else "assertion.malformed"
        _fail(control, client, code, error.message, remedy=error.remedy)


def _fail(
    control: AccessControl, client: str, code: str, message: str, *, remedy: str | None = None
) -> NoReturn:
    control.journal.failed(Operation.TOKEN, outcome=code)
    wait = control.failures.wait(client)
    if wait:
        raise refusal(
            "token.limited",
            "Too many log-ins from this address failed.",
            error="invalid_client",
            remedy="Wait as Retry-After says, and mend the assertion first.",
            wait=wait,
        )
    raise refusal(code, message, error="invalid_client", remedy=remedy)
