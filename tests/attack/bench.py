"""All alterations of the bench, in the order of the page that lists them."""

from __future__ import annotations

from tests.attack import on_beside, on_database, on_histories, on_issued, on_published

ALTERATIONS = (
    *on_database.ALTERATIONS,
    *on_published.ALTERATIONS,
    *on_histories.ALTERATIONS,
    *on_beside.ALTERATIONS,
    *on_issued.ALTERATIONS,
)
