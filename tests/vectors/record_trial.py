"""Record the small trial of ``docs/formats/vectors/trial``, once: it must verify for ever.

``python -m tests.vectors.record_trial`` refuses to touch a trial that is there. As the small log
it is made by the ledger itself; what stands in it was written by hand.
"""

from __future__ import annotations

import hashlib
import sys
import tempfile
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from ledger.allocation.sealed_list import SealedList
from tests.api.build_last_slots import screened, small_trial
from tests.build_ledger import (
    COORDINATOR,
    EDC,
    INVESTIGATOR,
    REGISTRAR,
    SITE,
    SPONSOR,
    STATISTICIAN,
    BuiltLedger,
    Signed,
    identify,
    party,
)
from tests.build_screened import STRATUM
from tests.vectors.plain import canonical
from tests.vectors.record_log import LOG, REASON, keep

if TYPE_CHECKING:
    from ledger.record import Record
    from ledger.signing.strict_json import JsonObject, JsonValue

TRIAL = LOG.parent / "trial"
WU = f"/sites/{SITE}/persons/crc-02"
ONE, TWO = f"subject/{SITE}-0001", f"subject/{SITE}-0002"


class Trial:
    """The trial as it is told, with a clock that is set."""

    def __init__(self, built: BuiltLedger) -> None:
        self.built = built

    def recorded_at(self, text: str) -> None:
        """Let the next statement be recorded at an instant, signed a minute before."""
        self.built.now = datetime.fromisoformat(text) - timedelta(minutes=2)

    def offer(self, signed: Signed) -> None:
        """Submit what may be refused, but is recorded."""
        (answer,) = self.built.record_all([signed])
        if isinstance(answer, Exception):
            raise answer

    def correct(
        self, target: Record, *changes: tuple[str, JsonValue, JsonValue], by: str, **how: str
    ) -> None:
        """A correction, accepted or refused."""
        data: JsonObject = {
            "target": target.id,
            "changes": [{"pointer": p, "old": old, "new": new} for p, old, new in changes],
            "reason": REASON,
            "source_ref": "Ward book, p. 17",
        }
        meaning = how.get("meaning", "authorship")
        stream = target.stream
        self.offer(self.built.sign("data.corrected.v1", stream, data, by=by, meaning=meaning))

    def visit(self, name: str, *, by: str, time: str | None = None) -> Record:
        """A visit of the first subject."""
        data: JsonObject = {"visit": name}
        return self.built.state(
            "visit.completed.v1", ONE, data, by=by, meaning="authorship", time=time
        )

    def delegate(self, person: str, day: str, last: str | None, *, by: str) -> str:
        """Data entry, from a day to a day, accepted or refused."""
        data: JsonObject = {
            "person": person, "site": SITE, "qualification": {"physician": False},
            "tasks": ["data-entry"], "from": day, **({"to": last} if last else {}),
        }  # fmt: skip
        signed = self.built.sign("staff.delegated.v1", "access", data, by=by)
        self.offer(signed)
        return signed.event.id


def authority(trial: Trial) -> None:
    """What is lacking: refused with a command, recorded with a fact."""
    built = trial.built
    built.parties[WU] = party(WU, "Coordinator Wu")
    built.register(WU)
    trial.delegate(INVESTIGATOR, "2024-02-01", None, by=INVESTIGATOR)
    trial.delegate(WU, "2024-02-03", "2024-02-05", by=COORDINATOR)
    trial.delegate(WU, "2024-02-03", "2024-02-05", by=INVESTIGATOR)
    grant: JsonObject = {"holder": WU, "role": "study-nurse", "scope": f"site/{SITE}"}
    trial.offer(built.sign("role.granted.v1", "access", grant, by=REGISTRAR, meaning="witness"))
    own: JsonObject = {"holder": REGISTRAR, "role": "statistician", "scope": "trial"}
    trial.offer(built.sign("role.granted.v1", "access", own, by=REGISTRAR, meaning="review"))
    disease: JsonObject = {"term": "Ascites", "ongoing": True}
    told = built.state("diagnosis.recorded.v1", ONE, disease, by=EDC, meaning=None)
    trial.correct(told, ("/data/ongoing", True, False), by=EDC)
    signature: JsonObject = {"target": told.id, "statement": "I have reviewed this record."}
    built.state("record.signed.v1", ONE, signature, by=INVESTIGATOR, meaning="review")


def corrections(trial: Trial) -> None:
    """Elements of lists, a member taken away, times."""
    built = trial.built
    lot: JsonObject = {
        "lot": "L-1", "site": SITE, "donor_code": "D-012", "passage": 5,
        "manufactured": "2024-01-01", "expiry": "2024-09-01T00:00:00Z",
        "bags": [{"bag_id": "B-0001"}, {"bag_id": "B-0002"}],
    }  # fmt: skip
    received = built.state("lot.received.v1", "lot/L-1", lot, by=COORDINATOR, meaning="authorship")
    trial.correct(received, ("/data/bags/1/bag_id", "B-0002", "B-0003"), by=COORDINATOR)
    trial.correct(
        received,
        ("/data/bags/00", {"bag_id": "B-0001"}, {"bag_id": "B-0004"}),
        ("/time", received.event.time, "2024-01-31T09:00:00+08:00"),
        by=COORDINATOR,
    )
    trial.correct(received, ("/data/bags/2", None, {"bag_id": "B-0005"}), by=COORDINATOR)


def days(trial: Trial) -> None:
    """A delegation from its first day to its last, by the calendar of the site."""
    built = trial.built
    seen = trial.visit("V1", by=COORDINATOR)
    fixes = iter(range(2, 9))

    def correct(at: str, old: int, *, takes: bool) -> int:
        new = next(fixes)
        trial.recorded_at(at)
        trial.correct(seen, ("/data/visit", f"V{old}", f"V{new}"), by=WU)
        return new if takes else old

    stands = correct("2024-02-02T15:59:59.999999Z", 1, takes=False)
    stands = correct("2024-02-02T16:00:00Z", stands, takes=True)
    stands = correct("2024-02-05T15:59:59.999999Z", stands, takes=True)
    stands = correct("2024-02-05T16:00:00Z", stands, takes=False)
    trial.visit("U1", by=WU, time="2024-02-05T23:59:59.999999+08:00")
    trial.visit("U2", by=WU, time="2024-02-06T00:00:00+08:00")
    trial.visit("U3", by=WU, time="2024-02-06T00:30:00+09:00")
    trial.visit("U4", by=WU, time="2024-02-05T16:00:00Z")
    given = trial.delegate(WU, "2024-02-06", None, by=INVESTIGATOR)
    ended: JsonObject = {
        "person": WU, "site": SITE, "delegation": given, "ended_on": "2024-02-07",
        "reason": REASON,
    }  # fmt: skip
    built.state("delegation.ended.v1", "access", ended, by=INVESTIGATOR)
    stands = correct("2024-02-07T15:59:59.999999Z", stands, takes=True)
    correct("2024-02-07T16:00:00Z", stands, takes=False)


def doubt(trial: Trial) -> None:
    """A key revoked as compromised since an instant: what it signed from then on is in doubt."""
    built = trial.built
    trial.recorded_at("2024-02-09T23:59:59.999999Z")
    trial.visit("E1", by=EDC)
    trial.recorded_at("2024-02-10T00:00:00Z")
    trial.visit("E2", by=EDC, time="2024-02-01T09:00:00+08:00")
    trial.visit("E3", by=COORDINATOR)
    trial.visit("E4", by=EDC)
    stolen: JsonObject = {
        "kid": built.parties[EDC].key.kid, "reason": {"code": "stolen", "text": "Out of a bag."},
        "compromised_since": "2024-02-10T08:00:00+08:00",
    }  # fmt: skip
    built.state("key.revoked.v1", "access", stolen, by=REGISTRAR)


def allocation(trial: Trial, confirmed: str) -> None:
    """An envelope and an allocation behind it, while more are planned than from March on."""
    built = trial.built
    protocol: JsonObject = {"planned_number": 1}
    amended: JsonObject = {
        "version": "2.0", "protocol": protocol, "effective_from": "2024-03-01T00:00:00Z",
        "protocol_sha256": hashlib.sha256(canonical(protocol)).hexdigest(), "reason": REASON,
    }  # fmt: skip
    built.state("protocol.amended.v1", "trial", amended, by=SPONSOR)
    built.record(identify(built, 2))
    drawn = SealedList.load(built.files.allocation)
    opened: JsonObject = {
        "envelope_id": "ENV-001", "stratum": STRATUM, "slot": 1,
        "arm": drawn.opening(STRATUM, 1).slot.arm, "opened_at": "2024-02-01T10:00:00+08:00",
    }  # fmt: skip
    stream = TWO.replace("subject", "treatment")
    built.state("randomization.recorded.v1", stream, opened, by=INVESTIGATOR, meaning="authorship")
    request: JsonObject = {"confirmation": confirmed}
    for meaning in ("review", "authorship"):
        trial.offer(
            built.sign(
                "subject.randomization-requested.v1", ONE, request, by=INVESTIGATOR, meaning=meaning
            )
        )


def reveal(trial: Trial) -> None:
    """Both subjects leave, the data are locked, the whole list is opened."""
    built = trial.built
    for stream in (ONE, TWO):
        left: JsonObject = {"last_visit": "E4"}
        built.state("study.completed.v1", stream, left, by=INVESTIGATOR, meaning="authorship")
    sealed = built.ledger.application.of_types(["randomization-list.sealed.v1"])[-1]
    why: JsonObject = {"reason": {"code": "last-visit-done", "text": "All queries are closed."}}
    early: JsonObject = {"sealed_list": sealed.id, "locked": sealed.id}
    asked = "allocation.reveal-requested.v1"
    trial.offer(built.sign(asked, "allocation/main", early, by=STATISTICIAN))
    built.state("enrolment.closed.v1", "trial", why, by=SPONSOR)
    locked = built.state("data.locked.v1", "trial", why, by=SPONSOR)
    late: JsonObject = {"sealed_list": sealed.id, "locked": locked.id}
    built.state(asked, "allocation/main", late, by=STATISTICIAN)


def record(built: BuiltLedger) -> None:
    """The whole trial."""
    trial = Trial(built)
    confirmed = screened(built, 1)
    allocation(trial, confirmed)
    authority(trial)
    corrections(trial)
    days(trial)
    doubt(trial)
    reveal(trial)


def main() -> int:
    """Record the trial, unless it is there."""
    if TRIAL.exists():
        sys.stdout.write("The trial was recorded before and is not made again.\n")
        return 1
    with tempfile.TemporaryDirectory() as directory:
        built = small_trial(Path(directory))
        record(built)
        keep(built, TRIAL)
        built.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
