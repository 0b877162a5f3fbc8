"""The controller, until SIGTERM or SIGINT; a second signal ends it at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio
import attrs

from moduledeploy.app import Settings, run
from moduledeploy.cli.access.exits import CliError, Exit
from moduledeploy.controllers.failures import first_error
from moduledeploy.controllers.preflight import StartError
from moduledeploy.kube.config import ConfigError, is_in_cluster
from moduledeploy.kube.errors import KubeError
from moduledeploy.runtime.log import configure_logging
from moduledeploy.runtime.parts import EndedEarly

if TYPE_CHECKING:
    from moduledeploy.runtime.log import Level


def run_controller(settings: Settings, *, leader_election: bool | None, log_level: Level) -> int:
    """Run it. Raises CliError: 2 without a usable configuration, 1 where the cluster isn't usable or a part failed."""
    configure_logging(level=log_level)
    if settings.metrics_auth and not settings.metrics_tls_dir:
        raise CliError("--metrics-auth needs --metrics-tls-dir: a token must not travel in the clear", Exit.USAGE)
    try:
        anyio.run(run, attrs.evolve(settings, leader_election=_elects(settings, leader_election)))
    except ConfigError as error:
        raise CliError(str(error), Exit.USAGE) from error
    except (StartError, KubeError) as error:
        raise CliError(str(error)) from error
    except BaseExceptionGroup as group:
        expected, _ = group.split((StartError, KubeError, EndedEarly))
        if expected is None:
            raise
        raise CliError(str(first_error(expected))) from group
    return 0


def _elects(settings: Settings, asked: bool | None) -> bool:
    """As the flag says, else by where this runs: of several pods one may work, a process on a desk is alone."""
    if asked is not None:
        return asked
    return settings.kubeconfig is None and is_in_cluster()
