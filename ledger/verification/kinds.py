"""The table of findings: which check makes each, what it means and what to do about it.

``docs/formats/findings.md`` is made from this table.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping


class Check(IntEnum):
    """The checks of a verification, by the number under which they are documented.

    Numbers are never given again to something else; later checks take the next number.
    """

    ENTRIES = 1
    CHAIN = 2
    STREAMS = 3
    TREE = 4
    CHECKPOINTS = 5
    HEAD_FILE = 6
    STATEMENTS = 7
    AUTHORITY = 8
    OPENINGS = 9
    ALLOCATION = 10
    MANIFEST = 11
    DOSSIER = 12
    PUBLISHED = 13
    COSIGNATURES = 14
    TIMESTAMPS = 15

    @property
    def label(self) -> str:
        """The stable name of the check, such as ``head-file``."""
        return self.name.lower().replace("_", "-")


CHECKED: Final[Mapping[Check, str]] = MappingProxyType(
    {
        Check.ENTRIES: "Each entry is stored whole, in canonical form, at its position and with "
        "the columns that follow from it; there is no gap and no row too many.",
        Check.CHAIN: "Each entry names the hash of the one before; recorded_at never decreases.",
        Check.STREAMS: "Each entry continues its own stream by number and hash; a dossier that was "
        "issued names the end of the stream that stood before it.",
        Check.TREE: "The Merkle tree over the entries has the root of every checkpoint, and "
        "every stored tile is the tree's.",
        Check.CHECKPOINTS: "Every checkpoint is signed by the log's key under its origin and "
        "names the size of the one before; the last one and the head row are the log's end.",
        Check.HEAD_FILE: "The head kept outside the database is signed and contained in the log; "
        "so is each checkpoint that somebody else holds, where one is given.",
        Check.STATEMENTS: "Every signature verifies under a key in force at its position, in the "
        "manner of its owner; entry 0 certifies itself; results answer their requests.",
        Check.AUTHORITY: "What was accepted or judged was covered by a role or delegation in "
        "force at its position, and stands in its kind of stream.",
        Check.OPENINGS: "Each disclosure kept opens a digest that its entry's statement signed.",
        Check.ALLOCATION: "The list was sealed first; each allocation opens the next slot of its "
        "stratum, once, with a path to the sealed root, and never beyond the planned number.",
        Check.MANIFEST: "A bundle is the one zip file of its members; each member is what the "
        "manifest says, none is missing or too many, and the manifest says what they hold.",
        Check.DOSSIER: "Each stream of a dossier is whole from its first link to the one that "
        "dossier.issued names; that entry, entry 0 and the signers' keys are proven in the log.",
        Check.PUBLISHED: "Every published checkpoint is signed by the log's key, has the tree's "
        "root at its size and so continues the one before; none is larger than the log, and none "
        "that was counted is missing.",
        Check.COSIGNATURES: "Under every published checkpoint stands the log's own ML-DSA-44 "
        "cosignature; every further line holds under the key it is kept for; where a policy is "
        "given, its quorum is met.",
        Check.TIMESTAMPS: "Every time stamp is as it was kept, is over the checkpoint of its size, "
        "and is of a time at which the entries under it were recorded.",
    }
)


@dataclass(frozen=True, slots=True)
class FindingKind:
    """One kind of finding: stable code, its check, what it means, what to do.

    ``harmless`` kinds are notices: they are named, but nothing is damaged.
    """

    code: str
    check: Check
    meaning: str
    remedy: str
    harmless: bool = False

    @property
    def touches_entries(self) -> bool:
        """Whether entries are not as they were signed, so that less of the log is provable."""
        return self.remedy == _RESTORE and self.check in _ENTRY_CHECKS


_ENTRY_CHECKS: Final = (
    Check.ENTRIES,
    Check.CHAIN,
    Check.STREAMS,
    Check.TREE,
    Check.STATEMENTS,
)

_RESTORE: Final = "Keep this copy as evidence and restore the newest backup that verifies."
_BUG: Final = (
    "The ledger itself signed or admitted this. Keep a copy, stop recording and compare "
    "with the bundle and receipts others hold."
)
_ALTERED_OR_BUG: Final = (
    "If the request beside it was altered, restore a backup. If nothing else is damaged, the "
    "ledger itself signed this: keep a copy, stop recording and compare with receipts."
)
_DERIVED: Final = (
    "The entries are whole, so this value can be made again from them; find out first who "
    "altered the database."
)

_PUBLISHED: Final = (
    "The log itself is judged apart. Keep a copy of the file of published checkpoints and find out "
    "who altered it; witnesses and readers hold what was published."
)

_STAMPS: Final = "Later time stamps cover these entries too. Find out who altered the file."

_ISSUED: Final = (
    "Keep this file as evidence and ask for the bundle as it was issued; compare with the ledger."
)

_ROWS: Final = (
    ("entries.missing", Check.ENTRIES, "Entries are missing from the log.", _RESTORE),
    ("entries.extra", Check.ENTRIES, ("There are rows behind the log's end or before its "
     "beginning."), "Keep a copy; nothing signed covers these rows, they are no records."),
    ("entries.unreadable", Check.ENTRIES, ("A stored entry cannot be read or is not an entry in "
     "canonical form."), _RESTORE),
    ("entries.position", Check.ENTRIES, "A row holds an entry that belongs at another position.",
     _RESTORE),
    ("entries.column", Check.ENTRIES, "A column beside an entry does not say what the entry says.",
     _DERIVED),
    ("entries.store", Check.ENTRIES, "A table or column of the ledger is missing.", _RESTORE),
    ("chain.broken", Check.CHAIN, "The next entry was chained to other bytes than stand here.",
     _RESTORE),
    ("chain.recorded-at", Check.CHAIN, "An entry was recorded before the one that it follows.",
     _RESTORE),
    ("streams.position", Check.STREAMS, "An entry does not have the next number of its stream.",
     _RESTORE),
    ("streams.broken", Check.STREAMS, "An entry was linked to another predecessor in its stream.",
     _RESTORE),
    ("streams.commitment", Check.STREAMS, ("A dossier was issued over another end of its stream "
     "than stood before it."), _BUG),
    ("tree.entries", Check.TREE, ("Entries are not those that the signed checkpoints and the "
     "stored tiles cover."), _RESTORE),
    ("tree.root", Check.TREE, ("The tree does not have the root that the log signed; the change "
     "lies after the last checkpoint that agrees."), _RESTORE),
    ("tree.tile", Check.TREE, "A stored tile does not hold the tree's hashes.", _DERIVED),
    ("tree.tile-root", Check.TREE, "A stored tile's root is not the root over its hashes.",
     _DERIVED),
    ("tree.tile-missing", Check.TREE, "A full tile of the tree is not stored.", _DERIVED),
    ("tree.tile-extra", Check.TREE, "A tile is stored that the tree does not have.", _DERIVED),
    ("checkpoints.signature", Check.CHECKPOINTS, ("A checkpoint is not signed by the log's key, "
     "or is not a checkpoint of this log."), ("Other checkpoints cover the entries. Find out who "
     "altered the database; never hand out this checkpoint.")),
    ("checkpoints.size", Check.CHECKPOINTS, ("A checkpoint is kept under another size than it "
     "states."), _DERIVED),
    ("checkpoints.missing", Check.CHECKPOINTS, "A checkpoint that must be there is missing.",
     ("Compare with the head file and with receipts: the last of them that verifies says how far "
     "the log was signed.")),
    ("checkpoints.gap", Check.CHECKPOINTS, ("A checkpoint between two others is missing, or the "
     "later one does not name the size before it as it was."), ("Entries are covered by the later "
     "checkpoint; receipts others hold show the missing one. Find out who altered the database.")),
    ("checkpoints.previous", Check.CHECKPOINTS, ("A checkpoint does not name the size of the one "
     "before it."), _DERIVED),
    ("checkpoints.head", Check.CHECKPOINTS, "The head row does not state the log's end.",
     _DERIVED),
    ("checkpoints.no-key", Check.CHECKPOINTS, ("The log's key is not known, so no checkpoint could "
     "be checked."), "Verify with the verifier key that was handed over out of band."),
    ("head-file.missing", Check.HEAD_FILE, "The head file is missing or cannot be read.",
     "Put it back from where it was copied to. Without it a rolled-back database does not show."),
    ("head-file.signature", Check.HEAD_FILE, ("The head file holds no checkpoint signed by the "
     "log's key."), "Put back the file as the ledger wrote it; compare with receipts others hold."),
    ("head-file.rolled-back", Check.HEAD_FILE, ("The database ends before the last signed head: it "
     "was rolled back or its tail was cut."), _RESTORE),
    ("head-file.forked", Check.HEAD_FILE, ("The database has another history than the last signed "
     "head."), _RESTORE),
    ("head-file.held-signature", Check.HEAD_FILE, ("A checkpoint held by somebody else is not "
     "signed by the log's key, or is none."), ("It says nothing of this log. Ask its holder what "
     "it is of.")),
    ("head-file.held-rolled-back", Check.HEAD_FILE, ("The log ends before a checkpoint that "
     "somebody else holds: it was rolled back or its tail was cut."), _RESTORE),
    ("head-file.held-forked", Check.HEAD_FILE, ("The log does not contain a checkpoint that it "
     "signed and somebody else holds: entries were altered, or these are two histories."), ("If "
     "nothing else is found, the log's key signed two histories: keep both, stop recording, and "
     "ask every witness which one it saw; docs/operations.md, fork.")),
    ("statements.unreadable", Check.STATEMENTS, "An entry holds no statement of an event.",
     _RESTORE),
    ("statements.genesis", Check.STATEMENTS, ("Entry 0 does not open this trial under the root of "
     "trust, or opens it twice."), ("Check the root of trust you were given; if it is right, this "
     "is another log.")),
    ("statements.trial", Check.STATEMENTS, ("A statement belongs to another trial or stream than "
     "the entry that holds it."), _BUG),
    ("statements.signature", Check.STATEMENTS, ("A signature does not verify: the statement was "
     "altered, or signed by another key."), _RESTORE),
    ("statements.unknown-key", Check.STATEMENTS, ("A statement is signed by a key that was not "
     "registered before."), _BUG),
    ("statements.revoked-key", Check.STATEMENTS, ("A statement is signed by a key that was "
     "revoked before."), _BUG),
    ("statements.manner", Check.STATEMENTS, ("A person signed without a meaning or a system with "
     "one, the source belongs to no signer, or a new key did not sign."), _BUG),
    ("statements.result", Check.STATEMENTS, ("A result does not name the request it stands behind, "
     "or stands in the wrong stream."), _ALTERED_OR_BUG),
    ("statements.unanswered", Check.STATEMENTS, "A command is not followed by its result.",
     _ALTERED_OR_BUG),
    ("statements.register", Check.STATEMENTS, ("A record of keys, roles or delegations cannot be "
     "understood."), _BUG),
    ("authority.type", Check.AUTHORITY, "The type is not in the vocabulary of this version.",
     "Verify with the version of the ledger that recorded it, or a newer one."),
    ("authority.stranger", Check.AUTHORITY, "Somebody signed who may not sign this at all.", _BUG),
    ("authority.not-entitled", Check.AUTHORITY, ("A command was accepted or a judgement recorded "
     "though no signer was entitled to it."), _BUG),
    ("authority.stream", Check.AUTHORITY, ("An event stands in a stream its type does not belong "
     "to."), _BUG),
    ("openings.foreign", Check.OPENINGS, "A disclosure opens nothing that its entry signed.",
     "Keep a copy and remove it from what is shown; the statement itself is not affected."),
    ("openings.number", Check.OPENINGS, ("The disclosures of an entry are not numbered 0, 1, 2 and "
     "so on."), _DERIVED),
    ("openings.stray", Check.OPENINGS, "A disclosure is kept for an entry that does not exist.",
     "Keep a copy; it belongs to no record."),
    ("openings.altered", Check.OPENINGS, ("An encrypted opening does not open: it was changed, "
     "moved, or its key is gone without an erasure."), ("Restore the row, or the key store, from "
     "its latest backup; the signed event and the chain are not concerned.")),
    ("openings.erased-unordered", Check.OPENINGS, ("The key of an opening was destroyed by an act "
     "that the log does not order."), ("Restore the key store from its latest backup; find out who "
     "destroyed keys.")),
    ("openings.missing", Check.OPENINGS, ("The opening of an allocation, which is never erased, is "
     "missing."), _RESTORE),
    ("allocation.list", Check.ALLOCATION, ("No list was sealed before an allocation, or a list was "
     "sealed after one."), _BUG),
    ("allocation.slot", Check.ALLOCATION, ("An allocation did not take the next slot of its "
     "stratum, or took one that was used."), _BUG),
    ("allocation.opening", Check.ALLOCATION, ("The opened slot does not lead to the sealed list's "
     "root."), _BUG),
    ("allocation.reveal", Check.ALLOCATION, ("The list that was revealed is not the sealed one, or "
     "holds another arm than an allocation opened."), _BUG),
    ("allocation.subject", Check.ALLOCATION, "A subject was allocated twice.", _BUG),
    ("allocation.number", Check.ALLOCATION, "More subjects were allocated than planned.", _BUG),
    ("manifest.container", Check.MANIFEST, ("The zip file is not in the one form of a bundle: it "
     "was altered, or packed again."), ("The members are judged apart; where nothing else is found "
     "they are whole. Ask for the bundle as it was issued.")),
    ("manifest.unreadable", Check.MANIFEST, "The manifest is missing, altered or no manifest.",
     _ISSUED),
    ("manifest.member", Check.MANIFEST, ("A member is missing, cannot be read or is not what the "
     "manifest says."), _ISSUED),
    ("manifest.surplus", Check.MANIFEST, ("The bundle holds a member that the manifest does "
     "not name."), "Nothing covers this member; do not rely on it. Ask for the bundle as issued."),
    ("manifest.line", Check.MANIFEST, ("A line of a member cannot be read, or repeats another."),
     _ISSUED),
    ("manifest.value", Check.MANIFEST, ("The manifest states something else than the members "
     "hold."), "Rely on what the members hold where they verify. Ask for the bundle as issued."),
    ("manifest.protocol", Check.MANIFEST, ("A version of the protocol is missing or is not the one "
     "whose SHA-256 the log names."), ("The versions stand in the log itself; rely on those.")),
    ("manifest.receipt", Check.MANIFEST, ("A receipt in the bundle does not prove its entry under "
     "the bundle's checkpoint."), ("The tiles prove the entry apart. Rely on a receipt made from "
     "them, and ask for the bundle as issued.")),
    ("manifest.policy", Check.MANIFEST, "The witness policy in the bundle cannot be read.",
     "Verify with a policy of your own (--policy)."),
    ("manifest.schemas", Check.MANIFEST, ("The schemas in the bundle are none, or are not those of "
     "the types in its vocabulary."), ("Take the schemas of the version that the manifest names. "
     "Ask for the bundle as issued.")),
    ("dossier.gap", Check.DOSSIER, "Links of a stream are missing, repeated or out of order.",
     _ISSUED),
    ("dossier.broken", Check.DOSSIER, ("A link does not name the hash of the link before it: one "
     "of the two was altered."), _ISSUED),
    ("dossier.link", Check.DOSSIER, "A line is not a link of its stream.", _ISSUED),
    ("dossier.tail", Check.DOSSIER, ("A stream does not end with the link that the ledger "
     "committed to: its tail was cut, or links were added."), _ISSUED),
    ("dossier.commitment", Check.DOSSIER, ("No commitment of the ledger stands behind a stream, or "
     "it is not one."), _ISSUED),
    ("dossier.unproven", Check.DOSSIER, ("An entry or its receipt does not lead to the checkpoint "
     "that the log signed."), _ISSUED),
    ("dossier.signature", Check.DOSSIER, ("A statement's signature does not verify, or its key is "
     "not among those proven to be registered."), _ISSUED),
    ("published.store", Check.PUBLISHED, ("A part of the file of published checkpoints is missing, "
     "altered or not the ledger's: a table, an index or a trigger."), _PUBLISHED),
    ("published.signature", Check.PUBLISHED, ("A published checkpoint is not signed by the log's "
     "key, is none of this log, or holds lines that are not the log's own."), _PUBLISHED),
    ("published.size", Check.PUBLISHED, ("A published checkpoint is kept under another size than "
     "it states."), _PUBLISHED),
    ("published.root", Check.PUBLISHED, ("The log signed and published another tree of this size "
     "than the entries have: these are two histories."), ("Stop recording. Compare both with what "
     "witnesses and receipts show; docs/operations.md, fork.")),
    ("published.rolled-back", Check.PUBLISHED, ("The log ends before a checkpoint that it "
     "published: it was rolled back or its tail was cut."), _RESTORE),
    ("published.missing", Check.PUBLISHED, "A published checkpoint that was counted is missing.",
     _PUBLISHED),
    ("published.count", Check.PUBLISHED, ("The count kept of what was published does not agree "
     "with what is there."), _PUBLISHED),
    ("cosignatures.log", Check.COSIGNATURES, ("The log's own ML-DSA-44 cosignature is missing "
     "under a published checkpoint, or does not hold."), _PUBLISHED),
    ("cosignatures.signature", Check.COSIGNATURES, ("A cosignature does not hold under the key it "
     "is kept for, or states no time."), _PUBLISHED),
    ("cosignatures.stray", Check.COSIGNATURES, ("A cosignature is kept for a checkpoint that was "
     "not published."), _PUBLISHED),
    ("cosignatures.missing", Check.COSIGNATURES, "A cosignature that was counted is missing.",
     _PUBLISHED),
    ("cosignatures.policy", Check.COSIGNATURES, "The policy names logs, but not this one.",
     "Give the policy of this log, or one without log lines."),
    ("cosignatures.quorum", Check.COSIGNATURES, ("No published checkpoint has the cosignatures "
     "that the policy asks for."), ("Ask the witnesses what they have seen, and the ledger's "
     "operator why it is not here; nobody else vouches for this history yet.")),
    ("timestamps.altered", Check.TIMESTAMPS, "A kept time stamp is not as it was kept.",
     _STAMPS),
    ("timestamps.malformed", Check.TIMESTAMPS, ("A kept time stamp is no granted RFC 3161 "
     "response."), _STAMPS),
    ("timestamps.other-checkpoint", Check.TIMESTAMPS, ("A time stamp is over another text than the "
     "log's checkpoint of this size."), _STAMPS),
    ("timestamps.no-checkpoint", Check.TIMESTAMPS, ("A time stamp is kept for a size of which the "
     "log has no checkpoint."), ("Compare with the head file and receipts: the log may have been "
     "cut.")),
    ("timestamps.column", Check.TIMESTAMPS, "The time beside a time stamp is not the token's.",
     "Rely on the token; find out who altered the file."),
    ("timestamps.missing", Check.TIMESTAMPS, "A time stamp that was counted is missing.", _STAMPS),
    ("doubtful.compromised-key", Check.STATEMENTS, ("The statement was recorded while the key may "
     "have been misused: doubtful, not gone."), ("An authorised person confirms, corrects or voids "
     "the record.")),
)  # fmt: skip

_NOTICES: Final = (
    ("head-file.behind", Check.HEAD_FILE, ("The head file is older than the database, as after a "
     "death between commit and write."), "The service extends it when it starts."),
    ("openings.withheld", Check.OPENINGS, ("Sealed members whose openings are not kept here: "
     "withheld or erased. Their digests verify."), ("Nothing, if they were withheld or erased on "
     "purpose; else restore the openings from a backup.")),
    ("openings.erased", Check.OPENINGS, ("Sealed members that were erased, by an act that the log "
     "holds. Their digests verify."), "Nothing: the act says on what ground and by whom."),
    ("allocation.envelope", Check.ALLOCATION, ("An allocation came from a backup envelope outside "
     "the order, or without naming its slot."), "Reconcile the envelopes with the list."),
    ("manifest.vocabulary", Check.MANIFEST, ("The vocabulary in the bundle is not that of the "
     "verifier, which judged by its own."), ("Verify with the version of the ledger that made the "
     "bundle, or with a newer one.")),
    ("manifest.redacted", Check.MANIFEST, ("The bundle says that openings were left out of it, and "
     "why."), "Nothing, if that is what you may see; the digests of what is withheld verify."),
    ("cosignatures.behind", Check.COSIGNATURES, ("The newest published checkpoint does not have "
     "the policy's quorum (yet)."), ("Ask the missing witnesses; what lies behind the newest "
     "cosigned checkpoint is vouched for by the ledger alone.")),
    ("timestamps.time", Check.TIMESTAMPS, ("The authority stamped entries before the time at which "
     "the ledger says it recorded them: one of the two clocks was wrong."), ("Compare the clocks; "
     "the entries existed at the authority's time.")),
)  # fmt: skip

KINDS: Final[Mapping[str, FindingKind]] = MappingProxyType(
    {
        **{row[0]: FindingKind(*row) for row in _ROWS},
        **{row[0]: FindingKind(*row, harmless=True) for row in _NOTICES},
    }
)
"""Every kind of finding by its code, in the order of the checks."""
