"""Sigsum's own witness cosigns our log, and sees a copy that has forgotten.

``sigsum-witness`` is in the Debian package sigsum-go (bookworm-backports, trixie); where it is not
installed these tests are skipped. It watches logs of one name alone, ``sigsum.org/v1/tree/`` and
the SHA-256 of the log's public key, so the ledger is opened under that origin.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from ledger.application import LedgerApplication
from ledger.log.checkpoint import open_checkpoint
from ledger.log.cosignature import open_cosigned
from ledger.log.note import ED25519_COSIGNATURE, VerifierKey
from ledger.log.policy import Policy, parse_policy
from ledger.recording.genesis import Sponsor, open_trial
from ledger.service import LedgerFiles, TrialLedger
from ledger.signing.ledger_keys import LedgerKeys
from ledger.storage.head_file import HeadFile
from ledger.trials import load_trial
from tests.build_ledger import (
    REGISTRAR,
    SPONSOR,
    START,
    STATISTICIAN,
    BuiltLedger,
    party,
    seed_of,
)
from tests.free_port import free_port

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

TREE = "sigsum.org/v1/tree/"
WITNESS = "sigsum.org/v1/witness/"


@dataclass
class SigsumWitness:
    """The foreign witness: its program, its files, its key and its port."""

    program: str
    directory: Path
    key: Ed25519PrivateKey
    port: int
    process: subprocess.Popen[bytes] | None = None

    @property
    def vkey(self) -> VerifierKey:
        """Its key under the name it writes into its cosignatures."""
        public = self.key.public_key().public_bytes_raw()
        return VerifierKey(WITNESS + sha256(public).hexdigest(), ED25519_COSIGNATURE, public)

    @property
    def policy(self) -> Policy:
        """A policy that asks for its cosignature."""
        line = f"witness sigsum {self.vkey} http://127.0.0.1:{self.port}\n"
        return parse_policy(f"{line}quorum sigsum\n".encode())

    def start(self, log: VerifierKey) -> None:
        """Let it watch a log, and wait until it listens."""
        private, public = self.directory / "witness.key", self.directory / "log.pub"
        private.write_bytes(
            self.key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.OpenSSH,
                serialization.NoEncryption(),
            )
        )
        private.chmod(0o600)
        public.write_bytes(
            Ed25519PublicKey.from_public_bytes(log.public).public_bytes(
                serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH
            )
            + b"\n"
        )
        command = [
            self.program,
            f"--signing-key={private}",
            f"--log-key={public}",
            f"--state-file={self.directory / 'state'}",
            f"127.0.0.1:{self.port}",
        ]
        # Debian's build answers 404 to everything under the router of newer Go versions.
        environment = {**os.environ, "GODEBUG": "httpmuxgo121=0"}
        self.process = subprocess.Popen(command, env=environment)
        until(lambda: listens(self.port))

    def stop(self) -> None:
        """End it."""
        if self.process is not None:
            self.process.terminate()
            self.process.wait(timeout=20)
            self.process = None


@pytest.fixture
def witness(tmp_path: Path) -> Iterator[SigsumWitness]:
    """The witness, not yet watching anything."""
    program = shutil.which("sigsum-witness")
    if program is None:
        pytest.skip("sigsum-witness is not installed (Debian from trixie on: sigsum-go)")
    directory = tmp_path / "witness"
    directory.mkdir()
    key = Ed25519PrivateKey.from_private_bytes(seed_of("sigsum"))
    one = SigsumWitness(program, directory, key, free_port())
    yield one
    one.stop()


@pytest.fixture
def built(tmp_path: Path) -> Iterator[BuiltLedger]:
    """A ledger under the origin that sigsum wants, with the registrar's key."""
    one = open_under_sigsums_name(tmp_path)
    one.register(REGISTRAR, by=SPONSOR)
    yield one
    one.close()


def open_under_sigsums_name(directory: Path) -> BuiltLedger:
    """A ledger that holds entry 0; its origin follows from its own checkpoint key."""
    keys = LedgerKeys.from_seed("unnamed", seed_of("ledger"))
    keys = replace(keys, origin=TREE + sha256(keys.vkey.public).hexdigest())
    database = directory / "ledger.sqlite3"
    url, files = f"sqlite:///{database}", LedgerFiles.beside(database)
    definition, sponsor = load_trial("xhnkky-dfsc"), party(SPONSOR, "Sponsor of the trial")
    keys.save(files.keys)
    application = LedgerApplication(url)
    try:
        open_trial(
            application,
            definition,
            keys,
            Sponsor(sponsor.id, sponsor.name, sponsor.key),
            head_file=HeadFile(files.head),
            at=START,
            demonstration=True,
        )
    finally:
        application.close()
    return BuiltLedger(directory, url, files, keys, definition, TrialLedger(url, files))


def listens(port: int) -> bool:
    """Whether something accepts connections there."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def until(holds: Callable[[], object]) -> None:
    """Wait for what another process is about to do."""
    deadline = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < deadline, "it did not come to pass"
        time.sleep(0.02)


def cosigned_size(ledger: TrialLedger) -> int:
    """The size of the newest head that meets the policy."""
    head = ledger.publisher.cosigned() if ledger.publisher else None
    return head.size if head else 0


def test_it_cosigns_a_log_that_grows(witness: SigsumWitness, built: BuiltLedger) -> None:
    """The first head, and the next one by our consistency proof; the lines verify for others."""
    witness.start(built.keys.vkey)
    built.ledger.publish(witness.policy, interval=0.02)
    assert cosigned_size(built.ledger) == 3
    built.grant(REGISTRAR, "registrar", "trial", by=SPONSOR)
    until(lambda: cosigned_size(built.ledger) == 5)
    publisher = built.ledger.publisher
    head = publisher.cosigned() if publisher else None
    assert head is not None
    opened = open_cosigned(head.note, built.keys.vkey, [witness.vkey])
    assert [one.vkey for one in opened.cosignatures] == [witness.vkey]
    assert open_checkpoint(head.note, built.keys.vkey).size == 5


def test_a_ledger_that_forgot_what_it_cosigned_learns_it_again(
    witness: SigsumWitness, built: BuiltLedger
) -> None:
    """Without its published checkpoints the ledger asks from 0 and is told the size with 409."""
    witness.start(built.keys.vkey)
    built.ledger.publish(witness.policy)
    built.ledger.close()
    for file in built.directory.glob("ledger.sqlite3.published*"):
        file.unlink()
    ledger = built.reopen()
    built.grant(REGISTRAR, "registrar", "trial", by=SPONSOR)
    ledger.publish(witness.policy)
    assert (cosigned_size(ledger), ledger.refusal) == (5, None)


def test_an_older_copy_of_the_ledger_refuses_to_sign(
    witness: SigsumWitness, built: BuiltLedger, tmp_path: Path
) -> None:
    """Database and head file were put back together; only the witness knows more."""
    witness.start(built.keys.vkey)
    built.ledger.close()
    kept = tmp_path / "kept"
    kept.mkdir()
    for file in built.directory.glob("ledger.sqlite3*"):
        shutil.copy2(file, kept / file.name)
    ledger = built.reopen()
    built.register(STATISTICIAN, by=SPONSOR)
    ledger.publish(witness.policy)
    assert cosigned_size(ledger) == 5
    ledger.close()
    for file in built.directory.glob("ledger.sqlite3*"):
        file.unlink()
    for file in kept.iterdir():
        shutil.copy2(file, built.directory / file.name)
    ledger = built.reopen()
    ledger.publish(witness.policy)
    assert ledger.refusal is not None
    assert ledger.refusal.code == "head.witness-knows-more"
