"""Masked reading: the same folds over a source that does not hold what could tell an arm.

A masked reader gets what two trials that differ only in arms have in common
(docs/decisions/0012-what-a-masked-reader-can-still-learn.md).
"""

from __future__ import annotations

from projections.masking.reading import MaskedProjections

__all__ = ["MaskedProjections"]
