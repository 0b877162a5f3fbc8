"""A namespace's objects, read once or watched, as the values that the controller plans on; nothing here writes."""
