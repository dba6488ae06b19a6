"""Counters and gauges for operators, in the Prometheus text format."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest


class Metrics:
    """The measures of one application, in a registry of its own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "ledger_http_requests",
            "Requests by route, method and status.",
            ("route", "method", "status"),
            registry=self.registry,
        )
        self.seconds = Histogram(
            "ledger_http_request_seconds",
            "Time from request to response.",
            ("route",),
            registry=self.registry,
        )
        self.statements = Counter(
            "ledger_statements", "Statements by status.", ("status",), registry=self.registry
        )
        self.entries = Gauge("ledger_entries", "Entries in the log.", registry=self.registry)
        self.waiting = Gauge(
            "ledger_writer_waiting", "Statements that wait for the writer.", registry=self.registry
        )
        self.signing = Gauge(
            "ledger_signing", "1 while the ledger signs, 0 when it refuses.", registry=self.registry
        )
        self.position = Gauge(
            "ledger_projections_position", "Entries the projections read.", registry=self.registry
        )

    def text(self) -> bytes:
        """All measures as text."""
        return generate_latest(self.registry)
