"""The worked vectors of the format pages are what the code makes."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

from ledger.signing.envelope import event_bytes, parse_event
from ledger.signing.jwk import SigningKey
from ledger.signing.sealing import open_sealed, parse_disclosure, seal
from ledger.signing.statement import (
    Meaning,
    Signer,
    parse_statement,
    sign_statement,
    verify_signature,
)

FORMATS = Path(__file__).parents[3] / "docs" / "formats"
KEY = SigningKey.from_seed(bytes(range(32)))


def blocks(page: str) -> list[str]:
    """The fenced blocks of a format page."""
    text = (FORMATS / page).read_text(encoding="utf-8")
    return re.findall(r"^```[a-z]+\n(.*?)\n```$", text, re.MULTILINE | re.DOTALL)


def test_the_statement_page_s_vector_is_made_and_verified() -> None:
    """Payload, header, text, thumbprint and digest on the page are exact."""
    payload, header, text = blocks("statement.md")
    signer = Signer(key=KEY, meaning=Meaning.AUTHORSHIP, iat=1_709_256_660)
    statement = sign_statement(payload.encode(), [signer])
    assert statement.text == text
    assert statement.signatures[0].protected.decode() == header
    verify_signature(parse_statement(text), statement.signatures[0], KEY.public)
    assert event_bytes(parse_event(statement.payload)) == payload.encode()
    page = (FORMATS / "statement.md").read_text(encoding="utf-8")
    assert hashlib.sha256(text.encode()).hexdigest() in page
    assert KEY.kid in page


def test_the_sealing_page_s_vector_opens_the_statement_page_s_event() -> None:
    """Both pages tell of one event, before and after opening."""
    (block,) = blocks("sealed-members.md")
    text, digest = (line.split()[1] for line in block.splitlines())
    disclosure = parse_disclosure(text)
    assert disclosure.digest == digest
    event = parse_event(blocks("statement.md")[0].encode())
    merged, _, missing = open_sealed(event.data, [disclosure])
    assert (merged, missing) == ({"form": "3.0", "participant_name": "Li Hua"}, [])
    sealed, made = seal(merged, ["participant_name"], lambda _: "AAECAwQFBgcICQoLDA0ODw")
    assert (sealed, made) == (event.data, [disclosure])
