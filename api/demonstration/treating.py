"""Treatment: bag release, thawing, the infusion as it was given, and how treatment ends."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from api.demonstration.days import at, minutes
from api.demonstration.mess import Mess
from api.demonstration.pen import Pen, quantity, says
from api.demonstration.people import member_of
from api.demonstration.screening import test_pregnancy
from api.demonstration.step import ORDINARY, Expected, Mark, Remark
from api.demonstration.stock import Bag, Store, hand_over
from ledger.signing.statement import Meaning

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date, datetime

    from api.demonstration.participants import Participant
    from ledger.signing.strict_json import JsonObject, JsonValue

BY_NURSES: Final = (Mark("nurse-1", Meaning.AUTHORSHIP), Mark("nurse-3", Meaning.REVIEW))


@dataclass(frozen=True, slots=True)
class Course:
    """The treatment of one subject: its pen, the subject, the bags there are."""

    pen: Pen
    person: Participant
    store: Store

    @property
    def stream(self) -> str:
        """The stream of everything that could tell the arm."""
        return f"treatment/{self.person.id}"

    def request_release(
        self,
        bag: Bag,
        number: int,
        when: datetime,
        *,
        scanned: str | None = None,
        remark: Remark = ORDINARY,
    ) -> str:
        """The pharmacy asks the ledger for a bag."""
        return self.pen.write(
            "bag.release-requested.v1",
            {
                "subject_id": self.person.id,
                "lot": bag.lot,
                "bag_id": bag.id,
                "infusion_number": number,
                "scan_subject": self.person.id,
                "scan_bag": scanned or bag.id,
            },
            at=when,
            by="pharmacist",
            stream=self.stream,
            remark=remark,
        )

    def infuse(self, number: int, day: date) -> str:
        """An infusion as planned, from the pregnancy test to the empty bag."""
        if self.person.childbearing:
            test_pregnancy(self.pen, self.person, at(day, 8, 5), recorded=at(day, 8, 35))
        bag = self.store.take(day)
        self.request_release(bag, number, at(day, 8, 50))
        hand_over(self.pen, bag, at(day, 9, 15), evening=at(day, 9, 40))
        return self.give(bag, number, at(day, 9, 50))

    def give(
        self,
        bag: Bag,
        number: int,
        started: datetime,
        *,
        changes: Mapping[str, JsonValue] | None = None,
        remark: Remark = ORDINARY,
    ) -> str:
        """The infusion as the nurses record it; ``changes`` say what differs from the plan."""
        stopped = started + minutes(self.pen.dice.between(38, 62, f"lasted/{number}"))
        given = self.pen.dice.between(95, 102, f"dose/{number}") * 1_000_000
        data: JsonObject = {
            "infusion_number": number,
            "lot": bag.lot,
            "bag_ids": [bag.id],
            "started_at": started.isoformat(),
            "stopped_at": stopped.isoformat(),
            "cells_planned": quantity("100000000", "{cells}"),
            "cells_given": quantity(str(given), "{cells}"),
            "viability_percent": "88.5",
            "volume_ml": "50",
            "route": "peripheral-intravenous",
            "site_of_access": "left-forearm",
            "scan_subject": self.person.id,
            "scan_bag": bag.id,
            "given_by": member_of("nurse-1").id,
            "checked_by": [member_of("nurse-1").id, member_of("nurse-3").id],
            "premedication": ["Promethazine 25 mg"],
        }
        data.update(changes or {})
        return self.pen.write(
            "infusion.administered.v1",
            data,
            at=started,
            by=BY_NURSES,
            stream=self.stream,
            recorded=stopped + minutes(6),
            remark=remark,
        )

    def interrupt(self, number: int, when: datetime) -> None:
        """The infusion stands still for longer than the protocol allows."""
        self.pen.write(
            "infusion.interrupted.v1",
            {
                "infusion_number": number,
                "interrupted_at": when.isoformat(),
                "resumed_at": (when + minutes(22)).isoformat(),
                "reason": says("access-blocked", "The cannula was blocked and had to be replaced."),
                "volume_ml": "18",
            },
            at=when,
            by="nurse-1",
            stream=self.stream,
            remark=Remark(mess=Mess.INFUSION_INTERRUPTED),
        )

    def not_given(self, number: int, when: datetime) -> str:
        """A planned infusion is left out."""
        return self.pen.write(
            "infusion.not-given.v1",
            {
                "infusion_number": number,
                "reason": says("fever", "Temperature of 38.9 Cel on the morning of the infusion."),
            },
            at=when,
            by="si-1",
            stream=self.stream,
            remark=Remark(mess=Mess.INFUSION_NOT_GIVEN),
        )

    def complete(self, given: int, when: datetime) -> None:
        """All planned infusions are done."""
        self.pen.write(
            "treatment.completed.v1",
            {"infusions_given": given},
            at=when,
            by="crc",
            stream=self.stream,
        )

    def discontinue(self, when: datetime, *, code: str, text: str, decided_by: str) -> None:
        """No further infusion; follow-up goes on."""
        self.pen.write(
            "treatment.discontinued.v1",
            {"reason": says(code, text), "decided_by": decided_by},
            at=when,
            by=self.person.physician,
            stream=self.stream,
            remark=Remark(mess=Mess.TREATMENT_STOPPED),
        )

    def refuse_wrong_scan(self, bag: Bag, number: int, when: datetime) -> None:
        """The scan reads another bag, and the ledger does not release it."""
        self.request_release(
            bag,
            number,
            when,
            scanned=f"{bag.id[:-2]}99",
            remark=Remark(Expected.REFUSED, Mess.RELEASE_REFUSED),
        )
