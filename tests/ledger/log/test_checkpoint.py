"""Checkpoints: the exact three lines of C2SP tlog-checkpoint and whose signature counts."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.errors import IntegrityFailure, LedgerError, TrustFailure
from ledger.log.checkpoint import Checkpoint, open_checkpoint, parse_checkpoint, sign_checkpoint
from ledger.log.note import NoteSigner, sign_note
from ledger.log.tree import EMPTY_ROOT

ORIGIN = "example.com/behind-the-sofa"
ROOT_TEXT = "CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I="
SPEC_TEXT = f"{ORIGIN}\n20852163\n{ROOT_TEXT}\n"
SIGNER = NoteSigner.from_seed(ORIGIN, bytes(range(32)))

checkpoints = st.builds(
    Checkpoint,
    st.from_regex(r"[a-z0-9./-]{1,30}", fullmatch=True),
    st.integers(0, 2**63 - 1),
    st.binary(min_size=32, max_size=32),
)


def test_the_example_of_the_specification_is_read_and_written() -> None:
    """C2SP tlog-checkpoint's example text."""
    checkpoint = parse_checkpoint(SPEC_TEXT)
    assert (checkpoint.origin, checkpoint.size) == (ORIGIN, 20_852_163)
    assert checkpoint.root.hex().startswith("0ac5186a91863e8e")
    assert checkpoint.text() == SPEC_TEXT


@given(checkpoints)
def test_checkpoints_survive_writing_and_reading(checkpoint: Checkpoint) -> None:
    """Parsing gives back what was written."""
    assert parse_checkpoint(checkpoint.text()) == checkpoint


@given(st.text(max_size=80) | st.integers(0, len(SPEC_TEXT)).map(lambda n: SPEC_TEXT[:n]))
def test_a_text_that_is_read_is_the_text_that_is_written(text: str) -> None:
    """There is one text for one checkpoint; all others are refused."""
    try:
        checkpoint = parse_checkpoint(text)
    except IntegrityFailure:
        return
    assert checkpoint.text() == text


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "checkpoint.lines"),
        (SPEC_TEXT.removesuffix("\n"), "checkpoint.lines"),
        (SPEC_TEXT + "\n", "checkpoint.lines"),
        (SPEC_TEXT + "extension\n", "checkpoint.lines"),
        ("\n1\n" + ROOT_TEXT + "\n", "checkpoint.origin"),
        (SPEC_TEXT.replace("the-", "the "), "checkpoint.origin"),
        (SPEC_TEXT.replace("the-", "the+"), "checkpoint.origin"),
        (SPEC_TEXT.replace("2085", "02085"), "decimal.malformed"),
        (SPEC_TEXT.replace("2085", "+2085"), "decimal.malformed"),
        (SPEC_TEXT.replace("2085", "-2085"), "decimal.malformed"),
        (SPEC_TEXT.replace("2085", "20_85"), "decimal.malformed"),
        (SPEC_TEXT.replace("2085", " 2085"), "decimal.malformed"),
        (SPEC_TEXT.replace("20852163", "٢"), "decimal.malformed"),
        (SPEC_TEXT.replace("20852163", ""), "decimal.malformed"),
        (SPEC_TEXT.replace("20852163", str(2**63)), "decimal.malformed"),
        (SPEC_TEXT.replace("20852163", "9" * 5000), "decimal.malformed"),
        (SPEC_TEXT.replace("q2I=", "q2J="), "base64.not-canonical"),
        (SPEC_TEXT.replace("q2I=", "q2I"), "base64.not-canonical"),
        (SPEC_TEXT.replace("om/X", "om_X"), "base64.not-canonical"),
        (SPEC_TEXT.replace(ROOT_TEXT, "AAAA"), "base64.hash-length"),
        (SPEC_TEXT.replace(ROOT_TEXT, ""), "base64.hash-length"),
    ],
)
def test_other_spellings_are_refused(text: str, code: str) -> None:
    """Sizes, roots and lines have one form."""
    with pytest.raises(IntegrityFailure) as caught:
        parse_checkpoint(text)
    assert caught.value.code == code


@given(st.integers(1, 2**63 - 1), st.binary(min_size=32, max_size=32))
def test_a_signed_checkpoint_opens_with_the_logs_key(size: int, root: bytes) -> None:
    """Signing and opening are inverse."""
    checkpoint = Checkpoint(ORIGIN, size, root)
    assert open_checkpoint(sign_checkpoint(checkpoint, SIGNER), SIGNER.verifier) == checkpoint


def test_a_checkpoint_is_signed_by_the_log_it_names_only() -> None:
    """A log does not sign for another origin."""
    with pytest.raises(TrustFailure) as caught:
        sign_checkpoint(Checkpoint("other.example/log", 1, bytes(32)), SIGNER)
    assert caught.value.code == "checkpoint.foreign-key"


def test_a_checkpoint_of_another_origin_is_refused_although_the_key_signed_it() -> None:
    """The signature holds, the origin is not the key's name: not this log's word."""
    note = sign_note(Checkpoint("other.example/log", 1, bytes(32)).text(), [SIGNER])
    with pytest.raises(TrustFailure) as caught:
        open_checkpoint(note, SIGNER.verifier)
    assert caught.value.code == "checkpoint.foreign-key"


def test_a_checkpoint_by_another_key_of_the_same_name_is_refused() -> None:
    """A name alone proves nothing."""
    impostor = NoteSigner.from_seed(ORIGIN, bytes(32))
    note = sign_checkpoint(Checkpoint(ORIGIN, 1, bytes(32)), impostor)
    with pytest.raises(TrustFailure) as caught:
        open_checkpoint(note, SIGNER.verifier)
    assert caught.value.code == "note.no-known-signature"


def test_an_empty_tree_has_the_empty_root() -> None:
    """Size 0 with any other root is refused."""
    empty = Checkpoint(ORIGIN, 0, EMPTY_ROOT)
    assert open_checkpoint(sign_checkpoint(empty, SIGNER), SIGNER.verifier) == empty
    with pytest.raises(IntegrityFailure) as caught:
        open_checkpoint(sign_checkpoint(Checkpoint(ORIGIN, 0, bytes(32)), SIGNER), SIGNER.verifier)
    assert caught.value.code == "checkpoint.empty-root"


@pytest.mark.parametrize(
    ("origin", "size", "root"),
    [
        ("", 1, bytes(32)),
        ("a\nb", 1, bytes(32)),
        (ORIGIN, -1, bytes(32)),
        (ORIGIN, 2**63, bytes(32)),
        (ORIGIN, 1, bytes(31)),
    ],
)
def test_impossible_values_make_no_checkpoint(origin: str, size: int, root: bytes) -> None:
    """What could not be read back cannot be made."""
    with pytest.raises(LedgerError):
        Checkpoint(origin, size, root)
