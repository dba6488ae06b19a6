"""Values between two processes of one verification: each with its length before it.

A module of its own, so that the process that examines starts without what only the other needs.
"""

from __future__ import annotations

import marshal
from typing import IO, Any, Final

_LENGTH: Final = 8


def framed(value: Any) -> bytes:
    """A value as it travels between two processes of one verification.

    Raises ValueError when it holds what cannot travel.
    """
    data = marshal.dumps(value)
    return len(data).to_bytes(_LENGTH, "big") + data


def received(stream: IO[bytes]) -> Any:
    """Read what `framed` wrote at the other end; raises EOFError at its end."""
    header = stream.read(_LENGTH)
    length = int.from_bytes(header, "big")
    data = stream.read(length)
    if len(header) < _LENGTH or len(data) < length:
        raise EOFError
    # Both ends are one program of one version, and the pipe is theirs alone.
    return marshal.loads(data)  # noqa: S302
