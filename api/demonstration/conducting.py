"""What happens to the trial as a whole while it runs: amendment, keys, suspension, stock."""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING

from api.demonstration import founding, stock
from api.demonstration.days import AMENDED, CLOSED, at, minutes
from api.demonstration.mess import Mess
from api.demonstration.pen import Pen, says
from api.demonstration.people import (
    CAST,
    PI,
    REGISTRAR,
    SITE,
    SPONSOR,
    STATISTICIAN,
    SUCCESSOR,
    key_of,
)
from api.demonstration.step import Mark, Remark
from ledger.signing.statement import Meaning
from ledger.signing.strict_json import JsonObject, canonical, parse_object
from ledger.trials import TrialDefinition, parse_trial

if TYPE_CHECKING:
    from datetime import datetime

    from api.demonstration.stock import Lot

REVOKED_ON = date(2024, 6, 18)
SUSPENDED_ON = date(2024, 5, 10)
BARRED_ON = date(2024, 3, 15)
RECALLED_ON = date(2024, 5, 21)
_END = date(2025, 2, 24)
_LOCKED = date(2025, 2, 27)


def conduct(seed: bytes, definition: TrialDefinition, approvals: list[str]) -> Pen:
    """Everything about the trial after its founding that is no subject's life."""
    pen = Pen(seed, "conduct", "trial")
    _suspend_and_resume(pen, definition, approvals)
    _amend(pen, definition)
    _change_staff(pen)
    _revoke_key(pen)
    pen.write(
        "enrolment.closed.v1",
        {"reason": says("number-reached", "The planned number of subjects is randomized.")},
        at=at(CLOSED, 9),
        by=[Mark(SPONSOR, Meaning.APPROVAL)],
    )
    return pen


def keep_stock(seed: bytes, lots: tuple[Lot, ...]) -> Pen:
    """The pharmacy's own chapter: a lot barred, a lot recalled, the count at the end."""
    pen = Pen(seed, "pharmacy", "trial")
    by_name = {lot.name: lot for lot in lots}
    for name, day, act in (
        (stock.BARRED, BARRED_ON, stock.bar_and_release),
        (stock.RECALLED, RECALLED_ON, stock.recall_and_destroy),
    ):
        pen.stream = f"lot/{name}"
        act(pen, by_name[name], day)
    return pen


def count_at_end(seed: bytes, lots: tuple[Lot, ...], taken: dict[str, int]) -> Pen:
    """What is left of each lot is counted; what has expired is destroyed one by one."""
    pen = Pen(seed, "count", "trial")
    number = 0
    for lot in lots:
        left = list(lot.bag_ids[taken.get(lot.name, 0) :])
        if lot.name == stock.RECALLED or not left:
            continue
        pen.stream = f"lot/{lot.name}"
        stock.count_stock(pen, lot, left, at(_END, 9) + minutes(25 * number))
        number += 1
    return pen


def conclude(seed: bytes, sealed_list: str) -> Pen:
    """The sponsor locks the data, then the statistician has the list opened for everybody."""
    pen = Pen(seed, "conclusion", "trial")
    locked = _lock(pen, at(_LOCKED, 16), "The last visit is entered and all queries are closed.")
    pen.write(
        "data.unlocked.v1",
        {"locked": locked, "reason": says("late-query", "The monitor found an open query.")},
        at=at(_LOCKED, 17),
        by=[Mark(SPONSOR, Meaning.APPROVAL)],
    )
    again = _LOCKED + timedelta(days=1)
    locked = _lock(pen, at(again, 10), "The query was answered; nothing had to be corrected.")
    pen.write(
        "allocation.reveal-requested.v1",
        {"sealed_list": sealed_list, "locked": locked},
        at=at(again, 11),
        by=[Mark(STATISTICIAN, Meaning.APPROVAL)],
        stream="allocation/main",
    )
    return pen


def _lock(pen: Pen, when: datetime, why: str) -> str:
    return pen.write(
        "data.locked.v1",
        {"reason": says("queries-closed", why)},
        at=when,
        by=[Mark(SPONSOR, Meaning.APPROVAL)],
    )


def _suspend_and_resume(pen: Pen, definition: TrialDefinition, approvals: list[str]) -> None:
    site = f"site/{SITE}"
    pen.write(
        "site.suspended.v1",
        {
            "site": SITE,
            "reason": says("inspection", "The cell laboratory is inspected over the weekend."),
        },
        at=at(SUSPENDED_ON, 19),
        by=SPONSOR,
        stream=site,
        remark=Remark(mess=Mess.SITE_SUSPENDED),
    )
    monday = SUSPENDED_ON + timedelta(days=3)
    founding.activate(pen, definition, approvals, at(monday, 7), day=monday)


def _amend(pen: Pen, definition: TrialDefinition) -> None:
    decided, effective = at(AMENDED - timedelta(days=14), 15), at(AMENDED, 0)
    founding.approve(pen, "protocol", "1.1", decided, effective=effective)
    founding.approve(pen, "icf", "2.0", decided + minutes(10), effective=effective)
    amended = amended_protocol(definition)
    pen.write(
        "protocol.amended.v1",
        {
            "version": amended.protocol.version,
            "protocol": amended.to_json(),
            "protocol_sha256": amended.sha256,
            "effective_from": effective.isoformat(),
            "reason": says("new-safety-information", "Allergic reactions named as a new risk."),
        },
        at=decided + timedelta(days=3),
        by=SPONSOR,
    )
    for number, name in enumerate((PI, "si-1", "si-2")):
        when = at(AMENDED - timedelta(days=4), 11, 10 * number)
        founding.train(pen, CAST[name], "consent-form", "2.0", when)


def amended_protocol(definition: TrialDefinition) -> TrialDefinition:
    """The definition with version 1.1 of the protocol; nothing but the consent form changed."""
    document = parse_object(canonical(definition.to_json()))
    protocol = document["protocol"]
    changed: JsonObject = dict(protocol) if isinstance(protocol, dict) else {}
    changed["version"] = "1.1"
    document["protocol"] = changed
    return parse_trial(document)


def _change_staff(pen: Pen) -> None:
    """A laboratory assistant leaves; the delegation and the role end."""
    left = date(2024, 10, 31)
    delegation = founding.delegate(pen, CAST["lab"], at(date(2024, 9, 5), 9))
    pen.write(
        "delegation.ended.v1",
        {
            "delegation": delegation,
            "person": CAST["lab"].id,
            "site": SITE,
            "ended_on": left.isoformat(),
            "reason": says("left", "Left the hospital at the end of October."),
        },
        at=at(left, 16),
        by=PI,
        stream="access",
    )
    pen.write(
        "role.revoked.v1",
        {
            "holder": CAST["lab"].id,
            "role": CAST["lab"].role.value,
            "scope": CAST["lab"].scope,
            "reason": says("left", "Left the hospital at the end of October."),
        },
        at=at(left, 17),
        by=REGISTRAR,
        stream="access",
    )


def _revoke_key(pen: Pen) -> None:
    pen.write(
        "key.revoked.v1",
        {
            "kid": key_of(pen.seed, "nurse-2").kid,
            "reason": says("lost-device", "The tablet that holds the key was lost on a bus."),
            "compromised_since": at(REVOKED_ON - timedelta(days=5), 18).isoformat(),
        },
        at=at(REVOKED_ON, 8, 30),
        by=REGISTRAR,
        stream="access",
        remark=Remark(mess=Mess.KEY_REVOKED),
    )
    founding.register(pen, SUCCESSOR, by=REGISTRAR, when=at(REVOKED_ON + timedelta(days=3), 14))
