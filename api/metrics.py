"""Counters and gauges for operators, in the Prometheus text format."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client import Gauge as AnyGauge
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from prometheus_client.metrics_core import Metric

    from projections.projector import Lag


MEASURES: Final = "PROMETHEUS_MULTIPROC_DIR"
"""Names the directory in which several workers put their measures together."""

# Of several workers the one asked last says how a thing stands; it asks the same database.
Gauge = partial(AnyGauge, multiprocess_mode="mostrecent")


class Metrics:
    """The measures of one application, in a registry of its own; workers share what they count."""

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
        self.behind = Gauge(
            "ledger_projections_behind", "Entries the projections have not read yet.",
            registry=self.registry,
        )  # fmt: skip
        self.parked = Gauge(
            "ledger_projections_parked", "Entries that could not be folded.",
            registry=self.registry,
        )  # fmt: skip
        self.projections_alarm = Gauge(
            "ledger_projections_alarm", "1 while somebody must look after the projections.",
            registry=self.registry,
        )  # fmt: skip
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

    def following(self, lag: Lag) -> None:
        """Take over how far the projections are."""
        self.position.set(lag.position)
        self.behind.set(lag.behind)
        self.parked.set(lag.parked)
        self.projections_alarm.set(1 if lag.alarm else 0)

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
        """All measures as text, those of several workers taken together."""
        directory = os.environ.get(MEASURES)
        if directory is None:
            return generate_latest(self.registry)
        together = CollectorRegistry()
        together.register(_Begun(Path(directory)))
        return generate_latest(together)


class _Begun(Collector):
    """What the workers wrote down so far; a file that a worker has only just opened is empty."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def collect(self) -> Iterable[Metric]:
        """The measures of every worker that has begun to count, taken together."""
        begun = [str(file) for file in self._directory.glob("*.db") if file.stat().st_size > 0]
        return cast("Iterable[Metric]", MultiProcessCollector.merge(begun))  # type: ignore[no-untyped-call]
