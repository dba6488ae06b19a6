"""Verification of a ledger from its stored values alone.

`ledger.verification.run.verify` reads everything once, in pages, and lists all it finds. Its
checks, in the order in which they are numbered (`ledger.verification.kinds.Check`):

1.  entries: canonical bytes, every column beside them, no gap, no row too many;
2.  chain: each entry names the hash of the one before, ``recorded_at`` never decreases;
3.  streams: each entry continues its stream by number and link;
4.  tree: the root at every checkpoint's size, every stored tile;
5.  checkpoints: signed by the log's key under its origin; the last one is the head row's;
6.  head-file: the head kept outside the database is signed and contained;
7.  statements: every signature, the standing of its key, entry 0, results behind requests;
8.  authority: what was accepted or judged was covered at its position;
9.  openings: each disclosure opens a signed digest;
10. allocation: the sealed list and every slot opened from it;
11. manifest: a bundle's zip file, its members, and what its manifest says of them;
12. dossier: the streams of one subject, whole up to what the ledger committed to.

Evidence is a database, a bundle (`bundle.verify_bundle`, ``python -m ledger.verification``) or a
subject's dossier (`dossier.verify_dossier`).

The schema of payloads and the projections are checked a layer above; a report says that they
were not checked here.
"""
