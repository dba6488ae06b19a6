"""What deviation rules share: deadlines as instants, and one finding per event."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING

from ledger.rules.deviation import Finding, Severity, Standing

if TYPE_CHECKING:
    from collections.abc import Iterable
    from zoneinfo import ZoneInfo

_WEIGHT = (Severity.MINOR, Severity.IMPORTANT, Severity.CRITICAL)


def start_of_day(day: date, zone: ZoneInfo) -> datetime:
    """The first instant of a calendar day in a zone, in UTC."""
    return datetime.combine(day, time.min, tzinfo=zone).astimezone(UTC)


def start_of_day_after(day: date, zone: ZoneInfo) -> datetime:
    """The first instant at which a calendar day in a zone is over, in UTC."""
    return start_of_day(day + timedelta(days=1), zone)


def one_per_anchor(findings: Iterable[Finding], *, default: Severity) -> list[Finding]:
    """Join the findings of one rule that hang on the same event, since their ids are the same.

    What is known to be a deviation outweighs what cannot be decided; the joint finding holds
    since the earliest of them and is as severe as the gravest.
    """
    by_anchor: dict[str, list[Finding]] = {}
    for finding in findings:
        by_anchor.setdefault(finding.anchor, []).append(finding)
    return [_joined(found, default) for found in by_anchor.values()]


def _joined(findings: list[Finding], default: Severity) -> Finding:
    definite = [row for row in findings if row.standing is Standing.DEVIATION] or findings
    definite.sort(key=lambda row: (row.since, row.message))
    severity = max((row.severity or default for row in definite), key=_WEIGHT.index)
    return replace(
        definite[0],
        message=" ".join(dict.fromkeys(row.message for row in definite)),
        severity=severity,
        evidence=tuple(dict.fromkeys(event for row in definite for event in row.evidence)),
        tells_arm=any(row.tells_arm for row in findings),
    )
