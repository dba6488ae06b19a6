"""A real witness behind a real server in a thread, to be stopped and started again."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING

from werkzeug.serving import BaseWSGIServer, make_server

from api.witness import create_witness_app
from ledger.clock import SystemClock
from ledger.log.checkpoint import Checkpoint, sign_checkpoint
from ledger.log.tree import leaf_hash, node_hash
from ledger.witness.keys import WitnessKeys, new_key_file
from ledger.witness.logs import trusted_logs
from ledger.witness.request import AddCheckpoint
from ledger.witness.witness import Witness, open_witness

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from ledger.log.note import NoteSigner, VerifierKey


@dataclass
class RunningWitness:
    """A witness that trusts some logs; its port stays the same over a restart."""

    directory: Path
    name: str
    logs: tuple[VerifierKey, ...]
    keys: WitnessKeys
    port: int = 0
    _witness: Witness | None = None
    _server: BaseWSGIServer | None = None
    _threads: list[threading.Thread] = field(default_factory=list)

    @property
    def vkey(self) -> VerifierKey:
        """Its Ed25519 key."""
        return self.keys.vkeys[0]

    @property
    def policy_line(self) -> str:
        """Its line in a policy."""
        return f"witness {self.name} {self.vkey} http://127.0.0.1:{self.port}\n"

    def start(self) -> None:
        """Open its state and serve."""
        self._witness = open_witness(
            self.directory / f"{self.name}.key",
            self.directory / f"{self.name}.sqlite3",
            logs=trusted_logs(self.logs),
            clock=SystemClock(),
        )
        app = create_witness_app(self._witness)
        self._server = make_server("127.0.0.1", self.port, app, threaded=True)
        self.port = self._server.server_port
        thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._threads.append(thread)
        thread.start()

    def cosign_longer(self, signer: NoteSigner) -> None:
        """Have it cosign a longer log than there is; what it has seen must be a perfect tree."""
        if self._witness is None:
            raise AssertionError("the witness does not run")
        kept = self._witness.state.cosigned()[0].head
        leaf = leaf_hash(b"an entry nobody else has")
        root = node_hash(kept.root, leaf)
        longer = Checkpoint(signer.name, kept.size + 1, root)
        note = sign_checkpoint(longer, signer)
        request = AddCheckpoint(kept.size, (leaf,), note, longer)
        answer = self._witness.add_checkpoint(request.body())
        if answer.status != HTTPStatus.OK:
            raise AssertionError(answer)

    def stop(self) -> None:
        """Stop serving and close its state."""
        if self._server is not None and self._witness is not None:
            self._server.shutdown()
            self._server.server_close()
            self._threads.pop().join()
            self._witness.close()
            self._server = self._witness = None


def start_witness(directory: Path, name: str, logs: Iterable[VerifierKey]) -> RunningWitness:
    """Make a witness of this name with keys of its own and start it."""
    keys = new_key_file(directory / f"{name}.key", f"witness.example/{name}", ml_dsa_44=False)
    running = RunningWitness(directory, name, tuple(logs), keys)
    running.start()
    return running
