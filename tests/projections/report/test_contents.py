"""The contents of the report: every section, sums that close, the same rows in both renderings."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from ledger.errors import RejectedInput
from ledger.rules.deviations import CASE_RULES, TRIAL_RULES
from tests.build_ledger import START, identify
from tests.projections.report.build_report import (
    WITNESS,
    Page,
    Reported,
    build_reported,
    rows_of,
    table_of,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SECTIONS = (
    "glance",
    "certificate",
    "trial",
    "documents",
    "flow",
    "recruitment",
    "disposition",
    "consent",
    "eligibility",
    "allocation",
    "unblinding",
    "infusions",
    "stock",
    "endpoint",
    "safety",
    "deviations",
    "refusals",
    "corrections",
    "late-entries",
    "personal-data",
    "delegation",
    "keys",
    "signatures",
    "integrity",
    "replay",
    "rules",
    "offline",
)


@pytest.fixture(scope="module")
def reported(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reported]:
    """A small ledger, reported."""
    found = build_reported(tmp_path_factory.mktemp("reported"))
    yield found
    found.close()


def test_the_first_lines_do_not_claim_a_check_that_was_not_made(reported: Reported) -> None:
    """Without a verification a reader is told so before anything else."""
    (block,) = reported.json()["sections"][0]["blocks"]

    assert "Not checked for this report" in str(block)


def test_every_section_of_the_first_edition_is_there_in_order(reported: Reported) -> None:
    """Also those with nothing to show."""
    assert tuple(section["id"] for section in reported.json()["sections"]) == SECTIONS


def test_both_renderings_hold_the_same_rows(reported: Reported) -> None:
    """R-14, R-19: row for row, by ids that no two rows share."""
    listed = list(rows_of(reported.json()))
    drawn = [row["data-row"] for row in Page(reported.html()).all("tr") if "data-row" in row]
    assert drawn == listed
    assert len(set(drawn)) == len(drawn)


def test_every_sum_of_the_flow_closes(reported: Reported) -> None:
    """Three were assessed: one declined, two are in screening, none is randomised."""
    document = reported.json()
    assert all(row["closes"] for row in table_of(document, "flow-sums")["rows"])
    counts = {row["what"]: row["count"] for row in table_of(document, "flow-table")["rows"]}
    assert counts["assessed for eligibility"] == 3
    assert counts["excluded: declined"] == 1
    assert counts["still in screening"] == 2
    assert counts["randomised"] == 0


def test_the_certificate_names_head_and_root_of_trust(reported: Reported) -> None:
    """R-20: enough to check the copy against the ledger on another machine."""
    ledger = reported.built.ledger
    head = ledger.application.store.head()
    document = reported.json()
    said = {
        item["label"]: item["value"]
        for name in ("copy-of", "root-of-trust")
        for item in table_of(document, name)["items"]
    }
    assert said["Head (SHA-256 of the last entry)"] == head.hash
    assert said["Entries in scope"] == head.size
    assert said["Log verifier key"] == reported.built.vkey
    assert said["SHA-256 of entry 0"] == ledger.genesis.record.sha256


def test_every_assumed_value_is_listed_with_its_reason(reported: Reported) -> None:
    """What the register leaves open is named as assumed."""
    assumed = reported.built.definition.assumed
    rows = table_of(reported.json(), "assumed")["rows"]
    assert [(row["pointer"], row["reason"]) for row in rows] == [
        (row.pointer, row.reason) for row in assumed
    ]


def test_each_subject_is_judged_by_each_criterion(reported: Reported) -> None:
    """R-50: as many rows a subject as the protocol has criteria; none passes unassessed."""
    criteria = len(reported.built.definition.protocol.criteria)
    rows = table_of(reported.json(), "criteria-listing")["rows"]
    assert len(rows) == 3 * criteria
    assert not any(row["eligible"] for row in table_of(reported.json(), "criteria-matrix")["rows"])


def test_a_refused_command_is_listed_with_the_rules_against_it(reported: Reported) -> None:
    """R-08: the attempt shows, and who made it."""
    (row,) = table_of(reported.json(), "refusals-table")["rows"]
    assert row["command"] == "subject.randomization-requested.v1"
    assert row["rule_ids"]
    assert row["by"]["name"] == "Coordinator Wang"


def test_all_rules_stand_in_the_appendix(reported: Reported) -> None:
    """Also those that found nothing."""
    rows = table_of(reported.json(), "rules-table")["rows"]
    known = {rule.id for rule in CASE_RULES} | {rule.id for rule in TRIAL_RULES}
    assert {row["rule"] for row in rows} == known


def test_names_sealed_for_identity_are_never_spelled_out(reported: Reported) -> None:
    """R-73: also where the ledger holds their openings."""
    assert WITNESS not in reported.html(subject="SY01-0001")
    assert "1968-05-02" not in reported.html(subject="SY01-0001")


def test_without_a_verification_the_report_says_so(reported: Reported) -> None:
    """Nothing is claimed that was not done."""
    assert "made without a verification" in reported.html()


def test_a_damaged_verification_stands_in_the_integrity_statement(reported: Reported) -> None:
    """With each finding, its position and what to do."""
    finding = {"check": 2, "code": "chain.prev", "first": 7, "last": 7, "what": "Broken."}
    summary = {"status": "damaged", "size": 9, "findings": (finding,), "checks_done": ("chain",)}
    document = reported.json(verification=summary)
    (row,) = table_of(document, "verification-damage")["rows"]
    assert (row["check"], row["first"], row["what"]) == ("chain", 7, "Broken.")
    assert "The verification says: damaged." in reported.html(verification=summary)


def test_the_same_head_and_parameters_give_the_same_bytes(reported: Reported) -> None:
    """R-23: no clock and no order of chance gets in, whoever folded the rows."""
    assert reported.html() == reported.html()
    at = reported.built.ledger.application.record(
        reported.built.ledger.application.store.head().size - 1
    ).recorded_at
    assert reported.html(as_of=at) == reported.html()


def test_a_report_as_of_an_earlier_time_does_not_know_what_came_later(
    reported: Reported,
) -> None:
    """Fewer subjects, an earlier head, the same rest."""
    first = next(
        record
        for record in reported.built.ledger.application.stream("subject/SY01-0001")
        if record.type == "subject.identified.v1"
    )
    document = reported.json(as_of=first.recorded_at)
    assert document["report"]["head"]["size"] < reported.json()["report"]["head"]["size"]
    rows = table_of(document, "disposition-table")["rows"]
    assert [row["subject"] for row in rows] == ["SY01-0001"]


def test_an_earlier_report_stays_the_same_while_the_log_grows(tmp_path: Path) -> None:
    """The stored rows before, and a fresh fold after, are the same report."""
    reported = build_reported(tmp_path)
    try:
        application = reported.built.ledger.application
        at = application.record(application.store.head().size - 1).recorded_at
        before = reported.json(as_of=at)
        reported.built.record(identify(reported.built, 4))
        reported.projections.follow()
        assert reported.json(as_of=at) == before
    finally:
        reported.close()


def test_nothing_is_reported_of_a_time_before_the_trial(reported: Reported) -> None:
    """There is no head to report on."""
    with pytest.raises(RejectedInput, match="nothing to report"):
        reported.html(as_of=START - timedelta(days=1))


def test_the_replay_of_an_unknown_subject_is_refused(reported: Reported) -> None:
    """Rather than silently showing another's."""
    with pytest.raises(RejectedInput, match="SY01-0099"):
        reported.html(subject="SY01-0099")
