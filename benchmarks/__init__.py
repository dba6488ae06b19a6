"""What the ledger costs, measured beside the limit of the machine and beside simpler services."""
