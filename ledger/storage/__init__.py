"""Where entries are kept: recorders that chain, and what stands beside the log."""
