"""Errors by who is at fault, each with a stable code, a sentence, a place and a remedy."""

from __future__ import annotations


class LedgerError(Exception):
    """Root of all errors the ledger raises on purpose.

    ``code`` is stable and kebab-case with a dotted family (``strict-json.duplicate-name``);
    ``message`` is a full sentence; ``where`` a JSON pointer, line or position; ``remedy`` says
    what the reader can do. None of them ever carries secrets or sealed content.
    """

    def __init__(
        self, code: str, message: str, *, where: str | None = None, remedy: str | None = None
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.where = where
        self.remedy = remedy

    def __str__(self) -> str:
        place = f" (at {self.where})" if self.where else ""
        remedy = f" {self.remedy}" if self.remedy else ""
        return f"{self.message}{place}{remedy}"


class RejectedInput(LedgerError):
    """What a sender offered is not acceptable; nothing was recorded."""


class IntegrityFailure(LedgerError):
    """Stored or received bytes do not agree with what they must hash or chain to."""


class TrustFailure(LedgerError):
    """A key, a signature or a policy does not carry what was asked of it."""


class Unavailable(LedgerError):
    """The ledger cannot act at the moment; the same request may succeed later."""
