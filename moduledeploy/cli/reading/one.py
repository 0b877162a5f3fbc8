"""One ModuleDeployment, read for a command that changes it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs
import msgspec

from moduledeploy.api.decode import decode_deployment_spec
from moduledeploy.cli.access.exits import CliError, Exit
from moduledeploy.cli.access.refusals import no_deployment
from moduledeploy.cli.reading.deployments import read_deployments
from moduledeploy.cli.reading.kinds import ReadDeployment, read_status
from moduledeploy.controllers.resources import MODULE_DEPLOYMENTS

if TYPE_CHECKING:
    from moduledeploy.api.spec import DeploymentSpec
    from moduledeploy.api.status import DeploymentStatus, Release
    from moduledeploy.cli.access.connection import Connection


@attrs.frozen(kw_only=True)
class One:
    """The object with its spec and status decoded; `version` is the precondition of what is written after reading it."""

    deployment: ReadDeployment
    spec: DeploymentSpec
    status: DeploymentStatus

    @property
    def release(self) -> Release | None:
        """The rollout that the controller has begun, None before the first."""
        return self.status.release

    @property
    def version(self) -> str:
        """metadata.resourceVersion."""
        return self.deployment.metadata.resourceVersion

    @property
    def is_observed(self) -> bool:
        """The controller has seen the newest generation."""
        return self.status.observed_generation >= self.deployment.metadata.generation


async def read_one(connection: Connection, name: str) -> One:
    """The ModuleDeployment of that name. Raises CliError, and DecodeError where its spec can't be read."""
    try:
        body = await connection.get(MODULE_DEPLOYMENTS, name)
    except CliError as error:
        if error.status is not Exit.NOT_FOUND:
            raise
        try:
            there = await read_deployments(connection, connection.namespace)
        except CliError:  # nobody may list them, or there is no such kind
            raise error from None
        raise no_deployment(name, connection.namespace, [item.metadata.name for item in there]) from error
    deployment = msgspec.json.decode(body, type=ReadDeployment)
    return One(deployment=deployment, spec=decode_deployment_spec(deployment.spec), status=read_status(deployment))
