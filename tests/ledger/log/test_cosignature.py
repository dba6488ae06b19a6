"""Cosignatures against published ones, against the message of the specification, and forgers."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from ledger.errors import IntegrityFailure, LedgerError, TrustFailure
from ledger.log.checkpoint import Checkpoint, sign_checkpoint
from ledger.log.cosignature import (
    Cosigner,
    CosignerKey,
    add_signatures,
    cosign,
    open_cosigned,
    time_of,
    verify_cosignature,
)
from ledger.log.note import (
    ED25519,
    ED25519_COSIGNATURE,
    ML_DSA_44_COSIGNATURE,
    NoteSignature,
    NoteSigner,
    VerifierKey,
    open_note,
    sign_note,
    split_note,
)

VECTORS = Path(__file__).parent / "vectors"
# The checkpoint example of C2SP tlog-cosignature; its keys were never published.
SPEC_NOTE = (
    "example.com/behind-the-sofa\n"
    "20852163\n"
    "CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n"
    "\n"
    "— example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhc"
    "yv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=\n"
    "— witness.example.com/w1 jWbPPwAAAABkGFDLEZMHwSRaJNiIDoe9DYn/zXcrtPHeolMI5OWXEhZCB9dlrDJsX"
    "3b2oyin1nPZqhf5nNo0xUe+mbIUBkBIfZ+qnA==\n"
)
# A line and its time from the tests of transparency-dev/formats, note/note_cosigv1_test.go.
FORMATS_SIGNATURE = (
    "ZGhGuQAAAABm/qTPeyKXD+R2rzyQsxPiP8mXum7qq/iF0u4vanlqJyocWODBt97w9uL+8qT7S5gxEHWWOworDcFi"
    "EBYJXORmnFBOBA=="
)
FORMATS_VKEY = "remora.n621.de+da77ade7+BOvN63jn/bLvkieywe8R6UYAtVtNbZpXh34x7onlmtw2"

LOG = NoteSigner.from_seed("log.example/trial", bytes(range(32)))
WITNESS = Cosigner.from_seed("witness.example/w1", b"\x01" * 32)
QUANTUM_SAFE = Cosigner.from_seed("witness.example/w2", b"\x02" * 32, kind=ML_DSA_44_COSIGNATURE)
NOTE = sign_checkpoint(Checkpoint(LOG.name, 3, b"r" * 32), LOG)
TIME = 1_706_749_200
both = pytest.mark.parametrize("cosigner", [WITNESS, QUANTUM_SAFE], ids=["ed25519", "ml-dsa-44"])


def refusal(note: str, key: VerifierKey) -> LedgerError:
    """Give the error a cosignature is refused with."""
    with pytest.raises(LedgerError) as caught:
        verify_cosignature(note, key)
    return caught.value


def test_the_ml_dsa_44_checkpoint_of_another_implementation_is_accepted() -> None:
    """Key and checkpoint of filippo.io/torchwood, cmd/litewitness/testdata/mldsa.txt."""
    key = VerifierKey.parse((VECTORS / "ml-dsa-44-log.vkey").read_text("utf-8").removesuffix("\n"))
    note = (VECTORS / "ml-dsa-44-log.checkpoint").read_text("utf-8")
    assert verify_cosignature(note, key) == 0
    assert refusal(note.replace("\n1\n", "\n2\n"), key).code == "note.bad-signature"


def test_the_time_of_a_published_cosignature_is_read() -> None:
    """Eight bytes after the key ID, big-endian POSIX seconds."""
    assert time_of(base64.b64decode(FORMATS_SIGNATURE)[4:]) == 1_727_964_367
    assert time_of(split_note(SPEC_NOTE)[1][1].signature) == 1_679_315_147


def test_a_published_cosigner_key_is_read() -> None:
    """A key in use, from the tests of transparency-dev/formats."""
    assert CosignerKey(VerifierKey.parse(FORMATS_VKEY)).vkey.type == ED25519_COSIGNATURE


def test_an_ed25519_cosignature_stands_over_header_time_and_text() -> None:
    """The message of C2SP tlog-cosignature, put together by hand."""
    text = "log.example/trial\n3\ncnJycnJycnJycnJycnJycnJycnJycnJycnJycnJycnI=\n"
    message = f"cosignature/v1\ntime {TIME}\n{text}".encode()
    by_hand = Ed25519PrivateKey.from_private_bytes(b"\x01" * 32).sign(message)
    blob = WITNESS.key_id + TIME.to_bytes(8, "big") + by_hand
    line = f"— witness.example/w1 {base64.b64encode(blob).decode()}\n"
    assert cosign(NOTE, WITNESS, time=TIME) == line


def test_an_ml_dsa_44_cosignature_stands_over_the_cosigned_message() -> None:
    """The structure of C2SP tlog-cosignature, put together by hand; empty context."""
    message = b"".join(
        [
            b"subtree/v1\n\x00",
            b"\x12witness.example/w2",
            TIME.to_bytes(8, "big"),
            b"\x11log.example/trial",
            bytes(8),
            (3).to_bytes(8, "big"),
            b"r" * 32,
        ]
    )
    by_hand = MLDSA44PrivateKey.from_seed_bytes(b"\x02" * 32).sign(message)
    signature = TIME.to_bytes(8, "big") + by_hand
    line = NoteSignature(QUANTUM_SAFE.name, QUANTUM_SAFE.key_id, signature)
    assert verify_cosignature(add_signatures(NOTE, [f"{line}\n"]), QUANTUM_SAFE.vkey) == TIME


@both
def test_a_cosignature_has_the_lengths_of_the_specification(cosigner: Cosigner) -> None:
    """Key ID 4, time 8, signature 64 or 2,420 bytes."""
    (line,) = split_note(f"x\n\n{cosign(NOTE, cosigner, time=TIME)}")[1]
    lengths = {ED25519_COSIGNATURE: 64, ML_DSA_44_COSIGNATURE: 2420}
    assert len(line.signature) == 8 + lengths[cosigner.vkey.type]


@both
@given(size=st.integers(0, 2**63 - 1), time=st.integers(1, 2**63 - 1))
def test_what_is_cosigned_verifies_and_gives_its_time(
    cosigner: Cosigner, size: int, time: int
) -> None:
    """For every size and time there can be."""
    note = sign_checkpoint(Checkpoint(LOG.name, size, b"q" * 32), LOG)
    assert verify_cosignature(note + cosign(note, cosigner, time=time), cosigner.vkey) == time


@both
@given(data=st.data())
def test_any_changed_byte_of_a_cosignature_is_noticed(
    cosigner: Cosigner, data: st.DataObject
) -> None:
    """In the time as well as in the signature."""
    (line,) = split_note(f"x\n\n{cosign(NOTE, cosigner, time=TIME)}")[1]
    at = data.draw(st.integers(0, len(line.signature) - 1))
    change = data.draw(st.integers(1, 255))
    changed = bytearray(line.signature)
    changed[at] ^= change
    forged = NoteSignature(line.name, line.key_id, bytes(changed))
    assert refusal(f"{NOTE}{forged}\n", cosigner.vkey).code == "note.bad-signature"


@both
@pytest.mark.parametrize("length", [1, 7, 8, 9, 71])
def test_a_cut_cosignature_is_refused(cosigner: Cosigner, length: int) -> None:
    """However little is left of it."""
    (line,) = split_note(f"x\n\n{cosign(NOTE, cosigner, time=TIME)}")[1]
    forged = NoteSignature(line.name, line.key_id, line.signature[:length])
    assert refusal(f"{NOTE}{forged}\n", cosigner.vkey).code == "note.bad-signature"


@both
@pytest.mark.parametrize("time", [0, -1, 2**63])
def test_an_impossible_time_is_not_cosigned(cosigner: Cosigner, time: int) -> None:
    """A witness states when."""
    with pytest.raises(TrustFailure) as caught:
        cosign(NOTE, cosigner, time=time)
    assert caught.value.code == "cosignature.time"


@both
@pytest.mark.parametrize("text", ["no checkpoint\n", "log.example/trial\n03\nx\n"])
def test_only_a_checkpoint_is_cosigned(cosigner: Cosigner, text: str) -> None:
    """Whatever note a client sends."""
    with pytest.raises(IntegrityFailure):
        cosign(sign_note(text, [LOG]), cosigner, time=TIME)


def test_an_ml_dsa_44_cosignature_names_its_cosigner() -> None:
    """The same key under another name signs something else; for Ed25519 it would not."""
    other = Cosigner.from_seed("witness.example/w3", b"\x02" * 32, kind=ML_DSA_44_COSIGNATURE)
    (line,) = split_note(f"x\n\n{cosign(NOTE, QUANTUM_SAFE, time=TIME)}")[1]
    moved = NoteSignature(other.name, other.key_id, line.signature)
    assert refusal(f"{NOTE}{moved}\n", other.vkey).code == "note.bad-signature"


def test_a_name_too_long_for_ml_dsa_44_is_refused() -> None:
    """Names are behind one length byte."""
    with pytest.raises(TrustFailure) as caught:
        Cosigner.from_seed("w" * 256, bytes(32), kind=ML_DSA_44_COSIGNATURE)
    assert caught.value.code == "cosignature.name-length"


@pytest.mark.parametrize("seed", [b"", bytes(31), bytes(33)])
def test_a_seed_of_another_length_is_refused(seed: bytes) -> None:
    """Both kinds have seeds of 32 bytes."""
    with pytest.raises(TrustFailure) as caught:
        Cosigner.from_seed("witness.example/w", seed)
    assert caught.value.code == "cosignature.seed-length"


def test_a_logs_key_is_no_cosigners_key() -> None:
    """Type 0x01 states no time."""
    with pytest.raises(TrustFailure) as caught:
        CosignerKey(LOG.verifier)
    assert LOG.verifier.type == ED25519
    assert caught.value.code == "cosignature.key-type"


def test_a_checkpoint_opens_with_the_cosigners_that_are_known() -> None:
    """Unknown cosigners are ignored, missing ones are not there."""
    note = add_signatures(NOTE, [cosign(NOTE, one, time=TIME) for one in (WITNESS, QUANTUM_SAFE)])
    opened = open_cosigned(note, LOG.verifier, [QUANTUM_SAFE.vkey])
    assert opened.checkpoint.size == 3
    assert [(one.vkey, one.time) for one in opened.cosignatures] == [(QUANTUM_SAFE.vkey, TIME)]
    assert open_cosigned(NOTE, LOG.verifier, [WITNESS.vkey]).cosignatures == ()


def test_cosignatures_do_not_stand_in_for_the_log() -> None:
    """A checkpoint is the log's own statement first."""
    alone = f"{split_note(NOTE)[0]}\n{cosign(NOTE, WITNESS, time=TIME)}"
    with pytest.raises(TrustFailure) as caught:
        open_cosigned(alone, LOG.verifier, [WITNESS.vkey])
    assert caught.value.code == "note.no-known-signature"


def test_a_known_cosigners_false_line_condemns_the_note() -> None:
    """C2SP signed-note: a known key that fails rejects the whole note."""
    line = cosign(NOTE.replace("\n3\n", "\n4\n"), WITNESS, time=TIME)
    with pytest.raises(TrustFailure) as caught:
        open_cosigned(NOTE + line, LOG.verifier, [WITNESS.vkey])
    assert caught.value.code == "note.bad-signature"


def test_a_cosigners_newer_line_takes_the_place_of_its_older_one() -> None:
    """A note holds one line of each key, in the order of their first coming."""
    first = add_signatures(NOTE, [cosign(NOTE, WITNESS, time=TIME)])
    second = add_signatures(first, [cosign(NOTE, WITNESS, time=TIME + 1)])
    assert verify_cosignature(second, WITNESS.vkey) == TIME + 1
    assert len(split_note(second)[1]) == 2


@pytest.mark.parametrize("line", ["— w AAAA\n", "no line\n", "— w AAAAAAA=", "\n"])
def test_what_is_no_signature_line_is_not_added(line: str) -> None:
    """An answer of a witness is foreign text."""
    with pytest.raises(IntegrityFailure):
        add_signatures(NOTE, [line])


def test_an_older_reader_ignores_cosignatures() -> None:
    """The log's key alone still opens the note."""
    note = add_signatures(NOTE, [cosign(NOTE, WITNESS, time=TIME)])
    assert len(open_note(note, [LOG.verifier]).unknown) == 1
