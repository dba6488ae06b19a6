"""The sealed allocation list: its published generator, its commitment and its openings."""
