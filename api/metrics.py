"""Counters and gauges for operators, in the Prometheus text format."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

if TYPE_CHECKING:
    from collections.abc import Mapping


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
        self.clock_behind = Gauge(
            "ledger_clock_behind_seconds", "How far the clock is behind the last entry's time.",
            registry=self.registry,
        )  # fmt: skip
        self.published = Gauge(
            "ledger_published_size", "Entries under the newest published checkpoint.",
            registry=self.registry,
        )  # fmt: skip
        self.cosigned = Gauge(
            "ledger_cosigned_size", "Entries under the newest checkpoint with a quorum.",
            registry=self.registry,
        )  # fmt: skip
        self.cosigned_age = Gauge(
            "ledger_cosigned_age_seconds", "Age of the newest checkpoint with a quorum.",
            registry=self.registry,
        )  # fmt: skip
        self.witness_size = Gauge(
            "ledger_witness_size", "Entries a witness cosigned last.", ("witness",),
            registry=self.registry,
        )  # fmt: skip
        self.witness_up = Gauge(
            "ledger_witness_up", "1 while a witness answers well, 0 otherwise.", ("witness",),
            registry=self.registry,
        )  # fmt: skip

        self.stamped = Gauge(
            "ledger_timestamp_size", "Entries under the newest time stamp.",
            registry=self.registry,
        )  # fmt: skip
        self.stamped_age = Gauge(
            "ledger_timestamp_age_seconds", "Age of the newest time stamp.",
            registry=self.registry,
        )  # fmt: skip
        self.stamping_up = Gauge(
            "ledger_timestamp_up", "1 while the time-stamping authority answers well, 0 otherwise.",
            ("authority",), registry=self.registry,
        )  # fmt: skip

    def publication(self, state: Mapping[str, Any] | None) -> None:
        """Take over what ``api.cosigning.cosigning_state`` says."""
        if state is None or "error" in state:
            return
        self.published.set(state["published_size"])
        cosigned = state["cosigned"]
        if cosigned is not None:
            self.cosigned.set(cosigned["size"])
            self.cosigned_age.set(cosigned["age_seconds"] or 0)
        for witness in state["witnesses"]:
            self.witness_size.labels(witness["name"]).set(witness["size"])
            self.witness_up.labels(witness["name"]).set(1 if witness["error"] is None else 0)

    def stamping(self, state: Mapping[str, Any] | None) -> None:
        """Take over what ``api.stamping.stamping_state`` says."""
        if state is None:
            return
        self.stamped.set(state["size"])
        self.stamped_age.set(state["age_seconds"] or 0)
        self.stamping_up.labels(state["authority"]).set(1 if state["error"] is None else 0)

    def text(self) -> bytes:
        """All measures as text."""
        return generate_latest(self.registry)
