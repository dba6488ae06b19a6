"""A recorder that admits anything: what an insider with the ledger's own keys could write."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

from ledger.application import LedgerApplication
from ledger.log.chain import Draft, advance, append_all
from ledger.log.checkpoint import Checkpoint, sign_checkpoint
from ledger.log.entry import entry_hash
from ledger.log.tiles import completed_tiles, node_fetcher
from ledger.log.tree import frontier_at, leaf_hash
from ledger.record import Record, build_record
from ledger.recording.results import Result, accepted, make_result
from ledger.signing.rfc3339 import format_recorded_at
from ledger.storage.commit import Commit, Opening
from ledger.storage.head_file import HeadFile
from ledger.storage.tree_reader import StoredTree

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.build_ledger import BuiltLedger, Signed


class Forger:
    """Writes statements into a closed ledger's database without asking any rule."""

    def __init__(self, built: BuiltLedger) -> None:
        self.built = built
        self.application = LedgerApplication(built.url)

    def close(self) -> None:
        """Close the database."""
        self.application.close()

    def write(self, signed: Signed | Result) -> Record:
        """Record a statement, its commit signed by the log's own key."""
        store, keys = self.application.store, self.built.keys
        before = store.head()
        draft = Draft(signed.event.subject, signed.statement.text)
        (link,) = append_all(
            before,
            [draft],
            recorded_at=format_recorded_at(self.built.tick()),
            stream_head=store.stream_head,
        )
        record = build_record(
            link.entry,
            sha256=entry_hash(link.data),
            disclosures=[d.text for d in signed.disclosures],
            parsed=(signed.statement, signed.event),
        )
        tree, leaf = StoredTree(before.size, store), leaf_hash(link.data)
        frontier = frontier_at(before.size, node_fetcher(tree)).append(leaf)
        note = sign_checkpoint(
            Checkpoint(keys.origin, frontier.size, frontier.root()), keys.checkpoint_signer
        )
        openings = [
            Opening(record.seq, number, d.text) for number, d in enumerate(signed.disclosures)
        ]
        tiles = completed_tiles(before.size, [leaf], tree)
        self.application.save(
            record,
            commit=Commit(before, advance(link)[0], note, tiles, openings),
            event_ids=[UUID(record.id).bytes],
        )
        HeadFile(self.built.files.head).write(note)
        return record

    def accept(self, signed: Signed) -> Record:
        """Record a command and an accepting result."""
        request = self.write(signed)
        self.write(accepted(self.built.keys, request, []))
        return request

    def result(
        self, request: Record, type_name: str, members: dict[str, object], sealed: Sequence[str]
    ) -> Record:
        """Record a typed result."""
        return self.write(
            make_result(self.built.keys, request, type_name, members, sealed=sealed)  # type: ignore[arg-type]
        )
