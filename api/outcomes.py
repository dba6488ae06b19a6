"""What a sender is told of a statement: positions, entries, receipts, the ledger's result."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from api.problems import Family, Problem, problem_of
from ledger.errors import IntegrityFailure, LedgerError
from ledger.history import REFUSED
from ledger.log.entry import entry_hash, parse_entry
from ledger.record import Record, read_record

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ledger.application import LedgerApplication
    from ledger.recording.outcomes import Receipted
    from ledger.recording.submission import Submission

REFUSAL: Final = Family("command.refused", 409, "The command was refused")


@dataclass(frozen=True, slots=True)
class Answer:
    """A status with the members that stand in the body: of an outcome, or of a problem."""

    status: int
    members: Mapping[str, Any]
    problem: Problem | None = None


def answer(
    ledger: LedgerApplication, submission: Submission, outcome: Receipted | LedgerError
) -> Answer:
    """The answer to one submission."""
    if isinstance(outcome, LedgerError):
        return failure(outcome)
    recorded = outcome.outcome
    request = _members(_bytes_of(ledger, outcome, recorded.seq), outcome, recorded.seq)
    members: dict[str, Any] = {"id": submission.event.id, **request}
    if outcome.repeated and ledger.restrictions.concerns(submission.event.id):
        members["entry"] = None  # it holds personal data that are no longer served
    if recorded.result_seq is None:
        return Answer(200 if outcome.repeated else 201, members)
    result, record = _result(ledger, outcome, recorded.result_seq)
    members["result"] = result
    if record.type != REFUSED:
        return Answer(200 if outcome.repeated else 201, members)
    problem = Problem(
        code=REFUSAL.prefix,
        status=REFUSAL.status,
        title=REFUSAL.title,
        detail=_sentence(record),
        remedy="Remove what stands against it, then send a new command under a new id.",
        extra={"rules": result["rules"], **members},
    )
    return Answer(REFUSAL.status, members, problem)


def failure(error: LedgerError) -> Answer:
    """The answer to what could not be taken in."""
    problem = problem_of(error)
    return Answer(problem.status, {}, problem)


def _result(
    ledger: LedgerApplication, outcome: Receipted, seq: int
) -> tuple[dict[str, Any], Record]:
    data = _bytes_of(ledger, outcome, seq)
    members, record = _members(data, outcome, seq), read_record(data)
    result = {"type": record.type, "id": record.id, **members}
    if "rules" in record.data:
        result["rules"] = record.data["rules"]
    return result, record


def _members(data: bytes, outcome: Receipted, seq: int) -> dict[str, Any]:
    entry = parse_entry(data)
    receipt = outcome.tree.receipt(seq, size=outcome.size, note=outcome.note)
    return {
        "seq": seq,
        "entry_sha256": entry_hash(data),
        "recorded_at": entry.recorded_at,
        "stream": entry.stream,
        "entry": data.decode("utf-8"),
        "receipt": receipt.text(),
    }


def _bytes_of(ledger: LedgerApplication, outcome: Receipted, seq: int) -> bytes:
    data = outcome.entries.get(seq) or ledger.store.entry(seq)
    if data is None:
        raise IntegrityFailure("receipt.no-entry", f"The log has lost entry {seq}.")
    return data


def _sentence(refusal: Record) -> str:
    rules = refusal.data.get("rules")
    sentences = [
        f"{rule['id']}: {rule['message']}"
        for rule in (rules if isinstance(rules, list) else ())
        if isinstance(rule, dict)
    ]
    return " ".join(sentences) or "The command was refused."
