"""The log for foreign readers: tiles, entry bundles and consistency proofs.

With ``log/checkpoint`` this is the read interface of C2SP tlog-tiles; the log's prefix is the
trial's address with ``/log``.
"""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final

from api.access.table import Operation, serves
from api.context import doors
from api.resources import trial_door
from api.responses import text_response, unchanging
from api.schemas.openapi import Problem
from api.schemas.query import Consistency
from ledger.log.lexical import encode_base64
from ledger.log.tiles import parse_tile_path
from ledger.publication.log_reader import LogReader

if TYPE_CHECKING:
    from flask import Response

OCTETS: Final = "application/octet-stream"
_SHARED: Final = "public, max-age=31536000, immutable"

door = trial_door("tiles", "The log as tiles, for any tool that reads C2SP tlog-tiles.")


# Two slashes in a row are no spelling of a tile's path: they are not found, not redirected.
@door.route("/log/tile/<path:name>", methods=["GET"], merge_slashes=False)
@door.alt_response(200, content_type=OCTETS, description="Hashes of 32 bytes each.")
@door.alt_response(404, schema=Problem, description="No such tile at the newest size.")
@serves(Operation.TILES)
def get_tile(name: str) -> Response:
    """A tile of hashes `<L>/<N>[.p/<W>]`; it never changes, and shared caches may keep it.

    Any width up to the newest checkpoint's is served, also after the tile has become full.
    """
    response = _served(f"tile/{name}")
    response.headers["Cache-Control"] = _SHARED
    return response


@door.route("/log/tile/entries/<path:name>", methods=["GET"], merge_slashes=False)
@door.alt_response(200, content_type=OCTETS, description="Entries, each after its length.")
@door.alt_response(404, schema=Problem, description="No such entry bundle at the newest size.")
@door.alt_response(451, schema=Problem, description="An entry in it is no longer served.")
@serves(Operation.ENTRIES)
def get_entries(name: str) -> Response:
    """An entry bundle `<N>[.p/<W>]`: the entries themselves, in order; it never changes.

    One with an entry whose personal data are restricted is withheld; the tiles of hashes stay.
    """
    response = _served(f"tile/entries/{name}")
    if doors().ledger.application.restrictions:
        response.headers["Cache-Control"] = "private, no-cache"
    return response


def _served(path: str) -> Response:
    application = doors().ledger.application
    data = LogReader(application.store, application.withheld_at).tile(parse_tile_path(path))
    return unchanging(text_response(data, OCTETS), sha256(data).hexdigest())


@door.route("/log/consistency", methods=["GET"])
@door.query(Consistency)
@door.alt_response(200, description="The path, one base64 hash on each line; may be empty.")
@door.alt_response(404, schema=Problem, description="The log is not that long.")
@serves(Operation.TILES)
def get_consistency(query: dict[str, Any]) -> Response:
    """The proof that the log of `new` entries extends the one of `old` (RFC 9162 §2.1.4)."""
    path = LogReader(doors().ledger.application.store).consistency(query["old"], query["new"])
    text = "".join(f"{encode_base64(step)}\n" for step in path)
    response = unchanging(text_response(text), f"{query['old']}-{query['new']}")
    response.headers["Cache-Control"] = _SHARED
    return response
