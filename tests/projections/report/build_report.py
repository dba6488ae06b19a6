"""A small ledger with a life in it, and the report made of it; shared by the report's tests."""

from __future__ import annotations

import json
from dataclasses import dataclass
from html.parser import HTMLParser
from typing import TYPE_CHECKING, Any

from projections.reading import Projections
from projections.report import render
from tests.build_ledger import (
    COORDINATOR,
    DOCUMENT,
    EDC,
    INVESTIGATOR,
    BuiltLedger,
    build_ledger,
    identify,
)

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

HOSTILE = (
    """</td></table><script>alert('x')</script><img src=https://evil.example/x onerror=alert(1)>"""
)
"""A string that would break out of every place it is printed in, were it not escaped."""


WITNESS = "Zhang Wei the witness"
"""A name that is sealed for identity."""

UNKNOWN_EVENT = "018d0000-0000-7000-8000-000000000000"


@dataclass(slots=True)
class Reported:
    """An open ledger with its projections."""

    built: BuiltLedger
    projections: Projections

    def html(self, **parameters: Any) -> str:
        """The report for people."""
        return render(self.projections, self.built.ledger, format="html", **parameters).decode()

    def json(self, **parameters: Any) -> dict[str, Any]:
        """The report for machines."""
        content = render(self.projections, self.built.ledger, format="json", **parameters)
        found: dict[str, Any] = json.loads(content)
        return found

    def close(self) -> None:
        """Close projections and ledger."""
        self.projections.close()
        self.built.close()


def build_reported(directory: Path) -> Reported:
    """Three subjects: one consented with a hostile remark, one declined, one only identified."""
    built = build_ledger(directory)
    for number in (1, 2, 3):
        built.record(identify(built, number))
    _consent(built, "SY01-0001")
    built.state(
        "consent.declined.v1",
        "subject/SY01-0002",
        {"icf_version": "1.0", "reason_code": "no-time"},
        by=COORDINATOR,
        meaning="authorship",
    )
    built.state(
        "adverse-event.recorded.v1",
        "subject/SY01-0001",
        {"term": HOSTILE, "grade": 2},
        by=INVESTIGATOR,
        meaning="authorship",
    )
    built.state(
        "lab-result.recorded.v1",
        "subject/SY01-0001",
        {
            "test_code": "bilirubin",
            "value": {"value": "40", "unit": "umol/L"},
            "specimen_time": built.now.isoformat(),
        },
        by=EDC,
        meaning=None,
    )
    _refused_request(built)
    projections = Projections(built.ledger)
    projections.follow()
    return Reported(built, projections)


def rows_of(document: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """All rows of a report by their ids."""
    return {
        row["id"]: row
        for section in document["sections"]
        for block in section["blocks"]
        if block["block"] == "table"
        for row in block["rows"]
    }


def table_of(document: Mapping[str, Any], name: str) -> dict[str, Any]:
    """One table of a report."""
    return next(
        block
        for section in document["sections"]
        for block in section["blocks"]
        if block.get("name") == name
    )


class Page(HTMLParser):
    """What a browser would see of the report: elements with attributes, in order."""

    def __init__(self, content: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.unbalanced: list[str] = []
        self.feed(content)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note an element."""
        self.elements.append((tag, dict(attrs)))
        if tag not in {"meta", "br", "img", "link", "input", "hr", "wbr"}:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note an element that ends itself."""
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        """Close an element; what does not match is remembered."""
        if not self.open or self.open.pop() != tag:
            self.unbalanced.append(tag)

    def all(self, tag: str) -> list[dict[str, str | None]]:
        """The attributes of every element of a name."""
        return [attributes for name, attributes in self.elements if name == tag]


def _consent(built: BuiltLedger, subject: str) -> None:
    signed = built.now.isoformat()
    built.state(
        "consent.obtained.v1",
        f"subject/{subject}",
        {
            "icf_version": "1.0",
            "icf_sha256": DOCUMENT,
            "language": "zh-CN",
            "scopes": ["intervention", "visits", "record_review"],
            "given_by": "self",
            "can_read": True,
            "witness_name": WITNESS,
            "participant_signed_at": signed,
            "leader": INVESTIGATOR,
            "leader_signed_at": signed,
            "copy_given": True,
            "medium": "paper",
        },
        by=INVESTIGATOR,
        meaning="consent-explained",
    )


def _refused_request(built: BuiltLedger) -> None:
    signed = built.sign(
        "subject.randomization-requested.v1",
        "subject/SY01-0001",
        {"confirmation": UNKNOWN_EVENT},
        by=COORDINATOR,
        meaning="responsibility",
    )
    built.ledger.submit(built.receive(signed), built.tick())
