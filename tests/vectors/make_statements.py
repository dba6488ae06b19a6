"""Vectors of statements, keys, events and strict JSON."""

from __future__ import annotations

import base64
import json
from typing import Any

from tests.vectors.plain import (
    P256,
    PERSON,
    SYSTEM,
    Json,
    Key,
    b64,
    b64u,
    canonical,
    compact,
    general,
    part,
    personal,
    sha256,
)

EVENT: Json = {
    "data": {"form": "3.0"},
    "id": "018df8f3-8a40-7c3e-9b1a-5f2d3c4b5a69",
    "source": "/sites/SY01/persons/pi-01",
    "specversion": "1.0",
    "subject": "subject/SY01-0007",
    "time": "2024-03-01T09:30:00+08:00",
    "trialid": "XHNKKY-DFSC",
    "type": "consent.obtained.v1",
}
PAYLOAD = canonical(EVENT)
FIELD = 2**255 - 19
P256_FIELD = 2**256 - 2**224 + 2**192 + 2**96 - 1
P256_AT_5 = 0x459243B9AA581806FE913BCE99817ADE11CA503C64D9A3C533415C083248FBCC
ORDER = 2**252 + 27742317777372353535851937790883648493
ORDER_8 = 0x7A03AC9277FDC74EC6CC392CFA53202A0F67100D760B3CBA4FD84D3D706A17C7


def statements() -> Json:
    """Statements that are read, refused by their form, or whose signature does not hold."""
    accepted = [
        ("a system, compact", compact(SYSTEM, PAYLOAD), [SYSTEM]),
        ("a person, compact", compact(PERSON, PAYLOAD, personal(PERSON)), [PERSON]),
        ("the older name of the algorithm", compact(SYSTEM, PAYLOAD, head(alg="EdDSA")), [SYSTEM]),
        ("ES256", compact(P256, PAYLOAD, personal(P256, "review")), [P256]),
        ("typ and cty", compact(SYSTEM, PAYLOAD, head(typ="JOSE", cty="application/json")),
         [SYSTEM]),
        ("header members in another order and spaced",
         compact(SYSTEM, PAYLOAD, f'{{ "kid":"{SYSTEM.kid}", "alg":"Ed25519" }}'.encode()),
         [SYSTEM]),
        ("iat 0", compact(PERSON, PAYLOAD, personal(PERSON, "witness", 0)), [PERSON]),
        ("two signers, general JSON",
         general(PAYLOAD, [part(SYSTEM, PAYLOAD), part(P256, PAYLOAD, personal(P256, "approval"))]),
         [SYSTEM, P256]),
        ("one signer, general JSON", general(PAYLOAD, [part(SYSTEM, PAYLOAD)]), [SYSTEM]),
        ("a payload of 40,960 bytes", compact(SYSTEM, filled(40_960)), [SYSTEM]),
    ]  # fmt: skip
    return {
        "keys": {
            "system": SYSTEM.as_vector(), "person": PERSON.as_vector(), "p256": P256.as_vector()
        },
        "payload": PAYLOAD.decode(),
        "accepted": [
            {"name": name, "text": text, "sha256": sha256(text.encode()).hex(),
             "kids": [key.kid for key in keys]}
            for name, text, keys in accepted
        ],
        "refused": [{"name": n, "text": t, "code": c} for n, t, c in _refused()],
        "not_verified": _not_verified(),
        "same_again": _same_again(),
    }  # fmt: skip


def head(**members: object) -> Json:
    """A system's header with members added or exchanged."""
    return {"alg": "Ed25519", "kid": SYSTEM.kid} | members


def filled(size: int) -> bytes:
    """A payload of exactly so many bytes."""
    return canonical(EVENT | {"data": {"form": "x" * (size - len(PAYLOAD) + 3)}})


def _refused() -> list[tuple[str, str, str]]:
    good = part(SYSTEM, PAYLOAD)
    other = part(P256, PAYLOAD)
    whole = general(PAYLOAD, [good])
    flat = {"payload": good[1], "protected": good[0], "signature": good[2]}
    unprotected = f'"protected":"{good[0]}","signature":"{good[2]}"}}'
    heads: list[tuple[str, Json | bytes, str]] = [
        ("a header with an embedded key", head(jwk=SYSTEM.jwk), "strict-json.depth"),
        ("a header with crit", head(crit=["b64"]), "strict-json.depth"),
        ("a header with a certificate chain", head(x5c=["AA"]), "strict-json.depth"),
        ("a header with a key's address", head(jku="https://a"), "statement.header-member"),
        ("a header with b64", head(b64=False), "statement.header-member"),
        ("typ that is no media type", head(typ="a b"), "statement.header-member"),
        ("alg none", head(alg="none"), "statement.algorithm"),
        ("alg HS256", head(alg="HS256"), "statement.algorithm"),
        ("alg in other case", head(alg="ed25519"), "statement.algorithm"),
        ("no alg", {"kid": SYSTEM.kid}, "statement.algorithm"),
        ("no kid", {"alg": "Ed25519"}, "statement.kid"),
        ("a kid that is no thumbprint", head(kid="key-1"), "statement.kid"),
        ("meaning without iat", head(meaning="review"), "statement.meaning"),
        ("iat without meaning", head(iat=1), "statement.meaning"),
        ("another meaning", personal(SYSTEM, "agreement"), "statement.meaning"),
        ("iat below 0", personal(SYSTEM, iat=-1), "statement.iat"),
        ("iat after the year 9999", personal(SYSTEM, iat=253_402_300_800), "statement.iat"),
        ("iat true", personal(SYSTEM, iat=True), "statement.iat"),
        ("iat with a fraction", b'{"alg":"Ed25519","iat":1.5,"kid":"k","meaning":"review"}',
         "strict-json.float"),
        ("alg named twice", b'{"alg":"none","alg":"Ed25519","kid":"k"}',
         "strict-json.duplicate-name"),
        ("a header that is no object", b'["Ed25519"]', "strict-json.not-an-object"),
        ("a header over 512 bytes", head(typ="x" * 64, cty="y" * 500), "statement.header-size"),
    ]  # fmt: skip
    return [
        *((name, compact(SYSTEM, PAYLOAD, header), code) for name, header, code in heads),
        ("an empty text", "", "statement.malformed"),
        ("two parts", ".".join(good[:2]), "statement.malformed"),
        ("four parts", ".".join([*good, good[2]]), "statement.malformed"),
        ("a letter beyond ASCII", ".".join(good) + "é", "statement.malformed"),
        ("a line feed at the end", ".".join(good) + "\n", "statement.signature-length"),
        ("padding", f"{good[0]}={'=' * (-len(good[0]) % 4)}.{good[1]}.{good[2]}",
         "base64url.malformed"),
        ("unused bits that are not zero", f"{good[0]}.{good[1]}.{_unused_bit(good[2])}",
         "base64url.malformed"),
        ("a short signature", f"{good[0]}.{good[1]}.{good[2][:-2]}", "statement.signature-length"),
        ("the flattened form", canonical(flat).decode(), "statement.malformed"),
        ("an unprotected header",
         f'{{"payload":"{good[1]}","signatures":[{{"header":{{}},{unprotected}]}}',
         "strict-json.depth"),
        ("a signature with a third member",
         f'{{"payload":"{good[1]}","signatures":[{{"header":"",{unprotected}]}}',
         "statement.malformed"),
        ("general JSON with a space", whole.replace(":", ": ", 1), "statement.not-minified"),
        ("general JSON in another order",
         json.dumps({"signatures": [{"protected": good[0], "signature": good[2]}],
                     "payload": good[1]}, separators=(",", ":")), "statement.not-minified"),
        ("no signature", general(PAYLOAD, []), "statement.signature-count"),
        ("seventeen signatures", general(PAYLOAD, [other] * 17), "statement.signature-count"),
        ("one key twice", general(PAYLOAD, [good, good]), "statement.duplicate-key"),
        ("a payload of 40,961 bytes", compact(SYSTEM, filled(40_961)), "statement.too-large"),
        ("64,001 characters", "x" * 64_001, "statement.too-large"),
    ]  # fmt: skip


def _unused_bit(text: str) -> str:
    """The same bytes, spelt with one of the four unused bits set."""
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    return text[:-1] + letters[letters.index(text[-1]) | 1]


def _not_verified() -> list[Json]:
    protected, payload, signature = part(SYSTEM, PAYLOAD)
    raw = _bytes(signature)
    flipped = b64u(bytes([raw[0] ^ 1]) + raw[1:])
    high = int.from_bytes(raw[32:], "little") + ORDER
    malleable = b64u(raw[:32] + high.to_bytes(32, "little"))
    p256 = part(P256, PAYLOAD, {"alg": "Ed25519", "kid": P256.kid})
    rows: list[tuple[str, str, Key, str]] = [
        ("a flipped bit", f"{protected}.{payload}.{flipped}", SYSTEM, "signature.invalid"),
        ("S not below the order", f"{protected}.{payload}.{malleable}", SYSTEM,
         "signature.invalid"),
        ("another payload", f"{protected}.{b64u(canonical(EVENT | {'data': {}}))}.{signature}",
         SYSTEM, "signature.invalid"),
        ("r and s of 0", ".".join([*part(P256, PAYLOAD)[:2], "A" * 86]), P256,
         "signature.invalid"),
        ("another key than the header names", f"{protected}.{payload}.{signature}", PERSON,
         "signature.other-key"),
        ("an algorithm of another kind of key", ".".join(p256), P256, "signature.algorithm"),
    ]  # fmt: skip
    return [{"name": n, "text": t, "jwk": k.jwk, "code": c} for n, t, k, c in rows]


def _bytes(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def _same_again() -> list[Json]:
    one = compact(PERSON, PAYLOAD, personal(PERSON))
    both = [part(SYSTEM, PAYLOAD), part(PERSON, PAYLOAD, personal(PERSON))]
    rows = [
        ("the same bytes", one, one, True),
        ("signed again a minute later",
         one, compact(PERSON, PAYLOAD, personal(PERSON, iat=1_709_256_720)), True),
        ("general JSON instead of compact",
         one, general(PAYLOAD, [part(PERSON, PAYLOAD, personal(PERSON))]), True),
        ("signatures in another order",
         general(PAYLOAD, both), general(PAYLOAD, both[::-1]), True),
        ("another meaning", one, compact(PERSON, PAYLOAD, personal(PERSON, "review")), False),
        ("a signer less", general(PAYLOAD, both), one, False),
        ("the same event spelt with spaces",
         one, compact(PERSON, json.dumps(EVENT).encode(), personal(PERSON)), False),
    ]  # fmt: skip
    return [{"name": n, "first": a, "second": b, "same": same} for n, a, b, same in rows]


def keys() -> Json:
    """Keys with their thumbprints, and keys that are refused."""
    weak = [
        ("y = 0, order 4", 0), ("y = 1, the neutral element", 1), ("y = -1, order 2", FIELD - 1),
        ("order 8", ORDER_8), ("order 8, the other y", FIELD - ORDER_8),
        ("order 8, negative x", ORDER_8 | 1 << 255), ("order 4, negative x", 1 << 255),
    ]  # fmt: skip
    unreduced = [
        ("y = p", FIELD), ("y = p + 1", FIELD + 1), ("y = 2^255 - 1", 2**255 - 1),
        ("minus zero at y = 1", 1 | 1 << 255), ("minus zero at y = -1", FIELD - 1 | 1 << 255),
    ]  # fmt: skip
    points = [
        *((name, y, "ed25519.small-order") for name, y in weak),
        *((name, y, "ed25519.non-canonical") for name, y in unreduced),
        ("no point of the curve", 2, "ed25519.not-on-curve"),
    ]
    ed, p256 = SYSTEM.jwk, P256.jwk
    # The point of P-256 at x = 5: 5 + p fits into 32 bytes too.
    low = p256 | {"x": b64u((5).to_bytes(32)), "y": b64u(P256_AT_5.to_bytes(32))}
    others: list[tuple[str, object, str]] = [
        ("a private key", ed | {"d": b64u(SYSTEM.secret)}, "jwk.member"),
        ("a further member", ed | {"use": "sig"}, "jwk.member"),
        ("no x", {"kty": "OKP", "crv": "Ed25519"}, "jwk.member"),
        ("no object", "key", "jwk.member"),
        ("another curve", p256 | {"crv": "P-384"}, "jwk.kind"),
        ("X25519", ed | {"crv": "X25519"}, "jwk.kind"),
        ("a short coordinate", ed | {"x": ed["x"][:-3]}, "jwk.coordinate"),
        ("a long coordinate", ed | {"x": b64u(bytes(33))}, "jwk.coordinate"),
        ("padding", ed | {"x": b64(SYSTEM.public)}, "jwk.coordinate"),
        (
            "a coordinate above the field's prime",
            low | {"x": b64u((5 + P256_FIELD).to_bytes(32))},
            "jwk.coordinate",
        ),
        ("a point off P-256", p256 | {"y": p256["x"]}, "jwk.not-on-curve"),
    ]
    return {
        "accepted": [{"jwk": key.jwk, "kid": key.kid} for key in (SYSTEM, PERSON, P256)],
        "published": [{
            "source": "RFC 8037 appendix A.3",
            "jwk": {"crv": "Ed25519", "kty": "OKP",
                    "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"},
            "kid": "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k",
        }],
        "refused": [
            *({"name": name, "jwk": ed | {"x": b64u(y.to_bytes(32, "little"))}, "code": code}
              for name, y, code in points),
            *({"name": name, "jwk": jwk, "code": code} for name, jwk, code in others),
        ],
    }  # fmt: skip


def events() -> Json:
    """Payloads that are events, with their instant in UTC, and payloads that are none."""
    times = [
        ("2024-03-01T09:30:00+08:00", "2024-03-01T01:30:00.000000Z"),
        ("2024-03-01T01:30:00Z", "2024-03-01T01:30:00.000000Z"),
        ("2024-03-01T01:30:00+00:00", "2024-03-01T01:30:00.000000Z"),
        ("2024-02-29T23:59:59.1-23:59", "2024-03-01T23:58:59.100000Z"),
        ("1850-01-01T00:00:00Z", "1850-01-01T00:00:00.000000Z"),
        ("2199-12-31T23:59:59.999999Z", "2199-12-31T23:59:59.999999Z"),
    ]
    subjects = (
        "trial", "access", "site/SY01", "treatment/SY01-0007", "allocation/main", "lot/L-2024.03_a"
    )  # fmt: skip
    plain: list[tuple[str, Json]] = [
        ("with datacontenttype", EVENT | {"datacontenttype": "application/json"}),
        *((subject, EVENT | {"subject": subject}) for subject in subjects),
        ("data with a text beyond ASCII", EVENT | {"data": {"note": "肝"}}),
    ]
    return {
        "accepted": [
            *({"name": time, "payload": canonical(EVENT | {"time": time}).decode(),
               "occurred_at": utc} for time, utc in times),
            *({"name": name, "payload": canonical(event).decode(),
               "occurred_at": times[0][1]} for name, event in plain),
        ],
        "refused": [
            {"name": name, "payload": canonical(event).decode(), "code": code}
            for name, event, code in _no_events()
        ],
    }  # fmt: skip


def _no_events() -> list[tuple[str, Json, str]]:
    times = [
        ("2024-03-01T09:30:00", "without-offset"), ("2024-03-01T09:30:00-00:00", "unknown-offset"),
        ("2024-03-01T23:59:60Z", "leap-second"), ("2024-02-30T09:30:00Z", "not-a-date"),
        ("2024-03-01T24:00:00Z", "not-a-date"), ("2023-02-29T00:00:00Z", "not-a-date"),
        ("2024-03-01t09:30:00Z", "malformed"), ("2024-03-01T09:30:00z", "malformed"),
        ("2024-03-01 09:30:00Z", "malformed"), ("2024-03-01T09:30Z", "malformed"),
        ("2024-03-01T09:30:00.Z", "malformed"), ("2024-03-01T09:30:00.1234567Z", "malformed"),
        ("2024-03-01T09:30:00+24:00", "malformed"), ("2024-03-01T09:30:00+0800", "malformed"),
        ("0000-01-01T00:00:00Z", "not-a-date"), ("0000-02-29T12:00:00+01:00", "not-a-date"),
        ("0001-01-01T00:00:00+00:01", "not-a-date"), ("0001-01-01T00:00:00Z", "out-of-range"),
        ("9999-12-31T23:59:59-00:01", "not-a-date"), ("9999-12-31T23:59:59Z", "out-of-range"),
        ("1849-12-31T23:59:59Z", "out-of-range"), ("2200-01-01T00:00:00Z", "out-of-range"),
        ("2199-12-31T23:59:59-01:00", "out-of-range"),
    ]  # fmt: skip
    wrong: list[tuple[str, list[Any]]] = [
        ("id", ["018df8f3-8a40-4c3e-9b1a-5f2d3c4b5a69", "018DF8F3-8A40-7C3E-9B1A-5F2D3C4B5A69",
                "018df8f3-8a40-7c3e-cb1a-5f2d3c4b5a69", "018df8f38a407c3e9b1a5f2d3c4b5a69", 7]),
        ("source", ["sites/SY01", "/sites//SY01", "/sites/SY01/", "/sites/../SY01", "/a b", "/",
                    "https://example.com/a", "/" + "a" * 256]),
        ("type", ["consent.obtained", "consent.obtained.v0", "consent.obtained.v1000",
                  "Consent.obtained.v1", "consent.ob--tained.v1", "consent.obtained.v1\n"]),
        ("subject", ["subject/SY01-007", "subject/sy01-0007", "site/A", "site/SY01/x", "Trial",
                     "allocation/other", "lot/-1", "lot/" + "a" * 65, "treatment/SY01"]),
        ("trialid", ["", "-X", "X Y", "x" * 65]),
        ("specversion", ["1.1", 1]),
        ("datacontenttype", ["text/plain"]),
        ("data", ["text", [], None]),
    ]  # fmt: skip
    return [
        *((time, EVENT | {"time": time}, f"envelope.time-{code}") for time, code in times),
        *((f"{member} {value!r}", EVENT | {member: value}, f"envelope.{member}")
          for member, values in wrong for value in values),
        *((f"no {member}", {n: v for n, v in EVENT.items() if n != member},
           "envelope.missing-member") for member in EVENT),
        ("a further member", EVENT | {"dataschema": "https://example.com"},
         "envelope.unknown-member"),
        ("an event without its time as text", EVENT | {"time": 1709256600}, "envelope.time"),
    ]  # fmt: skip


def strict_json() -> Json:
    """Texts (base64 of their bytes), with their RFC 8785 form or the code of the refusal."""
    big = str(2**53 - 1)
    accepted = [
        (b' {"b":1,\n"a":[true,null,""]}\t', '{"a":[true,null,""],"b":1}'),
        (f"[{big},-{big},0]".encode(), f"[{big},-{big},0]"),
        (rb'"\u00e9\/\u0000\ud83d\ude00"', '"é/\\u0000😀"'),
        ('"\u007f\u0085\ufeff\uffff"'.encode(), '"\u007f\u0085\ufeff\uffff"'),
        ('{"e\u0301":1,"\u00e9":2}'.encode(), '{"e\u0301":1,"\u00e9":2}'),
        ('{"\ufb33":1,"😀":2}'.encode(), '{"😀":2,"\ufb33":1}'),
        (b"[" * 32 + b"]" * 32, "[" * 32 + "]" * 32),
        (b"[" + b",".join([b"0"] * 8192) + b"]", None),
        (rb'"\b\f\n\r\t\"\\"', r'"\b\f\n\r\t\"\\"'),
        (b"null", "null"),
    ]
    refused = [
        (b"", "syntax"), (b"{}x", "syntax"), (b"[1,]", "syntax"), (b"{a:1}", "syntax"),
        (b"[01]", "syntax"), (b"[+1]", "syntax"), (b"'a'", "syntax"), (b'"\t"', "syntax"),
        (b'"\x00"', "syntax"), (rb'"\x41"', "syntax"), (rb'"\u00g0"', "syntax"),
        (b"/**/1", "syntax"), (b"\x0b1", "syntax"), ("\u00a01".encode(), "syntax"),
        (b"\xef\xbb\xbf{}", "byte-order-mark"), (b"\xff\xfe{}", "encoding"),
        (b'"\xc0\x80"', "encoding"), (b'"\xed\xa0\x80"', "encoding"), (b'"\xe2\x82"', "encoding"),
        (b'{"a":1,"a":1}', "duplicate-name"), (rb'{"a":1,"\u0061":2}', "duplicate-name"),
        (b'[{"x":{"a":1,"a":2}}]', "duplicate-name"), (b"[1.0]", "float"), (b"[1e3]", "float"),
        (b"[1E0]", "float"), (b"[-0.0]", "float"), (b"[-0]", "negative-zero"),
        (str(2**53).encode(), "integer-range"), (str(-(2**53)).encode(), "integer-range"),
        (b"9" * 5000, "integer-range"), (b"[NaN]", "constant"), (b"-Infinity", "constant"),
        (rb'"\ud800"', "surrogate"), (rb'["\udc00\ud800"]', "surrogate"),
        (rb'{"\ud800":1}', "surrogate"), (b"[" * 33 + b"]" * 33, "depth"),
        (b"[" + b",".join([b"0"] * 8193) + b"]", "members"), (b'"' + b"x" * 65_535 + b'"', "size"),
    ]  # fmt: skip
    return {
        "accepted": [{"data": b64(data), "canonical": text} for data, text in accepted],
        "refused": [{"data": b64(data), "code": f"strict-json.{code}"} for data, code in refused],
    }
