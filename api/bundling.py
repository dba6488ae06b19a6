"""Bundles with what the layers above the ledger add: schemas, the audit report, a replay."""

from __future__ import annotations

import tempfile
from contextlib import ExitStack
from functools import partial
from importlib.metadata import version
from typing import TYPE_CHECKING, BinaryIO, Final

from api.vocabulary_schemas import schemas_bytes
from ledger.concealment.evidence import revealing
from ledger.errors import RejectedInput, Unavailable
from ledger.publication.bundling import (
    Beside,
    Bundled,
    bundled_checkpoint,
    recorded_until,
    write_bundle,
)
from ledger.publication.dossiers import write_dossier
from ledger.publication.masked_dossiers import commit_to_stream, write_masked_dossier
from ledger.publication.publishing import publish_checkpoint
from ledger.publication.redaction import ASKED
from ledger.publication.restriction import require_unrestricted
from ledger.signing.strict_json import canonical
from ledger.storage.open_evidence import open_evidence
from ledger.storage.published import PublishedCheckpoints
from ledger.storage.published_evidence import open_published
from ledger.verification.archive import BLOCK
from ledger.verification.bundle_schemas import SCHEMAS
from projections.report import FORMATS, opened_report

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime

    from ledger.concealment.evidence import Reveal
    from ledger.log.policy import Policy
    from ledger.service import TrialLedger
    from ledger.vocabulary import Purpose
    from projections.masking import MaskedProjections
    from projections.reading import Projections

SOFTWARE: Final = f"trial-ledger {version('trial-ledger')}"


def bundle_log(
    out: BinaryIO,
    ledger: TrialLedger,
    projections: Projections,
    *,
    policy: Policy | None = None,
    leave: frozenset[Purpose] = frozenset(),
    why: str = ASKED,
    restricted: bool = False,
) -> Bundled:
    """Write the bundle of the whole log, with the audit report as of its last entry.

    Its checkpoint is published first, so that it has the log's ML-DSA-44 line; a ledger that
    refuses to sign is bundled as it is, and the bundle says so. ``policy`` goes along; without
    one, that of the ledger's publisher does. Openings of the purposes in ``leave`` are left out
    because of ``why``, and with them the report. The report says that no verification was made:
    whoever gets the bundle makes it. With ``restricted`` it is the copy of the archive that also
    holds what is no longer served.

    Raises RejectedInput ``bundle.restricted``.
    """
    if not restricted:
        require_unrestricted(ledger.application)
    newest = ledger.application.store.last_checkpoint()
    if newest is not None:
        cosigned_note(ledger, *newest)
    with (
        ExitStack() as held,
        open_published(ledger.files.published) as published,
        open_evidence(ledger.application.database, reveal=_reveal(ledger)) as source,
    ):
        size, _ = bundled_checkpoint(source, published)
        as_of = recorded_until(source, size)
        projections.follow()
        asked = policy or (ledger.publisher.policy if ledger.publisher else None)
        beside = Beside(
            leave=leave,
            why=why,
            doubt=_doubt(ledger, size),
            software=SOFTWARE,
            schemas=schemas_bytes(),
            policy=None if asked is None else policy_bytes(asked),
            pages={},
            streamed={} if leave else _report(held, projections, ledger, as_of),
        )
        return write_bundle(out, source, beside, published)


def _report(
    held: ExitStack, projections: Projections, ledger: TrialLedger, as_of: datetime
) -> dict[str, Callable[[], Iterator[bytes]]]:
    """The report in both formats, in temporary files that go when ``held`` does."""
    pages: dict[str, Callable[[], Iterator[bytes]]] = {}
    with opened_report(projections, ledger, as_of=as_of) as report:
        for form in FORMATS:
            file = held.enter_context(tempfile.TemporaryFile())  # noqa: SIM115 - closed by held
            report.write(file, format=form)
            pages[f"report.{form}"] = partial(_chunks, file)
    return pages


def _chunks(file: BinaryIO) -> Iterator[bytes]:
    file.seek(0)
    while block := file.read(BLOCK):
        yield block


def bundle_subject(
    out: BinaryIO,
    ledger: TrialLedger,
    projections: Projections,
    subject: str,
    *,
    purpose: str,
    now: datetime,
    leave: frozenset[Purpose] = frozenset(),
    restricted: bool = False,
) -> Bundled:
    """Commit to a subject's streams in the log, then write the dossier with the replay.

    Openings of the purposes in ``leave`` are left out, and with them the replay. With
    ``restricted`` it also holds what is no longer served.

    Raises RejectedInput ``dossier.unknown-subject`` and ``bundle.restricted``.
    """
    if not restricted:
        require_unrestricted(
            ledger.application, *(f"{family}/{subject}" for family in ("subject", "treatment"))
        )
    projections.follow()
    replay = projections.replay(subject)
    if replay is None:
        raise RejectedInput("dossier.unknown-subject", f"There is no subject {subject}.")
    return write_dossier(
        out, ledger, subject, purpose=purpose, now=now, software=SOFTWARE,
        pages={"replay.json": canonical(replay), SCHEMAS: schemas_bytes()},
        signed=lambda size, note: cosigned_note(ledger, size, note), leave=leave,
    )  # fmt: skip


def bundle_masked(
    out: BinaryIO,
    ledger: TrialLedger,
    masked: MaskedProjections,
    subject: str,
    *,
    purpose: str,
    now: datetime,
    leave: frozenset[Purpose] = frozenset(),
    restricted: bool = False,
) -> Bundled:
    """Commit to a subject's arm-neutral stream, then write its dossier for masked readers.

    The replay in it is that of the masked view. What is restricted in the subject's treatment is
    not in it, and whoever is masked must not learn of it: this stream alone is asked about.

    Raises RejectedInput ``dossier.unknown-subject`` and ``bundle.restricted``.
    """
    if not restricted:
        require_unrestricted(ledger.application, f"subject/{subject}")
    committed = commit_to_stream(ledger, subject, purpose=purpose, now=now)
    replay = masked.replay(subject)
    pages = {} if replay is None else {"replay.json": canonical(replay)}
    beside = Beside(SOFTWARE, {**pages, SCHEMAS: schemas_bytes()}, leave=leave)
    return write_masked_dossier(out, ledger, committed, beside)


def _reveal(ledger: TrialLedger) -> Reveal | None:
    openings = ledger.application.openings
    return None if openings is None else revealing(openings, keep_erased=False)


def cosigned_note(ledger: TrialLedger, size: int, note: str) -> str:
    """A checkpoint's note with the log's ML-DSA-44 line, under which it is published from now on.

    A ledger that refuses to sign gives what there is.
    """
    published = PublishedCheckpoints(ledger.files.published)
    if ledger.refusal is not None:
        known = published.at(size)
        return note if known is None else known.note
    return publish_checkpoint(
        published, size, note, cosigner=ledger.keys.cosigner, clock=ledger.clock
    ).note


def _doubt(ledger: TrialLedger, size: int) -> str | None:
    try:
        ledger.require_confirmed(size)
    except Unavailable as error:
        return error.message
    return None


def policy_bytes(policy: Policy) -> bytes:
    """A policy as a file of C2SP tlog-policy; the same policy gives the same bytes."""
    lines = [" ".join(filter(None, ("log", str(one.vkey), one.url))) for one in policy.logs]
    lines += [
        " ".join(filter(None, ("witness", one.name, str(one.vkey), one.url)))
        for one in policy.witnesses
    ]
    lines += [
        " ".join(("group", one.name, str(one.threshold), *one.members)) for one in policy.groups
    ]
    lines.append(f"quorum {policy.quorum}")
    # Names are opaque bytes (`ledger.log.policy`).
    return "".join(f"{line}\n" for line in lines).encode("utf-8", "surrogateescape")
