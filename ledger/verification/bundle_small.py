"""A bundle's small members against the lines they repeat or stand for."""

from __future__ import annotations

from hashlib import sha256
from importlib import resources
from typing import TYPE_CHECKING, Final

from ledger.errors import IntegrityFailure, LedgerError
from ledger.log.checkpoint import parse_checkpoint
from ledger.log.note import split_note
from ledger.verification.bundle_publication import BundledPublication, whole_note

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from ledger.verification.archive import Archive
    from ledger.verification.report import Findings

_LONGEST_NOTE: Final = 1_000_000
_KEYS: Final = "vkeys.txt"


class SmallMembers:
    """Checks the members that a reader may look at alone, without the lines they come from."""

    def __init__(
        self, archive: Archive, publication: BundledPublication, findings: Findings
    ) -> None:
        self._archive, self._publication = archive, publication
        self._findings = findings

    def check_newest(self, newest: str | None) -> str | None:
        """``checkpoint`` is the last line's note with every further line; give it."""
        if newest is None or "checkpoint" not in self._archive:
            return None
        try:
            alone = self._archive.read("checkpoint", most=_LONGEST_NOTE)
        except IntegrityFailure as error:
            self._findings.add("manifest.member", None, found=error.message, field="checkpoint")
            return None
        if alone != (self._cosigned(newest) or newest).encode():
            self._findings.add(
                "manifest.value", None, found=alone, field="checkpoint",
                expected="the note of the last line of checkpoints.jsonl, with its cosignatures",
            )  # fmt: skip
        return alone.decode("utf-8", "replace")

    def _cosigned(self, newest: str) -> str | None:
        """The note published for the last checkpoint's size, if one of this text was."""
        try:
            text = split_note(newest)[0]
            size = parse_checkpoint(text).size
        except LedgerError:
            return None
        source = self._publication
        page = source.published(size - 1, 1)
        if not page or page[0].size != size:
            return None
        note = whole_note(page[0], source.cosignatures(size, size))
        return note if note is not None and note.startswith(f"{text}\n") else None

    def check_keys(self, keys: str) -> None:
        """``vkeys.txt`` holds the keys of entry 0, for readers who want those alone."""
        stated = keys.encode()
        if _KEYS in self._archive and stated and b"".join(self._chunks(_KEYS)) != stated:
            self._findings.add(
                "manifest.value", None, expected="the keys that entry 0 states", found="others",
                field=_KEYS,
            )  # fmt: skip

    def check_protocols(self, protocols: Collection[str]) -> None:
        """Each protocol version that an entry put in force is there, and no other."""
        wanted = {f"protocol/{name}.json": name for name in protocols}
        for name in self._archive.names:
            if name.startswith("protocol/"):
                found = sha256()
                for chunk in self._chunks(name):
                    found.update(chunk)
                if found.hexdigest() != wanted.pop(name, None):
                    self._findings.add(
                        "manifest.protocol", None, found=found.hexdigest(), field=name
                    )
        for name in sorted(wanted):
            self._findings.add("manifest.protocol", None, found="none", field=name[:200])

    def check_vocabulary(self) -> None:
        """The vocabulary is this version's."""
        own = resources.files("ledger.events").joinpath("vocabulary.json").read_bytes()
        name = "vocabulary.json"
        if name in self._archive and b"".join(self._chunks(name)) != own:
            self._findings.add("manifest.vocabulary", None, field=name)

    def _chunks(self, member: str) -> Iterator[bytes]:
        """A member as far as it can be read; that it cannot be is named where it is measured."""
        try:
            yield from self._archive.chunks(member)
        except IntegrityFailure:
            return
