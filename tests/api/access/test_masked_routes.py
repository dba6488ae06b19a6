"""Promise 5 over HTTP: to a masked reader two trials that differ only in arms answer alike."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from api.access.control import operation_of
from api.access.table import PUBLIC
from api.app import create_app
from api.context import KEY
from api.serving import follow
from ledger.vocabulary import Role
from tests.api.access.build_readers import BASE, Readers, source_of
from tests.build_ledger import EDC, SITE, TRIAL, party
from tests.projections.masking.build_twins import ONE, TWO, build_twins
from tests.projections.masking.courses import EVERYTHING, take

if TYPE_CHECKING:
    from collections.abc import Iterator

    from werkzeug.test import TestResponse

ASSESSOR = source_of(Role.OUTCOME_ASSESSOR, f"site/{SITE}")
MONITOR = source_of(Role.MONITOR, "trial")
QUERIES = (
    "/events?limit=7",
    "/events?limit=1000",
    "/events?format=csv",
    f"/events?subject={ONE}",
    "/events?type=subject.randomized.v1",
    "/events?since=2024-03-20T00:00:00Z",
    "/subjects?limit=1",
    f"/subjects/{ONE}?known_at=2024-03-20T00:00:00Z",
    f"/subjects/{ONE}?true_at=2024-03-20T00:00:00Z",
    f"/subjects/{TWO}/replay?known_at=2024-04-20T00:00:00Z",
    "/subjects/SY01-9999",
    "/subjects/SY01-0001?known_at=99999999",
    "/deviations?rule=DV-20",
    "/deviations?rule=DV-21",
    f"/deviations?subject={ONE}",
    "/keys?known_at=2024-03-20T00:00:00Z",
    "/enrolment?known_at=2024-03-20T00:00:00Z",
    "/report?format=json",
    "/report?format=html",
    f"/report?format=json&subject={TWO}",
    "/report?format=json&as_of=2024-03-20T00:00:00Z",
    "/events?after=eyJub3RoaW5nIjoxfQ",
    "/events?limit=0",
    "/log/tile/entries/000.p/9",
    "/log/consistency?old=1&new=99999",
)


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Readers, Readers]]:
    """Both trials behind doors, after a course that treats their subjects by opposite arms."""
    twins = build_twins([tmp_path_factory.mktemp(name) for name in ("left", "right")])
    for step in EVERYTHING:
        take(twins, step)
    opened = []
    for twin in twins.pair:
        built = twin.built
        for source, role, scope in (
            (ASSESSOR, Role.OUTCOME_ASSESSOR, f"site/{SITE}"),
            (MONITOR, Role.MONITOR, "trial"),
        ):
            built.parties[source] = party(source, f"Reader {role}")
            built.register(source)
            built.grant(source, role, scope)
        projections = follow(built.ledger)
        record = built.ledger.application.stream(f"subject/{ONE}")[0]
        opened.append(
            (Readers(built, create_app(built.ledger, projections), record, record), projections)
        )
    yield opened[0][0], opened[1][0]
    for readers, projections in opened:
        readers.app.extensions[KEY].close()
        projections.close()
    twins.close()


def addresses(readers: Readers) -> list[str]:
    """Every route that asks for a token, and many ways to ask it."""
    values: dict[str, Any] = {
        "trial": TRIAL, "subject_id": ONE, "event_id": readers.own.id, "name": "000",
    }  # fmt: skip
    urls = readers.app.url_map.bind("localhost")
    plain = [
        urls.build(rule.endpoint, {name: values[name] for name in rule.arguments})
        for rule in readers.app.url_map.iter_rules()
        if operation_of(readers.app, rule.endpoint) not in PUBLIC and "GET" in (rule.methods or ())
    ]
    return [*plain, *(BASE + query for query in QUERIES)]


def told(answer: TestResponse) -> tuple[int, bytes, list[tuple[str, str]]]:
    """All that a reader can see of an answer."""
    return answer.status_code, answer.data, sorted(answer.headers.to_wsgi_list())


@pytest.mark.parametrize(
    ("source", "scope"), [(ASSESSOR, ""), (EDC, "masked"), (MONITOR, "masked")], ids=str
)
def test_every_answer_is_the_same_in_both(
    source: str, scope: str, pair: tuple[Readers, Readers]
) -> None:
    """Status, every byte and every header, over all routes, formats, filters and errors."""
    left = pair[0]
    headers = [one.bearer(source, scope) for one in pair]
    served = 0
    for address in addresses(left):
        answers = [
            told(one.client.get(address, headers=header))
            for one, header in zip(pair, headers, strict=True)
        ]
        assert answers[0] == answers[1], address
        served += answers[0][0] == 200
    assert served >= 10


def test_the_same_questions_unmasked_do_tell_the_arms(pair: tuple[Readers, Readers]) -> None:
    """So that the equality above means something."""
    headers = [one.bearer(EDC) for one in pair]
    address = f"{BASE}/subjects/{ONE}"
    answers = [
        one.client.get(address, headers=header).data
        for one, header in zip(pair, headers, strict=True)
    ]
    assert answers[0] != answers[1]
