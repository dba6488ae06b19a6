"""The founding chapter: keys, roles, approvals, delegation, training, the sealed list."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING

from api.demonstration.consenting import LANGUAGE, form_sha256
from api.demonstration.days import ACTIVATED, OPENED, at, minutes
from api.demonstration.dice import Dice
from api.demonstration.pen import Pen
from api.demonstration.people import (
    CAST,
    ETHICS,
    HOSPITAL,
    PI,
    REGISTRAR,
    SITE,
    SPONSOR,
    STATISTICIAN,
    Member,
    key_of,
    member_of,
)
from api.demonstration.step import Mark, Remark
from ledger.signing.statement import Meaning

if TYPE_CHECKING:
    from ledger.allocation.sealed_list import SealedList
    from ledger.signing.strict_json import JsonObject
    from ledger.trials import TrialDefinition

_APPROVED_ON = date(2024, 2, 5)


def found(seed: bytes, definition: TrialDefinition, sealed: SealedList) -> Pen:
    """Everything that must stand before the first subject is asked."""
    pen = Pen(seed, "founding", "access")
    register(pen, REGISTRAR, by=SPONSOR, when=OPENED + minutes(20))
    grant(pen, CAST[REGISTRAR], by=SPONSOR, when=OPENED + minutes(30))
    for number, member in enumerate(_everybody_else()):
        when = OPENED + minutes(60 + 10 * number)
        register(pen, member.name, by=REGISTRAR, when=when)
        grant(pen, member, by=REGISTRAR, when=when + minutes(5))
    approvals = [
        approve(pen, "protocol", definition.protocol.version, at(_APPROVED_ON, 15)),
        approve(pen, "icf", "1.0", at(_APPROVED_ON, 15, 10)),
        approve(pen, "investigators-brochure", "3.0", at(_APPROVED_ON, 15, 20)),
    ]
    _delegate_and_train(pen)
    activate(pen, definition, approvals, at(ACTIVATED, 9), day=ACTIVATED)
    pen.write(
        "randomization-list.sealed.v1",
        sealed.commitment(
            generator=CAST[STATISTICIAN].id, protocol_version=definition.protocol.version
        ),
        at=at(ACTIVATED, 10),
        by=[Mark(STATISTICIAN, Meaning.APPROVAL)],
        stream="allocation/main",
    )
    return pen


def register(
    pen: Pen, signer: str, *, by: str, when: datetime, remark: Remark | None = None
) -> str:
    """Register a key; it signs too and so proves that its holder has it."""
    member = member_of(signer)
    owner: JsonObject = {
        "kind": member.kind,
        "id": member.id,
        "name": member.printed,
        "organisation": member.organisation,
    }
    data: JsonObject = {
        "jwk": key_of(pen.seed, signer).public.as_object(),
        "owner": owner,
        "identity_proof": "staff-card-and-passport",
    }
    if member.kind == "system":
        data |= {"source_prefix": member.id, "identity_proof": "installation-record"}
    proof = Mark(signer, Meaning.APPROVAL if member.kind == "person" else None)
    return pen.write(
        "key.registered.v1",
        data,
        at=when,
        by=[Mark(by, Meaning.APPROVAL), proof],
        stream="access",
        remark=remark or Remark(),
    )


def grant(pen: Pen, member: Member, *, by: str, when: datetime) -> None:
    """A role begins."""
    data: JsonObject = {
        "holder": member.id,
        "role": member.role.value,
        "scope": member.scope,
    }
    if member.kind == "person" and member.scope != "trial":
        data["qualification"] = _qualification(member)
    pen.write("role.granted.v1", data, at=when, by=by, stream="access")


def approve(
    pen: Pen, doc_type: str, version: str, when: datetime, *, effective: datetime | None = None
) -> str:
    """The ethics committee approves a version of a document."""
    is_form = doc_type == "icf"
    return pen.write(
        "document.approved.v1",
        {
            "doc_type": doc_type,
            "document_id": f"XHNKKY-{doc_type.upper()}",
            "version": version,
            "language": LANGUAGE,
            "sha256": form_sha256(pen.seed, version)
            if is_form
            else Dice(pen.seed, doc_type).digest(version),
            "body": f"Ethics Committee, {HOSPITAL}",
            "decision": "approved",
            "approved_on": when.date().isoformat(),
            "effective_from": (effective or when).isoformat(),
            "site": SITE,
        },
        at=when,
        by=[Mark(ETHICS, Meaning.APPROVAL)],
        stream="trial",
    )


def activate(
    pen: Pen, definition: TrialDefinition, approvals: list[str], when: datetime, *, day: date
) -> None:
    """The sponsor activates the site on the approvals named."""
    site = definition.protocol.sites[0]
    pen.write(
        "site.activated.v1",
        {
            "site": site.id,
            "name": site.name,
            "timezone": site.time_zone,
            "approvals": list(approvals),
            "activated_on": day.isoformat(),
            "country": "CN",
        },
        at=when,
        by=SPONSOR,
        stream=f"site/{site.id}",
    )


def delegate(pen: Pen, member: Member, when: datetime) -> str:
    """The principal investigator delegates the member's tasks."""
    return pen.write(
        "staff.delegated.v1",
        {
            "person": member.id,
            "site": SITE,
            "qualification": _qualification(member),
            "tasks": [task.value for task in member.tasks],
            "from": when.date().isoformat(),
        },
        at=when,
        by=PI,
        stream="access",
    )


def train(pen: Pen, member: Member, course: str, version: str, when: datetime) -> None:
    """A member completes a course; an investigator or the registrar attests it."""
    pen.write(
        "training.completed.v1",
        {
            "person": member.id,
            "course": course,
            "version": version,
            "site": SITE,
            "completed_on": when.date().isoformat(),
            "tasks": [task.value for task in member.tasks],
        },
        at=when,
        by=REGISTRAR if member.name == PI else PI,
        stream="access",
    )


def _delegate_and_train(pen: Pen) -> None:
    staff = [member for member in CAST.values() if member.tasks]
    when = at(ACTIVATED - timedelta(days=1), 10)
    for number, member in enumerate(staff):
        train(pen, member, "gcp-and-protocol", "1.0", when + minutes(4 * number))
        if member.name != PI:
            delegate(pen, member, when + minutes(120 + 4 * number))


def _everybody_else() -> list[Member]:
    return [member for member in CAST.values() if member.name not in (SPONSOR, REGISTRAR)]


def _qualification(member: Member) -> JsonObject:
    found: JsonObject = {"physician": member.physician}
    if member.physician:
        found["licence"] = f"CN-210100-{member.id[-2:]}"
    return found
