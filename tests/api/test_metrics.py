"""What the workers of a service count, taken together."""

from __future__ import annotations

from typing import TYPE_CHECKING

from api.metrics import MEASURES, Metrics

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def test_a_worker_that_has_only_just_begun_stops_nobody_from_asking(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It opens its file first and gives it a size after; between the two the file is empty."""
    (tmp_path / "counter_12345.db").touch()
    monkeypatch.setenv(MEASURES, str(tmp_path))
    assert Metrics().text() == b""
