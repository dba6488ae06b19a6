"""Signing the steps: the same step always gives the same statement and the same salts."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from api.demonstration.dice import derive
from api.demonstration.people import key_of, member_of, signers
from api.identity import SALT_BYTES, Identity, SignedEvent
from ledger.errors import RejectedInput
from ledger.signing import base64url
from ledger.signing.rfc3339 import parse_rfc3339
from ledger.signing.statement import sign_statement
from ledger.signing.strict_json import canonical

if TYPE_CHECKING:
    from collections.abc import Mapping

    from api.demonstration.step import Mark, Step


def identities(seed: bytes) -> Mapping[str, Identity]:
    """The identity behind each signer of the plan."""
    return {name: Identity(member_of(name).id, key_of(seed, name)) for name in signers()}


@dataclass(frozen=True, slots=True)
class Hand:
    """Signs steps for everybody, as only a demonstration can."""

    trial: str
    seed: bytes = field(repr=False)
    people: Mapping[str, Identity] = field(repr=False)

    def sign(self, step: Step) -> SignedEvent:
        """The step as its authors would send it."""
        first, *others = step.marks
        identity = Identity(
            step.source, self._of(first, step).key, new_salt=lambda name: self._salt(step, name)
        ).at(step.signed_at)
        also = [self._of(mark, step).signer(mark.meaning) for mark in others]
        if not _has_offset(step.time):
            return self._careless(step)
        return identity.sign(
            step.type,
            step.stream,
            step.data,
            trial=self.trial,
            time=step.time,
            meaning=first.meaning,
            also=also,
            event_id=step.id,
        )

    def _careless(self, step: Step) -> SignedEvent:
        """What a system sends that does not know the zone of its times: our client would not."""
        payload = canonical(
            {
                "specversion": "1.0",
                "id": step.id,
                "source": step.source,
                "type": step.type,
                "subject": step.stream,
                "time": step.time,
                "trialid": self.trial,
                "data": step.data,
            }
        )
        marks = [self._of(mark, step).signer(mark.meaning) for mark in step.marks]
        statement = sign_statement(payload, marks)
        return SignedEvent(step.id, step.type, step.stream, statement.text)

    def _of(self, mark: Mark, step: Step) -> Identity:
        return self.people[mark.signer].at(step.signed_at)

    def _salt(self, step: Step, name: str) -> str:
        return base64url.encode(derive(self.seed, f"salt/{step.id}/{name}")[:SALT_BYTES])


def _has_offset(time: str) -> bool:
    try:
        parse_rfc3339(time)
    except RejectedInput:
        return False
    return True
