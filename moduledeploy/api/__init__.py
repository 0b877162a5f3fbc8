"""Pure: what the three kinds and the cluster objects beside them look like; decode and encode; no I/O, no clock."""
