"""The bare address: doors for people and for machines."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.build_ledger import TRIAL

if TYPE_CHECKING:
    from flask import Flask
    from flask.testing import FlaskClient


@pytest.mark.parametrize("accept", [None, "*/*", "application/json"])
def test_a_machine_gets_the_doors_as_json(accept: str | None, client: FlaskClient) -> None:
    """Also one that does not say what it wants."""
    answer = client.get("/", headers={"Accept": accept} if accept else {})
    assert answer.status_code == 200
    assert answer.get_json()["trial"] == TRIAL
    assert answer.headers["Vary"] == "Accept"


def test_a_browser_gets_a_page(client: FlaskClient) -> None:
    """It needs nothing from elsewhere and leads to the interface's own page."""
    answer = client.get("/", headers={"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"})
    assert answer.content_type == "text/html; charset=utf-8"
    assert 'href="/docs"' in answer.text
    assert "http" not in answer.text.split("</style>")[1]


def test_every_door_is_one(app: Flask, client: FlaskClient) -> None:
    """No address leads to nothing, whatever method it takes."""
    for path in client.get("/").get_json()["doors"]:
        assert client.get(path).status_code in (200, 405), path
