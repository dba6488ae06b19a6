"""Follow-up: visits, clinical assessments, safety and the end of study.

These records stand in the subject's arm-neutral stream: none of them may tell which or how many
infusions the subject had. Laboratory inputs of a visit are ``lab-result.recorded.v1``.
"""

from __future__ import annotations

from ledger.events import fields, names
from ledger.events.declare import fact
from ledger.events.payload import PartialDate, Payload, Reason
from ledger.events.signers import RECORDERS, reported
from ledger.vocabulary import Purpose, Role, StreamFamily, Task


class VisitCompleted(Payload):
    """A visit took place at the event's time."""

    visit = fields.code("The visit as the protocol names it.", example="W24")
    mode = fields.one_of("How.", "on-site", "telephone", "home", "video", required=False)


class VisitMissed(Payload):
    """A planned visit did not take place."""

    visit = fields.code("The visit as the protocol names it.", example="W24")
    reason = fields.part(Reason, "Why, if known.", required=False)


class ClinicalAssessmentRecorded(Payload):
    """Ascites and encephalopathy at one examination: the clinical inputs of Child-Pugh."""

    visit = fields.code("The visit it belongs to.", required=False, example="W24")
    ascites = fields.one_of("Ascites.", "none", "slight", "moderate-severe", required=False)
    diuretics = fields.flag("Whether the subject takes diuretics.", required=False)
    encephalopathy_grade = fields.whole("West Haven grade, 0 to 4.", most=4, required=False)
    method = fields.code("How it was assessed.", required=False, example="west-haven")
    assessor = names.person_id("Who assessed.", example="/sites/SY01/persons/oa-01")
    assessor_masked = fields.flag("Whether the assessor did not know the arm.")


class AdverseEvent(Payload):
    """What an adverse event holds, serious or not, in arm-neutral terms."""

    term = fields.text("The event as reported.", limit=200, example="Fever")
    code = fields.code("Code of the event.", required=False, example="10016558")
    code_system = fields.code("System of the code.", required=False, example="MedDRA")
    onset = fields.part(PartialDate, "When it began, as far as known.", required=False)
    onset_at = fields.instant("When it began, if known to the minute.", required=False)
    ended = fields.part(PartialDate, "When it ended.", required=False)
    grade = fields.whole("CTCAE grade, 1 to 5.", least=1, most=5, required=False)
    causality = fields.one_of(
        "Relation to the investigational product, as judged.",
        "unrelated",
        "unlikely",
        "possible",
        "probable",
        "definite",
        "not-assessed",
        required=False,
    )
    expected = fields.flag("Whether expected by the reference safety information.", required=False)
    outcome = fields.one_of(
        "Outcome so far.",
        "recovered",
        "recovering",
        "not-recovered",
        "recovered-with-sequelae",
        "fatal",
        "unknown",
        required=False,
    )
    follows = names.event_id("The first report, when this is a follow-up.", required=False)
    narrative = fields.text("The course in words.", required=False, sealed=Purpose.TEXT)


class AdverseEventRecorded(AdverseEvent):
    """An adverse event that is not serious."""


class SeriousAdverseEventReported(AdverseEvent):
    """A serious adverse event, with the moments the reporting clocks run from (ICH E2A)."""

    criteria = fields.several(
        fields.one_of(
            "A criterion of seriousness.",
            "death",
            "life-threatening",
            "hospitalisation",
            "disability",
            "congenital-anomaly",
            "medically-important",
            example="hospitalisation",
        ),
        "Why it is serious.",
        least=1,
        most=6,
    )
    aware_at = fields.instant("When the site became aware.")
    sponsor_reported_at = fields.instant("When the sponsor was told.", required=False)
    authority_reported_at = fields.instant("When the authority was told.", required=False)


class DeathRecorded(Payload):
    """The subject died; accepted from any state, with whatever is known."""

    died_on = fields.part(PartialDate, "Date of death; absent: the event's day.", required=False)
    cause_code = fields.code("Cause as code.", required=False, example="K72.9")
    cause_text = fields.text("Cause in words.", required=False, sealed=Purpose.TEXT)
    source = fields.code("Where it is known from.", required=False, example="hospital")
    adverse_event = names.event_id("The serious adverse event it ended.", required=False)


class TransplantRecorded(Payload):
    """The subject received a transplant; the endpoint ends, follow-up does not."""

    organ = fields.code("The organ.", example="liver")
    transplanted_on = fields.part(
        PartialDate, "When; absent: the event's day.", required=False, example=None
    )


class PregnancyReported(Payload):
    """The subject, or a partner, became pregnant."""

    who = fields.one_of("Who is pregnant.", "subject", "partner", required=False)
    aware_at = fields.instant("When the site became aware.")
    sponsor_reported_at = fields.instant("When the sponsor was told.", required=False)
    due_on = fields.part(PartialDate, "Expected date of delivery.", required=False)
    outcome = fields.code("Outcome, when known.", required=False)


class SubjectLostToFollowUp(Payload):
    """The subject can no longer be reached."""

    last_contact_on = fields.day("Day of the last contact.", required=False)
    attempts = fields.whole("Attempts to reach the subject.", most=999, required=False)


class StudyCompleted(Payload):
    """The subject completed the study as planned."""

    last_visit = fields.code("The last visit.", required=False, example="W24")


class StudyDiscontinued(Payload):
    """The subject left the study before its planned end, for a reason other than withdrawal."""

    reason = fields.part(Reason, "Why.")
    last_contact_on = fields.day("Day of the last contact.", required=False)


SUBJECT = StreamFamily.SUBJECT
ENTRY = reported(Task.ASSESSMENT, Task.DATA_ENTRY, roles=RECORDERS)
SAFETY = reported(Task.SAFETY_REPORTING, Task.DATA_ENTRY, roles=RECORDERS)

TYPES = (
    fact("visit.completed.v1", VisitCompleted, stream=SUBJECT, signed_by=ENTRY),
    fact("visit.missed.v1", VisitMissed, stream=SUBJECT, signed_by=ENTRY),
    fact(
        "clinical-assessment.recorded.v1",
        ClinicalAssessmentRecorded,
        stream=SUBJECT,
        signed_by=reported(Task.ASSESSMENT, roles=frozenset({Role.OUTCOME_ASSESSOR}), person=True),
    ),
    fact(
        "adverse-event.recorded.v1",
        AdverseEventRecorded,
        stream=SUBJECT,
        signed_by=reported(
            Task.SAFETY_REPORTING, Task.ASSESSMENT, Task.DATA_ENTRY, roles=RECORDERS, person=True
        ),
    ),
    fact(
        "serious-adverse-event.reported.v1",
        SeriousAdverseEventReported,
        stream=SUBJECT,
        signed_by=reported(Task.SAFETY_REPORTING, person=True),
    ),
    fact("death.recorded.v1", DeathRecorded, stream=SUBJECT, signed_by=SAFETY),
    fact("transplant.recorded.v1", TransplantRecorded, stream=SUBJECT, signed_by=SAFETY),
    fact("pregnancy.reported.v1", PregnancyReported, stream=SUBJECT, signed_by=SAFETY),
    fact("subject.lost-to-follow-up.v1", SubjectLostToFollowUp, stream=SUBJECT, signed_by=ENTRY),
    fact("study.completed.v1", StudyCompleted, stream=SUBJECT, signed_by=ENTRY),
    fact(
        "study.discontinued.v1",
        StudyDiscontinued,
        stream=SUBJECT,
        signed_by=reported(Task.DATA_ENTRY, roles=RECORDERS, person=True),
    ),
)
