"""Vectors of verifier keys, checkpoints, cosignatures and receipts."""

from __future__ import annotations

import json
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey

from tests.vectors.make_entries import chain
from tests.vectors.plain import (
    P256,
    PERSON,
    SYSTEM,
    Json,
    b64,
    canonical,
    checkpoint,
    leaf,
    line,
    note,
    receipt,
    root,
    vkey,
)

KEPT = Path(__file__).parents[2] / "docs" / "formats" / "vectors" / "checkpoints.json"
ORIGIN = "log.example/trial"
LOG = SYSTEM
WITNESS, WITNESS_NAME = PERSON, "witness.example/w1"
QUANTUM = MLDSA44PrivateKey.from_seed_bytes(bytes(range(96, 128)))
QUANTUM_PUBLIC = QUANTUM.public_key().public_bytes_raw()
ENTRIES = [canonical(entry) for entry in chain()]
LEAVES = [leaf(entry) for entry in ENTRIES]
TIME = 1_709_256_720


def cosigned(text: str, *, stated: int = TIME) -> str:
    """The witness's line of type 0x04."""
    signature = WITNESS.sign(f"cosignature/v1\ntime {TIME}\n{text}".encode())
    return line(WITNESS_NAME, 4, WITNESS.public, stated.to_bytes(8, "big") + signature)


def quantum_message() -> bytes:
    """What the log's key of type 0x06 signs: its own name stands there twice, as both parties'."""
    name = bytes([len(ORIGIN)]) + ORIGIN.encode()
    time, start, end = (number.to_bytes(8, "big") for number in (TIME, 0, len(LEAVES)))
    return b"subtree/v1\n\x00" + name + time + name + start + end + root(LEAVES)


def _quantum() -> str:
    """The log's own line of type 0x06: kept while it verifies, for no two signatures are alike."""
    message = quantum_message()
    try:
        kept = json.loads(KEPT.read_text(encoding="utf-8"))["ml_dsa_44"]["signature"]
        QUANTUM.public_key().verify(bytes.fromhex(kept), message)
        signature = bytes.fromhex(kept)
    except (OSError, LookupError, ValueError, InvalidSignature):
        signature = QUANTUM.sign(message)
    return signature.hex()


def checkpoints() -> Json:
    """Verifier keys, and notes with what opens them or the code of the refusal."""
    text = checkpoint(ORIGIN, LEAVES)
    signed, mine = note(LOG, ORIGIN, text), vkey(ORIGIN, 1, LOG.public)
    witness = vkey(WITNESS_NAME, 4, WITNESS.public)
    signature = _quantum()
    own = line(ORIGIN, 6, QUANTUM_PUBLIC, TIME.to_bytes(8, "big") + bytes.fromhex(signature))
    unknown = line("unknown.example", 1, P256.public[:32], bytes(64))
    return {
        "log": {"vkey": mine, "key": LOG.as_vector()},
        "witness": {"vkey": witness, "key": WITNESS.as_vector()},
        "ml_dsa_44": {
            "seed": bytes(range(96, 128)).hex(), "vkey": vkey(ORIGIN, 6, QUANTUM_PUBLIC),
            "time": TIME, "message": quantum_message().hex(), "signature": signature,
        },
        "checkpoint": {"origin": ORIGIN, "size": len(LEAVES), "root": root(LEAVES).hex()},
        "opened": [
            {"name": "the log's line alone", "note": signed, "cosigned_at": {}},
            {"name": "with a line nobody knows", "note": signed + unknown, "cosigned_at": {}},
            {"name": "with a witness", "note": signed + cosigned(text),
             "cosigned_at": {witness: TIME}},
            {"name": "with the log's ML-DSA-44 line", "note": signed + own,
             "cosigned_at": {vkey(ORIGIN, 6, QUANTUM_PUBLIC): TIME}},
            {"name": "a line twice", "note": signed + cosigned(text) * 2,
             "cosigned_at": {witness: TIME}},
        ],
        "refused": [{"name": n, "note": t, "code": c} for n, t, c in _no_checkpoints(text, own)],
        "no_vkeys": [{"name": n, "vkey": t, "code": c} for n, t, c in _no_vkeys(mine)],
    }  # fmt: skip


def _no_checkpoints(text: str, own: str) -> list[tuple[str, str, str]]:
    signed = note(LOG, ORIGIN, text)
    last = signed.rpartition(" ")[0]
    root64 = b64(root(LEAVES))

    def of(*lines: str) -> str:
        return note(LOG, ORIGIN, "".join(f"{one}\n" for one in lines))

    return [
        ("signed by another key", note(PERSON, ORIGIN, text), "note.no-known-signature"),
        ("another text under the signature", signed.replace("\n5\n", "\n4\n"),
         "note.bad-signature"),
        ("a witness's line that does not hold",
         signed + cosigned(checkpoint(ORIGIN, LEAVES[:4])), "note.bad-signature"),
        ("a witness's line that states another time",
         signed + cosigned(text, stated=TIME + 3), "note.bad-signature"),
        ("an ML-DSA-44 line over another tree",
         note(LOG, ORIGIN, checkpoint(ORIGIN, LEAVES[:4]), own), "note.bad-signature"),
        ("a cosignature alone", f"{text}\n{cosigned(text)}", "note.no-known-signature"),
        ("no empty line", signed.replace("\n\n", "\n"), "note.no-signatures"),
        ("no signature", text + "\n", "note.no-signatures"),
        ("no newline at the end", signed[:-1], "note.no-signatures"),
        ("a carriage return", signed.replace("\n", "\r\n"), "note.control-character"),
        ("a tab", signed.replace(" ", "\t", 1), "note.control-character"),
        ("a hyphen for the dash", signed.replace("\u2014", "-"), "note.signature-line"),
        ("two spaces", signed.replace("\u2014 ", "\u2014  "), "note.signature-line"),
        ("a signature of four bytes", f"{last} AAAAAA==\n", "note.signature-line"),
        ("base64 with bits left over", f"{last} AAAAAAF=\n", "base64.not-canonical"),
        ("101 lines", signed + cosigned(text) * 100, "note.too-many-signatures"),
        ("an extension line", of(ORIGIN, "5", root64, "extension"), "checkpoint.lines"),
        ("two lines", of(ORIGIN, "5"), "checkpoint.lines"),
        ("a size with a leading zero", of(ORIGIN, "05", root64), "decimal.malformed"),
        ("a size with a sign", of(ORIGIN, "+5", root64), "decimal.malformed"),
        ("a size of 2^63", of(ORIGIN, str(2**63), root64), "decimal.malformed"),
        ("a root of 31 bytes", of(ORIGIN, "5", b64(bytes(31))), "base64.hash-length"),
        ("a root without padding", of(ORIGIN, "5", root64[:-1]), "base64.not-canonical"),
        ("an origin with a space", of("log example", "5", root64), "checkpoint.origin"),
        ("another origin, signed by the key", of("log.example/other", "5", root64),
         "checkpoint.foreign-key"),
        ("size 0 without the empty root", of(ORIGIN, "0", root64), "checkpoint.empty-root"),
    ]  # fmt: skip


def _no_vkeys(good: str) -> list[tuple[str, str, str]]:
    neutral = (1).to_bytes(32, "little")
    return [
        ("another key ID", good.replace(good[18:26], "00000000"), "note.vkey-id"),
        ("upper-case hexadecimal", good.replace(good[18:26], good[18:26].upper()),
         "note.vkey-malformed"),
        ("no key", good[:27], "note.vkey-malformed"), ("no name", good[17:], "note.vkey-malformed"),
        ("a name with a space", vkey("a b", 1, LOG.public), "note.key-name"),
        ("a name with a no-break space", vkey("a\u00a0b", 1, LOG.public), "note.key-name"),
        ("type 0x02", vkey(ORIGIN, 2, LOG.public), "note.key-type"),
        ("31 bytes", vkey(ORIGIN, 1, LOG.public[1:]), "note.key-length"),
        ("a key of small order", vkey(ORIGIN, 1, neutral), "ed25519.small-order"),
        ("a cosigner's key of small order", vkey(ORIGIN, 4, neutral), "ed25519.small-order"),
    ]  # fmt: skip


def receipts() -> Json:
    """Receipts of the five entries of entries.json, and texts that prove nothing."""
    text = checkpoint(ORIGIN, LEAVES)
    signed = note(LOG, ORIGIN, text)
    good = receipt(2, LEAVES, signed)
    fourth = note(LOG, ORIGIN, checkpoint(ORIGIN, LEAVES[:4]))
    lines = good.split("\n")
    bad = [
        ("of another entry", 3, good, "inclusion.root-mismatch"),
        ("another index", 2, good.replace("index 2", "index 3"), "inclusion.root-mismatch"),
        ("an index beyond the tree", 2, good.replace("index 2", "index 5"),
         "inclusion.index-beyond-size"),
        ("a step less", 2, good.replace(lines[2] + "\n", ""), "inclusion.path-too-short"),
        ("a step more", 2, good.replace(lines[2], lines[2] + "\n" + lines[2]),
         "inclusion.path-too-long"),
        ("under a checkpoint of another size", 2, receipt(2, LEAVES, fourth),
         "inclusion.path-too-long"),
        ("under another log's checkpoint", 2, receipt(2, LEAVES, note(PERSON, ORIGIN, text)),
         "note.no-known-signature"),
        ("another first line", 2, good.replace("@v1", "@v2"), "receipt.malformed"),
        ("no index", 2, good.replace("index 2\n", ""), "receipt.malformed"),
        ("extra behind the index", 2, good.replace("index 2", "index 2\nextra AA=="),
         "base64.not-canonical"),
        ("empty extra", 2, good.replace("index 2", "extra \nindex 2"), "receipt.extra"),
        ("an index with a leading zero", 2, good.replace("index 2", "index 02"),
         "decimal.malformed"),
        ("an index of 2^63", 2, good.replace("index 2", f"index {2**63}"), "decimal.malformed"),
        ("an index below 0", 2, good.replace("index 2", "index -1"), "decimal.malformed"),
        ("an index without number", 2, good.replace("index 2", "index "), "decimal.malformed"),
        ("two spaces before the index", 2, good.replace("index 2", "index  2"),
         "decimal.malformed"),
        ("no space before the index", 2, good.replace("index 2", "index2"), "receipt.malformed"),
        ("an index line in capitals", 2, good.replace("index 2", "INDEX 2"), "receipt.malformed"),
        ("a step of 31 bytes", 2, good.replace(lines[2], b64(bytes(31))), "base64.hash-length"),
        ("64 steps", 2, good.replace(lines[2], "\n".join([lines[2]] * 62)), "receipt.path"),
        ("no empty line", 2, good.replace("\n\n", "\n", 1), "base64.not-canonical"),
        ("carriage returns", 2, good.replace("\n", "\r\n"), "receipt.malformed"),
    ]  # fmt: skip
    return {
        "vkey": vkey(ORIGIN, 1, LOG.public),
        "accepted": [
            *({"name": f"entry {index} of 5", "entry": entry.decode(), "index": index, "size": 5,
               "receipt": receipt(index, LEAVES, signed)} for index, entry in enumerate(ENTRIES)),
            {"name": "the only entry", "entry": ENTRIES[0].decode(), "index": 0, "size": 1,
             "receipt": receipt(0, LEAVES[:1], note(LOG, ORIGIN, checkpoint(ORIGIN, LEAVES[:1])))},
            {"name": "with extra data", "entry": ENTRIES[2].decode(), "index": 2, "size": 5,
             "receipt": receipt(2, LEAVES, signed, extra=b"not covered by any signature")},
            {"name": "under a cosigned checkpoint", "entry": ENTRIES[2].decode(), "index": 2,
             "size": 5, "receipt": receipt(2, LEAVES, signed + cosigned(text))},
        ],
        "refused": [
            {"name": n, "entry": ENTRIES[i].decode(), "receipt": t, "code": c}
            for n, i, t, c in bad
        ],
    }  # fmt: skip
