"""Pure: batches, budget, gates and the plan of one pass; the time is passed in."""
