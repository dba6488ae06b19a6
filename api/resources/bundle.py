"""Evidence over HTTP: the bundle of the whole log, and the dossier of one subject."""

from __future__ import annotations

import tempfile
from typing import TYPE_CHECKING, Any, BinaryIO, Final

from flask import Response

from api.access.control import open_identity
from api.access.control import reader as asking
from api.access.openings import hidden_from
from api.access.table import Operation, serves
from api.bundling import bundle_log, bundle_masked, bundle_subject
from api.context import doors
from api.resources import trial_door
from api.schemas.openapi import Problem
from api.schemas.query import EventQuery, text
from ledger.errors import RejectedInput
from ledger.vocabulary import Purpose
from projections.masking import MaskedProjections

if TYPE_CHECKING:
    from collections.abc import Iterator

    from api.context import Doors
    from ledger.publication.bundling import Bundled

ZIP: Final = "application/zip"
NOT_SHOWN: Final = "Whoever asked for this bundle is not shown what is sealed for these purposes."
PURPOSE: Final = "dossier"
"""What a dossier that is asked for over HTTP is said to be for."""

_SUBJECT: Final = r"[A-Z0-9]{2,16}-[0-9]{4}"
_BLOCK: Final = 1 << 16

door = trial_door("bundle", "Everything needed to check the ledger, in one file.")


class BundleQuery(EventQuery):
    """What goes into a bundle."""

    subject = text("The dossier of this subject alone.", _SUBJECT, "Is no subject id.")


@door.route("/bundle", methods=["GET"])
@door.query(BundleQuery)
@door.alt_response(200, content_type=ZIP, description="The evidence bundle, one zip file.")
@door.alt_response(451, schema=Problem, description="It would hold data no longer served.")
@serves(Operation.BUNDLE)
def get_bundle(query: dict[str, Any]) -> Response:
    """The evidence bundle up to the newest checkpoint; the same log gives the same bytes.

    Openings that the reader is not shown are left out, and with them the report; a monitor,
    auditor or inspector has identity put in with `open=identity`.

    With `subject` it is that subject's dossier. The ledger first commits, in the log, to where the
    subject's records end, so that nothing can have been left out or cut off. A masked reader gets
    the masked dossier: the arm-neutral stream, whole, and no place in the log; as long as nothing
    was added to it, asking again records nothing.
    """
    held, leave, subject = doors(), hidden_from(asking()), query.get("subject")
    if "open" in query:
        open_identity()
        leave -= {Purpose.IDENTITY}
    file = tempfile.TemporaryFile()  # noqa: SIM115 - closed when the response was sent
    try:
        if subject is None:
            written = bundle_log(file, held.ledger, held.projections, leave=leave, why=NOT_SHOWN)
            name = f"{held.ledger.trial}-{written.size}"
        else:
            written = _dossier(file, held, subject, leave)
            name = f"{held.ledger.trial}-{subject}"
        length = file.tell()
        file.seek(0)
    except BaseException:
        file.close()
        raise
    response = Response(_blocks(file), content_type=ZIP)
    response.call_on_close(file.close)
    response.content_length = length
    response.headers["Content-Disposition"] = f'attachment; filename="{name}.zip"'
    response.headers["Cache-Control"] = "no-store"
    response.set_etag(written.manifest_sha256)
    return response


def _dossier(out: BinaryIO, held: Doors, subject: str, leave: frozenset[Purpose]) -> Bundled:
    """Write the dossier that the reader may have: whoever is masked gets the masked one."""
    if not held.ledger.application.store.stream_head(f"subject/{subject}").size:
        raise RejectedInput("subject.not-found", "There is no such subject.")
    reading = held.reading()
    if isinstance(reading, MaskedProjections):
        # What is sealed for allocation is never in a masked dossier; it need not be asked for.
        return bundle_masked(
            out, held.ledger, reading, subject, purpose=PURPOSE, now=held.now(),
            leave=leave - {Purpose.ALLOCATION},
        )  # fmt: skip
    return bundle_subject(
        out, held.ledger, held.projections, subject, purpose=PURPOSE, now=held.now(), leave=leave
    )


def _blocks(file: BinaryIO) -> Iterator[bytes]:
    while block := file.read(_BLOCK):
        yield block
