"""The client for a site's programmer: sign, post, retry safely, check and keep the receipt.

identity = Identity.load("edc.identity")
with LedgerClient("http://127.0.0.1:8080", "XHNKKY-DFSC", vkey=VKEY, keep="receipts") as ledger:
    event = identity.sign("visit.completed.v1", "subject/SY01-0007", data, trial=ledger.trial)
    answer = ledger.post(event)
    print(answer.seq)

And for whoever reads, an inspector for example:

with LedgerReader("https://ledger.example", "XHNKKY-DFSC", Identity.load("me.identity")) as ledger:
    print(ledger.json("/subjects/SY01-0001/replay")["timeline"])

And for a physician in an emergency:

with LedgerReader("https://ledger.example", "XHNKKY-DFSC", Identity.load("me.identity")) as ledger:
    print(ledger.break_blind("SY01-0007")["arm"])
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, Self

import urllib3

from api.access.asking import TokenSource, object_of
from api.access.entitlement import Wanted
from api.identity import Identity, SignedEvent
from api.reading import LedgerReader
from api.receipts import Checker, Given, ReceiptFolder
from ledger.errors import LedgerError, Unavailable
from ledger.log.note import VerifierKey
from ledger.signing.rfc3339 import format_recorded_at

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from datetime import datetime

__all__ = ["Answer", "Identity", "LedgerClient", "LedgerReader", "Rejected", "SignedEvent"]

ATTEMPTS: Final = 8
FIRST_PAUSE: Final = 0.1
LONGEST_PAUSE: Final = 5.0
BATCH: Final = 1_000
BATCH_BYTES: Final = 8 * 1024 * 1024
RETRIED: Final = frozenset({429, 502, 503, 504})
MAX_ANSWER_BYTES: Final = 256 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Answer:
    """What the ledger answered to one event.

    ``given`` is the event's own place with its checked receipt, ``result`` the place of the
    ledger's decision on a command; both are there also for a refused command (status 409 with
    ``refused``). ``problem`` holds the members of the RFC 9457 problem, if it is one.
    """

    event: SignedEvent
    status: int
    given: Given | None = None
    result: Given | None = None
    problem: Mapping[str, Any] | None = None

    @property
    def seq(self) -> int | None:
        """The event's position in the log, None when it was not recorded."""
        return self.given.seq if self.given else None

    @property
    def recorded(self) -> bool:
        """Whether the event is in the log and, as a command, was not refused."""
        return self.status in (200, 201)

    @property
    def repeated(self) -> bool:
        """Whether it had been recorded before."""
        return self.status == 200

    @property
    def refused(self) -> bool:
        """Whether it is a command that is in the log together with its refusal."""
        return self.problem is not None and self.given is not None

    @property
    def rules(self) -> Sequence[Mapping[str, str]]:
        """The rules that spoke against a refused command."""
        found: Sequence[Mapping[str, str]] = (self.problem or {}).get("rules", ())
        return found


class Rejected(LedgerError):
    """The ledger did not record an event, or refused a command; ``answer`` has all it said."""

    def __init__(self, answer: Answer) -> None:
        problem = answer.problem or {}
        super().__init__(
            str(problem.get("code", "client.no-problem")),
            str(problem.get("detail", f"The ledger answered {answer.status}.")),
            where=problem.get("where"),
            remedy=problem.get("remedy"),
        )
        self.answer = answer


class LedgerClient:
    """A connection to one trial's ledger; use it from one thread."""

    def __init__(
        self,
        url: str,
        trial: str,
        *,
        vkey: str | VerifierKey,
        keep: Path | str | None = None,
        check: Literal["entry", "checkpoint"] = "entry",
        reader: Identity | None = None,
        attempts: int = ATTEMPTS,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.trial = trial
        self._base = f"{url.rstrip('/')}/v1/trials/{trial}"
        key = VerifierKey.parse(vkey) if isinstance(vkey, str) else vkey
        self._checker = Checker(key, whole=check == "entry")
        self._folder = ReceiptFolder(Path(keep)) if keep is not None else None
        # Statements prove who sent them; only reading needs a token.
        self._tokens = TokenSource(self._base, reader, Wanted()) if reader else None
        self._attempts = attempts
        self._sleep = sleep
        timeout = urllib3.Timeout(connect=5.0, read=90.0)
        self._pool = urllib3.PoolManager(retries=False, timeout=timeout, maxsize=4)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._pool.clear()

    def post(self, event: SignedEvent, *, demonstration_time: datetime | None = None) -> Answer:
        """Post one event; raises Rejected for anything but a recorded one."""
        answer = self.offer(event, demonstration_time=demonstration_time)
        if not answer.recorded:
            raise Rejected(answer)
        return answer

    def offer(self, event: SignedEvent, *, demonstration_time: datetime | None = None) -> Answer:
        """Post one event and give whatever the ledger answers.

        Raises Unavailable when the ledger could not be reached in all attempts, IntegrityFailure
        or TrustFailure when it answers with a receipt that does not hold.
        """
        status, body = self._send(event.media_type, event.body, demonstration_time)
        return self._read(event, status, _object(body, status))

    def offer_all(
        self, events: Sequence[SignedEvent], *, demonstration_time: datetime | None = None
    ) -> list[Answer]:
        """Post many events in order, in as few requests as may be; an answer for each."""
        answers: list[Answer] = []
        for batch in _batches(events):
            body = b"".join(event.line for event in batch)
            status, content = self._send("application/x-ndjson", body, demonstration_time)
            if status != 200:
                problem = _object(content, status)
                answers.extend(Answer(event, status, problem=problem) for event in batch)
                continue
            lines = content.splitlines()
            if len(lines) != len(batch):
                raise _unreadable(status)
            for event, line in zip(batch, lines, strict=True):
                members = _object(line, status)
                if not isinstance(members.get("status"), int):
                    raise _unreadable(status)
                answers.append(self._read(event, members["status"], members))
        return answers

    def get(self, path: str) -> bytes:
        """Read a route of the trial (``/events/…``); raises Unavailable unless it is a 200.

        With a ``reader`` it is read under a token, as anything but a demonstration asks for.
        """
        headers = self._tokens.headers(self._pool) if self._tokens else None
        try:
            response = self._pool.request("GET", f"{self._base}{path}", headers=headers)
        except urllib3.exceptions.HTTPError as error:
            raise Unavailable("client.no-answer", "The ledger gave no answer.") from error
        if response.status != 200:
            raise Unavailable("client.status", f"{path} was answered with {response.status}.")
        return response.data

    def _read(self, event: SignedEvent, status: int, members: Mapping[str, Any]) -> Answer:
        problem = members.get("problem") or (members if status >= 400 else None)
        if problem is not None and "receipt" not in members:
            return Answer(event, status, problem=problem)
        given, decided = self._checker.outcome(event, members, recorded=problem is None)
        if self._folder is not None:
            for one in (given, decided):
                if one is not None:
                    self._folder.keep(one)
        return Answer(event, status, given, decided, problem)

    def _send(
        self, media_type: str, body: bytes, demonstration_time: datetime | None
    ) -> tuple[int, bytes]:
        """Send until there is an answer: the same bytes each time, so nothing is doubled."""
        headers = {"Content-Type": media_type}
        if demonstration_time is not None:
            headers["Demonstration-Time"] = format_recorded_at(demonstration_time)
        fault, remedy = "no attempt was made", ""
        for attempt in range(self._attempts):
            pause = min(LONGEST_PAUSE, FIRST_PAUSE * 2**attempt)
            try:
                response = self._pool.request(
                    "POST", f"{self._base}/events", body=body, headers=headers
                )
            except urllib3.exceptions.HTTPError as error:
                fault, remedy = f"it could not be reached ({type(error).__name__})", ""
            else:
                if response.status not in RETRIED:
                    return response.status, response.data
                fault, remedy = _said(response.data, response.status)
                pause = max(pause, _retry_after(response.headers.get("Retry-After")))
            if attempt + 1 < self._attempts:
                self._sleep(min(pause, LONGEST_PAUSE))
        raise Unavailable(
            "client.no-answer",
            f"{self._base} took nothing in {self._attempts} attempts; at last {fault}.",
            remedy=f"{remedy}Keep the signed event and post it again later; it is recorded once.",
        )


def _batches(events: Sequence[SignedEvent]) -> Iterator[list[SignedEvent]]:
    batch: list[SignedEvent] = []
    size = 0
    for event in events:
        length = len(event.line)
        if batch and (len(batch) == BATCH or size + length > BATCH_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(event)
        size += length
    if batch:
        yield batch


def _said(content: bytes, status: int) -> tuple[str, str]:
    """What an answer that can be tried again says: its problem, and what to do."""
    members = object_of(content)
    detail, remedy = members.get("detail"), members.get("remedy")
    told = f"it said: {detail.rstrip('.')}" if isinstance(detail, str) else "it gave no reason"
    return f"{told} (status {status})", f"{remedy} " if isinstance(remedy, str) else ""


def _retry_after(text: str | None) -> float:
    return float(text) if text is not None and text.isascii() and text.isdigit() else 0.0


def _object(content: bytes, status: int) -> dict[str, Any]:
    try:
        value = json.loads(content)
    except ValueError:
        raise _unreadable(status) from None
    if not isinstance(value, dict):
        raise _unreadable(status)
    return value


def _unreadable(status: int) -> Unavailable:
    return Unavailable(
        "client.unreadable-answer",
        f"The answer (status {status}) is not one of this ledger's.",
        remedy="Check the address; the signed event can be posted again.",
    )
