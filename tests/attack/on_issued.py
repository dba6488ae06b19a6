"""Alterations of every member of a bundle and of a dossier, and of the zip file around them."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from ledger.log.entry import parse_entry
from tests.attack.alteration import Alteration, Kind, Target
from tests.attack.stand import IN_TILE, SIZE
from tests.ledger.verification.damage import altered_payload
from tests.ledger.verification.pack import deflated
from tests.running_authority import openssl_stamps

if TYPE_CHECKING:
    from tests.attack.tampered import TamperedLedger

Change = Callable[[bytes], bytes]

BUNDLE, DOSSIER = "bundle.zip", "dossier.zip"
STREAM = "streams/subject/SY01-0001.jsonl"
TREE = frozenset({"tree.entries", "tree.root", "chain.broken", "streams.broken"})


def row(
    target: Target,
    name: str,
    kind: Kind,
    what: str,
    make: Callable[[TamperedLedger], None],
    code: str,
    place: int | str,
    also: frozenset[str] = frozenset(),
) -> Alteration:
    """A row of the bench that alters something issued."""
    return Alteration(
        name=name, target=target, kind=kind, what=what, make=make, code=code, place=place,
        also=also, sqlite_only=True,
    )  # fmt: skip


def member(file: str, name: str, change: Change) -> Callable[[TamperedLedger], None]:
    """Change a member; the manifest stays as it was."""

    def make(ledger: TamperedLedger) -> None:
        members = ledger.members(file)
        changed = change(members[name])
        if changed == members[name]:
            raise AssertionError("nothing changed")
        ledger.pack(file, {**members, name: changed})

    return make


def forged(file: str, name: str, change: Change) -> Callable[[TamperedLedger], None]:
    """Change a member and make a manifest that fits."""

    def make(ledger: TamperedLedger) -> None:
        members = ledger.members(file)
        changed = change(members[name])
        if changed == members[name]:
            raise AssertionError("nothing changed")
        ledger.forge(file, {**members, name: changed})

    return make


def middle(data: bytes) -> bytes:
    """One bit in the middle flipped."""
    place = len(data) // 2
    return data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]


def without(file: str, name: str, *, fitting: bool = False) -> Callable[[TamperedLedger], None]:
    """Leave a member out."""

    def make(ledger: TamperedLedger) -> None:
        members = ledger.members(file)
        del members[name]
        (ledger.forge if fitting else ledger.pack)(file, members)

    return make


def lines(change: Callable[[list[bytes]], list[bytes]]) -> Change:
    """A change of the lines of a member."""
    return lambda data: b"".join(change(data.splitlines(keepends=True)))


def back_dated(all_lines: list[bytes]) -> list[bytes]:
    """One entry's event time changed, its signature left."""
    entry = parse_entry(all_lines[IN_TILE].rstrip(b"\n"))
    changed = replace(entry, statement=altered_payload(entry.statement)).to_bytes()
    return [*all_lines[:IN_TILE], changed + b"\n", *all_lines[IN_TILE + 1 :]]


def _other_line(data: bytes) -> bytes:
    first = json.loads(data.split(b"\n")[0])["cosignatures"][0]["line"]
    letter = "A" if first[-10] != "A" else "B"
    return data.replace(first[:-1].encode(), (first[:-10] + letter + first[-9:-1]).encode(), 1)


def _back_dated_link(found: list[bytes]) -> list[bytes]:
    value = json.loads(found[1])
    value["statement"] = altered_payload(value["statement"])
    text = json.dumps(value, separators=(",", ":"), sort_keys=True, ensure_ascii=False)
    return [found[0], f"{text}\n".encode(), *found[2:]]


def swapped(one: int, other: int) -> Change:
    """Two lines in each other's place."""

    def change(found: list[bytes]) -> list[bytes]:
        found[one], found[other] = found[other], found[one]
        return found

    return lines(change)


def raw(file: str, change: Change) -> Callable[[TamperedLedger], None]:
    """Change the bytes of the file itself."""

    def make(ledger: TamperedLedger) -> None:
        path = ledger.issued / file
        path.write_bytes(change(path.read_bytes()))

    return make


def central(offset: int) -> Change:
    """A bit of a record of the zip file's directory flipped."""

    def change(data: bytes) -> bytes:
        place = data.index(b"PK\x01\x02") + offset
        return data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]

    return change


def commented(data: bytes) -> bytes:
    """The zip file with a comment at its end."""
    return data[:-2] + struct.pack("<H", 3) + b"new"


def repacked(ledger: TamperedLedger) -> None:
    """The same members, packed by another program."""
    path = ledger.issued / BUNDLE
    path.write_bytes(deflated(ledger.members(BUNDLE)))


def manifest(file: str, **values: object) -> Callable[[TamperedLedger], None]:
    """State something else in a manifest whose checksum fits."""
    return lambda ledger: ledger.forge(file, ledger.members(file), **values)


_VALUE = frozenset({"manifest.value"})
_LINE = frozenset({"manifest.value", "manifest.line"})
SEEN_TOO = {
    "README.txt": frozenset[str](),
    "checkpoint": _VALUE | {"manifest.receipt"},
    "checkpoints.jsonl": _LINE | {"checkpoints.signature", "checkpoints.missing",
                                  "checkpoints.size"},
    "entries.jsonl": _LINE | TREE | {
        "entries.missing", "entries.unreadable", "statements.unreadable", "statements.signature",
        "statements.result", "manifest.protocol", "manifest.receipt", "openings.stray",
        "openings.foreign", "published.signature", "tree.tile-extra", "schema.invalid"},
    "openings.jsonl": _LINE | {"openings.foreign", "openings.missing"},
    "policy.txt": frozenset({"manifest.policy"}),
    "published.jsonl": _LINE | {"cosignatures.log", "cosignatures.signature",
                                "cosignatures.missing", "published.signature",
                                "published.missing"},
    "receipts/0.tlog-proof": _VALUE | {"manifest.receipt"},
    "report.html": frozenset[str](),
    "report.json": frozenset[str](),
    "schemas.json": frozenset({"manifest.schemas"}),
    "tallies.jsonl": _LINE | {"published.count", "published.missing", "cosignatures.missing",
                              "timestamps.missing"},
    "tile/0/000": _VALUE | {"tree.tile", "tree.tile-missing"},
    "vkeys.txt": _VALUE,
    "vocabulary.json": frozenset({"manifest.schemas", "manifest.vocabulary"}),
}  # fmt: skip
"""Members every bundle has, with the codes that flipping or dropping each may show beside."""

if openssl_stamps():
    SEEN_TOO["timestamps.jsonl"] = _LINE | {
        "manifest.surplus", "timestamps.missing", "timestamps.altered", "timestamps.column"
    }  # fmt: skip


def _bundle(
    name: str, kind: Kind, what: str, make: Callable[[TamperedLedger], None], code: str,
    place: int | str, also: frozenset[str] = frozenset(),
) -> Alteration:  # fmt: skip
    return row(Target.BUNDLE, name, kind, what, make, code, place, also)


CONTAINER = (
    _bundle("zip-header", Kind.FLIP, "a byte of the zip file's first header",
            raw(BUNDLE, lambda data: data[:10] + bytes([data[10] ^ 1]) + data[11:]),
            "manifest.container", "zip file"),
    _bundle("zip-directory", Kind.FLIP, "a byte of the zip file's directory",
            raw(BUNDLE, central(12)), "manifest.container", "zip file"),
    _bundle("zip-comment", Kind.INSERT, "a comment at the zip file's end", raw(BUNDLE, commented),
            "manifest.container", "zip file"),
    _bundle("zip-front", Kind.INSERT, "bytes before the zip file",
            raw(BUNDLE, lambda data: b"x" * 10 + data), "manifest.container", "zip file"),
    _bundle("zip-repacked", Kind.SWAP, "the packing", repacked, "manifest.container", "zip file"),
)  # fmt: skip

MEMBERS = (
    *(
        _bundle(f"flip-{name}", Kind.FLIP, f"one bit of {name}", member(BUNDLE, name, middle),
                "manifest.member", name, also)
        for name, also in SEEN_TOO.items()
    ),
    *(
        _bundle(f"drop-{name}", Kind.DROP, f"the member {name}", without(BUNDLE, name),
                "manifest.member", name, also)
        for name, also in SEEN_TOO.items()
    ),
    _bundle("manifest", Kind.FLIP, "one bit of the manifest",
            member(BUNDLE, "manifest.json", middle), "manifest.unreadable", "manifest.json",
            frozenset({"checkpoints.head"})),
    _bundle("manifest-dropped", Kind.DROP, "the manifest", without(BUNDLE, "manifest.json"),
            "manifest.unreadable", "manifest.json",
            frozenset({"checkpoints.head"})),
    _bundle("members-swapped", Kind.SWAP, "two members",
            lambda x: x.pack(BUNDLE, {
                **x.members(BUNDLE), "report.html": x.members(BUNDLE)["report.json"],
                "report.json": x.members(BUNDLE)["report.html"]}),
            "manifest.member", "report.html"),
    _bundle("member-inserted", Kind.INSERT, "a member",
            lambda x: x.pack(BUNDLE, {**x.members(BUNDLE), "note.txt": b"new"}),
            "manifest.surplus", "note.txt"),
)  # fmt: skip

FORGED = (
    _bundle("entry-forged", Kind.BACK_DATE, "the time of an event, the manifest made to fit",
            forged(BUNDLE, "entries.jsonl", lines(back_dated)), "statements.signature", IN_TILE,
            TREE | {"statements.result"}),
    _bundle("entry-dropped", Kind.DROP, "an entry, the manifest made to fit",
            forged(BUNDLE, "entries.jsonl", lines(lambda x: x[:IN_TILE] + x[IN_TILE + 1 :])),
            "entries.missing", IN_TILE, _VALUE),
    _bundle("entries-swapped", Kind.SWAP, "two entries, the manifest made to fit",
            forged(BUNDLE, "entries.jsonl", swapped(100, 140)), "entries.position", IN_TILE,
            TREE | {"statements.result", "openings.foreign"}),
    _bundle("tail-cut", Kind.TRUNCATE, "the last entries, the manifest made to fit",
            forged(BUNDLE, "entries.jsonl", lines(lambda x: x[:-4])), "entries.missing", SIZE - 4,
            _VALUE | {"manifest.receipt", "published.rolled-back"}),
    _bundle("checkpoint-forged", Kind.DROP, "a line of the checkpoint, the manifest made to fit",
            forged(BUNDLE, "checkpoint", lambda data: data[: data.rindex("— ".encode())]),
            "manifest.value", "checkpoint", frozenset({"manifest.receipt"})),
    _bundle("keys-forged", Kind.DROP, "a key, the manifest made to fit",
            forged(BUNDLE, "vkeys.txt", lambda data: data[: data.index(b"\n") + 1]),
            "manifest.value", "vkeys.txt"),
    _bundle("policy-forged", Kind.FLIP, "the policy, the manifest made to fit",
            forged(BUNDLE, "policy.txt", lambda data: data + b"quorum none\n"), "manifest.policy",
            "policy.txt"),
    _bundle("schemas-forged", Kind.FLIP, "the schemas, the manifest made to fit",
            forged(BUNDLE, "schemas.json", lambda data: data.replace(b"consent.", b"content.")),
            "manifest.schemas", "schemas.json"),
    _bundle("receipt-forged", Kind.FLIP, "the index of a receipt, the manifest made to fit",
            forged(BUNDLE, "receipts/0.tlog-proof",
                   lambda data: data.replace(b"index 0", b"index 1")),
            "manifest.receipt", "receipts/0.tlog-proof"),
    _bundle("receipt-replayed", Kind.REPLAY, "a receipt, for another entry's, manifest made to fit",
            lambda x: x.forge(BUNDLE, {**x.members(BUNDLE), "receipts/0.tlog-proof": next(
                data for name, data in sorted(x.members(BUNDLE).items(), reverse=True)
                if name.startswith("receipts/"))}),
            "manifest.receipt", "receipts/0.tlog-proof"),
    _bundle("published-dropped", Kind.DROP, "a published checkpoint, the manifest made to fit",
            forged(BUNDLE, "published.jsonl", lines(lambda x: x[1:])), "published.missing",
            "published_checkpoints", _VALUE | {"cosignatures.missing"}),
    _bundle("cosignature-forged", Kind.FLIP, "a witness's line, the manifest made to fit",
            forged(BUNDLE, "published.jsonl", _other_line),
            "cosignatures.signature", "witness.example/"),
    _bundle("count-forged", Kind.FLIP, "a count of what was published, the manifest made to fit",
            forged(BUNDLE, "tallies.jsonl",
                   lambda data: data.replace(b'"number":3', b'"number":4', 1)),
            "cosignatures.missing", "cosignatures"),
    _bundle("opening-dropped", Kind.DROP, "the opening of an allocation, the manifest made to fit",
            forged(BUNDLE, "openings.jsonl",
                   lines(lambda x: [one for one in x if b'"seq":299' not in one])),
            "openings.missing", 299, _VALUE),
    *(
        _bundle(f"states-{name}", Kind.FLIP, f"what the manifest says of {name}",
                manifest(BUNDLE, **{name: value}), code, artefact)
        for name, value, code, artefact in (
            ("size", SIZE - 1, "checkpoints.head", "size"),
            ("head", "0" * 64, "checkpoints.head", "hash"),
            ("root", "0" * 64, "manifest.value", "/root"),
            ("origin", "ledger.example/other", "manifest.value", "/origin"),
            ("vkey", "x", "manifest.value", "/vkey"),
            ("genesis_sha256", "0" * 64, "manifest.value", "/genesis_sha256"),
            ("trial", "OTHER", "manifest.value", "/trial"),
            ("recorded_at", "2024-01-01T00:00:00.000000Z", "checkpoints.head", "recorded_at"),
            ("counts", {}, "manifest.value", "/counts"),
            ("redaction", "some", "manifest.value", "/redaction"),
        )
    ),
)  # fmt: skip


def _dossier(
    name: str, kind: Kind, what: str, make: Callable[[TamperedLedger], None], code: str,
    place: int | str, also: frozenset[str] = frozenset(),
) -> Alteration:  # fmt: skip
    return row(Target.DOSSIER, name, kind, what, make, code, place, also)


def forged_links(change: Callable[[list[bytes]], list[bytes]]) -> Callable[[TamperedLedger], None]:
    """Change the links of the subject's stream, the manifest made to fit."""
    return forged(DOSSIER, STREAM, lines(change))


def uncommitted(ledger: TamperedLedger) -> None:
    """Leave out links, openings and commitments, and call what is left another subject's."""
    members = ledger.members(DOSSIER)
    proven = members["proven.jsonl"].splitlines(keepends=True)
    issued = [line for line in proven if b'"stream":"trial"' not in line
              and b'"stream":"access"' not in line]  # fmt: skip
    left = {
        name: data
        for name, data in members.items()
        if not name.startswith("streams/")
        and name not in {f"receipts/{json.loads(line)['seq']}.tlog-proof" for line in issued}
    }
    left |= {
        "openings.jsonl": b"",
        "proven.jsonl": b"".join(line for line in proven if line not in issued),
    }
    ledger.forge(DOSSIER, left, subject="SY01-0009", streams={})


DOSSIERS = (
    _dossier("link-flipped", Kind.FLIP, "one bit of a stream", member(DOSSIER, STREAM, middle),
             "manifest.member", STREAM, frozenset({"dossier.broken", "dossier.link"})),
    _dossier("stream-dropped", Kind.DROP, "a whole stream", without(DOSSIER, STREAM),
             "manifest.member", STREAM, frozenset({"dossier.gap", "openings.stray"})),
    _dossier("manifest", Kind.FLIP, "one bit of the manifest",
             member(DOSSIER, "manifest.json", middle), "manifest.unreadable", "manifest.json"),
    _dossier("keys-forged", Kind.TRUNCATE, "all keys, the manifest made to fit",
             forged(DOSSIER, "vkeys.txt", lambda _: b""), "manifest.value", "vkeys.txt"),
    _dossier("keys-dropped", Kind.DROP, "the keys, the manifest made to fit",
             without(DOSSIER, "vkeys.txt", fitting=True), "manifest.member", "vkeys.txt"),
    *(
        _dossier(f"states-{name}", Kind.FLIP, f"what the manifest says of {name}",
                 manifest(DOSSIER, **{name: value}), "manifest.value", f"/{name}")
        for name, value in (
            ("trial", "OTHER"), ("vkey", "x"), ("subject", "SY01-0002"), ("size", SIZE - 1),
            ("root", "0" * 64), ("origin", "ledger.example/other"),
            ("genesis_sha256", "0" * 64), ("streams", {}),
        )
    ),
    _dossier("zip-comment", Kind.INSERT, "a comment at the zip file's end",
             raw(DOSSIER, commented), "manifest.container", "zip file"),
    _dossier("link-dropped", Kind.DROP, "a link, the manifest made to fit",
             forged_links(lambda x: [x[0], *x[2:]]), "dossier.gap", "subject/SY01-0001"),
    _dossier("links-swapped", Kind.SWAP, "two links, the manifest made to fit",
             forged_links(lambda x: [x[1], x[0], *x[2:]]), "dossier.gap", "subject/SY01-0001"),
    _dossier("link-repeated", Kind.REPLAY, "a link, the manifest made to fit",
             forged_links(lambda x: [*x, x[-1]]), "dossier.gap", "subject/SY01-0001"),
    _dossier("tail-cut", Kind.TRUNCATE, "the last link, the manifest made to fit",
             forged_links(lambda x: x[:-1]), "dossier.tail", "subject/SY01-0001"),
    _dossier("emptied", Kind.TRUNCATE, "all links, the manifest made to fit",
             forged_links(lambda _: []), "dossier.tail", "subject/SY01-0001",
             frozenset({"openings.stray"})),
    _dossier("uncommitted", Kind.TRUNCATE, "every link and commitment, for another subject",
             uncommitted, "manifest.value", "/subject"),
    _dossier("link-forged", Kind.BACK_DATE, "the time of an event, the manifest made to fit",
             forged_links(_back_dated_link), "dossier.broken", "subject/SY01-0001",
             frozenset({"dossier.signature"})),
)  # fmt: skip


ALTERATIONS = (*CONTAINER, *MEMBERS, *FORGED, *DOSSIERS)
