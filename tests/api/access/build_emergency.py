"""Two trials of opposite arms behind doors, and physicians who are masked there."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from api.app import create_app
from api.context import KEY
from api.serving import follow
from ledger.signing.rfc3339 import format_recorded_at
from ledger.vocabulary import Role
from tests.api.access.build_readers import BASE, Readers
from tests.build_ledger import COORDINATOR, INVESTIGATOR, SITE, STATISTICIAN, party
from tests.projections.masking.build_twins import FOUR, ONE, Twin, build_twins, identify

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from ledger.signing.strict_json import JsonObject
    from tests.build_ledger import BuiltLedger

SECOND = f"/sites/{SITE}/persons/si-02"
NO_PHYSICIAN = f"/sites/{SITE}/persons/si-03"
ASSESSOR = f"/sites/{SITE}/persons/oa-01"
MONITOR = "/sponsor/persons/mon-01"
BROKEN: JsonObject = {"type": "emergency", "told_to": ["treating-physician"]}


class Emergency:
    """One trial behind its doors, with what happens in the night."""

    def __init__(self, twin: Twin) -> None:
        self.twin = twin
        self._open()

    def _open(self) -> None:
        built = self.twin.built
        self.projections = follow(built.ledger)
        own = built.ledger.application.stream(f"subject/{ONE}")[0]
        self.readers = Readers(built, create_app(built.ledger, self.projections), own, own)

    def post(
        self,
        type_name: str,
        stream: str,
        data: JsonObject,
        *,
        by: str = INVESTIGATOR,
    ) -> Any:
        """Post an event as its signer would; the answer's members."""
        built = self.twin.built
        signed = built.sign(type_name, stream, data, by=by, meaning="authorship")
        answer = self.readers.client.post(
            f"{BASE}/events",
            data=signed.body,
            content_type=signed.media_type,
            headers={"Demonstration-Time": format_recorded_at(built.tick())},
        )
        if answer.status_code != 201:
            raise AssertionError(answer.text)
        return answer.get_json()

    def broken(self, subject: str, *, by: str = INVESTIGATOR) -> str:
        """Break a subject's blind; the event's id."""
        return str(self.post("blind.broken.v1", f"treatment/{subject}", BROKEN, by=by)["id"])

    def read(self, subject: str, *, by: str = INVESTIGATOR, scope: str = "masked") -> Any:
        """Ask for a subject's arm; the answer."""
        headers = self.readers.bearer(by, scope)
        return self.readers.client.get(f"{BASE}/subjects/{subject}/allocation", headers=headers)

    def code(self, subject: str, *, by: str = INVESTIGATOR, scope: str = "masked") -> str | None:
        """The code of the refusal, None when the arm was given."""
        answer = self.read(subject, by=by, scope=scope)
        return None if answer.status_code == 200 else str(answer.get_json()["code"])

    def restart(self) -> None:
        """Begin again with nothing in memory."""
        self.close()
        self.twin.built.reopen()
        self._open()

    def close(self) -> None:
        """Close the doors; the ledger is closed by whoever built it."""
        self.readers.app.extensions[KEY].close()
        self.projections.close()


@contextmanager
def emergencies(directories: Sequence[Path]) -> Iterator[tuple[Emergency, Emergency]]:
    """Both trials; in each FOUR is identified and not randomized."""
    twins = build_twins(directories)
    for twin in twins.pair:
        identify(twin, FOUR)
        _enrol(twin.built)
    pair = (Emergency(twins.pair[0]), Emergency(twins.pair[1]))
    yield pair
    for one in pair:
        one.close()
    twins.close()


def _enrol(built: BuiltLedger) -> None:
    for source, role, scope in (
        (SECOND, Role.SUB_INVESTIGATOR, f"site/{SITE}"),
        (NO_PHYSICIAN, None, ""),
        (ASSESSOR, Role.OUTCOME_ASSESSOR, f"site/{SITE}"),
        (MONITOR, Role.MONITOR, "trial"),
    ):
        built.parties[source] = party(source, f"Reader {source[-5:]}")
        built.register(source)
        if role is not None:
            built.grant(source, role, scope)
    data: JsonObject = {
        "holder": NO_PHYSICIAN,
        "role": "sub-investigator",
        "scope": f"site/{SITE}",
        "qualification": {"physician": False},
    }
    built.state("role.granted.v1", "access", data, by="/sponsor/persons/registrar-01")


OTHERS = (
    (COORDINATOR, ""),
    (STATISTICIAN, ""),
    (MONITOR, ""),
    (ASSESSOR, ""),
    ("/sponsor/persons/root", "role:sponsor"),
)
"""Readers who may never be told an arm here, with the scope they ask by."""
