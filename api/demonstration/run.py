"""The demonstration from end to end: open the trial, start the service, post a year and a month."""

from __future__ import annotations

import time
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Final

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from api.client import LedgerClient
from api.demonstration.days import OPENED
from api.demonstration.dice import derive, seed_bytes
from api.demonstration.directory import prepare, write_people, write_trust
from api.demonstration.people import CAST, HOSPITAL, SPONSOR, key_of
from api.demonstration.plan import allocation_list, plan
from api.demonstration.posting import Postbox, Tally
from api.demonstration.service import running_service
from api.demonstration.signing import Hand, identities
from api.demonstration.summary import Summary
from ledger.application import LedgerApplication
from ledger.recording.genesis import Sponsor, open_trial
from ledger.service import LedgerFiles
from ledger.signing.ledger_keys import LedgerKeys
from ledger.storage.database import Database
from ledger.storage.head_file import HeadFile
from ledger.trials import TrialDefinition, load_trial

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

    from api.demonstration.step import Step

TRIAL: Final = "xhnkky-dfsc"
ORIGIN: Final = f"demonstration.invalid/{TRIAL}"


def run_demonstration(
    *,
    database: Database | str,
    directory: Path,
    seed: int,
    port: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Summary:
    """Replace ``directory``, open the seed trial, post its whole life over HTTP.

    The service runs as a process of its own on ``port`` (a free one, if None) and has ended when
    this returns. The same seed gives the same head hash. ``progress`` takes how many steps are
    done and how many there are; without it a bar is drawn on standard error.

    Raises RejectedInput for a directory or database that may not be replaced, Surprise when the
    ledger answers otherwise than foreseen, Unavailable when the service does not start.
    """
    began = time.monotonic()
    ledger = Database.of(database)
    prepare(directory, ledger)
    material, definition = seed_bytes(seed), load_trial(TRIAL)
    keys, genesis = _open(ledger, definition, material)
    people = identities(material)
    write_people(directory, people)
    write_trust(directory, vkey=str(keys.vkey), genesis_sha256=genesis)
    hand = Hand(definition.protocol.trial, material, people)
    steps = list(plan(definition, material))
    bar: AbstractContextManager[Callable[[int, int], None]] = (
        _bar() if progress is None else nullcontext(progress)
    )
    with running_service(ledger, log=directory / "service.log", port=port) as url, bar as tell:
        tally = _post(hand, url, directory, str(keys.vkey), steps=steps, tell=tell)
    return Summary(
        trial=definition.protocol.trial,
        seed=seed,
        vkey=str(keys.vkey),
        genesis_sha256=genesis,
        directory=directory,
        steps=len(steps),
        first=steps[0].recorded_at,
        last=steps[-1].recorded_at,
        tally=tally,
        seconds=time.monotonic() - began,
    )


def _open(database: Database, definition: TrialDefinition, seed: bytes) -> tuple[LedgerKeys, str]:
    files = LedgerFiles.of(database)
    keys = LedgerKeys.from_seed(ORIGIN, derive(seed, "ledger"))
    keys.save(files.keys)
    allocation_list(definition, seed).save(files.allocation)
    application = LedgerApplication(database)
    try:
        record = open_trial(
            application,
            definition,
            keys,
            Sponsor(CAST[SPONSOR].id, HOSPITAL, key_of(seed, SPONSOR)),
            head_file=HeadFile(files.head),
            at=OPENED,
            demonstration=True,
        )
    finally:
        application.close()
    return keys, record.sha256


def _post(
    hand: Hand,
    url: str,
    directory: Path,
    vkey: str,
    *,
    steps: list[Step],
    tell: Callable[[int, int], None],
) -> Tally:
    receipts = directory / "receipts"
    with (
        LedgerClient(url, hand.trial, vkey=vkey, check="checkpoint") as plain,
        LedgerClient(url, hand.trial, vkey=vkey, keep=receipts) as keeping,
    ):
        return Postbox(hand, plain, keeping).post_all(steps, tell)


@contextmanager
def _bar() -> Iterator[Callable[[int, int], None]]:
    # The command line's own bar is out of reach: it imports this module.
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    console = Console(stderr=True)
    off = not console.is_terminal
    with Progress(*columns, TimeElapsedColumn(), console=console, disable=off) as progress:
        task = progress.add_task("Posting the trial's life", total=None)
        yield lambda done, total: progress.update(task, completed=done, total=total)
