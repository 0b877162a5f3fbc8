"""What a group of tasks failed of, and what a refusal means."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from moduledeploy.kube.errors import Invalid


def first_error(failed: ExceptionGroup[Exception]) -> Exception:
    """One error that stands for all of a group's: who catches it reacts to its class."""
    error: Exception = failed
    while isinstance(error, ExceptionGroup):
        error = error.exceptions[0]
    return error


def is_of_another(refusal: Invalid) -> bool:
    """A patch that names a UID met a namesake with another one: API servers call that an invalid change, not a conflict.

    Of a test in a JSON patch that fails they say no more than that the request is at fault.
    """
    return "metadata.uid: Invalid value" in refusal.message or "due to an error in our request" in refusal.message
