"""Entry 0: the trial is opened, the ledger's and the sponsor's keys certify themselves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from eventsourcing.persistence import PersistenceError, ProgrammingError

from ledger.concealment.settings import make_keys
from ledger.errors import RejectedInput, TrustFailure, Unavailable
from ledger.events.registry import EVENT_TYPES
from ledger.log.chain import ChainHead, Draft, StreamHead, advance, append
from ledger.log.checkpoint import Checkpoint, sign_checkpoint
from ledger.log.entry import entry_hash
from ledger.log.tree import Frontier, leaf_hash
from ledger.record import Record, build_record, read_record
from ledger.recording.results import own_statement
from ledger.signing.rfc3339 import format_recorded_at
from ledger.signing.statement import Meaning, Signer
from ledger.storage.commit import Commit
from ledger.storage.database import Engine
from ledger.trials import TrialDefinition, parse_trial

if TYPE_CHECKING:
    from datetime import datetime

    from ledger.application import LedgerApplication
    from ledger.concealment.settings import KeyPlaces
    from ledger.signing.jwk import SigningKey
    from ledger.signing.ledger_keys import LedgerKeys
    from ledger.signing.strict_json import JsonObject
    from ledger.storage.head_file import HeadFile


@dataclass(frozen=True, slots=True)
class Sponsor:
    """The sponsor as entry 0 names it: source URI, printed name, root key."""

    id: str
    name: str
    key: SigningKey


def open_trial(
    application: LedgerApplication,
    definition: TrialDefinition,
    keys: LedgerKeys,
    sponsor: Sponsor,
    *,
    head_file: HeadFile,
    at: datetime,
    demonstration: bool,
    keys_at: KeyPlaces | None = None,
) -> Record:
    """Write entry 0 into an empty database, signed by the ledger and the sponsor.

    The key-encryption key of what will be concealed is made beside it, unless there is one or the
    settings name one. Raises RejectedInput when the database already holds a trial.
    """
    if application.store.head().size:
        raise RejectedInput(
            "genesis.not-empty",
            "The database already holds a trial; a ledger is opened once.",
            remedy="Choose another database.",
        )
    data: JsonObject = {
        "trial_id": definition.protocol.trial,
        "origin": keys.origin,
        "log_vkeys": [str(vkey) for vkey in keys.vkeys],
        "statement_key": keys.statement_key.public.as_object(),
        "sponsor": {
            "id": sponsor.id,
            "name": sponsor.name,
            "jwk": sponsor.key.public.as_object(),
        },
        "protocol": definition.to_json(),
        "protocol_sha256": definition.sha256,
        "demonstration": demonstration,
    }
    EVENT_TYPES["trial.opened.v1"].check(data)
    approval = Signer(key=sponsor.key, meaning=Meaning.APPROVAL, iat=int(at.timestamp()))
    statement, event = own_statement(
        keys,
        type_name="trial.opened.v1",
        stream="trial",
        trial=definition.protocol.trial,
        data=data,
        at=at,
        others=[approval],
    )
    link = append(
        ChainHead(), StreamHead(), Draft("trial", statement.text),
        recorded_at=format_recorded_at(at),
    )  # fmt: skip
    record = build_record(link.entry, sha256=entry_hash(link.data), parsed=(statement, event))
    root = Frontier().append(leaf_hash(link.data)).root()
    note = sign_checkpoint(Checkpoint(keys.origin, 1, root), keys.checkpoint_signer)
    after, _ = advance(link)
    make_keys(application.path, keys_at)
    application.record_group([record], Commit(ChainHead(), after, note, (), ()))
    head_file.write(note)
    return record


@dataclass(frozen=True, slots=True)
class Genesis:
    """What entry 0 says, for whoever opens the ledger."""

    record: Record
    definition: TrialDefinition

    @property
    def trial(self) -> str:
        """The trial id."""
        return self.definition.protocol.trial

    @property
    def demonstration(self) -> bool:
        """Whether the ledger was opened as a demonstration."""
        return self.record.data["demonstration"] is True

    @property
    def vkey(self) -> str:
        """The log's Ed25519 verifier key, the first that entry 0 lists."""
        vkeys = self.record.data["log_vkeys"]
        return str(vkeys[0]) if isinstance(vkeys, list) else ""

    @property
    def origin(self) -> str:
        """The log's origin."""
        return str(self.record.data["origin"])


def read_genesis(application: LedgerApplication) -> Genesis:
    """Read entry 0.

    Raises TrustFailure when the database holds no trial, Unavailable ``storage.unavailable`` when
    a server does not answer.
    """
    try:
        data = application.store.entry(0)
    except PersistenceError as error:
        if application.database.engine is Engine.POSTGRESQL and not isinstance(
            error, ProgrammingError
        ):
            raise Unavailable(
                "storage.unavailable",
                f"The database {application.database} does not answer: {error}.",
                remedy="Check --database, and that the server runs.",
            ) from error
        data = None  # a file, or a database, without the tables of a ledger
    if data is None:
        raise TrustFailure(
            "genesis.missing",
            "The database holds no trial.",
            remedy="Run trial-ledger init, or trial-ledger demo.",
        )
    record = read_record(data)
    protocol = record.data["protocol"]
    if not isinstance(protocol, dict):
        raise TrustFailure("genesis.protocol", "Entry 0 does not hold a protocol.")
    return Genesis(record, parse_trial(protocol))
