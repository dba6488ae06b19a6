"""Who may read what: tokens, the table of role and operation, and what is written down of it."""
