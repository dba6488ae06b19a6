"""Pure rules by id, used by guards and by projections alike."""
