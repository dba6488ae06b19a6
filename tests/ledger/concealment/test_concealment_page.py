"""The page on what is stored at rest: its vector, recomputed from AES-GCM alone."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from ledger.concealment.binding import Place
from ledger.concealment.envelope import ConcealedOpening, encrypt, pad, parse_concealed
from ledger.concealment.key_file import FileKey
from ledger.vocabulary import Purpose

PAGES = Path(__file__).parents[3] / "docs" / "formats"
KEK, DATA_KEY, KEY_ID, NONCE = (
    bytes(range(start, stop)) for start, stop in ((0, 32), (32, 64), (0, 16), (0, 12))
)
TRIAL, STREAM = "XHNKKY-DFSC", "subject/SY01-0007"
EVENT = "018d6f2c-8a00-7c3e-9b1a-5d2f4e6a7b8c"


def vector() -> dict[str, str]:
    """The rows of the page's vector."""
    page = (PAGES / "concealment.md").read_text(encoding="utf-8")
    block = page.split("```text\n", 1)[1].split("\n```", 1)[0].splitlines()
    return {name: value.strip() for name, value in zip(block[::2], block[1::2], strict=True)}


def disclosure() -> str:
    """The disclosure worked on the page about sealed members."""
    page = (PAGES / "sealed-members.md").read_text(encoding="utf-8")
    found = re.search("^disclosure (.+)$", page, re.MULTILINE)
    assert found is not None
    return found[1]


def test_the_vector_follows_from_the_page_without_our_code() -> None:
    """What is written is enough to read a stored opening in thirty years."""
    rows = vector()
    wrapped = bytes.fromhex(rows["wrapped data key"])
    context = rows["associated data of the key"].encode()
    assert json.loads(context)[-1] == rows["id of the key-encryption key"]
    assert AESGCM(KEK).decrypt(wrapped[:12], wrapped[12:], context) == DATA_KEY
    text = disclosure().encode()
    head = b"\x01" + KEY_ID + hashlib.sha256(text).digest() + NONCE
    assert head.hex() == rows["opening, first 61 bytes"]
    padded = text + b"\0" * (-len(text) % 256)
    body = AESGCM(DATA_KEY).encrypt(NONCE, padded, rows["associated data of the opening"].encode())
    assert body[-16:].hex() == rows["opening, last 16 bytes"]
    whole = head + body
    told = f"{len(whole)} {hashlib.sha256(whole).hexdigest()}"
    assert told == rows["opening, length and SHA-256"]


def test_our_code_writes_what_the_page_says() -> None:
    """Byte for byte."""
    rows, kek = vector(), FileKey(KEK)
    place = Place(STREAM, EVENT, Purpose.IDENTITY)
    context = place.key_name(TRIAL).context(KEY_ID, kek.id)
    assert kek.id == rows["id of the key-encryption key"]
    assert kek.wrap(DATA_KEY, context=context, nonce=NONCE).hex() == rows["wrapped data key"]
    digest = hashlib.sha256(disclosure().encode()).digest()
    bound = place.context(TRIAL, digest=digest, key_id=KEY_ID)
    body = encrypt(DATA_KEY, pad(disclosure()), context=bound, nonce=NONCE)
    opening = ConcealedOpening(KEY_ID, digest, body)
    assert parse_concealed(opening.to_bytes()) == opening
    told = f"{len(opening.to_bytes())} {hashlib.sha256(opening.to_bytes()).hexdigest()}"
    assert told == rows["opening, length and SHA-256"]
