"""Exit statuses that scripts branch on, and the error that carries one."""

from __future__ import annotations

from enum import IntEnum
from typing import Final


class Exit(IntEnum):
    """What a command came to. 0 and 1 mean what they mean for kubectl; the rest spares scripts the reading of texts."""

    REACHED = 0
    FAILED = 1
    USAGE = 2
    GATE = 3
    TIMEOUT = 4
    SUPERSEDED = 5
    NOT_FOUND = 6


INTERRUPTED: Final = 130  # as of a program that SIGINT ended
UNREAD: Final = 141  # as of a program that SIGPIPE ended, which is how most programs end that nobody reads any more


class CliError(Exception):
    """Raised when a command can't do what it was asked; the message is one line: what is wrong and what to do."""

    def __init__(self, message: str, status: Exit = Exit.FAILED) -> None:
        super().__init__(message)
        self.status = status


class Unread(Exception):
    """Raised when whoever read standard output has gone; there is nobody to tell and nothing to do."""
