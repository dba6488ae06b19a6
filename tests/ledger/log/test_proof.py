"""Receipts: the exact lines of C2SP tlog-proof and what they prove offline."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.errors import IntegrityFailure, LedgerError, TrustFailure
from ledger.log.checkpoint import Checkpoint, sign_checkpoint
from ledger.log.note import NoteSigner, VerifierKey
from ledger.log.proof import Receipt, parse_receipt, verify_receipt
from ledger.log.tree import inclusion_path, leaf_hash, root_of

SIGNER = NoteSigner.from_seed("log.example/trial", bytes(range(32)))
ENTRIES = [b'{"seq":%d}' % seq for seq in range(40)]
SIZES = st.integers(1, len(ENTRIES))


def receipt_for(index: int, size: int, extra: bytes | None = None) -> Receipt:
    """Build an honest receipt."""
    leaves = [leaf_hash(entry) for entry in ENTRIES[:size]]

    def node(level: int, position: int) -> bytes:
        return root_of(leaves[position << level : (position + 1) << level])

    checkpoint = Checkpoint(SIGNER.name, size, root_of(leaves))
    note = sign_checkpoint(checkpoint, SIGNER)
    return Receipt(index, tuple(inclusion_path(index, size, node)), note, extra)


TEXT = receipt_for(9, 13, b"extra").text()


@given(SIZES, st.data(), st.none() | st.binary(min_size=1, max_size=50))
def test_a_receipt_survives_its_text_and_verifies(
    size: int, data: st.DataObject, extra: bytes | None
) -> None:
    """Reading gives back what was written, and it proves its entry."""
    index = data.draw(st.integers(0, size - 1))
    receipt = receipt_for(index, size, extra)
    read = parse_receipt(receipt.text())
    assert read == receipt
    assert verify_receipt(read, ENTRIES[index], SIGNER.verifier).size == size


def test_the_text_has_the_lines_of_the_specification() -> None:
    """Header, extra, index, path, empty line, checkpoint."""
    lines = TEXT.split("\n")
    assert lines[:3] == ["c2sp.org/tlog-proof@v1", "extra ZXh0cmE=", "index 9"]
    assert [len(base64.b64decode(line)) for line in lines[3:7]] == [32] * 4
    assert lines[7:10] == ["", "log.example/trial", "13"]


@given(st.data())
def test_a_receipt_with_any_bit_changed_is_refused(data: st.DataObject) -> None:
    """Apart from the extra data, which nobody signs, nothing can change unseen."""
    text = bytearray(receipt_for(9, 13).text().encode())
    text[data.draw(st.integers(0, len(text) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    with pytest.raises((LedgerError, UnicodeDecodeError)):
        verify_receipt(parse_receipt(text.decode()), ENTRIES[9], SIGNER.verifier)


@given(SIZES, st.data())
def test_a_receipt_proves_no_other_entry(size: int, data: st.DataObject) -> None:
    """The leaf hash comes from the entry's bytes, never from the sender."""
    index = data.draw(st.integers(0, size - 1))
    entry = data.draw(st.binary(max_size=20) | st.sampled_from(ENTRIES))
    if entry == ENTRIES[index]:
        return
    with pytest.raises(IntegrityFailure) as caught:
        verify_receipt(receipt_for(index, size), entry, SIGNER.verifier)
    assert caught.value.code == "inclusion.root-mismatch"


def test_an_index_beyond_the_checkpoint_is_refused() -> None:
    """An entry recorded after the checkpoint is not proven by it."""
    honest = receipt_for(12, 13)
    with pytest.raises(IntegrityFailure) as caught:
        verify_receipt(
            Receipt(13, honest.path, honest.checkpoint_note), ENTRIES[12], SIGNER.verifier
        )
    assert caught.value.code == "inclusion.index-beyond-size"


def test_a_receipt_of_another_log_is_refused() -> None:
    """Only the key one trusts counts."""
    other = NoteSigner.from_seed(SIGNER.name, bytes(32))
    with pytest.raises(TrustFailure):
        verify_receipt(receipt_for(9, 13), ENTRIES[9], other.verifier)


@given(st.data())
def test_a_text_that_is_read_is_the_text_that_is_written(data: st.DataObject) -> None:
    """Any accepted variation of a receipt is its own canonical text."""
    start = data.draw(st.integers(0, len(TEXT)))
    end = data.draw(st.integers(start, min(len(TEXT), start + 3)))
    text = TEXT[:start] + data.draw(st.text("\n =+A0x", max_size=3)) + TEXT[end:]
    try:
        receipt = parse_receipt(text)
    except IntegrityFailure:
        return
    assert receipt.text() == text


STEP = base64.b64encode(bytes(32)).decode() + "\n"


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "receipt.malformed"),
        ("\n\n", "receipt.malformed"),
        (TEXT.replace("@v1", "@v2"), "receipt.malformed"),
        (TEXT.replace("index 9\n", ""), "receipt.malformed"),
        (TEXT.replace("index 9\n", "index 9\nindex 9\n"), "base64.not-canonical"),
        (TEXT.replace("index 9", "index  9"), "decimal.malformed"),
        (TEXT.replace("index 9", "index 09"), "decimal.malformed"),
        (TEXT.replace("index 9", "index -9"), "decimal.malformed"),
        (TEXT.replace("index 9", f"index {2**63}"), "decimal.malformed"),
        (TEXT.replace("extra ZXh0cmE=", "extra "), "receipt.extra"),
        (TEXT.replace("extra ZXh0cmE=", "extra ZXh0cmF="), "base64.not-canonical"),
        (TEXT.replace("extra ZXh0cmE=", "extra ZXh0cmE=\nextra ZXh0cmE="), "receipt.malformed"),
        (TEXT.replace("index 9\n", "index 9\nAAAA\n"), "base64.hash-length"),
        (TEXT.replace("index 9\n", "index 9\n" + STEP * 60), "receipt.path"),
        (TEXT.replace("\n", "\r\n"), "receipt.malformed"),
        (TEXT + "\n", "note.no-signatures"),
        (TEXT.partition("— ")[0], "note.no-signatures"),
        (TEXT + " " * 2_000_000, "receipt.too-long"),
    ],
)
def test_other_spellings_are_refused(text: str, code: str) -> None:
    """A receipt has one form."""
    with pytest.raises(IntegrityFailure) as caught:
        parse_receipt(text)
    assert caught.value.code == code


def test_empty_extra_data_and_impossible_indexes_make_no_receipt() -> None:
    """What could not be read back cannot be made."""
    note = receipt_for(0, 1).checkpoint_note
    for index, path, extra in ((0, (), b""), (-1, (), None), (0, (b"x",), None)):
        with pytest.raises(IntegrityFailure):
            Receipt(index, path, note, extra)


def documented(block: str) -> str:
    """Give a fenced block of the published format document."""
    document = Path(__file__).parents[3] / "docs" / "formats" / "log.md"
    return document.read_text(encoding="utf-8").split(f"```{block}\n")[1].split("```")[0]


def test_the_worked_example_of_the_format_document_holds() -> None:
    """What readers are shown is what the code makes and accepts."""
    vkey = VerifierKey.parse(documented("vkey").removesuffix("\n"))
    receipt = parse_receipt(documented("tlog-proof"))
    checkpoint = verify_receipt(receipt, b"beta", vkey)
    leaves = [leaf_hash(entry) for entry in (b"alpha", b"beta", b"gamma")]
    assert checkpoint == Checkpoint(SIGNER.name, 3, root_of(leaves))
    assert sign_checkpoint(checkpoint, SIGNER) == receipt.checkpoint_note
