"""Two libraries check signatures; the verdict is one library's, on every edge of the format."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import threading
import time
from itertools import pairwise

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from ledger.errors import LedgerError, TrustFailure
from ledger.signing import base64url
from ledger.signing.ed25519 import Opinion, holds, is_strict, libsodium, openssl_holds
from ledger.signing.jwk import PublicJwk

P = 2**255 - 19
L = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, -1, P) % P
ORDER_8 = "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"

Point = tuple[int, int]
Case = tuple[bytes, bytes, bytes]

# "Taming the many EdDSAs" (Chalkias, Garillot, Nikolaenko 2020), the twelve cases of its
# published corpus: key, message, signature.
_SMALL_A = "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa"
_MIXED_A = "cdb267ce40c5cd45306fa5d2f29731459387dbf9eb933b7bd5aed9a765b88d4d"
_GOOD_A = "f7badec5b8abeaf699583992219b7b223f1df3fbbea919844e3f7c554a43dd43"
_OTHER_A = "442aad9f089ad9e14647b1ef9099a1ff4798d78589e66f28eca69c11f582a623"
_SECOND_NAME = "ec" + "ff" * 31
TAMING = [
    (
        _SMALL_A,
        "8c93255d71dcab10e8f379c26200f3c7bd5f09d9bc3068d3ef4edeb4853022b6",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a" + "00" * 32,
    ),
    (
        _SMALL_A,
        "9bd9f44f4dcc75bd531b56b2cd280b0bb38fc1cd6d1230e14861d861de092e79",
        (
            "f7badec5b8abeaf699583992219b7b223f1df3fbbea919844e3f7c554a43dd43"
            "a5bb704786be79fc476f91d3f3f89b03984d8068dcf1bb7dfc6637b45450ac04"
        ),
    ),
    (
        _GOOD_A,
        "aebf3f2601a0c8c5d39cc7d8911642f740b78168218da8471772b35f9d35b9ab",
        (
            "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa"
            "8c4bd45aecaca5b24fb97bc10ac27ac8751a7dfe1baff8b953ec9f5833ca260e"
        ),
    ),
    (
        _MIXED_A,
        "9bd9f44f4dcc75bd531b56b2cd280b0bb38fc1cd6d1230e14861d861de092e79",
        (
            "9046a64750444938de19f227bb80485e92b83fdb4b6506c160484c016cc1852f"
            "87909e14428a7a1d62e9f22f3d3ad7802db02eb2e688b6c52fcd6648a98bd009"
        ),
    ),
    (
        _MIXED_A,
        "e47d62c63f830dc7a6851a0b1f33ae4bb2f507fb6cffec4011eaccd55b53f56c",
        (
            "160a1cb0dc9c0258cd0a7d23e94d8fa878bcb1925f2c64246b2dee1796bed512"
            "5ec6bc982a269b723e0668e540911a9a6a58921d6925e434ab10aa7940551a09"
        ),
    ),
    (
        _MIXED_A,
        "e47d62c63f830dc7a6851a0b1f33ae4bb2f507fb6cffec4011eaccd55b53f56c",
        (
            "21122a84e0b5fca4052f5b1235c80a537878b38f3142356b2c2384ebad4668b7"
            "e40bc836dac0f71076f9abe3a53f9c03c1ceeeddb658d0030494ace586687405"
        ),
    ),
    (
        _OTHER_A,
        "85e241a07d148b41e47d62c63f830dc7a6851a0b1f33ae4bb2f507fb6cffec40",
        (
            "e96f66be976d82e60150baecff9906684aebb1ef181f67a7189ac78ea23b6c0e"
            "547f7690a0e2ddcd04d87dbc3490dc19b3b3052f7ff0538cb68afb369ba3a514"
        ),
    ),
    (
        _OTHER_A,
        "85e241a07d148b41e47d62c63f830dc7a6851a0b1f33ae4bb2f507fb6cffec40",
        (
            "8ce5b96c8f26d0ab6c47958c9e68b937104cd36e13c33566acd2fe8d38aa1942"
            "7e71f98a473474f2f13f06f97c20d58cc3f54b8bd0d272f42b695dd7e89a8c22"
        ),
    ),
    (
        _GOOD_A,
        "9bedc267423725d473888631ebf45988bad3db83851ee85c85e241a07d148b41",
        _SECOND_NAME + "03be9678ac102edcd92b0210bb34d7428d12ffc5df5f37e359941266a4e35f0f",
    ),
    (
        _GOOD_A,
        "9bedc267423725d473888631ebf45988bad3db83851ee85c85e241a07d148b41",
        _SECOND_NAME + "ca8c5b64cd208982aa38d4936621a4775aa233aa0505711d8fdcfdaa943d4908",
    ),
    (
        _SECOND_NAME,
        "e96b7021eb39c1a163b6da4e3093dcd3f21387da4cc4572be588fafae23c155b",
        (
            "a9d55260f765261eb9b84e106f665e00b867287a761990d7135963ee0a7d59dc"
            "a5bb704786be79fc476f91d3f3f89b03984d8068dcf1bb7dfc6637b45450ac04"
        ),
    ),
    (
        _SECOND_NAME,
        "39a591f5321bbe07fd5a23dc2f39d025d74526615746727ceefd6e82ae65c06f",
        (
            "a9d55260f765261eb9b84e106f665e00b867287a761990d7135963ee0a7d59dc"
            "a5bb704786be79fc476f91d3f3f89b03984d8068dcf1bb7dfc6637b45450ac04"
        ),
    ),
]


def add(a: Point, b: Point) -> Point:
    """Add two points of the curve -x² + y² = 1 + dx²y²."""
    k = D * a[0] * b[0] * a[1] * b[1] % P
    x = (a[0] * b[1] + a[1] * b[0]) * pow(1 + k, -1, P) % P
    return x, (a[1] * b[1] + a[0] * b[0]) * pow(1 - k, -1, P) % P


def times(number: int, point: Point) -> Point:
    """A multiple of a point."""
    found = (0, 1)
    while number:
        if number & 1:
            found = add(found, point)
        point, number = add(point, point), number >> 1
    return found


def encode(point: Point) -> bytes:
    """The canonical encoding (RFC 8032 section 5.1.2)."""
    return (point[1] | (point[0] & 1) << 255).to_bytes(32, "little")


def decode(data: bytes) -> Point:
    """The point that an encoding names, whether or not it is the canonical one."""
    number = int.from_bytes(data, "little")
    sign, y = number >> 255, (number & (1 << 255) - 1) % P
    xx = (y * y - 1) * pow(D * y * y + 1, -1, P) % P
    x = pow(xx, (P + 3) // 8, P)
    if x * x % P != xx:
        x = x * pow(2, (P - 1) // 4, P) % P
    return (-x % P if x & 1 != sign else x), y


BASE = decode((4 * pow(5, -1, P) % P).to_bytes(32, "little"))
TORSION = [times(number, decode(bytes.fromhex(ORDER_8))) for number in range(8)]


def challenge(commitment: bytes, public: bytes, message: bytes) -> int:
    """SHA-512(R ‖ A ‖ M) modulo the group order (RFC 8032 section 5.1.7)."""
    return int.from_bytes(hashlib.sha512(commitment + public + message).digest(), "little") % L


def with_cofactor(public: bytes, message: bytes, signature: bytes) -> bool:
    """The laxer equation that RFC 8032 allows: both sides times eight."""
    number = challenge(signature[:32], public, message)
    left = times(int.from_bytes(signature[32:], "little"), BASE)
    right = add(decode(signature[:32]), times(number, decode(public)))
    return times(8, left) == times(8, right)


def crafted(a: Point, r: Point, message: bytes) -> Case:
    """A signature whose key and commitment have parts of small order; 5 and 7 are the secrets."""
    public, commitment = encode(add(times(5, BASE), a)), encode(add(times(7, BASE), r))
    s = (7 + 5 * challenge(commitment, public, message)) % L
    return public, message, commitment + s.to_bytes(32, "little")


def respelled(case: Case, part: int, excess: int) -> Case:
    """The case with a multiple of 2^255 - 19, of L or of the sign bit put on one of its numbers."""
    public, message, signature = case
    numbers = [public, signature[:32], signature[32:]]
    number = (int.from_bytes(numbers[part], "little") + excess) % 2**256
    numbers[part] = number.to_bytes(32, "little")
    return numbers[0], message, numbers[1] + numbers[2]


def corpus() -> list[Case]:
    """All edges: published ones, mixed orders, small orders, second spellings, other lengths."""
    found = [(bytes.fromhex(a), bytes.fromhex(m), bytes.fromhex(s)) for a, m, s in TAMING]
    # Sixteen messages each, so that every residue of the challenge modulo eight comes about.
    found += [
        crafted(a, r, bytes([number]))
        for a in TORSION[:5]
        for r in TORSION[:5]
        for number in range(16)
    ]
    good = crafted(TORSION[0], TORSION[0], b"event")
    found += [respelled(good, 2, times_l * L) for times_l in range(16)]
    found += [respelled(good, 2, 1 << bit) for bit in (252, 253, 254, 255)]
    found += [respelled(good, part, 1 << 255) for part in (0, 1)]
    spellings = [encode(point) for point in TORSION]
    spellings += [
        (y + P | sign << 255).to_bytes(32, "little") for y in range(19) for sign in (0, 1)
    ]
    spellings += [(y | 1 << 255).to_bytes(32, "little") for y in (1, P - 1)]
    for weak in spellings:
        found += [(good[0], b"event", weak + bytes(32)), (weak, b"event", weak + bytes(32))]
        found += [(weak, b"event", good[2]), (good[0], b"event", weak + good[2][32:])]
    public, message, signature = good
    found += [(public, message, signature[:length]) for length in (0, 1, 32, 63)]
    return [*found, (public, message, signature + b"\x00"), (public, b"", signature)]


CORPUS = corpus()


def sodium_holds(case: Case) -> bool:
    """Libsodium's opinion alone; the tests' environment has it."""
    opinion = libsodium()
    assert opinion is not None
    return opinion(*case)


def openssl_says(case: Case) -> bool:
    """OpenSSL's verdict."""
    return openssl_holds(*case)


def test_the_corpus_holds_what_the_two_libraries_differ_on() -> None:
    """Some cases hold for both, some for OpenSSL alone, some only with the cofactor."""
    verdicts = {(openssl_says(case), sodium_holds(case)) for case in CORPUS}
    assert verdicts == {(True, True), (True, False), (False, False)}
    lax = [case for case in CORPUS[:12] if with_cofactor(*case) and not openssl_says(case)]
    assert len(lax) >= 3


def test_what_libsodium_accepts_openssl_accepts() -> None:
    """So the quick look never says yes where the slow one says no."""
    assert [case for case in CORPUS if sodium_holds(case) and not openssl_says(case)] == []


def test_the_verdict_is_that_of_openssl() -> None:
    """On every edge, with libsodium or without it."""
    assert [case for case in CORPUS if holds(*case) is not openssl_says(case)] == []


def test_a_statement_key_gives_the_verdict_of_openssl() -> None:
    """A key that may be enrolled verifies what OpenSSL verifies under it."""
    enrolled = 0
    for public, message, signature in CORPUS:
        try:
            key = PublicJwk("OKP", "Ed25519", base64url.encode(public))
        except LedgerError:
            continue
        enrolled += 1
        try:
            key.verify(message, signature)
            held = True
        except TrustFailure:
            held = False
        assert held is openssl_holds(public, message, signature)
    assert enrolled > 400


SEEDS = st.binary(min_size=32, max_size=32)


@given(SEEDS, st.binary(max_size=80), st.integers(0, 767))
def test_one_flipped_bit_is_judged_alike(seed: bytes, message: bytes, bit: int) -> None:
    """In the key or in the signature, the verdict is OpenSSL's; as it was signed it holds."""
    private = Ed25519PrivateKey.from_private_bytes(seed)
    public, signature = private.public_key().public_bytes_raw(), private.sign(message)
    assert holds(public, message, signature)
    flipped = bytearray(public + signature)
    flipped[bit // 8] ^= 1 << bit % 8
    case = (bytes(flipped[:32]), message, bytes(flipped[32:]))
    assert holds(*case) is openssl_holds(*case)
    assert openssl_holds(*case) or not sodium_holds(case)


@given(SEEDS, st.binary(max_size=40), st.binary(max_size=40))
def test_another_message_is_refused(seed: bytes, message: bytes, other: bytes) -> None:
    """A signature holds for the bytes it was made for."""
    private = Ed25519PrivateKey.from_private_bytes(seed)
    public = private.public_key().public_bytes_raw()
    assert holds(public, other, private.sign(message)) is (other == message)


def test_a_library_that_multiplies_by_the_cofactor_is_left_aside() -> None:
    """Its yes would not be OpenSSL's; the libraries at hand are strict."""
    opinion = libsodium()
    assert opinion is not None
    assert not is_strict(with_cofactor)
    assert is_strict(openssl_holds)
    assert is_strict(opinion)


def test_without_libsodium_signatures_are_checked_all_the_same() -> None:
    """Where PyNaCl cannot be imported, OpenSSL alone says what holds."""
    script = (
        "import sys; sys.modules['nacl'] = None\n"
        "from ledger.signing.ed25519 import holds, libsodium\n"
        "assert libsodium() is None\n"
        "key, message, signature = map(bytes.fromhex, sys.argv[1:])\n"
        "print(holds(key, message, signature), holds(key, b'x' + message, signature))\n"
    )
    case = [part.hex() for part in crafted(TORSION[0], TORSION[0], b"event")]
    ran = subprocess.run(
        [sys.executable, "-c", script, *case],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert ran.stdout.split() == ["True", "False"]


def longest_rest(opinion: Opinion, case: Case) -> float:
    """For what part of the check of a signature that holds another thread does not get on."""
    ticks: list[float] = []
    done = threading.Event()

    def tick() -> None:
        while not done.is_set():
            ticks.append(time.monotonic())
            time.sleep(0.001)

    ticking = threading.Thread(target=tick)
    ticking.start()
    began = time.monotonic()
    held = opinion(*case)
    ended = time.monotonic()
    done.set()
    ticking.join()
    assert held
    told = [began, *(at for at in ticks if began < at < ended), ended]
    return max(later - at for at, later in pairwise(told)) / (ended - began)


def test_other_threads_run_while_a_signature_is_checked() -> None:
    """Both libraries give the interpreter up; a long message shows it."""
    case = crafted(TORSION[0], TORSION[0], bytes(20_000_000))
    for opinion in (libsodium(), openssl_holds):
        assert opinion is not None
        # A busy machine may have no core for the other thread during one check, but not each time.
        assert any(longest_rest(opinion, case) < 0.5 for _ in range(10))


@pytest.mark.parametrize("length", [0, 31, 33])
def test_a_key_of_other_length_is_an_error(length: int) -> None:
    """Who asks with no key has made a mistake; it is not a signature that does not hold."""
    with pytest.raises(ValueError, match="32"):
        holds(bytes(length), b"", bytes(64))
