"""Tokens under attack: what does not prove who asks gives nothing, and says why."""

from __future__ import annotations

import json
import logging
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from api.access.assertion import ASSERTION_TYPE, Assertions
from api.access.reader import Reader
from api.access.tokens import LIFE, Tokens
from ledger.signing import base64url
from ledger.signing.jwk import Curve, SigningKey
from ledger.signing.ledger_keys import LedgerKeys
from ledger.signing.strict_json import canonical
from ledger.vocabulary import Role
from tests.api.access.build_readers import AUDIENCE, BASE, TOKEN, Readers
from tests.build_ledger import COORDINATOR, EDC, INVESTIGATOR, PHARMACIST, REGISTRAR, SITE, seed_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from werkzeug.test import TestResponse

FORM = "application/x-www-form-urlencoded"
SUBJECT = f"{BASE}/subjects/SY01-0001"


def hand_made(
    claims: Mapping[str, Any] | bytes, key: SigningKey, header: Mapping[str, Any] | bytes | None
) -> str:
    """A JWT as an attacker makes it, byte for byte."""
    members = header if header is not None else {"alg": key.algorithm.value, "kid": key.kid}
    head = members if isinstance(members, bytes) else canonical(dict(members))
    body = claims if isinstance(claims, bytes) else canonical(dict(claims))
    text = f"{base64url.encode(head)}.{base64url.encode(body)}"
    return f"{text}.{base64url.encode(key.sign(text.encode()))}"


@pytest.fixture
def claims(shared: Readers) -> dict[str, Any]:
    """The claims of an assertion that would be taken."""
    now = int(shared.now().timestamp())
    return {
        "iss": EDC,
        "sub": EDC,
        "aud": AUDIENCE,
        "iat": now,
        "exp": now + 60,
        "jti": f"jti-{base64url.encode(seed_of(str(shared.now())))}",
    }


@pytest.fixture
def key(shared: Readers) -> SigningKey:
    """The registered key of the site's system."""
    return shared.built.parties[EDC].key


def require_refusal(answer: TestResponse, status: int, error: str, code: str) -> None:
    """Assert a refusal in both the standard's and our own words."""
    told = answer.get_json()
    assert (answer.status_code, told["error"], told["code"]) == (status, error, code), told
    assert answer.content_type == "application/problem+json"
    assert told["error_description"] == told["detail"]
    assert "access_token" not in told


def require_invalid_client(answer: TestResponse, code: str) -> None:
    """Assert 401 with a challenge."""
    require_refusal(answer, 401, "invalid_client", code)
    assert 'error="invalid_client"' in answer.headers["WWW-Authenticate"]


def test_a_registered_key_gets_a_short_lived_token(shared: Readers) -> None:
    """For one role and site, never kept by anybody in between."""
    answer = shared.ask(shared.assertion(EDC))
    told = answer.get_json()
    assert told["token_type"] == "Bearer"
    assert told["expires_in"] == LIFE <= 600
    assert told["scope"] == f"role:site-system site:{SITE}"
    assert answer.headers["Cache-Control"] == "no-store"
    headers = {"Authorization": f"Bearer {told['access_token']}"}
    assert shared.client.get(SUBJECT, headers=headers).status_code == 200


def test_a_key_on_p256_serves_as_well(shared: Readers) -> None:
    """The pharmacist's key lies there."""
    assert shared.ask(shared.assertion(PHARMACIST)).status_code == 200


def test_the_hand_made_assertion_is_taken_when_nothing_is_wrong_with_it(
    shared: Readers, claims: dict[str, Any], key: SigningKey
) -> None:
    """So that the refusals below are for what each of them changes."""
    assert shared.ask(hand_made(claims, key, None)).status_code == 200


@pytest.mark.parametrize(
    ("header", "code"),
    [
        ({"alg": "none"}, "jwt.algorithm"),
        ({"alg": "HS256"}, "jwt.algorithm"),
        ({"alg": "RS256"}, "jwt.algorithm"),
        ({"alg": ["Ed25519"]}, "jwt.algorithm"),
        ({"alg": "ES256"}, "jwt.signature"),
        ({"kid": "k" * 43}, "assertion.unknown-key"),
        ({"kid": "../../keys"}, "jwt.malformed"),
        ({"kid": None}, "jwt.malformed"),
        ({"jwk": {"kty": "OKP"}}, "jwt.malformed"),
        ({"x5u": "https://evil.example/"}, "jwt.malformed"),
        ({"crit": ["exp"]}, "jwt.malformed"),
        ({"b64": False}, "jwt.malformed"),
        ({"typ": "at+jwt"}, "jwt.type"),
        ({"meaning": "approval"}, "jwt.malformed"),
    ],
    ids=str,
)
def test_no_header_talks_the_check_into_anything(
    header: dict[str, Any], code: str, shared: Readers, claims: dict[str, Any], key: SigningKey
) -> None:
    """The key comes from the register, the algorithm from a list of two."""
    members = {"alg": "Ed25519", "kid": key.kid, **header}
    require_invalid_client(shared.ask(hand_made(claims, key, members)), code)


def test_two_algorithms_in_one_header_are_refused(
    shared: Readers, claims: dict[str, Any], key: SigningKey
) -> None:
    """Two readers would each see another one."""
    header = f'{{"alg":"none","alg":"Ed25519","kid":"{key.kid}"}}'.encode()
    answer = shared.ask(hand_made(claims, key, header))
    require_invalid_client(answer, "assertion.malformed")


def test_two_subjects_in_one_assertion_are_refused(
    shared: Readers, claims: dict[str, Any], key: SigningKey
) -> None:
    """As for any duplicate member."""
    doubled = canonical(claims)[:-1] + f',"sub":"{INVESTIGATOR}"}}'.encode()
    answer = shared.ask(hand_made(doubled, key, None))
    require_invalid_client(answer, "assertion.malformed")


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"aud": "http://evil.example/token"}, "assertion.audience"),
        ({"aud": [AUDIENCE, "http://evil.example/token"]}, "assertion.audience"),
        ({"aud": AUDIENCE.replace("DFSC", "OTHER")}, "assertion.audience"),
        ({"aud": ""}, "assertion.audience"),
        ({"aud": {}}, "assertion.audience"),
        ({"sub": INVESTIGATOR, "iss": INVESTIGATOR}, "assertion.foreign-key"),
        ({"sub": INVESTIGATOR}, "assertion.issuer"),
        ({"iss": "", "sub": ""}, "jwt.malformed"),
        ({"jti": ""}, "jwt.malformed"),
        ({"jti": "short"}, "assertion.jti"),
        ({"jti": "x" * 129}, "assertion.jti"),
        ({"jti": 7}, "jwt.malformed"),
        ({"scope": "role:sponsor"}, "assertion.claims"),
        ({"exp": "tomorrow"}, "jwt.malformed"),
        ({"exp": True}, "jwt.malformed"),
        ({"exp": -1}, "jwt.malformed"),
    ],
    ids=str,
)
def test_each_claim_is_held_to_what_it_must_be(
    change: dict[str, Any], code: str, shared: Readers, claims: dict[str, Any], key: SigningKey
) -> None:
    """Each by itself."""
    require_invalid_client(shared.ask(hand_made({**claims, **change}, key, None)), code)


@pytest.mark.parametrize("name", ["iss", "sub", "aud", "iat", "exp", "jti"])
def test_no_claim_may_be_missing(
    name: str, shared: Readers, claims: dict[str, Any], key: SigningKey
) -> None:
    """An assertion without an end, or without a number, could be used for ever."""
    del claims[name]
    require_invalid_client(shared.ask(hand_made(claims, key, None)), "assertion.claims")


@pytest.mark.parametrize(
    ("iat", "exp", "more", "code"),
    [
        (-120, -1, {}, "assertion.expired"),
        (-60, 0, {}, "assertion.expired"),
        (120, 180, {}, "assertion.future"),
        (0, 60, {"nbf": 120}, "assertion.future"),
        (0, 301, {}, "assertion.lifetime"),
        (0, 10**9, {}, "assertion.lifetime"),
        (28, 27, {}, "assertion.lifetime"),
    ],
)
def test_times_are_bounded_on_both_sides(
    iat: int,
    exp: int,
    more: dict[str, int],
    code: str,
    shared: Readers,
    claims: dict[str, Any],
    key: SigningKey,
) -> None:
    """Seconds from now."""
    now = claims["iat"]
    later = {name: now + value for name, value in more.items()}
    changed = {**claims, "iat": now + iat, "exp": now + exp, **later}
    require_invalid_client(shared.ask(hand_made(changed, key, None)), code)


def test_what_is_older_than_the_process_is_refused(
    shared: Readers, claims: dict[str, Any], key: SigningKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It could have been used before the process began, which is just now."""
    control, now = shared.app.extensions["trial-ledger"].access, claims["iat"]
    monkeypatch.setattr(control, "assertions", Assertions(shared.now()))
    changed = {**claims, "iat": now - 60, "exp": now + 60}
    answer = shared.ask(hand_made(changed, key, None))
    require_invalid_client(answer, "assertion.before-start")


def test_an_assertion_counts_once(shared: Readers) -> None:
    """Whoever reads it on the way gains nothing."""
    assertion = shared.assertion(EDC)
    assert shared.ask(assertion).status_code == 200
    require_invalid_client(shared.ask(assertion), "assertion.replayed")


def test_an_assertion_counts_once_also_with_another_signature(
    shared: Readers, claims: dict[str, Any], key: SigningKey
) -> None:
    """Its number counts, not its bytes."""
    assert shared.ask(hand_made(claims, key, None)).status_code == 200
    again = {**claims, "exp": claims["exp"] + 1}
    require_invalid_client(shared.ask(hand_made(again, key, None)), "assertion.replayed")


def test_a_stranger_with_the_owners_number_does_not_use_it_up(
    shared: Readers, claims: dict[str, Any], key: SigningKey
) -> None:
    """Only what is proved is remembered."""
    forged = hand_made(claims, SigningKey.generate(), {"alg": "Ed25519", "kid": key.kid})
    require_invalid_client(shared.ask(forged), "jwt.signature")
    assert shared.ask(hand_made(claims, key, None)).status_code == 200


def test_a_key_nobody_registered_is_unknown(shared: Readers, claims: dict[str, Any]) -> None:
    """Whatever it calls itself."""
    for curve in Curve:
        stranger = SigningKey.generate(curve=curve)
        answer = shared.ask(hand_made(claims, stranger, None))
        require_invalid_client(answer, "assertion.unknown-key")


def test_the_ledgers_own_key_reads_nothing(shared: Readers, claims: dict[str, Any]) -> None:
    """It signs results; nobody logs in with it."""
    statement_key = shared.built.keys.statement_key
    answer = shared.ask(
        hand_made({**claims, "iss": "/ledger", "sub": "/ledger"}, statement_key, None)
    )
    require_invalid_client(answer, "assertion.unknown-key")


def test_a_statement_is_no_assertion(shared: Readers) -> None:
    """Statements are shown to every reader of the log; none of them lets anybody in."""
    statement = shared.own.entry.statement
    assert shared.ask(statement).status_code == 401


def test_an_assertion_is_no_statement(shared: Readers) -> None:
    """It is signed by the same key, and records nothing."""
    answer = shared.client.post(
        f"{BASE}/events", data=shared.assertion(EDC), content_type="application/jose"
    )
    assert answer.status_code in (400, 422)


@pytest.mark.parametrize(
    ("scope", "code"),
    [
        ("role:sponsor", "token.role-not-held"),
        ("role:site-system site:SY02", "token.site-not-held"),
        ("role:god", "token.scope"),
        ("role:site-system role:sponsor", "token.scope"),
        ("role:site-system  masked", "token.scope"),
        ("unmasked", "token.scope"),
        ("site:*", "token.scope"),
        ("masked " * 100, "token.scope"),
        ("\x00", "token.scope"),
    ],
)
def test_nobody_gets_more_than_he_holds(scope: str, code: str, shared: Readers) -> None:
    """400 invalid_scope, with what to ask for."""
    answer = shared.ask(shared.assertion(EDC), scope=scope)
    require_refusal(answer, 400, "invalid_scope", code)


def test_whoever_holds_two_roles_says_which(shared: Readers) -> None:
    """A token is for one; the refusal names both."""
    source = shared.enrol(Role.MONITOR, "trial")
    shared.built.grant(source, Role.AUDITOR, "trial")
    answer = shared.ask(shared.assertion(source))
    require_refusal(answer, 400, "invalid_scope", "token.ambiguous")
    assert "role:auditor, role:monitor" in answer.get_json()["remedy"]
    assert shared.token(source, "role:auditor")


def test_whoever_belongs_to_a_site_reads_no_further(shared: Readers) -> None:
    """Even with a role granted for the whole trial."""
    source = "/sites/SY01/persons/monitor-at-home"
    shared.built.parties[source] = shared.built.parties[COORDINATOR].__class__(
        source, "Local monitor", SigningKey.from_seed(seed_of(source))
    )
    shared.built.register(source)
    shared.built.grant(source, Role.MONITOR, "trial")
    told = shared.ask(shared.assertion(source)).get_json()
    assert told["scope"] == f"role:monitor site:{SITE}"


@pytest.mark.parametrize(
    ("body", "code", "error"),
    [
        (b"", "token.grant-type", "invalid_request"),
        (b"grant_type", "token.form", "invalid_request"),
        (b"\xff=1", "token.form", "invalid_request"),
        (b"grant_type=client_credentials&grant_type=client_credentials", "token.form",
         "invalid_request"),
        (b"&".join(b"f%d=1" % n for n in range(40)), "token.form", "invalid_request"),
        (b"scope=masked", "token.grant-type", "invalid_request"),
        (b"grant_type=password&username=a&password=b", "token.grant-type",
         "unsupported_grant_type"),
        (b"grant_type=client_credentials", "token.assertion-missing", "invalid_request"),
        (b"grant_type=client_credentials&client_id=a&client_secret=b", "token.assertion-missing",
         "invalid_request"),
    ],
    ids=["empty", "no value", "binary", "twice", "many", "no grant", "password", "bare", "secret"],
)  # fmt: skip
def test_a_form_that_is_none_is_refused(
    body: bytes, code: str, error: str, shared: Readers
) -> None:
    """Each field once, and the grant of this endpoint."""
    answer = shared.client.post(TOKEN, data=body, content_type=FORM)
    require_refusal(answer, 400, error, code)


def test_a_form_that_is_too_large_or_of_another_type_is_refused(shared: Readers) -> None:
    """Before anything of it is read."""
    large = shared.client.post(TOKEN, data=b"scope=" + b"x" * 9_000, content_type=FORM)
    assert (large.status_code, large.get_json()["code"]) == (413, "body.too-large")
    typed = shared.client.post(TOKEN, data=b"{}", content_type="application/json")
    assert (typed.status_code, typed.get_json()["code"]) == (415, "body.media-type")


def test_nothing_is_taken_from_the_address(shared: Readers) -> None:
    """An assertion in an address would stand in the logs of everything on the way."""
    answer = shared.client.post(f"{TOKEN}?client_assertion={shared.assertion(EDC)}", data=b"")
    assert answer.get_json()["code"] == "query.unknown-parameter"
    token = shared.token(EDC)
    assert shared.client.get(f"{SUBJECT}?access_token={token}").status_code in (401, 422)


def test_a_client_id_that_is_another_is_refused(shared: Readers) -> None:
    """It may be given, and then it is the assertion's own."""
    answer = shared.ask(shared.assertion(EDC), client_id=INVESTIGATOR)
    require_invalid_client(answer, "assertion.client-id")
    assert shared.ask(shared.assertion(EDC), client_id=EDC).status_code == 200


def test_an_assertion_of_monstrous_size_is_refused(
    shared: Readers, claims: dict[str, Any], key: SigningKey
) -> None:
    """Long before it is decoded."""
    claims["jti"] = "x" * 4_000
    require_invalid_client(shared.ask(hand_made(claims, key, None)), "jwt.malformed")


@pytest.mark.parametrize(
    "change",
    [
        lambda token: token[:-2] + ("AA" if token[-2:] != "AA" else "BB"),
        lambda token: token.rpartition(".")[0] + ".",
        lambda token: token.rpartition(".")[0],
        lambda token: "eyJhbGciOiJub25lIn0." + token.split(".")[1] + ".",
        lambda token: token + "=",
        lambda token: token.upper(),
        lambda token: "x",
    ],
    ids=["signature", "no signature", "two parts", "alg none", "padded", "upper", "x"],
)
def test_a_token_that_was_touched_is_invalid(change: Callable[[str], str], shared: Readers) -> None:
    """401 invalid_token, whatever was changed."""
    answer = shared.client.get(
        SUBJECT, headers={"Authorization": f"Bearer {change(shared.token(EDC))}"}
    )
    assert (answer.status_code, answer.get_json()["code"]) == (401, "bearer.invalid")
    assert 'error="invalid_token"' in answer.headers["WWW-Authenticate"]


def test_a_token_cannot_be_raised_to_another_role(shared: Readers) -> None:
    """Its claims are signed."""
    header, payload, signature = shared.token(EDC).split(".")
    claims = json.loads(base64url.decode(payload))
    raised = base64url.encode(canonical({**claims, "role": "inspector", "site": None}))
    forged = {"Authorization": f"Bearer {header}.{raised}.{signature}"}
    assert shared.client.get(f"{BASE}/report", headers=forged).status_code == 401


@pytest.mark.parametrize(
    "value",
    [
        "", "Bearer", "Bearer ", "Bearer  {}", "Bearer {} ", "Basic YTpi", "{}",
        "Bearer {},Bearer {}",
        "Bearer {}, Basic YTpi", "Token {}", "Bearer {}\t", "Bearer " + "A" * 5_000,
    ],
)  # fmt: skip
def test_the_header_holds_one_bearer_token_and_nothing_else(value: str, shared: Readers) -> None:
    """Two readers of an odd header would see two tokens."""
    headers = {"Authorization": value.replace("{}", shared.token(EDC))}
    answer = shared.client.get(SUBJECT, headers=headers)
    told = answer.get_json()
    assert (answer.status_code, told["code"]) == (400, "bearer.malformed")
    assert 'error="invalid_request"' in answer.headers["WWW-Authenticate"]


@pytest.mark.parametrize(
    "headers",
    [
        {"X-Forwarded-For": "127.0.0.1"},
        {"X-Forwarded-User": SITE},
        {"X-Original-URL": f"{BASE}/log/checkpoint"},
        {"X-Rewrite-URL": "/healthz"},
        {"X-HTTP-Method-Override": "POST"},
        {"Forwarded": "for=127.0.0.1;host=localhost"},
        {"Remote-User": REGISTRAR},
        {"Cookie": "access_token=x"},
    ],
    ids=str,
)
def test_no_other_header_lets_anybody_in(headers: dict[str, str], shared: Readers) -> None:
    """Who asks is said by the token alone."""
    assert shared.client.get(SUBJECT, headers=headers).status_code == 401


def test_a_token_ends_after_ten_minutes(shared: Readers) -> None:
    """By the service's own clock."""
    now, tokens = shared.now(), shared.app.extensions["trial-ledger"].access.tokens
    kid = shared.built.parties[EDC].key.kid
    old = tokens.issue(
        Reader(EDC, Role.SITE_SYSTEM, SITE),
        kid=kid, now=now - timedelta(seconds=LIFE), jti="old-token",
    )  # fmt: skip
    answer = shared.client.get(SUBJECT, headers={"Authorization": f"Bearer {old}"})
    assert (answer.status_code, answer.get_json()["code"]) == (401, "bearer.expired")


@pytest.mark.parametrize(
    ("other", "trial", "genesis"),
    [("other", None, None), (None, "OTHER-1", None), (None, None, "00" * 32)],
    ids=["key", "trial", "entry 0"],
)
def test_a_token_of_another_ledger_is_none_here(
    other: str | None, trial: str | None, genesis: str | None, shared: Readers
) -> None:
    """Neither another key's, nor another trial's, nor another beginning's."""
    built = shared.built
    keys = LedgerKeys.from_seed(built.keys.origin, seed_of(other)) if other else built.keys
    ledger = built.ledger
    tokens = Tokens(
        keys,
        trial=trial or ledger.trial,
        genesis_sha256=genesis or ledger.genesis.record.sha256,
    )
    token = tokens.issue(
        Reader(EDC, Role.SITE_SYSTEM, SITE),
        kid=built.parties[EDC].key.kid, now=shared.now(), jti="foreign-token",
    )  # fmt: skip
    answer = shared.client.get(SUBJECT, headers={"Authorization": f"Bearer {token}"})
    assert (answer.status_code, answer.get_json()["code"]) == (401, "bearer.invalid")


def test_a_token_signed_with_a_registered_key_is_none(shared: Readers, key: SigningKey) -> None:
    """Only the ledger's own token key makes tokens."""
    payload = shared.token(EDC).split(".")[1]
    header = {"alg": "Ed25519", "kid": key.kid, "typ": "at+jwt"}
    forged = hand_made(base64url.decode(payload), key, header)
    answer = shared.client.get(SUBJECT, headers={"Authorization": f"Bearer {forged}"})
    assert answer.status_code == 401


def revoke(readers: Readers, kid: str) -> None:
    """A registrar revokes a key."""
    data: dict[str, Any] = {"kid": kid, "reason": {"code": "lost", "text": "Device was stolen."}}
    readers.built.state("key.revoked.v1", "access", data, by=REGISTRAR)


def test_a_revoked_key_gets_no_token_and_ends_those_it_got(readers: Readers) -> None:
    """At once, not when they expire."""
    headers = readers.bearer(EDC)
    assert readers.client.get(SUBJECT, headers=headers).status_code == 200
    revoke(readers, readers.built.parties[EDC].key.kid)
    answer = readers.client.get(SUBJECT, headers=headers)
    assert (answer.status_code, answer.get_json()["code"]) == (401, "bearer.revoked-key")
    require_invalid_client(readers.ask(readers.assertion(EDC)), "assertion.revoked-key")


def test_an_ended_role_ends_its_tokens(readers: Readers) -> None:
    """At once; the key stays in force for what else it may do."""
    headers = readers.bearer(EDC)
    data: dict[str, Any] = {
        "holder": EDC,
        "role": "site-system",
        "scope": f"site/{SITE}",
        "reason": {"code": "other", "text": "System was replaced."},
    }
    readers.built.state("role.revoked.v1", "access", data, by=REGISTRAR)
    answer = readers.client.get(SUBJECT, headers=headers)
    assert (answer.status_code, answer.get_json()["code"]) == (401, "bearer.role-ended")
    refused = readers.ask(readers.assertion(EDC))
    require_refusal(refused, 400, "invalid_scope", "token.role-not-held")


def test_a_role_granted_a_moment_ago_can_be_used(readers: Readers) -> None:
    """The register is read at the head, not as some projection left it."""
    source = readers.enrol(Role.INSPECTOR, "trial")
    assert readers.client.get(f"{BASE}/subjects", headers=readers.bearer(source)).status_code == 200


def test_a_masked_token_stays_masked(shared: Readers) -> None:
    """Narrowed for its whole life."""
    told = shared.ask(shared.assertion(EDC), scope="masked").get_json()
    assert told["scope"].endswith(" masked")
    headers = {"Authorization": f"Bearer {told['access_token']}"}
    answer = shared.client.get(f"{BASE}/events/{shared.own.id}", headers=headers)
    assert (answer.status_code, answer.get_json()["code"]) == (403, "reader.masked")


def test_no_secret_reaches_the_messages_of_the_service(
    shared: Readers, caplog: pytest.LogCaptureFixture
) -> None:
    """Neither assertions nor tokens, whatever goes wrong with them."""
    with caplog.at_level(logging.DEBUG):
        assertion, token = shared.assertion(EDC), shared.token(EDC)
        answers = [
            shared.ask(assertion),
            shared.ask(assertion),
            shared.client.get(SUBJECT, headers={"Authorization": f"Bearer {token}x"}),
            shared.client.get(SUBJECT, headers={"Authorization": f"Bearer {token}"}),
        ]
    for secret in (assertion, token):
        assert secret not in caplog.text
        assert not any(secret in answer.text for answer in answers)
    assert ASSERTION_TYPE not in caplog.text
