"""The system of record: signed events in a chained, tree-hashed log that anyone can verify."""
