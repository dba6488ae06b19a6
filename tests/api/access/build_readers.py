"""A real (not a demonstration's) ledger with two sites and a reader of every role."""

from __future__ import annotations

import itertools
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from api.access.assertion import ASSERTION_TYPE, sign_assertion
from ledger.vocabulary import Role
from tests.build_ledger import (
    SPONSOR,
    TRIAL,
    BuiltLedger,
    Signed,
    build_ledger,
    identify,
    party,
)

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from flask import Flask
    from flask.testing import FlaskClient
    from werkzeug.test import TestResponse

    from ledger.record import Record
    from ledger.signing.strict_json import JsonObject

BASE = f"/v1/trials/{TRIAL}"
TOKEN = f"{BASE}/token"
AUDIENCE = f"http://localhost{TOKEN}"
FOREIGN = "SY02"
_numbers = itertools.count(1)

BEDSIDE = frozenset(
    (
        Role.PRINCIPAL_INVESTIGATOR,
        Role.SUB_INVESTIGATOR,
        Role.STUDY_COORDINATOR,
        Role.STUDY_NURSE,
        Role.PHARMACIST,
        Role.SITE_SYSTEM,
    )
)


def source_of(role: Role, scope: str) -> str:
    """The reader who holds a role for a scope; bedside roles belong to their site."""
    kind = "systems" if role is Role.SITE_SYSTEM else "persons"
    place = f"/sites/{scope.removeprefix('site/')}" if scope != "trial" else "/sponsor"
    return f"{place}/{kind}/reading-{role}"


@dataclass(slots=True)
class Readers:
    """The ledger, its doors, an own and a foreign subject, and tokens for whoever holds a role."""

    built: BuiltLedger
    app: Flask
    own: Record
    foreign: Record

    @property
    def client(self) -> FlaskClient:
        """A client without a token."""
        return self.app.test_client()

    def now(self) -> datetime:
        """The service's present."""
        return self.built.ledger.clock.now()

    def assertion(self, source: str, **changed: Any) -> str:
        """An assertion as its owner would sign it."""
        settings: dict[str, Any] = {
            "audience": AUDIENCE,
            "now": self.now(),
            "jti": f"assertion-{next(_numbers)}",
        }
        return sign_assertion(source, self.built.parties[source].key, **{**settings, **changed})

    def ask(self, assertion: str, **fields: str) -> TestResponse:
        """Ask for a token."""
        form = {
            "grant_type": "client_credentials",
            "client_assertion_type": ASSERTION_TYPE,
            "client_assertion": assertion,
            **fields,
        }
        return self.client.post(
            TOKEN, data=urlencode(form), content_type="application/x-www-form-urlencoded"
        )

    def token(self, source: str, scope: str = "") -> str:
        """A token that must be given."""
        answer = self.ask(self.assertion(source), **({"scope": scope} if scope else {}))
        if answer.status_code != 200:
            raise AssertionError(answer.text)
        return str(answer.get_json()["access_token"])

    def bearer(self, source: str, scope: str = "") -> dict[str, str]:
        """The header with a token."""
        return {"Authorization": f"Bearer {self.token(source, scope)}"}

    def enrol(self, role: Role, scope: str) -> str:
        """Register somebody who holds a role, once."""
        source = source_of(role, scope)
        if source not in self.built.parties:
            self.built.parties[source] = party(source, f"Reader {role}")
            self.built.register(source)
            self.built.grant(source, role, scope)
        return source

    def written(self) -> list[dict[str, Any]]:
        """The access log as an auditor reads it, without that reading."""
        source = self.enrol(Role.AUDITOR, "trial")
        found = self.client.get(f"{BASE}/access-log?limit=1000", headers=self.bearer(source))
        rows: list[dict[str, Any]] = json.loads(found.text)["items"]
        return rows[:-1]  # the last is the auditor's own token


def second_site(built: BuiltLedger) -> Record:
    """Activate a foreign site with an investigator, who identifies a subject there."""
    approval = next(
        record.id
        for record in built.ledger.application.stream("trial")
        if record.type == "document.approved.v1"
    )
    site: JsonObject = {
        "site": FOREIGN,
        "name": "Second Hospital",
        "timezone": "Asia/Shanghai",
        "approvals": [approval],
        "activated_on": "2024-02-01",
    }
    built.state("site.activated.v1", f"site/{FOREIGN}", site, by=SPONSOR)
    owner = f"/sites/{FOREIGN}/persons/pi-02"
    built.parties[owner] = party(owner, "Dr Wu")
    built.register(owner)
    built.grant(owner, Role.PRINCIPAL_INVESTIGATOR, f"site/{FOREIGN}")
    data: JsonObject = {"subject_id": f"{FOREIGN}-0001", "sex": "male"}
    signed: Signed = built.sign(
        "subject.identified.v1", f"subject/{FOREIGN}-0001", data, by=owner, meaning="authorship"
    )
    return built.record(signed)


def real_ledger(
    directory: Path, *, demonstration: bool = False
) -> tuple[BuiltLedger, Record, Record]:
    """A ledger with one subject at each of two sites."""
    built = build_ledger(directory, demonstration=demonstration)
    return built, built.record(identify(built, 1)), second_site(built)
