"""State from events: chronicles of streams, the allocation, and the trial as guards see it."""
