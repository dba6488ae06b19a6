"""Trial definitions as data: a registry record, a protocol configuration, and what is assumed."""

from __future__ import annotations

from ledger.trials.definition import Assumption, Source, TrialDefinition
from ledger.trials.loading import load_trial, parse_trial

__all__ = ["Assumption", "Source", "TrialDefinition", "load_trial", "parse_trial"]
