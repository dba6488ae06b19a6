"""What is published beside a ledger, made at once: checkpoints, two witnesses' lines, stamps."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ledger.log.cosignature import Cosigner, add_signatures, cosign
from ledger.log.note import split_note
from ledger.storage.evidence import verify_ledger
from ledger.storage.published import PublishedCheckpoints
from ledger.storage.timestamps import Timestamps
from ledger.verification.timestamp_token import read_imprint
from tests.build_ledger import seed_of
from tests.running_authority import RunningAuthority, openssl_stamps
from tests.sqlite_table import Table

if TYPE_CHECKING:
    from pathlib import Path

    from ledger.signing.ledger_keys import LedgerKeys
    from ledger.verification.cosignatures import Asked
    from ledger.verification.report import RootOfTrust, VerificationReport
    from tests.build_ledger import BuiltLedger

TIME = 1_800_000_000
ETHICS = Cosigner.from_seed("witness.example/ethics", seed_of("ethics"))
REGULATOR = Cosigner.from_seed("witness.example/regulator", seed_of("regulator"))


@dataclass(frozen=True, slots=True)
class Published:
    """A ledger's database, its head file and what was published beside it."""

    database: Path
    head_file: Path
    file: Path

    @property
    def table(self) -> Table:
        """What was published, to be read and altered."""
        return Table(self.file)

    def verify(
        self, asked: Asked | None = None, trust: RootOfTrust | None = None
    ) -> VerificationReport:
        """The report on it."""
        return verify_ledger(
            self.database, head_file=self.head_file, trust=trust, published=self.file, asked=asked
        )

    def beside(self, directory: Path) -> Published:
        """The same ledger with a copy of what was published, to be altered."""
        copy = directory / "copy.published"
        shutil.copyfile(self.file, copy)
        return Published(self.database, self.head_file, copy)


def sizes_of(built: BuiltLedger) -> list[int]:
    """Three sizes at which the ledger signed, the last one among them."""
    rows = Table(built.database.path).ask("SELECT size FROM checkpoints ORDER BY size")
    found = [size for (size,) in rows]
    return [found[4], found[-4], found[-1]]


def note_at(built: BuiltLedger, size: int) -> str:
    """The ledger's own checkpoint of a size."""
    table = Table(built.database.path)
    ((note,),) = table.ask("SELECT note FROM checkpoints WHERE size = ?", size)
    return str(note)


def with_both_keys(note: str, keys: LedgerKeys, time: int = TIME) -> str:
    """The note with the log's ML-DSA-44 line."""
    return add_signatures(note, [cosign(note, keys.cosigner, time=time)])


def publish_all(
    built: BuiltLedger, file: Path, authority: RunningAuthority | None = None
) -> Published:
    """Publish three checkpoints; the regulator has not cosigned the last; two are stamped."""
    published, sizes = PublishedCheckpoints(file), sizes_of(built)
    for number, size in enumerate(sizes):
        note = note_at(built, size)
        published.publish(size, with_both_keys(note, built.keys, TIME + number))
        for witness in (ETHICS, REGULATOR)[: 1 if size == sizes[-1] else 2]:
            line = cosign(note, witness, time=TIME + number)
            published.add_cosignature(size, str(witness.vkey), line)
        if number and authority is not None and openssl_stamps():
            text = split_note(note)[0].encode()
            response = authority.reply(authority.query(text))
            time = read_imprint(response).time.isoformat().replace("+00:00", "Z")
            Timestamps(file).keep(
                size=size, time=time, authority=f"CN={authority.name}", response=response
            )
    directory = built.directory
    return Published(directory / "ledger.sqlite3", built.files.head, file)


def policy_text(quorum: str, *witnesses: Cosigner) -> bytes:
    """A policy that names both witnesses, or those given."""
    found = witnesses or (ETHICS, REGULATOR)
    names = [one.name.rpartition("/")[2] for one in found]
    lines = [f"witness {name} {one.vkey}" for name, one in zip(names, found, strict=True)]
    lines += [f"group q {quorum} {' '.join(names)}", "quorum q"]
    return "".join(f"{line}\n" for line in lines).encode()
