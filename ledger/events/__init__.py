"""The vocabulary: every event type once, one module per domain."""
