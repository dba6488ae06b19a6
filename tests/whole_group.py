"""Groups that the writer takes whole, whenever the machine lets its thread run."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

_SECONDS: Final = 60.0


@contextmanager
def whole_groups() -> Iterator[None]:
    """Whoever submits in here is not interrupted before it waits for its answers.

    The writer begins with whatever waits. Where this thread is held up between two submissions of a
    group, that would be the first of them alone, and there would be two commits.
    """
    before = sys.getswitchinterval()
    sys.setswitchinterval(_SECONDS)
    try:
        yield
    finally:
        sys.setswitchinterval(before)
