"""The controller against real bases."""
