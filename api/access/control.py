"""Access control before every route: who asks, what the table says, what is written down."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Final

from flask import Flask, Response, g, request

from api.access.assertion import Assertions
from api.access.journal import SERVED, Journal
from api.access.reader import OPEN, Reader, home_of, site_of_subject
from api.access.register_at_head import RegisterAtHead
from api.access.table import (
    OF_ONE_SUBJECT,
    PUBLIC,
    TABLE,
    Blinding,
    Operation,
    Sites,
    require,
    require_site,
)
from api.access.tokens import Tokens, standing
from api.door import Buckets, RateLimit
from api.problems import PROBLEM_JSON, Problematic, problem_of
from ledger.errors import LedgerError, TrustFailure
from ledger.rules.masking import masked_roles

if TYPE_CHECKING:
    from ledger.record import Record
    from ledger.service import TrialLedger
    from ledger.vocabulary import Role

FAILED_LOG_INS: Final = RateLimit(burst=100, per_second=2.0)
"""Failed log-ins from one address before further ones wait (ICH E6(R3) 4.3.8; 21 CFR 11.300(d))."""

_BEARER: Final = re.compile(r"[Bb][Ee][Aa][Rr][Ee][Rr] ([A-Za-z0-9._~+/-]{1,2048}=*)")
_SUBJECT: Final = re.compile(r"[A-Z0-9]{2,16}-[0-9]{4}")


class AccessControl:
    """What the doors of one ledger need to know readers by."""

    def __init__(self, ledger: TrialLedger) -> None:
        self.ledger = ledger
        self.open = ledger.genesis.demonstration
        self.register = RegisterAtHead(ledger.application)
        self.tokens = Tokens(
            ledger.keys, trial=ledger.trial, genesis_sha256=ledger.genesis.record.sha256
        )
        self.assertions = Assertions(ledger.clock.now())
        self.journal = Journal(ledger)
        self.failures = Buckets(FAILED_LOG_INS)

    @property
    def masked_roles(self) -> frozenset[Role]:
        """The roles that the trial's protocol masks."""
        return masked_roles(self.ledger.genesis.definition.protocol.masking)

    def reader(self, authorization: str | None) -> Reader:
        """Who a request comes from.

        Raises Problematic ``bearer.missing`` or ``bearer.malformed``, TrustFailure ``bearer.…``.
        """
        if authorization is None:
            if self.open:
                return OPEN
            raise _refusal(
                "bearer.missing",
                "Reading here needs a token.",
                remedy=f"Ask for one: POST /v1/trials/{self.ledger.trial}/token (see /docs).",
            )
        match = _BEARER.fullmatch(authorization)
        if match is None:
            raise _refusal(
                "bearer.malformed",
                "The header Authorization holds one bearer token and nothing else.",
                error="invalid_request",
            )
        held = self.tokens.read(match[1], now=self.ledger.clock.now())
        return standing(held, self.register(), self.masked_roles)


def guard(app: Flask, control: AccessControl) -> None:
    """Ask each request for its reader, and write down each act that is to be."""

    @app.before_request
    def _before() -> None:
        if request.endpoint is None:
            return  # no such address, or not with this method
        g.operation = _asked_for(operation_of(app, request.endpoint))
        if g.operation not in PUBLIC:
            _admit(control, g.operation)

    @app.after_request
    def _after(response: Response) -> Response:
        reader: Reader | None = g.get("reader")
        if reader is None or reader.role is None:
            return response
        if response.status_code == 403:
            response.headers["WWW-Authenticate"] = challenge("insufficient_scope")
        _keep_from_caches(response)
        if not TABLE[g.operation].recorded or request.method == "OPTIONS":
            return response  # which methods there are is nobody's secret and nothing was read
        try:
            for act in (g.operation, *g.get("beside", ())):
                control.journal.record(reader, act, outcome=_outcome(response), subject=g.subject)
        except LedgerError as error:
            response.close()
            return problem_of(error).response()
        return response


def _admit(control: AccessControl, operation: Operation) -> None:
    try:
        g.reader = control.reader(request.headers.get("Authorization"))
    except TrustFailure as error:
        control.journal.failed(operation, outcome=error.code)
        raise _refusal(
            error.code, error.message, remedy=error.remedy, error="invalid_token"
        ) from None
    g.subject = _subject_named()
    require(g.reader, operation)
    if TABLE[operation].sites is Sites.SUBJECT:
        require_site(g.reader, site_of_subject(_subject_id()))


def _asked_for(operation: Operation) -> Operation:
    """The operation, or what it is for the one subject that the query names."""
    return OF_ONE_SUBJECT.get(operation, operation) if "subject" in request.args else operation


def _subject_id() -> str:
    """The subject that the path names or, where the operation is about one, the query."""
    about_one = g.operation in OF_ONE_SUBJECT.values()
    named = request.args if about_one else request.view_args or {}
    return str(named.get("subject" if about_one else "subject_id", ""))


def require_operations(app: Flask) -> None:
    """Refuse to start with a route that names no operation: nobody would be denied it."""
    for rule in app.url_map.iter_rules():
        operation = operation_of(app, rule.endpoint)
        named = operation in PUBLIC or TABLE[operation].sites is not Sites.SUBJECT
        if not named and "subject_id" not in rule.arguments:
            raise RuntimeError(f"The route {rule.rule} does not name its subject_id.")


def operation_of(app: Flask, endpoint: str) -> Operation:
    """The operation that an endpoint serves; raises RuntimeError when it names none."""
    operation = getattr(app.view_functions[endpoint], "operation", None)
    if not isinstance(operation, Operation):
        raise RuntimeError(f"The endpoint {endpoint} names no operation (api.access.table).")
    return operation


def reader() -> Reader:
    """Who asks; on a public route nobody in particular."""
    found: Reader = g.get("reader", OPEN)
    return found


def open_identity() -> None:
    """Let the reader open the identity sealed in what is asked for, written down beside it.

    Raises TrustFailure ``access.role``.
    """
    g.beside = (Operation.IDENTITY,)
    require(reader(), Operation.IDENTITY)


def require_record(record: Record) -> None:
    """Keep a reader of one site to its own records and the trial's (``trial``, ``access``).

    Raises TrustFailure ``access.foreign-site``.
    """
    asking = reader()
    family, _, name = record.stream.partition("/")
    g.subject = name if family in ("subject", "treatment") else None
    if asking.site is None or family in ("trial", "access"):
        return
    if family in ("subject", "treatment"):
        require_site(asking, site_of_subject(name))
    elif family == "lot":
        # A lot the sponsor shipped is nobody's secret; one in another site's pharmacy is.
        require_site(asking, home_of(record.event.source) or asking.site)
    else:
        require_site(asking, name if family == "site" else None)


def confined_to(asked: str | None) -> str | None:
    """The site whose rows a listing gives: the reader's own, or whichever is asked for.

    Raises TrustFailure ``access.foreign-site``.
    """
    asking = reader()
    if asking.site is None:
        return asked
    if asked is not None:
        require_site(asking, asked)
    return asking.site


def needs_masked_view(asking: Reader, operation: Operation) -> bool:
    """Whether a reader must get an operation from the masked view."""
    return asking.masked and TABLE[operation].blinding is Blinding.MASKED_VIEW


def _keep_from_caches(response: Response) -> None:
    """What was read under a token is asked for again each time, so that each time is seen.

    A cache that kept it would show it to whoever comes next, and after the role has ended.
    """
    if response.headers.get("Cache-Control") != "no-store":
        response.headers["Cache-Control"] = "private, no-cache"
    response.vary.add("Authorization")


def _subject_named() -> str | None:
    name = _subject_id() or request.args.get("subject", "")
    return name if _SUBJECT.fullmatch(name) else None


def _outcome(response: Response) -> str:
    if response.status_code < 400:
        return SERVED
    if response.content_type == PROBLEM_JSON:
        return str(json.loads(response.get_data())["code"])
    return f"http.{response.status_code}"


def _refusal(
    code: str, message: str, *, remedy: str | None = None, error: str | None = None
) -> Problematic:
    return Problematic(
        code,
        message,
        where="Authorization",
        remedy=remedy,
        headers={"WWW-Authenticate": challenge(error)},
        extra={"error": error} if error else {},
    )


def challenge(error: str | None = None) -> str:
    """The header WWW-Authenticate (RFC 6750 section 3)."""
    return 'Bearer realm="trial ledger"' + (f', error="{error}"' if error else "")
