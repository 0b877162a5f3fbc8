"""Servers for development in the foreground: they run until a signal comes, and say in one line why they can't."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio

from moduledeploy.cli.access.exits import CliError, Exit
from moduledeploy.controllers.failures import first_error
from moduledeploy.kube.config import ConfigError
from moduledeploy.kube.errors import KubeError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable


def run_until_stopped(serve: Callable[[], Awaitable[None]]) -> int:
    """Run it. Raises CliError: 2 for what it was told wrongly, 1 for what is wrong around it."""
    try:
        anyio.run(serve)
    except (KubeError, OSError, ValueError) as error:
        raise _told(error) from error
    except BaseExceptionGroup as group:
        expected, _ = group.split((KubeError, OSError))
        if expected is None:
            raise
        raise _told(first_error(expected)) from group
    return 0


def _told(error: Exception) -> CliError:
    if isinstance(error, ConfigError | ValueError):
        return CliError(str(error), Exit.USAGE)
    if isinstance(error, OSError) and error.strerror:
        where = f"{error.filename}: " if error.filename else ""
        return CliError(f"{where}{error.strerror}")
    return CliError(str(error))
