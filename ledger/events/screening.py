"""Screening: who is screened, the evidence, the criteria, eligibility and its end."""

from __future__ import annotations

from typing import Any

from marshmallow import ValidationError, validates_schema

from ledger.events import fields, names
from ledger.events.declare import command, fact, judgement
from ledger.events.payload import PartialDate, Payload, Quantity, ReferenceRange
from ledger.events.signers import APPROVAL, AUTHORSHIP, RECORDERS, decided, reported
from ledger.vocabulary import Purpose, Role, SigningRule, StreamFamily, Task

SEXES = ("female", "male", "other", "unknown")
RESULTS = ("MET", "NOT_MET", "PRESENT", "ABSENT", "NOT_APPLICABLE", "INDETERMINATE")


class SubjectIdentified(Payload):
    """The site gives a person a subject id; a taken id is refused."""

    subject_id = names.subject_id("The pseudonym.")
    sex = fields.one_of("Sex.", *SEXES)
    birth_date = fields.part(PartialDate, "Date of birth.", required=False, sealed=Purpose.IDENTITY)
    birth_year = fields.whole(
        "Year of birth, if nothing more.", least=1900, most=2100, required=False
    )
    identity_check = names.sha256(
        "HMAC of the person's identity under a key the site holds.",
        required=False,
        sealed=Purpose.IDENTITY,
    )


class ScreeningStarted(Payload):
    """Screening of the subject begins."""

    screening_number = fields.whole("Which screening of this subject.", least=1, most=99)


class RescreeningStarted(ScreeningStarted):
    """A further screening begins after a failed one, under a new number."""


class DemographicsRecorded(Payload):
    """Demographic data of the subject."""

    sex = fields.one_of("Sex.", *SEXES)
    birth_date = fields.part(PartialDate, "Date of birth.", required=False, sealed=Purpose.IDENTITY)
    ethnicity = fields.code("Ethnic group, where the protocol asks.", required=False)


class Condition(Payload):
    """A condition the subject has or had."""

    term = fields.text("The condition as reported.", limit=200, example="Decompensated cirrhosis")
    code = fields.code("Code of the condition.", required=False, example="K74.6")
    code_system = fields.code("System of the code.", required=False, example="ICD-10")
    onset = fields.part(PartialDate, "When it began.", required=False)
    ended = fields.part(PartialDate, "When it ended.", required=False)
    ongoing = fields.flag("Whether it still is there.", required=False)
    comment = fields.text("Further words.", required=False, sealed=Purpose.TEXT)


class DiagnosisRecorded(Condition):
    """A physician's diagnosis that bears on the trial."""

    basis = fields.code("What the diagnosis rests on.", required=False, example="imaging")


class MedicalHistoryRecorded(Condition):
    """A condition or procedure in the subject's history."""


class LabResultRecorded(Payload):
    """A laboratory result as the laboratory reported it, in its own unit."""

    also_in_example = ("value",)

    test_code = fields.code("The test.", example="bilirubin")
    value = fields.part(Quantity, "The result as number and unit.", required=False)
    result = fields.code("The result as a word, such as reactive or negative.", required=False)
    comparator = fields.one_of(
        "How the true value relates to the number.", "<", "<=", ">=", ">", required=False
    )
    reference_range = fields.part(ReferenceRange, "The laboratory's range.", required=False)
    specimen_time = fields.instant(
        "When the specimen was taken; absent: the event's time.", required=False
    )
    laboratory = fields.code("The laboratory.", required=False)
    method = fields.code("The method.", required=False)
    visit = fields.code("The visit it belongs to.", required=False, example="W24")

    @validates_schema
    def _number_or_word(self, data: dict[str, Any], **_kwargs: object) -> None:
        if (data.get("value") is None) == (data.get("result") is None):
            raise ValidationError("Needs a number or a word, one of them.", field_name="value")


class ConcomitantTherapyRecorded(Payload):
    """A therapy beside the trial's, with its dates as far as known."""

    drug = fields.text("The therapy.", limit=200, example="Prednisone")
    therapy_class = fields.one_of(
        "The class the criteria and rules ask for.",
        "interferon",
        "glucocorticoid",
        "diuretic",
        "antiviral",
        "albumin",
        "psychotropic",
        "other-trial-product",
        "other",
    )
    route = fields.code("Route.", required=False, example="oral")
    indication = fields.text("What it is for.", limit=200, required=False)
    start = fields.part(PartialDate, "First dose.", required=False)
    end = fields.part(PartialDate, "Last dose.", required=False)
    ongoing = fields.flag("Whether it goes on.", required=False)


class PregnancyTestRecorded(Payload):
    """Pregnancy test and the statements on child-bearing potential and breast-feeding."""

    result = fields.one_of("Result.", "negative", "positive", "indeterminate", "not-done")
    specimen_time = fields.instant(
        "When the specimen was taken; absent: the event's time.", required=False
    )
    childbearing_potential = fields.flag("Whether a pregnancy is possible.", required=False)
    breastfeeding = fields.flag("Whether the subject breast-feeds.", required=False)
    method = fields.code("The method.", required=False, example="serum-hcg")
    visit = fields.code("The visit it belongs to.", required=False)


class PriorTrialParticipationRecorded(Payload):
    """Whether and when the subject last took part in another trial."""

    participated = fields.flag("Whether the subject ever did.", example=False)
    trial = fields.code("The other trial.", required=False)
    last_participation = fields.part(PartialDate, "The last day of it.", required=False)


class AllergyRecorded(Payload):
    """Allergies of the subject, or their absence."""

    kind = fields.one_of(
        "Kind.",
        "none-known",
        "drug",
        "food",
        "allergic-asthma",
        "allergic-urticaria",
        "eczema",
        "other",
    )
    substance = fields.text("To what.", limit=200, required=False)
    reaction = fields.text("With what reaction.", limit=200, required=False)
    drug_count = fields.whole("To how many drugs.", most=999, required=False)
    food_count = fields.whole("To how many foods.", most=999, required=False)


class ProcedureRecorded(Payload):
    """A procedure done on the subject, such as imaging, with its time."""

    procedure = fields.code("The procedure.", example="abdominal-ultrasound")
    for_trial = fields.flag("Whether done for the trial rather than for usual care.")
    started_at = fields.instant("When it began; absent: the event's time.", required=False)
    visit = fields.code("The visit it belongs to.", required=False)
    report_sha256 = names.sha256("SHA-256 of the report.", required=False)
    findings = fields.text("What was found.", required=False, sealed=Purpose.TEXT)


class CriterionAssessed(Payload):
    """A physician judged one criterion on the evidence named."""

    criterion_id = fields.code("The criterion.", example="IN01")
    result = fields.one_of("The judgement.", *RESULTS)
    basis = fields.one_of("What it rests on.", "derived", "evidence", "judgement")
    evidence = fields.several(names.event_id("An event."), "The events it rests on.", most=100)
    comment = fields.text("Reason in words.", required=False, sealed=Purpose.TEXT)


class EligibilityConfirmed(Payload):
    """A physician confirms that the subject meets all criteria and may be randomized."""

    criteria_version = fields.code("Version of the set of criteria.", example="1.0")
    assessments = fields.several(
        names.event_id("A criterion.assessed event."),
        "The assessment of each criterion.",
        least=1,
        most=100,
    )
    statement = fields.text(
        "What is confirmed.", limit=500, example="All criteria are met; randomization may follow."
    )


class EligibilityRevoked(Payload):
    """A physician takes the confirmation back."""

    confirmation = names.event_id("The eligibility.confirmed event.", required=False)
    criteria = fields.several(
        fields.code("A criterion."), "The criteria concerned.", required=False
    )
    reason_code = fields.code("Reason as code.")
    reason_text = fields.text("Reason in words.", required=False, sealed=Purpose.TEXT)


class SubjectScreenFailed(Payload):
    """The subject does not go on to randomization."""

    criteria = fields.several(
        fields.code("A criterion.", example="EX06"), "The criteria not passed; empty: none."
    )
    reason_code = fields.code("Reason as code.", example="criteria-not-met")
    reason_text = fields.text("Reason in words.", required=False, sealed=Purpose.TEXT)


SUBJECT = StreamFamily.SUBJECT
ENTRY = reported(Task.DATA_ENTRY, Task.ASSESSMENT, roles=RECORDERS)
START = SigningRule(
    roles=ENTRY.roles, tasks=ENTRY.tasks | {Task.CONSENT, Task.ELIGIBILITY}, meanings=AUTHORSHIP
)
LABORATORY = reported(
    Task.DATA_ENTRY,
    Task.ASSESSMENT,
    roles=RECORDERS | {Role.LABORATORY, Role.OUTCOME_ASSESSOR},
)
PHYSICIAN = decided(Task.ELIGIBILITY, physician=True, meanings=AUTHORSHIP | APPROVAL)

TYPES = (
    command("subject.identified.v1", SubjectIdentified, stream=SUBJECT, signed_by=START),
    command("screening.started.v1", ScreeningStarted, stream=SUBJECT, signed_by=START),
    command("rescreening.started.v1", RescreeningStarted, stream=SUBJECT, signed_by=START),
    fact("demographics.recorded.v1", DemographicsRecorded, stream=SUBJECT, signed_by=ENTRY),
    fact(
        "diagnosis.recorded.v1",
        DiagnosisRecorded,
        stream=SUBJECT,
        signed_by=reported(Task.ELIGIBILITY, Task.ASSESSMENT, person=True),
    ),
    fact("medical-history.recorded.v1", MedicalHistoryRecorded, stream=SUBJECT, signed_by=ENTRY),
    fact("lab-result.recorded.v1", LabResultRecorded, stream=SUBJECT, signed_by=LABORATORY),
    fact(
        "concomitant-therapy.recorded.v1",
        ConcomitantTherapyRecorded,
        stream=SUBJECT,
        signed_by=ENTRY,
    ),
    fact("pregnancy-test.recorded.v1", PregnancyTestRecorded, stream=SUBJECT, signed_by=LABORATORY),
    fact(
        "prior-trial-participation.recorded.v1",
        PriorTrialParticipationRecorded,
        stream=SUBJECT,
        signed_by=ENTRY,
    ),
    fact("allergy.recorded.v1", AllergyRecorded, stream=SUBJECT, signed_by=ENTRY),
    fact("procedure.recorded.v1", ProcedureRecorded, stream=SUBJECT, signed_by=LABORATORY),
    judgement("criterion.assessed.v1", CriterionAssessed, stream=SUBJECT, signed_by=PHYSICIAN),
    command(
        "eligibility.confirmed.v1",
        EligibilityConfirmed,
        stream=SUBJECT,
        signed_by=decided(Task.ELIGIBILITY, physician=True, meanings=APPROVAL),
    ),
    judgement("eligibility.revoked.v1", EligibilityRevoked, stream=SUBJECT, signed_by=PHYSICIAN),
    fact(
        "subject.screen-failed.v1",
        SubjectScreenFailed,
        stream=SUBJECT,
        signed_by=reported(Task.ELIGIBILITY, roles=RECORDERS, person=True),
    ),
)
