"""The token endpoint: an assertion signed by a registered key, for a short-lived token."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flask import request

from api.access.endpoint import FORM, MAX_FORM_BYTES, parse_form, token_answer
from api.access.table import Operation, serves
from api.context import doors
from api.door import bounded_body
from api.resources import trial_door
from api.responses import json_response
from api.schemas.openapi import TOKEN_BODY, Problem, TokenIssued
from api.statements import media_type_of

if TYPE_CHECKING:
    from flask import Response

door = trial_door("token", "Tokens for readers.")


@door.route("/token", methods=["POST"])
@door.doc(requestBody=TOKEN_BODY)
@door.alt_response(200, schema=TokenIssued, description="A token for ten minutes.")
@door.alt_response(400, schema=Problem, description="Not understood, or more than is held.")
@door.alt_response(401, schema=Problem, description="The assertion proves nothing.")
@serves(Operation.TOKEN)
def post_token() -> Response:
    """Get a token (RFC 6749 section 4.4, RFC 7523 section 2.2).

    The assertion is a JWT signed with Ed25519 or ES256 by a key in force: `iss` and `sub` the
    source URI it is registered for, `aud` this address, `iat`, `exp` within two minutes, and a
    `jti` used once. `scope` asks for `role:<role>`, `site:<SITE>`, and `masked` to read less.
    """
    media_type_of(request.headers.get("Content-Type"), accepted=(FORM,))
    fields = parse_form(bounded_body(MAX_FORM_BYTES))
    answer: dict[str, Any] = token_answer(
        doors().access, fields, audiences=_audiences(), client=request.remote_addr or ""
    )
    response = json_response(answer)
    response.headers["Pragma"] = "no-cache"
    return response


def _audiences() -> tuple[str, ...]:
    """The addresses an assertion may be for: this one and the trial's.

    The host was held to the names this service answers for; whether TLS lies in front of it, it
    cannot know.
    """
    token = request.path
    trial = token.removesuffix("/token")
    return tuple(
        f"{scheme}://{request.headers['Host']}{path}"
        for path in (token, trial)
        for scheme in ("https", "http")
    )
