"""The evidence bundle of the whole log over HTTP."""

from __future__ import annotations

import tempfile
from typing import TYPE_CHECKING, BinaryIO, Final

from flask import Response

from api.access.table import Operation, serves
from api.bundling import bundle_log
from api.context import doors
from api.resources import trial_door

if TYPE_CHECKING:
    from collections.abc import Iterator

ZIP: Final = "application/zip"
_BLOCK: Final = 1 << 16

door = trial_door("bundle", "Everything needed to check the ledger, in one file.")


@door.route("/bundle", methods=["GET"])
@door.alt_response(200, content_type=ZIP, description="The evidence bundle, one zip file.")
@serves(Operation.BUNDLE)
def get_bundle() -> Response:
    """The evidence bundle up to the newest checkpoint; the same log gives the same bytes.

    A dossier of one subject is written by `trial-ledger bundle --subject`: it records something,
    which reading must not.
    """
    held = doors()
    file = tempfile.TemporaryFile()  # noqa: SIM115 - closed when the response was sent
    try:
        written = bundle_log(file, held.ledger, held.projections)
        length = file.tell()
        file.seek(0)
    except BaseException:
        file.close()
        raise
    response = Response(_blocks(file), content_type=ZIP)
    response.call_on_close(file.close)
    response.content_length = length
    response.headers["Content-Disposition"] = (
        f'attachment; filename="{held.ledger.trial}-{written.size}.zip"'
    )
    response.headers["Cache-Control"] = "no-store"
    response.set_etag(written.manifest_sha256)
    return response


def _blocks(file: BinaryIO) -> Iterator[bytes]:
    while block := file.read(_BLOCK):
        yield block
