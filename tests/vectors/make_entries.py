"""Vectors of disclosures and sealed members, of entries, links and the two chains."""

from __future__ import annotations

import json

from tests.vectors.make_statements import EVENT, PAYLOAD
from tests.vectors.plain import (
    PERSON,
    SYSTEM,
    Json,
    b64u,
    canonical,
    compact,
    general,
    part,
    personal,
    sha256,
)

ZEROS = "0" * 64
SALT = b64u(bytes(range(16)))


def disclosure(name: object, value: object, salt: object = SALT) -> str:
    """A disclosure in canonical JSON."""
    return b64u(canonical([salt, name, value]))


def digest(text: str) -> str:
    """What is signed in its place."""
    return b64u(sha256(text.encode()))


def disclosures() -> Json:
    """Disclosures, payloads opened by them, and what is refused."""
    name, place = disclosure("participant_name", "Li Hua"), disclosure("place", {"ward": 4})
    spaced = b64u(json.dumps([SALT, "place", "4 \u00e9"], indent=1).encode())
    digests = sorted([digest(name), digest(place)])
    sealed: Json = {"form": "3.0", "_sd": digests}
    good = [
        ("a text", name, "participant_name", "Li Hua"), ("an object", place, "place", {"ward": 4}),
        ("null", disclosure("cause", None), "cause", None),
        ("in the sender's own spacing and escapes", spaced, "place", "4 \u00e9"),
    ]  # fmt: skip
    bad = [
        ("two elements", b64u(canonical([SALT, "name"])), "sealed.malformed"),
        ("an object", b64u(b"{}"), "sealed.malformed"),
        ("a name that is no text", disclosure(1, "x"), "sealed.malformed"),
        ("a salt that is no text", disclosure("name", "x", 1), "sealed.malformed"),
        ("a short salt", disclosure("name", "x", "A" * 21), "sealed.salt"),
        ("a long salt", disclosure("name", "x", "A" * 129), "sealed.salt"),
        ("a salt of other letters", disclosure("name", "x", "+" * 22), "sealed.salt"),
        ("the name _sd", disclosure("_sd", []), "sealed.reserved-name"),
        ("the name ...", disclosure("...", "x"), "sealed.reserved-name"),
        ("digests inside", disclosure("name", {"a": [{"_sd": []}]}), "sealed.nested"),
        ("a float inside", b64u(f'["{SALT}","name",1.5]'.encode()), "strict-json.float"),
        ("padding", name + "=", "base64url.malformed"),
        ("over 40,960 characters", disclosure("name", "x" * 31_000), "sealed.too-large"),
    ]
    opened: list[tuple[str, Json, list[str], Json, list[str]]] = [
        ("both", sealed, [name, place],
         {"form": "3.0", "participant_name": "Li Hua", "place": {"ward": 4}}, []),
        ("one stays closed", sealed, [place], {"form": "3.0", "place": {"ward": 4}},
         [digest(name)]),
        ("all stay closed", sealed, [], {"form": "3.0"}, digests),
        ("nothing is sealed", {"form": "3.0"}, [], {"form": "3.0"}, []),
    ]  # fmt: skip
    twin = disclosure("place", "other", b64u(bytes(16)))
    refused: list[tuple[str, Json, list[str], str]] = [
        ("a disclosure that was not signed", sealed, [twin], "sealed.unknown-digest"),
        ("one given twice", sealed, [name, name], "sealed.duplicate"),
        ("a name that stands in clear", {"place": 1, "_sd": [digest(place)]}, [place],
         "sealed.name-clash"),
        ("a name opened twice", {"_sd": [digest(place), digest(twin)]}, [place, twin],
         "sealed.name-clash"),
        ("a digest twice", {"_sd": [digest(name)] * 2}, [], "sealed.digests"),
        ("no digest", {"_sd": ["AAAA"]}, [], "sealed.digests"),
        ("no list", {"_sd": digest(name)}, [], "sealed.digests"),
        ("65 digests", {"_sd": [digest(str(n)) for n in range(65)]}, [], "sealed.digests"),
        ("digests below a member", {"form": {"_sd": []}}, [], "sealed.nested"),
        ("a member named ...", {"...": 1}, [], "sealed.reserved-name"),
    ]  # fmt: skip
    return {
        "disclosures": [
            {"name": n, "text": t, "digest": digest(t), "salt": SALT, "member": m, "value": v}
            for n, t, m, v in good
        ],
        "refused": [{"name": n, "text": t, "code": c} for n, t, c in bad],
        "opened": [
            {"name": n, "data": d, "disclosures": t, "merged": m, "closed": c}
            for n, d, t, m, c in opened
        ],
        "not_opened": [
            {"name": n, "data": d, "disclosures": t, "code": c} for n, d, t, c in refused
        ],
        "published": [{
            "source": "RFC 9901 section 4.2.3",
            "text": "WyJfMjZiYzRMVC1hYzZxMktJNmNCVzVlcyIsICJmYW1pbHlfbmFtZSIsICJNw7ZiaXVzIl0",
            "digest": "X9yH0Ajrdm1Oij4tWso9UzzKJvPoDxwmuEcO3XAdRC0",
        }],
    }  # fmt: skip


def chain() -> list[Json]:
    """Five entries over two streams, as the members of their canonical JSON."""
    other = canonical(EVENT | {"subject": "treatment/SY01-0007"})
    statements = [
        ("subject/SY01-0007", compact(PERSON, PAYLOAD, personal(PERSON))),
        ("treatment/SY01-0007", compact(SYSTEM, other)),
        ("subject/SY01-0007", general(PAYLOAD, [part(SYSTEM, PAYLOAD)])),
        ("subject/SY01-0007", compact(SYSTEM, PAYLOAD)),
        ("treatment/SY01-0007", compact(PERSON, other, personal(PERSON))),
    ]
    entries: list[Json] = []
    prev, links = ZEROS, dict[str, tuple[int, str]]()
    for seq, (stream, statement) in enumerate(statements):
        stream_seq, stream_prev = links.get(stream, (0, ZEROS))
        entry = {
            "prev": prev,
            "recorded_at": f"2024-03-01T01:3{min(seq, 3)}:00.000000Z",
            "seq": seq,
            "statement": statement,
            "stream": stream,
            "stream_prev": stream_prev,
            "stream_seq": stream_seq,
        }
        entries.append(entry)
        prev = sha256(canonical(entry)).hex()
        links[stream] = (stream_seq + 1, sha256(link(entry)).hex())
    return entries


def link(entry: Json) -> bytes:
    """The link of an entry."""
    return canonical({n: entry[n] for n in ("statement", "stream", "stream_prev", "stream_seq")})


def entries() -> Json:
    """A chain, spellings that are no entries, and entries that do not continue it."""
    rows = chain()
    first, last = rows[0], rows[-1]
    text = canonical(first).decode()
    spellings = [
        ("a space", text.replace(",", ", ", 1), "entry.not-canonical"),
        ("another order of members", json.dumps(dict(reversed(first.items())),
                                                separators=(",", ":")), "entry.not-canonical"),
        ("an escape that is not needed", text.replace("subject/", "subject\\/", 1),
         "entry.not-canonical"),
        ("a line feed at the end", text + "\n", "entry.not-canonical"),
        ("a member less", spelt({n: v for n, v in first.items() if n != "prev"}), "entry.members"),
        ("a member more", spelt(first | {"note": ""}), "entry.members"),
        ("a list", "[]", "entry.members"),
        ("a member twice", text.replace("{", '{"prev":"",', 1), "entry.not-json"),
        ("seq as text", spelt(first | {"seq": "0"}), "entry.member-type"),
        ("seq below 0", spelt(first | {"seq": -1}), "entry.member-type"),
        ("seq true", spelt(first | {"seq": True}), "entry.member-type"),
        ("seq 0.0", text.replace('"seq":0', '"seq":0.0'), "entry.not-json"),
        ("a statement that is no text", spelt(first | {"statement": {}}), "entry.member-type"),
        ("upper-case hexadecimal", spelt(first | {"prev": "A" * 64}), "entry.member-form"),
        ("a short hash", spelt(first | {"stream_prev": "0" * 63}), "entry.member-form"),
        ("a time without fraction", spelt(first | {"recorded_at": "2024-03-01T01:30:00Z"}),
         "entry.member-form"),
        ("65,536 bytes", spelt(first | {"statement": "x" * (65_536 - len(text)
                                                             + len(first["statement"]))}),
         "entry.too-long"),
    ]  # fmt: skip
    strange = [
        ("a statement that is not ASCII", {"statement": "a.b.\u00e9"}, "statement.malformed"),
        ("an empty statement", {"statement": ""}, "statement.malformed"),
        ("a statement of two parts", {"statement": "a.b"}, "statement.malformed"),
        ("a statement with a control character", {"statement": "a.b.\n"}, "base64url.malformed"),
        ("a day that does not exist", {"recorded_at": "2024-02-30T01:30:00.000000Z"},
         "time.not-a-date"),
        ("hour 24", {"recorded_at": "2024-03-01T24:00:00.000000Z"}, "time.not-a-date"),
        ("another stream than the event's", {"stream": "subject/SY01-0008"}, None),
        ("no stream of the grammar", {"stream": "sub\u00e9ct"}, None),
        ("an empty stream", {"stream": ""}, None),
    ]  # fmt: skip
    broken = [
        ("a position left out", last | {"seq": 5}, "chain.seq"),
        ("another predecessor", last | {"prev": ZEROS}, "chain.prev"),
        (
            "recorded earlier",
            last | {"recorded_at": "2024-03-01T01:32:59.999999Z"},
            "chain.recorded-at",
        ),
        ("a position in the stream left out", last | {"stream_seq": 2}, "chain.stream-seq"),
        ("another predecessor in the stream", last | {"stream_prev": ZEROS}, "chain.stream-prev"),
    ]
    return {
        "chain": [
            {"entry": spelt(row), "sha256": sha256(canonical(row)).hex(),
             "link": link(row).decode(), "link_sha256": sha256(link(row)).hex()}
            for row in rows
        ],
        "refused": [{"name": n, "entry": t, "code": c} for n, t, c in spellings],
        "read_alone": [
            {"name": n, "entry": spelt(first | c), "sha256": sha256(canonical(first | c)).hex(),
             "link_sha256": sha256(link(first | c)).hex(), "record": code}
            for n, c, code in strange
        ],
        "not_the_fifth": [{"name": n, "entry": spelt(e), "code": c} for n, e, c in broken],
    }  # fmt: skip


def spelt(entry: Json) -> str:
    """Canonical JSON as text."""
    return canonical(entry).decode()
