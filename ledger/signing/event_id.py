"""Event ids: UUIDv7 (RFC 9562 section 5.7) from an instant and given bits."""

from __future__ import annotations

import hashlib
import uuid
from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def event_id(instant: datetime, material: bytes) -> str:
    """The UUIDv7 whose time is ``instant`` (ms) and whose other bits are hashed ``material``.

    The same instant and material give the same id, so a decision repeated after an unknown
    outcome names the same event.
    """
    milliseconds = (instant - _EPOCH) // timedelta(milliseconds=1)
    bits = int.from_bytes(hashlib.sha256(material).digest()[:10], "big")
    value = (milliseconds & (1 << 48) - 1) << 80 | bits
    value = value & ~(0xF << 76) | 0x7 << 76
    value = value & ~(0x3 << 62) | 0x2 << 62
    return str(uuid.UUID(int=value))
