"""Evidence bundles written: the whole log, or the dossier of one subject (docs/formats/bundle.md).

What is stored goes in as it is, damage included, so that whoever verifies the bundle sees what a
verification of the database would have seen. The same log and the same pages give the same bytes.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from importlib import resources
from typing import TYPE_CHECKING, BinaryIO, Final

from ledger.errors import Unavailable
from ledger.log.checkpoint import parse_checkpoint
from ledger.log.entry import entry_hash
from ledger.log.note import split_note
from ledger.log.tiles import full_tiles, parse_tile_path, tile_path
from ledger.publication.bundle_members import (
    damaged,
    json_line,
    published_members,
    take_receipts,
    take_responses,
)
from ledger.publication.inventory import Inventory
from ledger.publication.redaction import ASKED, Redaction
from ledger.signing.rfc3339 import parse_recorded_at
from ledger.signing.strict_json import JsonObject, JsonValue, canonical
from ledger.verification.archive import Member
from ledger.verification.bundle_publication import whole_note
from ledger.verification.bundle_schemas import SCHEMAS
from ledger.verification.concealed import CONCEALED
from ledger.verification.evidence import all_checkpoints, all_published, all_rows
from ledger.verification.genesis import stated_keys
from ledger.verification.manifest import FORMAT, LOG
from ledger.verification.reading import read_row
from ledger.verification.stamps import checkpoint_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from datetime import datetime

    from ledger.verification.evidence import (
        EvidenceSource,
        PublishedSource,
        StoredPublished,
        StoredRow,
    )
    from ledger.vocabulary import Purpose

_PAGE: Final = 512
_PROTOCOLS: Final = ("trial.opened.v1", "protocol.amended.v1")
_TILE_LEVELS: Final = 7
_CHECK: Final = """\
How to check it, without trusting whoever gave it to you:

1. Get the root of trust from the sponsor on a way of its own: the log's verifier key and the
   SHA-256 of entry 0. What manifest.json says about them is only a copy.
2. On any computer with Python 3.11 or newer, no network needed:

     python -m pip install cryptography rfc8785
     python -m ledger.verification FILE --key KEY --genesis HASH

   It needs the package `ledger` of the trial ledger's sources in the working directory. Status 0:
   sound. 1: damaged, each finding on a line. 2: could not check.

   With --policy FILE the cosignatures are held against a witness policy of your own. Who signed
   the time stamps takes the authority's certificates: openssl ts -verify, as docs/formats/log.md
   says.
"""
_LOG_README: Final = """\
Evidence bundle of a clinical trial's ledger
============================================

entries.jsonl      every record, one a line, byte for byte as it was signed and chained
checkpoints.jsonl  every signed tree head; `checkpoint` is the last one alone, with every
                   cosignature it has (C2SP signed note)
published.jsonl    the tree heads that were published, with the log's ML-DSA-44 line and what
                   witnesses said to them; tallies.jsonl counts them
timestamps/        what a time-stamping authority answered (RFC 3161); timestamps.jsonl lists them
receipts/          for consents, allocations, releases: that the entry is in the log (C2SP
                   tlog-proof, under `checkpoint`); the tiles prove every other entry too
openings.jsonl     the contents of sealed members, as far as they are kept
tile/              the Merkle tree's full tiles, named as in C2SP tlog-tiles
protocol/          each version of the protocol that the log names, by SHA-256
vocabulary.json    the event types, who may sign them and what is sealed
schemas.json       the JSON Schema of each event type's data
vkeys.txt          the log's keys as entry 0 states them (C2SP signed-note verifier keys)
policy.txt         the witnesses the ledger asks, and its quorum (C2SP tlog-policy)
report.*           the audit report; no signature covers it, it can be made again from the records
manifest.json      length and SHA-256 of every other member, and what they add up to

{check}
Without any program of ours: the SHA-256 of each line of entries.jsonl (without its line feed) is
the member `prev` of the next line.

The formats are written down in docs/formats of the trial ledger's sources.
"""
_README: Final = _LOG_README.format(check=_CHECK)
_IN_DOUBT: Final = """
IN DOUBT: the ledger that gave this refuses to sign. {why}
Compare with what others hold (--checkpoint) before you rely on it.
"""


@dataclass(frozen=True, slots=True)
class Bundled:
    """What was written: ``size`` of the log, SHA-256 (hex) of its last entry and of the manifest.

    The manifest covers every other member, so its hash stands for the whole bundle.
    """

    size: int
    head: str
    manifest_sha256: str
    members: int


@dataclass(frozen=True, slots=True)
class Beside:
    """What goes into a bundle beside the log itself.

    ``pages`` are further members by name, such as ``report.html``; ``schemas`` the JSON Schemas of
    the vocabulary (``schemas.json``); ``policy`` the witness policy (C2SP tlog-policy). What is
    None is left out. ``streamed`` are pages too large to be held: each call gives the same bytes.
    ``leave`` are purposes whose openings are left out because of ``why``, and
    with them the pages; ``withheld`` says what else is left out, and why. ``doubt`` says why a
    ledger that refuses to sign does not confirm all of it.
    """

    software: str
    pages: Mapping[str, bytes]
    schemas: bytes | None = None
    policy: bytes | None = None
    withheld: tuple[JsonObject, ...] = ()
    leave: frozenset[Purpose] = frozenset()
    why: str = ASKED
    doubt: str | None = None
    streamed: Mapping[str, Callable[[], Iterable[bytes]]] = field(default_factory=dict)

    @property
    def readme(self) -> str:
        """The page that explains the members, with the doubt at its end."""
        return _README if self.doubt is None else f"{_README}{_IN_DOUBT.format(why=self.doubt)}"

    @property
    def shown(self) -> Mapping[str, bytes]:
        """The pages that go along: with a redaction those alone that show no record."""
        hidden = self.leave and self.pages.keys() - {SCHEMAS}
        return {name: page for name, page in self.pages.items() if name not in hidden}


def write_bundle(
    out: BinaryIO, source: EvidenceSource, beside: Beside, published: PublishedSource | None = None
) -> Bundled:
    """Write the bundle of the whole log up to its newest published checkpoint.

    ``published`` was read before ``source``; without it the bundle goes up to the newest
    checkpoint. The source is read twice and must not change in between (a read transaction).

    Raises:
        Unavailable: ``bundle.no-checkpoint`` when nothing is signed.
        IntegrityFailure: ``bundle.damaged`` when a stored value has no place in a bundle,
            ``bundle.changed``.
    """
    size, note = bundled_checkpoint(source, published)
    counts: dict[str, JsonValue] = {}
    redaction = Redaction(beside.leave, beside.why)
    members = [
        Member.of("README.txt", beside.readme.encode()),
        Member.of("checkpoint", note.encode()),
        Member.of("vkeys.txt", b"".join(f"{key}\n".encode() for key in stated_keys(source))),
        Member.of("vocabulary.json", vocabulary_bytes()),
        Member("checkpoints.jsonl", lambda: _checkpoint_lines(source, size, counts)),
        Member("entries.jsonl", lambda: _entry_lines(source, size, counts)),
        Member("openings.jsonl", lambda: _opening_lines(source, size, counts, redaction)),
        *published_members(published, counts),
        *_protocols(source),
        *_optional({SCHEMAS: beside.schemas, "policy.txt": beside.policy}),
        *(Member.of(name, content) for name, content in beside.shown.items()),
        *(Member(name, chunks) for name, chunks in beside.streamed.items() if not beside.leave),
    ]
    with Inventory(members) as inventory:
        take_responses(inventory, published)
        counts["tiles"] = _take_tiles(inventory, source, size)
        counts["receipts"] = take_receipts(inventory, source, size, note)
        value = _manifest(source, size, note, beside)
        value["redaction"] = redaction.stated(*beside.withheld)
        if beside.doubt is not None:
            value["doubt"] = beside.doubt
        manifest = inventory.write(out, {**value, "counts": counts})
        return Bundled(size, str(value["head"]), manifest, len(inventory))


def _manifest(source: EvidenceSource, size: int, note: str, beside: Beside) -> JsonObject:
    first, last = _one(source, 0), _one(source, size - 1)
    event, entry = read_row(first).event, read_row(last).entry
    if event is None or entry is None:
        raise damaged("Entry 0 or the last one cannot be read.")
    vkeys = event.data.get("log_vkeys")
    return {
        "format": FORMAT,
        "genesis_sha256": entry_hash(_bytes(first)),
        "head": entry_hash(_bytes(last)),
        "kind": LOG,
        "origin": event.data.get("origin"),
        "recorded_at": entry.recorded_at,
        "root": parse_checkpoint(split_note(note)[0]).root.hex(),
        "size": size,
        "software": beside.software,
        "trial": event.trialid,
        "vkey": vkeys[0] if isinstance(vkeys, list) and vkeys else None,
    }


def _optional(members: Mapping[str, bytes | None]) -> Iterator[Member]:
    for name, content in members.items():
        if content is not None:
            yield Member.of(name, content)


def bundled_checkpoint(
    source: EvidenceSource, published: PublishedSource | None = None
) -> tuple[int, str]:
    """Size and note, with every line, of the checkpoint that a bundle ends with.

    It is the newest one published, where the log still has it; else the newest one signed.

    Raises Unavailable ``bundle.no-checkpoint``.
    """
    signed, note = _newest(source)
    if published is None:
        return signed, note
    newest: StoredPublished | None = None
    for newest in all_published(published):  # noqa: B007 - the last one is wanted
        pass
    # Where the log was rolled back, the newest it has may have been published before.
    of_newest = next(iter(published.published(signed - 1, 1)), None)
    for stored in (newest, of_newest):
        if stored is None or stored.size < 1:
            continue
        whole = whole_note(stored, published.cosignatures(stored.size, stored.size))
        kept = checkpoint_text(source, stored.size)
        if whole is not None and kept is not None and kept == split_note(whole)[0]:
            return stored.size, whole
    return signed, note


def recorded_until(source: EvidenceSource, size: int) -> datetime:
    """When the last of the first ``size`` entries was recorded.

    Raises IntegrityFailure ``bundle.damaged``.
    """
    entry = read_row(_one(source, size - 1)).entry
    if entry is None:
        raise damaged("The last entry cannot be read.")
    return parse_recorded_at(entry.recorded_at)


def vocabulary_bytes() -> bytes:
    """The vocabulary as this version ships it."""
    return resources.files("ledger.events").joinpath("vocabulary.json").read_bytes()


def _newest(source: EvidenceSource) -> tuple[int, str]:
    newest: tuple[int, str] | None = None
    for stored in all_checkpoints(source):
        if isinstance(stored.note, str) and stored.size > 0:
            newest = stored.size, stored.note
    if newest is None:
        raise Unavailable("bundle.no-checkpoint", "Nothing is signed yet.")
    return newest


def _one(source: EvidenceSource, seq: int) -> StoredRow:
    rows = source.rows(seq - 1, 1)
    if not rows or rows[0].seq != seq:
        raise damaged(f"Entry {seq} is missing.")
    return rows[0]


def _bytes(row: StoredRow) -> bytes:
    if not isinstance(row.data, bytes) or b"\n" in row.data:
        raise damaged(f"Entry {row.seq} cannot be read.")
    return row.data


def _entry_lines(
    source: EvidenceSource, size: int, counts: dict[str, JsonValue]
) -> Iterator[bytes]:
    count = 0
    for page in all_rows(source):
        found = [_bytes(row) for row in page if 0 <= row.seq < size]
        count += len(found)
        yield b"".join(data + b"\n" for data in found)
    counts["entries"] = count


def _checkpoint_lines(
    source: EvidenceSource, size: int, counts: dict[str, JsonValue]
) -> Iterator[bytes]:
    count = 0
    for stored in all_checkpoints(source):
        if stored.size > size:
            break
        if not isinstance(stored.note, str) or type(stored.previous) is not int:
            raise damaged(f"The checkpoint of size {stored.size} cannot be read.")
        count += 1
        yield json_line({"note": stored.note, "previous": stored.previous, "size": stored.size})
    counts["checkpoints"] = count


def _opening_lines(
    source: EvidenceSource, size: int, counts: dict[str, JsonValue], redaction: Redaction
) -> Iterator[bytes]:
    count = 0
    redaction.begin()
    for first in range(0, size, _PAGE):
        last = min(first + _PAGE, size) - 1
        types = _types(source, first, last) if redaction.purposes else {}
        for kept in source.openings(first, last):
            seq, number, text = kept.seq, kept.number, kept.disclosure
            if type(seq) is not int or type(number) is not int or not isinstance(text, str):
                raise damaged(f"An opening of entry {seq} cannot be read.")
            # What is kept encrypted and was not opened for this bundle would open nowhere else.
            if not text.startswith(CONCEALED) and redaction.keeps(types.get(seq), text):
                count += 1
                yield json_line({"disclosure": text, "number": number, "seq": seq})
    counts["openings"] = count


def _types(source: EvidenceSource, first: int, last: int) -> dict[int, str]:
    """The types of a range of entries, by position."""
    reads = [read_row(row) for row in source.rows(first - 1, last - first + 1)]
    return {read.seq: read.event.type for read in reads if read.event is not None}


def _take_tiles(inventory: Inventory, source: EvidenceSource, size: int) -> int:
    found = (
        tile_path(level, index)
        for level in range(_TILE_LEVELS)
        for index in range(full_tiles(level, size))
        if source.tile(level, index) is not None
    )

    def read(name: str) -> Iterable[bytes]:
        tile = parse_tile_path(name)
        stored = None if tile.level is None else source.tile(tile.level, tile.index)
        if stored is None or not isinstance(stored.hashes, bytes):
            raise damaged(f"The tile {name} cannot be read.")
        return (stored.hashes,)

    return inventory.take_each(found, read)


def _protocols(source: EvidenceSource) -> Iterator[Member]:
    found: dict[str, bytes] = {}
    for page in all_rows(source):
        for row in page:
            if row.columns is not None and row.columns.topic not in _PROTOCOLS:
                continue
            event = read_row(row).event
            if event is not None and event.type in _PROTOCOLS:
                content = canonical(event.data.get("protocol"))
                found[str(event.data.get("protocol_sha256"))] = content
    for name, content in sorted(found.items()):
        yield Member.of(f"protocol/{name}.json", content)
