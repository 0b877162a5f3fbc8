"""The revisions of a ModuleDeployment: its ModuleReplicaSets, found by what people write after --revision."""

from __future__ import annotations

from typing import TYPE_CHECKING

from moduledeploy.api.decode import decode_deployment_spec
from moduledeploy.api.fields import DecodeError
from moduledeploy.cli.access.exits import CliError, Exit
from moduledeploy.controllers.facts import revision

if TYPE_CHECKING:
    from moduledeploy.api.kinds import ModuleDeployment, ModuleReplicaSet
    from moduledeploy.api.spec import Template
    from moduledeploy.controllers.cluster import Stores
    from moduledeploy.rollout.view import Revision


def template_of(deployment: ModuleDeployment) -> Template | None:
    """The template that is asked for; None where it can't be read."""
    try:
        return decode_deployment_spec(deployment.spec).template
    except DecodeError:
        return None


def revisions_of(stores: Stores, deployment: ModuleDeployment) -> list[tuple[Revision, ModuleReplicaSet]]:
    """Its revisions by number, the oldest first; one that can't be read is left out."""
    meta = deployment.metadata
    found = []
    for item in stores.replica_sets.by_index("deployment", f"{meta.namespace}/{meta.name}"):
        try:
            found.append((revision(item), item))
        except DecodeError:
            continue
    return sorted(found, key=lambda pair: (pair[0].number, pair[0].created_at))


def find_revision(stores: Stores, deployment: ModuleDeployment, wanted: str) -> tuple[Revision, ModuleReplicaSet]:
    """The one of that number, name or hash. Raises CliError."""
    known = revisions_of(stores, deployment)
    for made, item in known:
        if wanted in (str(made.number), made.name, made.name.removeprefix(f"{deployment.metadata.name}-")):
            return made, item
    there = ", ".join(str(made.number) for made, _ in known) or "none"
    raise CliError(f"{deployment.metadata.name} has no revision {wanted}; there are: {there}", Exit.NOT_FOUND)
