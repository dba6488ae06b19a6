"""The table of access, cell by cell, over every route of a real application."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from flask import Flask

from api.access.control import operation_of, require_operations
from api.access.table import (
    COLUMNS,
    INSIDE,
    OF_ONE_SUBJECT,
    PLANNED,
    PUBLIC,
    TABLE,
    Blinding,
    Operation,
    Reach,
    Sites,
)
from ledger.rules.masking import masked_roles
from ledger.trials.protocol import Masking
from ledger.vocabulary import Role
from tests.api.access.build_readers import BEDSIDE, FOREIGN, source_of
from tests.build_ledger import SITE, TRIAL

if TYPE_CHECKING:
    from tests.api.access.build_readers import Readers

DOCUMENTS = Path(__file__).parents[3] / "docs"


NOTHING_THERE = "allocation.none"
"""What the route of the arm answers where the table lets one in: 404, and no refusal."""


class Asked(NamedTuple):
    """A request: where, for which operation, about which site (None: about no single one)."""

    method: str
    address: str
    operation: Operation
    site: str | None


def requests_of(readers: Readers) -> list[Asked]:
    """An address of every route, once for the own and once for the foreign site."""
    found = []
    for rule in readers.app.url_map.iter_rules():
        operation = operation_of(readers.app, rule.endpoint)
        for record, site in ((readers.own, SITE), (readers.foreign, FOREIGN)):
            values: dict[str, Any] = {
                "trial": TRIAL,
                "subject_id": f"{site}-0001",
                "event_id": record.id,
                "name": "000.p/1" if operation is Operation.ENTRIES else "0/000.p/1",
                "size": "1",
                "code": "query.cursor",
            }
            address = readers.app.url_map.bind("localhost").build(
                rule.endpoint, {name: values[name] for name in rule.arguments}
            )
            address += "?old=1&new=2" if address.endswith("/consistency") else ""
            named = site if {"subject_id", "event_id"} & rule.arguments else None
            methods = sorted((rule.methods or set()) & {"GET", "POST"})
            found += [Asked(method, address, operation, named) for method in methods]
        if operation in OF_ONE_SUBJECT:
            for site in (SITE, FOREIGN):
                where = f"/v1/trials/{TRIAL}{rule.rule.rpartition('>')[2]}?subject={site}-0001"
                found.append(Asked("GET", where, OF_ONE_SUBJECT[operation], site))
        if operation in (Operation.AUDIT_TRAIL, Operation.DEVIATIONS):
            filtered = "site=" if operation is Operation.AUDIT_TRAIL else "subject="
            for site in (SITE, FOREIGN):
                value = site if operation is Operation.AUDIT_TRAIL else f"{site}-0001"
                where = f"/v1/trials/{TRIAL}{rule.rule.rpartition('>')[2]}?{filtered}{value}"
                found.append(Asked("GET", where, operation, site))
    return sorted(set(found))


def expected(  # noqa: PLR0911 - one return for each line of the table's meaning
    asked: Asked, role: Role, site: str | None, *, masked: bool
) -> str | None:
    """The code of the refusal that the table foresees, None when it foresees an answer."""
    if asked.operation in PUBLIC:
        return None
    rule = TABLE[asked.operation]
    if rule.reach[role] is Reach.NOT:
        return "access.role"
    if rule.reach[role] is Reach.OWN and site is None:
        return "access.no-site"
    if rule.sites is Sites.WHOLE and site is not None:
        return "access.whole-trial"
    if masked and rule.blinding is Blinding.TELLS:
        return "reader.masked"
    if site is not None and asked.site not in (None, site):
        return "access.foreign-site"
    if rule.blinding is Blinding.OWN_ACT:
        # Nobody here broke a blind, and no subject here is randomized.
        return "unblinding.not-broken" if masked else NOTHING_THERE
    return None


def kinds_of(role: Role) -> list[tuple[str, str, str | None, bool]]:
    """Holder's scope, scope asked for, the site it then reads, and whether masked."""
    always = role is Role.OUTCOME_ASSESSOR
    kinds = [
        (f"site/{SITE}", "", SITE, always),
        (f"site/{SITE}", "masked", SITE, True),
        ("trial", "", None, always),
        ("trial", "masked", None, True),
        ("trial", f"site:{SITE}", SITE, always),
    ]
    return [kind for kind in kinds if kind[0] != "trial" or role not in BEDSIDE] + (
        [("trial", "", None, False)] if role in BEDSIDE else []
    )


@pytest.mark.parametrize("role", COLUMNS)
def test_every_cell_is_what_the_table_says(role: Role, shared: Readers) -> None:
    """Role by operation by site by blinding, each over the real route."""
    asked = requests_of(shared)
    for held, wanted, site, masked in kinds_of(role):
        headers = shared.bearer(shared.enrol(role, held), wanted)
        for one in asked:
            if one.operation in PUBLIC:
                continue
            answer = shared.client.open(one.address, method=one.method, headers=headers)
            code = expected(one, role, site, masked=masked)
            told = (answer.get_json() or {}).get("code") if answer.status_code >= 400 else None
            answer.close()
            case = (role, held, wanted, one)
            status = {None: 200, NOTHING_THERE: 404}.get(code, 403)
            assert (answer.status_code, told) == (status, code), case
            if status == 403:
                assert answer.content_type == "application/problem+json", case
                assert 'error="insufficient_scope"' in answer.headers["WWW-Authenticate"], case
                assert answer.get_json()["remedy"], case


def test_without_a_token_everything_but_the_public_is_401(shared: Readers) -> None:
    """And says where to get one."""
    for one in requests_of(shared):
        answer = shared.client.open(one.address, method=one.method)
        if one.operation in PUBLIC:
            assert answer.status_code not in (401, 403), one
        else:
            assert answer.status_code == 401, one
            assert answer.get_json()["code"] == "bearer.missing"
            assert answer.headers["WWW-Authenticate"] == 'Bearer realm="trial ledger"'
            assert "/token" in answer.get_json()["remedy"]


def test_a_demonstration_without_a_token_is_open(demonstration: Readers) -> None:
    """Whoever can reach it is on the same machine."""
    for one in requests_of(demonstration):
        answer = demonstration.client.open(one.address, method=one.method)
        answer.close()
        assert answer.status_code not in (401, 403), one


def test_in_a_demonstration_a_token_binds_its_bearer(demonstration: Readers) -> None:
    """So that every role and its masked view can be tried."""
    source = demonstration.enrol(Role.OUTCOME_ASSESSOR, f"site/{SITE}")
    headers = demonstration.bearer(source)
    base = f"/v1/trials/{TRIAL}"
    for address in ("/report", f"/subjects/{FOREIGN}-0001", "/log/tile/0/000.p/1"):
        assert demonstration.client.get(base + address, headers=headers).status_code == 403


def test_an_unknown_address_and_a_wrong_method_are_what_they_always_were(shared: Readers) -> None:
    """Nothing is to be learned there, with or without a token."""
    assert shared.client.get("/v1/nothing").status_code == 404
    assert shared.client.delete(f"/v1/trials/{TRIAL}/subjects").status_code == 405


def test_every_operation_has_a_route_unless_it_is_still_planned(shared: Readers) -> None:
    """The table holds nothing that is not there."""
    served = {one.operation for one in requests_of(shared)}
    assert served == set(Operation) - PLANNED - INSIDE


def test_the_table_decides_each_operation_for_each_role() -> None:
    """No cell is missing, and none grants what nobody may."""
    assert set(TABLE) == set(Operation) - PUBLIC
    assert set(COLUMNS) == set(Role)
    for operation, rule in TABLE.items():
        assert set(rule.reach) == set(Role), operation
        assert any(reach is not Reach.NOT for reach in rule.reach.values()), operation


def test_a_route_without_an_operation_does_not_start() -> None:
    """Forgetting it denies everybody, not nobody."""
    app = Flask("forgetful", static_folder=None)
    app.add_url_rule("/everything", view_func=lambda: "all data")
    with pytest.raises(RuntimeError, match="names no operation"):
        require_operations(app)


@pytest.mark.parametrize("name", ["decisions/0011-who-may-read-what.md", "readers.md"])
def test_the_pages_show_the_table_as_it_is(name: str) -> None:
    """Who reads them reads what is enforced."""
    written = (DOCUMENTS / name).read_text()
    for operation, rule in TABLE.items():
        cells = " | ".join(rule.reach[role].value for role in COLUMNS)
        row = f"| {operation} | {cells} | {rule.sites.name} | {rule.blinding.name} |"
        assert row in written, row


@pytest.mark.parametrize(
    ("parties", "roles", "masked"),
    [
        (("PARTICIPANT",), (), set()),
        (("PARTICIPANT",), ("outcome-assessor",), {"outcome-assessor"}),
        (("OUTCOMES_ASSESSOR",), (), {"outcome-assessor"}),
        (
            ("INVESTIGATOR",),
            (),
            {"principal-investigator", "sub-investigator", "study-coordinator", "site-system"},
        ),
        (("PARTICIPANT",), ("study-nurse", "sponsor"), {"study-nurse", "sponsor", "site-system"}),
    ],
    ids=["participant", "named role", "assessor", "investigator", "nurse and sponsor"],
)
def test_who_is_masked_follows_from_the_protocol(
    parties: tuple[Any, ...], roles: tuple[str, ...], masked: set[str]
) -> None:
    """A site's system shows what it reads to the people there, so it is masked with them."""
    found = masked_roles(Masking(parties, tuple(Role(role) for role in roles)))
    assert found == masked


def test_the_sources_of_readers_belong_where_they_read() -> None:
    """The builder itself: a bedside reader lives under its site."""
    assert source_of(Role.STUDY_NURSE, "site/SY01") == "/sites/SY01/persons/reading-study-nurse"
