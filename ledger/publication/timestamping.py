"""Time stamps by an RFC 3161 authority over the text of a checkpoint: asked for and verified.

Needs the extra ``timestamp`` (rfc3161-client), so nothing imports this at start. A token proves
that the authority saw the checkpoint, and so every entry under it, at its time or before.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from http import HTTPStatus
from typing import TYPE_CHECKING

import urllib3
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID
from rfc3161_client import (
    HashAlgorithm,
    PKIStatus,
    TimestampRequestBuilder,
    TimeStampResponse,
    VerificationError,
    VerifierBuilder,
    decode_timestamp_response,
)

from ledger.errors import TrustFailure, Unavailable

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

CONNECT_SECONDS = 5.0
"""How long an authority may take to accept a connection."""

ANSWER_SECONDS = 10.0
"""How long an authority may take between two packets of an answer."""

MAX_RESPONSE_BYTES = 128 * 1024
"""Longest response that is read: a token with a long chain of certificates is a tenth of it."""

MAX_CERTIFICATE_FILE_BYTES = 4_000_000
"""Longest file of certificates that is read."""

QUERY = "application/timestamp-query"
REPLY = "application/timestamp-reply"
_SHA256 = x509.ObjectIdentifier("2.16.840.1.101.3.4.2.1")
# What the token's parsers raise on foreign bytes: `ValueError` for nearly all of them, `KeyError`
# for a kind of string that no name has.
_UNREADABLE = (
    ValueError,
    TypeError,
    LookupError,
    OverflowError,
    x509.InvalidVersion,
    x509.DuplicateExtension,
    x509.UnsupportedGeneralNameType,
)


@dataclass(frozen=True, slots=True)
class TrustedCertificates:
    """Who may stamp: CA certificates, and certificates of authorities that need not send theirs."""

    roots: tuple[x509.Certificate, ...]
    authorities: tuple[x509.Certificate, ...] = ()


@dataclass(frozen=True, slots=True)
class Timestamp:
    """A verified time stamp: its time (UTC), who signed (RFC 4514), the TimeStampResp (DER)."""

    time: datetime
    authority: str
    response: bytes

    @property
    def rfc3339(self) -> str:
        """The time as it is kept: RFC 3339 in UTC, with the fraction the authority gave."""
        return self.time.isoformat().replace("+00:00", "Z")


def read_certificates(path: Path) -> TrustedCertificates:
    """Read a PEM file of trusted certificates; those for time stamping are authorities' own.

    Raises TrustFailure ``timestamps.certificates``.
    """
    try:
        with path.open("rb") as file:
            data = file.read(MAX_CERTIFICATE_FILE_BYTES + 1)
    except OSError as error:
        raise _unusable(path, error.strerror or "unreadable") from error
    if len(data) > MAX_CERTIFICATE_FILE_BYTES:
        raise _unusable(path, "too long")
    try:
        found = x509.load_pem_x509_certificates(data)
        own = tuple(one for one in found if _stamps(one))
    except _UNREADABLE as error:
        raise _unusable(path, "no certificates in PEM") from error
    roots = tuple(one for one in found if one not in own)
    if not roots:
        raise _unusable(path, "no certificate of an issuer in it")
    return TrustedCertificates(roots, own)


def verify_timestamp(
    response: bytes, text: bytes, trusted: TrustedCertificates, *, nonce: int | None = None
) -> Timestamp:
    """Verify a TimeStampResp over a checkpoint's text.

    1. It is an RFC 3161 response (DER). 2. Its status is *granted*. 3. Its CMS signature holds,
    under a certificate for time stamping that leads to a trusted one, all valid at the token's
    time. 4. It answers the request of ``nonce``, if one is given. 5. It is over the SHA-256 of
    ``text``. Whether a certificate was revoked is not asked.

    Raises TrustFailure ``timestamps.malformed``, ``.refused``, ``.untrusted``, ``.other-request``
    or ``.other-checkpoint``.
    """
    # 1 and 2.
    decoded = _decode(response)
    # 3. The token's own digest is given, so that only the signature and its chain can fail here.
    try:
        info = decoded.tst_info
        signer = _signer(decoded, trusted)
        verifier = VerifierBuilder(
            roots=list(trusted.roots),
            tsa_certificate=None if decoded.signed_data.certificates else signer,
        ).build()
        verifier.verify(decoded, info.message_imprint.message)
        authority = signer.subject.rfc4514_string()
    except (VerificationError, *_UNREADABLE) as error:
        raise TrustFailure(
            "timestamps.untrusted",
            "The time stamp is not signed as it stands by an authority that is trusted here.",
            remedy="Compare the token with a copy, and the certificates with the authority's.",
        ) from error
    # 4.
    if nonce is not None and info.nonce != nonce:
        raise TrustFailure("timestamps.other-request", "The time stamp answers another request.")
    # 5.
    imprint = info.message_imprint
    if imprint.hash_algorithm != _SHA256 or imprint.message != sha256(text).digest():
        raise TrustFailure(
            "timestamps.other-checkpoint",
            "The time stamp is not over the SHA-256 of this checkpoint's text.",
        )
    return Timestamp(info.gen_time, authority, response)


class TimestampAuthority:
    """An RFC 3161 authority as it is reached over HTTP; one thread uses it."""

    def __init__(self, url: str, trusted: TrustedCertificates) -> None:
        self.name = _host(url)
        self._url = url
        self._trusted = trusted
        timeout = urllib3.Timeout(connect=CONNECT_SECONDS, read=ANSWER_SECONDS)
        self._pool = urllib3.PoolManager(retries=False, timeout=timeout, maxsize=1)

    def stamp(self, text: bytes) -> Timestamp:
        """Have a checkpoint's text stamped, and verify the answer.

        Raises:
            Unavailable: ``timestamps.unreachable`` or ``timestamps.failed``.
            TrustFailure: as ``verify_timestamp``.
        """
        request = TimestampRequestBuilder(
            data=text,
            hash_algorithm=HashAlgorithm.SHA256,
            # Who is known need not send certificates, whose order not all authorities keep (DER).
            cert_req=not self._trusted.authorities,
        ).build()
        answer = self._post(request.as_bytes())
        return verify_timestamp(answer, text, self._trusted, nonce=request.nonce)

    def close(self) -> None:
        """Close the connections."""
        self._pool.clear()

    def _post(self, body: bytes) -> bytes:
        try:
            with self._pool.request(
                "POST",
                self._url,
                body=body,
                headers={"Content-Type": QUERY, "Accept": REPLY},
                redirect=False,
                preload_content=False,
            ) as response:
                content = response.read(MAX_RESPONSE_BYTES + 1, decode_content=False)
                media_type = response.headers.get("Content-Type", "")
                status = response.status
        except (urllib3.exceptions.HTTPError, ValueError, OSError) as error:
            raise Unavailable(
                "timestamps.unreachable",
                f"The time-stamping authority {self.name} cannot be reached "
                f"({type(error).__name__}).",
            ) from error
        if status != HTTPStatus.OK:
            raise Unavailable(
                "timestamps.failed", f"The time-stamping authority {self.name} answered {status}."
            )
        if media_type.partition(";")[0].strip().lower() != REPLY:
            raise _malformed("it has another media type")
        if len(content) > MAX_RESPONSE_BYTES:
            raise _malformed("it is too long")
        return content


def _decode(response: bytes) -> TimeStampResponse:
    if len(response) > MAX_RESPONSE_BYTES:
        raise _malformed("it is too long")
    try:
        decoded = decode_timestamp_response(response)
        status = PKIStatus(decoded.status)
    except _UNREADABLE as error:
        raise _malformed("it is not its DER") from error
    if status is not PKIStatus.GRANTED:
        raise TrustFailure(
            "timestamps.refused", f"The authority refused the time stamp ({status.name})."
        )
    return decoded


def _signer(decoded: TimeStampResponse, trusted: TrustedCertificates) -> x509.Certificate:
    """The one certificate the token's signer names, from the token or from the trusted ones."""
    signed = decoded.signed_data
    sent = [x509.load_der_x509_certificate(one) for one in signed.certificates]
    (info,) = signed.signer_infos
    for one in sent or trusted.authorities:
        if one.issuer == info.issuer and one.serial_number == info.serial_number:
            return one
    raise VerificationError("the signer's certificate is neither sent nor trusted")


def _stamps(certificate: x509.Certificate) -> bool:
    """Whether it is an authority's own: for time stamping, and not an issuer's."""
    try:
        usage = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound:
        return False
    return ExtendedKeyUsageOID.TIME_STAMPING in usage and not _issues(certificate)


def _issues(certificate: x509.Certificate) -> bool:
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:
        return False


def _host(url: str) -> str:
    try:
        found = urllib3.util.parse_url(url)
    except urllib3.exceptions.LocationParseError as error:
        raise _no_address() from error
    if found.scheme not in ("http", "https") or not found.host:
        raise _no_address()
    return found.host


def _no_address() -> TrustFailure:
    return TrustFailure(
        "timestamps.address", "The time-stamping authority's address is no http or https URL."
    )


def _unusable(path: Path, why: str) -> TrustFailure:
    return TrustFailure(
        "timestamps.certificates", f"The certificates {path.name} cannot be used ({why})."
    )


def _malformed(why: str) -> TrustFailure:
    return TrustFailure(
        "timestamps.malformed", f"The answer is no time-stamp response of RFC 3161: {why}."
    )
