"""The log itself: hash chain, Merkle tree, tiles, checkpoints and receipts over plain bytes."""
