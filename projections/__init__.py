"""What the record means: pure folds over the ledger, rebuilt to the same bytes at any time."""
