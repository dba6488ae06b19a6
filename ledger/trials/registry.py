"""What the public register says of a trial, kept word for word as data.

The members follow the protocol section of a ClinicalTrials.gov record: identification, status,
design, arms and interventions, outcomes, eligibility. Nothing here is interpreted; what the
ledger acts on is the protocol configuration, which says of each value where it comes from.
"""

# ruff: noqa: TC001, TC003 - the reader resolves these annotations while it runs.
from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Literal

from ledger.trials.grammar import Code, Count


@dataclass(frozen=True, slots=True)
class Enrollment:
    """The number of participants, and whether it is the estimate or the final count."""

    count: Count
    type: Literal["ESTIMATED", "ACTUAL"]


@dataclass(frozen=True, slots=True)
class RegisteredIntervention:
    """An intervention as registered, with the labels of the arms that receive it."""

    name: str
    description: str
    arms: tuple[str, ...]
    other_names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RegisteredOutcome:
    """An outcome measure and its time frame, in the register's words."""

    measure: str
    time_frame: str


@dataclass(frozen=True, slots=True)
class Organisation:
    """A sponsor or site by name and place."""

    name: str
    city: str
    country: str


@dataclass(frozen=True, slots=True)
class RegistryRecord:
    """One record of a public trial register, as it stood on ``updated_on``."""

    register: str
    nct_id: Code
    org_study_id: Code
    title: str
    description: str
    study_type: Literal["INTERVENTIONAL", "OBSERVATIONAL", "EXPANDED_ACCESS"]
    phases: tuple[str, ...]
    allocation: Literal["RANDOMIZED", "NON_RANDOMIZED", "NA"]
    intervention_model: Literal["SINGLE_GROUP", "PARALLEL", "CROSSOVER", "FACTORIAL", "SEQUENTIAL"]
    primary_purpose: str
    masking: Literal["NONE", "SINGLE", "DOUBLE", "TRIPLE", "QUADRUPLE"]
    who_masked: tuple[
        Literal["PARTICIPANT", "CARE_PROVIDER", "INVESTIGATOR", "OUTCOMES_ASSESSOR"], ...
    ]
    status: str
    start_date: date
    primary_completion_date: date
    primary_completion_date_type: Literal["ESTIMATED", "ACTUAL"]
    completion_date: date
    enrollment: Enrollment
    arms: tuple[str, ...]
    interventions: tuple[RegisteredIntervention, ...]
    primary_outcome: RegisteredOutcome
    eligibility_criteria: str
    sponsor: Organisation
    sites: tuple[Organisation, ...]
    updated_on: date
