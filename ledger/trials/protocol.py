"""The protocol configuration: every number and choice of a trial that the rules need.

Frozen values only. Day and time arithmetic lives with the rules; reading the file lives in
`ledger.trials.loading`.
"""

# ruff: noqa: TC001, TC003 - the reader resolves these annotations while it runs.
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated, Literal, TypeAlias

from ledger.trials.criteria import ConsentScope, Criterion
from ledger.trials.grammar import (
    Code,
    Count,
    Days,
    Hours,
    Matches,
    Minutes,
    Percent,
    Quantity,
    Range,
    UnitCode,
    WestHavenGrade,
)
from ledger.vocabulary import Role

ChildPughGrade: TypeAlias = Literal["A", "B", "C"]
ChildPughMeasure: TypeAlias = Literal[
    "bilirubin", "albumin", "inr", "prothrombin-time-prolongation"
]


@dataclass(frozen=True, slots=True)
class Arm:
    """A treatment arm: our code, the register's label, and how many infusions it plans."""

    id: Code
    label: str
    planned_infusions: Count


@dataclass(frozen=True, slots=True)
class StratificationFactor:
    """A baseline factor within whose levels allocation is balanced."""

    factor: Code
    levels: tuple[Code, ...]


@dataclass(frozen=True, slots=True)
class AllocationScheme:
    """How the sealed list is drawn: ``ratio`` by arm id, within strata, in blocks or without.

    The protocol is public from entry 0 on, so it tells no block sizes: the statistician chooses
    them, and they stay sealed with the list until the reveal (ICH E9 section 2.3.2). Simple
    randomization has ``none``.
    """

    scheme: Literal["permuted-blocks", "simple"]
    ratio: Mapping[str, Count]
    block_sizes: Literal["sealed-with-list", "none"]
    strata: tuple[StratificationFactor, ...]


@dataclass(frozen=True, slots=True)
class Masking:
    """Who may not learn the arm: parties in the register's words, and roles of the ledger."""

    masked_parties: tuple[
        Literal["PARTICIPANT", "CARE_PROVIDER", "INVESTIGATOR", "OUTCOMES_ASSESSOR"], ...
    ]
    masked_roles: tuple[Role, ...]


@dataclass(frozen=True, slots=True)
class ProtocolSite:
    """A site by its code, name and the IANA zone in which its calendar days are counted."""

    id: Annotated[str, Matches(r"[A-Z]{2}[0-9]{2}", "two capital letters and two digits")]
    name: str
    time_zone: Annotated[str, Matches(r"[A-Z][A-Za-z_]+(/[A-Z][A-Za-z_-]+)+", "an IANA zone name")]


@dataclass(frozen=True, slots=True)
class EvidenceValidity:
    """For how many days before randomization a kind of screening evidence holds (DV-13)."""

    evidence: Code
    days: Days


@dataclass(frozen=True, slots=True)
class Screening:
    """How long screening holds, and whether a failed subject may be screened again."""

    evidence_validity: tuple[EvidenceValidity, ...]
    eligibility_validity_days: Days
    rescreening_allowed: bool
    rescreening_needs_new_consent: bool


@dataclass(frozen=True, slots=True)
class RequiredSigners:
    """Whose signatures a consent form needs when given by the subject or a representative."""

    given_by: Literal["self", "representative"]
    signers: tuple[Literal["participant", "representative", "discussion-leader"], ...]


@dataclass(frozen=True, slots=True)
class ConsentRequirements:
    """What makes a consent valid (ICH E6(R3) 2.8; rules DV-02 to DV-09)."""

    scopes: tuple[ConsentScope, ...]
    required_signers: tuple[RequiredSigners, ...]
    witness_when_unable_to_read: bool
    encephalopathy_grade_needs_representative: WestHavenGrade
    reconsent_due_days: Days
    own_consent_after_regained_capacity_days: Days


@dataclass(frozen=True, slots=True)
class VisitWindow:
    """A planned visit: target day after the anchor's day, and the days allowed around it."""

    id: Code
    anchor: Literal["first-infusion", "last-infusion", "randomization"]
    target_day: Annotated[int, Range(-3_650, 36_525)]
    days_before: Days
    days_after: Days
    child_pugh: bool


@dataclass(frozen=True, slots=True)
class InfusionPlan:
    """Timing, dose, route and release limits of the infusions (rules DV-17 to DV-28).

    ``double_deadline_days`` counts from the first infusion: the day by which all planned
    infusions of an arm with two or more are due.
    """

    interval_days: Days
    interval_tolerance_days: Days
    randomization_to_first_max_days: Days
    double_deadline_days: Days
    planned_dose: Quantity
    dose_tolerance_percent: Percent
    route: Code
    minimum_duration_minutes: Minutes
    maximum_duration_minutes: Minutes
    maximum_interruption_minutes: Minutes
    maximum_thaw_to_start_minutes: Minutes
    minimum_viability_percent: Percent
    checkers: Annotated[int, Range(1, 9)]


@dataclass(frozen=True, slots=True)
class TemperatureRange:
    """Temperatures allowed, both ends included."""

    minimum: Decimal
    maximum: Decimal
    unit: Literal["Cel"]


@dataclass(frozen=True, slots=True)
class Custody:
    """Temperatures at hand-over, before and after the bag is thawed (rule DV-29)."""

    frozen: TemperatureRange
    thawed: TemperatureRange


@dataclass(frozen=True, slots=True)
class ChildPughCutOff:
    """The closed range of a measure, in one unit, that scores two points."""

    measure: ChildPughMeasure
    unit: UnitCode
    two_points_from: Decimal
    two_points_to: Decimal


@dataclass(frozen=True, slots=True)
class ChildPughDefinition:
    """The variant of the Child-Pugh score: cut-offs per unit, never converted between units.

    ``coagulation_preference``: the first measure that has a value is scored. ``max_days_apart``
    bounds the time between the five inputs (DV-32).
    """

    variant: Code
    coagulation_preference: tuple[Literal["inr", "prothrombin-time-prolongation"], ...]
    max_days_apart: Days
    cut_offs: tuple[ChildPughCutOff, ...]


@dataclass(frozen=True, slots=True)
class PrimaryEndpoint:
    """The primary endpoint: the proportion of subjects in ``grade`` at ``visit``."""

    measure: Literal["child-pugh-grade"]
    grade: ChildPughGrade
    visit: Code
    label: str
    time_frame: str
    missing_counts_as: Literal["not-achieved", "excluded"]


@dataclass(frozen=True, slots=True)
class ProhibitedTherapies:
    """Therapies a subject on study must not receive (rule DV-33)."""

    therapy_classes: tuple[Code, ...]
    other_trial_products: bool


@dataclass(frozen=True, slots=True)
class SafetyReporting:
    """Reporting clocks: hours from awareness to sponsor, calendar days to authority (ICH E2A)."""

    sae_report_hours: Hours
    susar_fatal_or_life_threatening_days: Days
    susar_follow_up_days: Days
    susar_other_days: Days
    pregnancy_report_hours: Hours


@dataclass(frozen=True, slots=True)
class Unblinding:
    """Within how many hours an emergency unblinding needs its medical reason (DV-38)."""

    reason_within_hours: Hours


@dataclass(frozen=True, slots=True)
class Correction:
    """Within how many days a corrected signed record is signed again (DV-42)."""

    resign_within_days: Days


@dataclass(frozen=True, slots=True)
class Protocol:
    """The configuration of one version of a trial's protocol."""

    id: Code
    version: Code
    trial: Code
    title: str
    planned_number: Count
    arms: tuple[Arm, ...]
    allocation: AllocationScheme
    masking: Masking
    sites: tuple[ProtocolSite, ...]
    criteria_version: Code
    criteria: tuple[Criterion, ...]
    screening: Screening
    consent: ConsentRequirements
    visits: tuple[VisitWindow, ...]
    infusion: InfusionPlan
    custody: Custody
    child_pugh: ChildPughDefinition
    endpoint: PrimaryEndpoint
    prohibited_therapies: ProhibitedTherapies
    safety: SafetyReporting
    unblinding: Unblinding
    correction: Correction
    late_entry_limit_hours: Hours

    def arm(self, arm_id: str) -> Arm | None:
        """Give the arm with this id, or None."""
        return next((arm for arm in self.arms if arm.id == arm_id), None)

    def visit(self, visit_id: str) -> VisitWindow | None:
        """Give the planned visit with this id, or None."""
        return next((visit for visit in self.visits if visit.id == visit_id), None)

    def criterion(self, criterion_id: str) -> Criterion | None:
        """Give the criterion with this id, or None."""
        return next((row for row in self.criteria if row.id == criterion_id), None)
