"""A small, opened ledger for tests: its people and systems registered by real statements."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from ledger.allocation.sealed_list import SealedList
from ledger.application import LedgerApplication
from ledger.recording.genesis import Sponsor, open_trial
from ledger.service import LedgerFiles, TrialLedger
from ledger.signing import base64url
from ledger.signing.envelope import Event, event_bytes
from ledger.signing.event_id import event_id
from ledger.signing.jwk import Curve, SigningKey
from ledger.signing.ledger_keys import LedgerKeys
from ledger.signing.rfc3339 import format_recorded_at
from ledger.signing.sealing import Disclosure, encode_sd_jwt, seal
from ledger.signing.statement import Meaning, Signer, Statement, sign_statement
from ledger.signing.strict_json import JsonObject, JsonValue, canonical
from ledger.storage.database import Database
from ledger.storage.head_file import HeadFile
from ledger.trials import TrialDefinition, load_trial
from ledger.vocabulary import vocabulary

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from ledger.errors import LedgerError
    from ledger.record import Record
    from ledger.recording.outcomes import Receipted
    from ledger.recording.submission import Submission

TRIAL = "XHNKKY-DFSC"
SITE = "SY01"
ORIGIN = "ledger.example/xhnkky-dfsc"
START = datetime(2024, 2, 1, 1, 0, tzinfo=UTC)
DOCUMENT = hashlib.sha256(b"informed consent form, version 1.0").hexdigest()

SPONSOR = "/sponsor/persons/root"
REGISTRAR = "/sponsor/persons/registrar-01"
STATISTICIAN = "/sponsor/persons/stat-01"
INVESTIGATOR = "/sites/SY01/persons/pi-01"
COORDINATOR = "/sites/SY01/persons/crc-01"
PHARMACIST = "/sites/SY01/persons/ph-01"
EDC = "/sites/SY01/systems/edc"

TASKS: Mapping[str, Sequence[str]] = {
    INVESTIGATOR: (),
    COORDINATOR: ("consent", "randomization", "data-entry", "assessment"),
    PHARMACIST: ("product-handling",),
}


def seed_of(name: str) -> bytes:
    """32 bytes that depend on a name alone."""
    return hashlib.sha256(f"test/{name}".encode()).digest()


def salt_of(name: str) -> str:
    """A salt of 22 characters that depends on a name alone."""
    return base64url.encode(seed_of(f"salt/{name}")[:16])


@dataclass(frozen=True, slots=True)
class Party:
    """A person or system with its key; ``id`` is its source URI."""

    id: str
    name: str
    key: SigningKey

    @property
    def person(self) -> bool:
        """Whether it is a person, who signs with a meaning."""
        return "/persons/" in self.id

    def signer(self, meaning: str | None, at: datetime) -> Signer:
        """The party about to sign; a system never states a meaning."""
        if meaning is None or not self.person:
            return Signer(key=self.key)
        return Signer(key=self.key, meaning=Meaning(meaning), iat=int(at.timestamp()))


@dataclass(frozen=True, slots=True)
class Signed:
    """A signed event as a sender would offer it."""

    event: Event
    statement: Statement
    disclosures: tuple[Disclosure, ...]

    @property
    def text(self) -> str:
        """The statement's text."""
        return self.statement.text

    @property
    def media_type(self) -> str:
        """The media type its body is posted under."""
        if self.text.startswith("{"):
            return "application/jose+json"
        return "application/sd-jwt" if self.disclosures else "application/jose"

    @property
    def body(self) -> bytes:
        """The bytes of its body."""
        if not self.disclosures:
            return self.text.encode()
        if not self.text.startswith("{"):
            return encode_sd_jwt(self.text, self.disclosures).encode()
        texts: list[JsonValue] = [disclosure.text for disclosure in self.disclosures]
        return canonical({"statement": self.text, "disclosures": texts})


def party(owner: str, name: str, *, curve: Curve = Curve.ED25519) -> Party:
    """A party whose key depends on its id alone."""
    return Party(owner, name, SigningKey.from_seed(seed_of(owner), curve=curve))


def cast() -> dict[str, Party]:
    """Everybody who takes part, by source URI; the pharmacist's key lies on P-256."""
    return {
        one.id: one
        for one in (
            party(SPONSOR, "Sponsor of the trial"),
            party(REGISTRAR, "Registrar Chen"),
            party(STATISTICIAN, "Statistician Sun"),
            party(INVESTIGATOR, "Dr Li"),
            party(COORDINATOR, "Coordinator Wang"),
            party(PHARMACIST, "Pharmacist Zhao", curve=Curve.P256),
            party(EDC, "Site EDC"),
        )
    }


@dataclass(slots=True)
class BuiltLedger:
    """An open ledger with its cast; each statement is made a minute after the one before."""

    directory: Path
    url: str
    files: LedgerFiles
    keys: LedgerKeys
    definition: TrialDefinition
    ledger: TrialLedger
    parties: dict[str, Party] = field(default_factory=cast)
    now: datetime = START
    made: int = 0

    @property
    def database(self) -> Database:
        """The database, with the place of its files."""
        return Database.parse(self.url, files=self.files.keys.parent)

    @property
    def vkey(self) -> str:
        """The log's verifier key."""
        return str(self.keys.vkey)

    def tick(self, step: timedelta = timedelta(minutes=1)) -> datetime:
        """Move the clock on and give the new time."""
        self.now += step
        return self.now

    def sign(
        self,
        type_name: str,
        subject: str,
        data: Mapping[str, JsonValue],
        *,
        by: str,
        meaning: str | None = "approval",
        also: Sequence[Signer] = (),
        time: str | None = None,
        id: str | None = None,  # noqa: A002 - the event's own member name
        trial: str = TRIAL,
        source: str | None = None,
    ) -> Signed:
        """An event made now and signed by a party, with what must be sealed sealed."""
        at = self.tick()
        self.made += 1
        rule = vocabulary().get(type_name)
        sealed = [name for name in sorted(rule.sealed) if name in data] if rule else []
        payload, disclosures = seal(dict(data), sealed, lambda name: salt_of(f"{self.made}/{name}"))
        event = Event(
            id=id or event_id(at, f"{self.made}".encode()),
            source=source or by,
            type=type_name,
            subject=subject,
            time=time or format_recorded_at(at),
            trialid=trial,
            data=payload,
        )
        signers = [self.parties[by].signer(meaning, at), *also]
        return Signed(event, sign_statement(event_bytes(event), signers), tuple(disclosures))

    def receive(self, signed: Signed) -> Submission:
        """The submission of a signed event."""
        return self.ledger.receive(signed.text, signed.disclosures)

    def record_all(self, events: Sequence[Signed]) -> list[Receipted | LedgerError]:
        """Submit signed events in order."""
        return self.ledger.submit_all([self.receive(one) for one in events], self.tick())

    def record(self, signed: Signed) -> Record:
        """Submit a signed event that must enter the log and not be refused; its record."""
        answer = self.ledger.submit(self.receive(signed), self.tick())
        if answer.outcome.refused:
            refusal = self.ledger.application.record(answer.outcome.seq + 1)
            raise AssertionError(f"{signed.event.type} was refused: {refusal.data['rules']}")
        return self.ledger.application.record(answer.outcome.seq)

    def state(
        self,
        type_name: str,
        subject: str,
        data: Mapping[str, JsonValue],
        *,
        by: str,
        meaning: str | None = "approval",
        time: str | None = None,
    ) -> Record:
        """Sign and record in one step."""
        return self.record(self.sign(type_name, subject, data, by=by, meaning=meaning, time=time))

    def register(self, owner: str, *, by: str = REGISTRAR) -> Record:
        """Register a party's key, signed by the registrar and by the new key."""
        one = self.parties[owner]
        data: JsonObject = {
            "jwk": one.key.public.as_object(),
            "owner": {
                "kind": "person" if one.person else "system",
                "id": one.id,
                "name": one.name,
            },
        }
        if not one.person:
            data["source_prefix"] = one.id
        signed = self.sign("key.registered.v1", "access", data, by=by, also=[Signer(key=one.key)])
        return self.record(signed)

    def grant(self, holder: str, role: str, scope: str, *, by: str = REGISTRAR) -> Record:
        """Grant a role; an investigator's grant says that he is a physician."""
        data: JsonObject = {"holder": holder, "role": role, "scope": scope}
        if role.endswith("investigator"):
            data["qualification"] = {"physician": True}
        return self.state("role.granted.v1", "access", data, by=by)

    def delegate(self, person: str, tasks: Sequence[str], *, site: str = SITE) -> Record:
        """The principal investigator delegates tasks from the first day on."""
        data: JsonObject = {
            "person": person,
            "site": site,
            "qualification": {"physician": False},
            "tasks": [*tasks],
            "from": "2024-02-01",
        }
        return self.state("staff.delegated.v1", "access", data, by=INVESTIGATOR)

    def reopen(self) -> TrialLedger:
        """Close and open again, as after a restart."""
        self.ledger.close()
        self.ledger = TrialLedger(self.database, self.files)
        return self.ledger

    def close(self) -> None:
        """Close the ledger."""
        self.ledger.close()


def open_ledger(
    directory: Path,
    *,
    demonstration: bool = True,
    database: Database | None = None,
    definition: TrialDefinition | None = None,
    block_sizes: tuple[int, ...] = (4, 6),
    seed: str = "list",
) -> BuiltLedger:
    """A ledger that holds entry 0 and nothing else; in an SQLite file unless told otherwise.

    ``seed`` names the seed of its allocation list.
    """
    place = database or Database.parse(f"sqlite:///{directory / 'ledger.sqlite3'}")
    place.prepare()
    files, keys = LedgerFiles.of(place), LedgerKeys.from_seed(ORIGIN, seed_of("ledger"))
    definition = definition or load_trial("xhnkky-dfsc")
    keys.save(files.keys)
    protocol = definition.protocol
    SealedList.draw(
        protocol.allocation,
        protocol.planned_number,
        block_sizes=block_sizes,
        seed=seed_of(seed),
    ).save(files.allocation)
    sponsor = party(SPONSOR, "Sponsor of the trial")
    application = LedgerApplication(place)
    try:
        open_trial(
            application,
            definition,
            keys,
            Sponsor(sponsor.id, sponsor.name, sponsor.key),
            head_file=HeadFile(files.head),
            at=START,
            demonstration=demonstration,
        )
    finally:
        application.close()
    return BuiltLedger(directory, place.url, files, keys, definition, TrialLedger(place, files))


def build_ledger(
    directory: Path, *, demonstration: bool = True, database: Database | None = None
) -> BuiltLedger:
    """A ledger ready for subjects: keys, roles, delegations, approved form, site, sealed list."""
    return made_ready(open_ledger(directory, demonstration=demonstration, database=database))


def made_ready(built: BuiltLedger) -> BuiltLedger:
    """The opened ledger after all that comes before the first subject."""
    built.register(REGISTRAR, by=SPONSOR)
    built.grant(REGISTRAR, "registrar", "trial", by=SPONSOR)
    for owner in (STATISTICIAN, INVESTIGATOR, COORDINATOR, PHARMACIST, EDC):
        built.register(owner)
    built.grant(STATISTICIAN, "statistician", "trial")
    built.grant(INVESTIGATOR, "principal-investigator", f"site/{SITE}")
    built.grant(COORDINATOR, "study-coordinator", f"site/{SITE}")
    built.grant(PHARMACIST, "pharmacist", f"site/{SITE}")
    built.grant(EDC, "site-system", f"site/{SITE}")
    approval = built.state("document.approved.v1", "trial", _approved_form(), by=SPONSOR)
    site: JsonObject = {
        "site": SITE,
        "name": "General Hospital",
        "timezone": "Asia/Shanghai",
        "approvals": [approval.id],
        "activated_on": "2024-02-01",
    }
    built.state("site.activated.v1", f"site/{SITE}", site, by=SPONSOR)
    for person, tasks in TASKS.items():
        if tasks:
            built.delegate(person, tasks)
    seal_list(built)
    return built


def seal_list(built: BuiltLedger) -> Record:
    """The statistician commits to the allocation list that lies beside the database."""
    drawn = SealedList.load(built.files.allocation)
    data = drawn.commitment(
        generator=STATISTICIAN, protocol_version=built.definition.protocol.version
    )
    return built.state("randomization-list.sealed.v1", "allocation/main", data, by=STATISTICIAN)


def identify(built: BuiltLedger, number: int, *, by: str = COORDINATOR) -> Signed:
    """The site identifies subject SY01-<number>; signed, not yet recorded."""
    subject = f"{SITE}-{number:04d}"
    data: JsonObject = {
        "subject_id": subject,
        "sex": "female",
        "birth_date": {"value": "1968-05-02", "precision": "day"},
    }
    return built.sign(
        "subject.identified.v1", f"subject/{subject}", data, by=by, meaning="authorship"
    )


def each(
    built: BuiltLedger, numbers: Sequence[int], make: Callable[[BuiltLedger, int], Signed]
) -> list[Signed]:
    """One signed event for each number."""
    return [make(built, number) for number in numbers]


def _approved_form() -> JsonObject:
    return {
        "doc_type": "icf",
        "version": "1.0",
        "language": "zh-CN",
        "sha256": DOCUMENT,
        "body": "Institutional ethics committee",
        "decision": "approved",
        "approved_on": "2024-01-15",
        "effective_from": "2024-01-15T00:00:00+08:00",
    }
