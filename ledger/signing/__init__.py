"""What senders sign and how it is read: strict JSON, statements, sealed members, keys."""
