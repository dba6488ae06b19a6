"""Which logs a witness knows: verifier keys by origin, from a list or from a policy file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ledger.errors import TrustFailure
from ledger.log.note import ED25519, ML_DSA_44_COSIGNATURE, VerifierKey

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ledger.witness.protocol import TrustedLogs

_LOG_KEY_TYPES = (ED25519, ML_DSA_44_COSIGNATURE)
_MAX_ORIGIN_BYTES = 255


def trusted_logs(vkeys: Iterable[VerifierKey]) -> TrustedLogs:
    """Order verifier keys by origin, which is the key's name; a log may have several.

    Raises TrustFailure ``witness.no-logs``, ``witness.log-key-type`` for a key that is no log's,
    ``witness.origin-length`` for an origin that an ML-DSA-44 cosignature could not name.
    """
    logs: dict[str, dict[VerifierKey, None]] = {}
    for vkey in vkeys:
        if vkey.type not in _LOG_KEY_TYPES:
            raise TrustFailure(
                "witness.log-key-type", f"The key of {vkey.name} is a witness's, not a log's."
            )
        if len(vkey.name.encode()) > _MAX_ORIGIN_BYTES:
            raise TrustFailure(
                "witness.origin-length", "The origin of a log is at most 255 bytes long."
            )
        logs.setdefault(vkey.name, {})[vkey] = None
    if not logs:
        raise TrustFailure(
            "witness.no-logs",
            "A witness needs at least one log to watch.",
            remedy="Give a log's verifier key with --log, or a policy file with --policy.",
        )
    return {origin: tuple(keys) for origin, keys in logs.items()}
