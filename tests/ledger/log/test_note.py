"""Signed notes against the examples of C2SP signed-note and Go's sumdb, and against forgers."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.errors import IntegrityFailure, LedgerError, TrustFailure
from ledger.log.note import (
    NoteSignature,
    NoteSigner,
    VerifierKey,
    open_note,
    sign_note,
    split_note,
)

SPEC_VKEY = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"
SPEC_SIGNATURE = (
    "— example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXm"
    "RKuwHjG1Yu72IneyaQM=\n"
)
SPEC_NOTE = f"This is an example message.\n\n{SPEC_SIGNATURE}"

GO_VKEY = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
GO_SEED = base64.b64decode("AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz")[1:]
GO_SECOND_VKEY = "EnochRoot+af0cfe78+ATtqJ7zOtqQtYqOo0CpvDXNlMhV3HeJDpjrASKGLWdop"
GO_TEXT = (
    "If you think cryptography is the answer to your problem,\n"
    "then you don't know what your problem is.\n"
)
GO_SIGNATURE = (
    "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdng"
    "otpRZb6KE6RyyBwJnAM=\n"
)
GO_SECOND_SIGNATURE = (
    "— EnochRoot rwz+eBzmZa0SO3NbfRGzPCpDckykFXSdeX+MNtCOXm2/5n2tiOHp+vAF1aGrQ5ovTG01oOTGwnWL"
    "ox33WWd1RvMc+QQ=\n"
)

SPEC_KEY = VerifierKey.parse(SPEC_VKEY)
SIGNER = NoteSigner.from_seed("log.example/trial", bytes(range(32)))
OTHER = NoteSigner.from_seed("witness.example/w", bytes(32))

names = st.text(min_size=1, max_size=30).filter(
    lambda name: (
        not any(c.isspace() or c == "+" or c < " " or "\ud800" <= c <= "\udfff" for c in name)
    )
)
lines = st.text(st.characters(min_codepoint=32, exclude_categories=["Cs"]), max_size=20)
texts = st.lists(lines, min_size=1, max_size=5).map(lambda rows: "\n".join(rows) + "\n")


def refusal(note: str | bytes, *keys: VerifierKey) -> LedgerError:
    """Give the error a note is refused with."""
    with pytest.raises(LedgerError) as caught:
        open_note(note, keys or (SPEC_KEY,))
    return caught.value


def test_the_example_of_the_specification_opens() -> None:
    """C2SP signed-note's key and note."""
    opened = open_note(SPEC_NOTE, [SPEC_KEY])
    assert opened.text == "This is an example message.\n"
    assert [str(signature) + "\n" for signature in opened.verified] == [SPEC_SIGNATURE]
    assert opened.unknown == ()
    assert open_note(SPEC_NOTE.encode(), [SPEC_KEY]) == opened


def test_the_example_of_the_go_library_is_reproduced_byte_for_byte() -> None:
    """Go's sumdb/note seed gives its published key and its published signature."""
    signer = NoteSigner.from_seed("PeterNeumann", GO_SEED)
    assert str(signer.verifier) == GO_VKEY
    assert sign_note(GO_TEXT, [signer]) == f"{GO_TEXT}\n{GO_SIGNATURE}"


def test_a_note_with_two_signatures_opens_with_either_key_or_both() -> None:
    """Signatures of keys that are not known are listed and otherwise ignored."""
    note = f"{GO_TEXT}\n{GO_SIGNATURE}{GO_SECOND_SIGNATURE}"
    first, second = VerifierKey.parse(GO_VKEY), VerifierKey.parse(GO_SECOND_VKEY)
    assert len(open_note(note, [first, second]).verified) == 2
    alone = open_note(note, [second])
    assert [s.name for s in alone.verified] == ["EnochRoot"]
    assert [s.name for s in alone.unknown] == ["PeterNeumann"]


@pytest.mark.parametrize("vkey", [SPEC_VKEY, GO_VKEY, GO_SECOND_VKEY])
def test_published_keys_are_written_back_as_read(vkey: str) -> None:
    """Parsing and writing a vkey are inverse, '+' within the base64 included."""
    assert str(VerifierKey.parse(vkey)) == vkey


@given(names, st.sampled_from([(0x01, 32), (0x04, 32), (0x06, 1312)]))
def test_keys_of_all_assigned_types_are_read(name: str, kind: tuple[int, int]) -> None:
    """Cosigners' keys are read too, long before their signatures are."""
    key_type, length = kind
    public = SIGNER.verifier.public if length == 32 else bytes(length)
    key = VerifierKey(name, key_type, public)
    assert VerifierKey.parse(str(key)) == key


def test_a_cosigners_key_is_not_taken_for_one_that_signs_the_text() -> None:
    """Type 0x04 with the right name and bytes does not verify a plain signature."""
    key = VerifierKey(SIGNER.name, 0x04, SIGNER.verifier.public)
    text = "text\n"
    line = NoteSignature(key.name, key.key_id, SIGNER.sign(text.encode()))
    assert refusal(f"{text}\n{line}\n", key).code == "note.not-a-text-key"


@pytest.mark.parametrize(
    ("vkey", "code"),
    [
        ("", "note.vkey-malformed"),
        ("example.com/foo", "note.vkey-malformed"),
        (SPEC_VKEY.replace("530d903a", "530D903A"), "note.vkey-malformed"),
        (SPEC_VKEY.replace("530d903a", "530d903"), "note.vkey-malformed"),
        (SPEC_VKEY + "\n", "note.vkey-malformed"),
        (" " + SPEC_VKEY, "note.key-name"),
        (SPEC_VKEY + "=", "note.vkey-malformed"),
        (SPEC_VKEY + "A" * 5000, "note.vkey-malformed"),
        (SPEC_VKEY.replace("foo", "bar"), "note.vkey-id"),
        (SPEC_VKEY.replace("530d903a", "530d903b"), "note.vkey-id"),
        ("example.com/foo+530d903a+AekyeQ==", "note.key-length"),
        ("example.com/foo+530d903a+Aukyeg==", "note.key-type"),
        ("n+530d903a+" + base64.b64encode(b"\x01" + bytes(32)).decode(), "ed25519.small-order"),
        (
            "n+530d903a+" + base64.b64encode(b"\x04" + b"\xff" * 32).decode(),
            "ed25519.non-canonical",
        ),
    ],
)
def test_keys_that_are_not_exactly_written_are_refused(vkey: str, code: str) -> None:
    """A vkey has one spelling, its ID is its own, and weak keys do not pass."""
    with pytest.raises(TrustFailure) as caught:
        VerifierKey.parse(vkey)
    assert caught.value.code == code


@given(texts, st.lists(names, min_size=1, max_size=4, unique=True))
def test_what_is_signed_opens_to_the_same_text(text: str, signers: list[str]) -> None:
    """Texts with empty lines and any names come back whole."""
    keys = [NoteSigner.from_seed(name, bytes([n]) * 32) for n, name in enumerate(signers)]
    opened = open_note(sign_note(text, keys), [key.verifier for key in keys])
    assert opened.text == text
    assert [signature.name for signature in opened.verified] == signers


@given(st.data())
def test_a_note_with_any_byte_changed_is_refused(data: st.DataObject) -> None:
    """Nothing in a note can change unseen."""
    note = bytearray(SPEC_NOTE.encode())
    note[data.draw(st.integers(0, len(note) - 1))] ^= data.draw(st.integers(1, 255))
    refusal(bytes(note))


@given(st.integers(0, len(SPEC_NOTE.encode()) - 1))
def test_a_note_cut_anywhere_is_refused(length: int) -> None:
    """A truncated note never opens."""
    refusal(SPEC_NOTE.encode()[:length])


SIGNATURE_BASE64 = SPEC_SIGNATURE.split(" ")[2][:-1]


@pytest.mark.parametrize(
    ("note", "code"),
    [
        (b"\xff\n\n" + SPEC_SIGNATURE.encode(), "note.not-utf-8"),
        ("\ud800\n\n" + SPEC_SIGNATURE, "note.not-utf-8"),
        (SPEC_NOTE.replace("\n", "\r\n"), "note.control-character"),
        ("a\tb\n\n" + SPEC_SIGNATURE, "note.control-character"),
        ("a\x00b\n\n" + SPEC_SIGNATURE, "note.control-character"),
        (SPEC_NOTE + "\n", "note.no-signatures"),
        (SPEC_NOTE.removesuffix("\n"), "note.no-signatures"),
        ("This is an example message.\n" + SPEC_SIGNATURE, "note.no-signatures"),
        (SPEC_NOTE + "junk\n", "note.signature-line"),
        (SPEC_NOTE + " " + SPEC_SIGNATURE, "note.signature-line"),
        (SPEC_NOTE.replace("— ", "- "), "note.signature-line"),
        (SPEC_NOTE.replace("— ", "—  "), "note.signature-line"),
        (SPEC_NOTE.replace("foo ", "f+o "), "note.signature-line"),
        (SPEC_NOTE.replace("foo ", "f\u00a0o "), "note.signature-line"),
        (SPEC_NOTE.replace("foo ", "f\u2028o "), "note.signature-line"),
        (SPEC_NOTE.replace("aQM=\n", "aQM= \n"), "note.signature-line"),
        (SPEC_NOTE.replace("aQM=\n", "aQM\n"), "base64.not-canonical"),
        (SPEC_NOTE.replace("aQM=\n", "aQN=\n"), "base64.not-canonical"),
        (SPEC_NOTE.replace(SIGNATURE_BASE64, "Uw2QOg=="), "note.signature-line"),
        (SPEC_NOTE + SPEC_SIGNATURE.replace("foo", "bar") * 100, "note.too-many-signatures"),
        ("a" * 1_000_000 + SPEC_NOTE, "note.too-long"),
        ("é" * 600_000 + SPEC_NOTE, "note.too-long"),
    ],
)
def test_hostile_notes_are_refused_for_their_form(note: str | bytes, code: str) -> None:
    """The grammar has no tolerance, even around a signature that holds."""
    assert refusal(note).code == code


def test_the_text_ends_at_the_last_empty_line() -> None:
    """A forged signature block inside the text stays text."""
    inner = f"a\n\n{SPEC_SIGNATURE}"
    note = sign_note(inner, [SIGNER])
    assert open_note(note, [SIGNER.verifier]).text == inner
    assert refusal(note, SPEC_KEY).code == "note.no-known-signature"


def test_one_failing_signature_of_a_known_key_spoils_the_note() -> None:
    """A good signature beside it, even by the same key, does not help."""
    bad = str(NoteSignature(OTHER.name, OTHER.key_id, bytes(64)))
    note = sign_note("text\n", [SIGNER]) + bad + "\n"
    assert refusal(note, SIGNER.verifier, OTHER.verifier).code == "note.bad-signature"
    assert len(open_note(note, [SIGNER.verifier]).unknown) == 1
    twice = sign_note("text\n", [SIGNER, OTHER]) + bad + "\n"
    assert refusal(twice, OTHER.verifier).code == "note.bad-signature"


def test_a_key_with_the_same_name_or_the_same_id_alone_is_unknown() -> None:
    """Only the pair of name and ID identifies a key."""
    text = "text\n"
    lines = [
        NoteSignature(SIGNER.name, OTHER.key_id, bytes(64)),
        NoteSignature(OTHER.name, SIGNER.key_id, bytes(64)),
    ]
    note = sign_note(text, [SIGNER]) + "".join(f"{line}\n" for line in lines)
    assert open_note(note, [SIGNER.verifier]).unknown == tuple(lines)


def test_a_repeated_signature_counts_once() -> None:
    """Nobody becomes a quorum by signing twice."""
    assert len(open_note(SPEC_NOTE + SPEC_SIGNATURE * 15, [SPEC_KEY]).verified) == 1


def test_a_hundred_signatures_are_read() -> None:
    """The format asks for at least sixteen."""
    others = SPEC_SIGNATURE.replace("foo", "bar") * 99
    assert len(open_note(SPEC_NOTE + others, [SPEC_KEY]).unknown) == 99


def test_two_known_keys_with_one_name_and_id_are_refused() -> None:
    """An ambiguous list of keys is a fault of whoever made it."""
    assert refusal(SPEC_NOTE, SPEC_KEY, VerifierKey.parse(SPEC_VKEY)).code == "note.ambiguous-key"


def test_a_note_without_known_keys_never_opens() -> None:
    """An empty list of keys trusts nobody."""
    with pytest.raises(TrustFailure) as caught:
        open_note(SPEC_NOTE, [])
    assert caught.value.code == "note.no-known-signature"


@pytest.mark.parametrize("text", ["", "no newline", "bell\x07\n", "return\r\n"])
def test_texts_that_no_note_can_carry_are_not_signed(text: str) -> None:
    """What could not be read back is never signed."""
    with pytest.raises(IntegrityFailure):
        sign_note(text, [SIGNER])


def test_a_note_is_not_written_without_a_signature() -> None:
    """No signer, no note."""
    with pytest.raises(IntegrityFailure) as caught:
        sign_note("text\n", [])
    assert caught.value.code == "note.no-signatures"


@given(texts, st.binary(min_size=1, max_size=100), names)
def test_taking_apart_gives_the_parts(text: str, signature: bytes, name: str) -> None:
    """Splitting neither verifies nor loses anything."""
    line = NoteSignature(name, b"\x00\x01\x02\x03", signature)
    assert split_note(f"{text}\n{line}\n") == (text, (line,))


def test_a_signer_does_not_show_its_private_key() -> None:
    """The representation names the public half only."""
    assert "rivate" not in repr(SIGNER)


@pytest.mark.parametrize("seed", [b"", bytes(31), bytes(64)])
def test_seeds_of_another_length_are_refused(seed: bytes) -> None:
    """An Ed25519 seed is 32 bytes."""
    with pytest.raises(TrustFailure) as caught:
        NoteSigner.from_seed("name", seed)
    assert caught.value.code == "note.seed-length"
