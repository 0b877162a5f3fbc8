"""What a group of tasks failed of."""

from __future__ import annotations


def first_error(failed: ExceptionGroup[Exception]) -> Exception:
    """One error that stands for all of a group's: workers react to its class."""
    error: Exception = failed
    while isinstance(error, ExceptionGroup):
        error = error.exceptions[0]
    return error
