"""One ModuleDeployment with all that is its own, as the planner sees it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from moduledeploy.api import names
from moduledeploy.api.decode import decode_deployment_spec
from moduledeploy.api.fields import DecodeError
from moduledeploy.cli.access.refusals import no_deployment
from moduledeploy.cli.reading.cluster import names_in
from moduledeploy.cli.reading.kinds import ReadDeployment, read_status
from moduledeploy.controllers.claims import Claim, Claims
from moduledeploy.controllers.facts import FamilyKey, PoolKey, created_at, revision
from moduledeploy.kube.resources import ObjectKey
from moduledeploy.rollout.view import BaseDeployment, Parent, View

if TYPE_CHECKING:
    from moduledeploy.api.kinds import ModuleDeployment
    from moduledeploy.api.spec import DeploymentSpec
    from moduledeploy.controllers.cluster import Cluster
    from moduledeploy.placement.pool import Pool
    from moduledeploy.rollout.view import Revision


@attrs.frozen(kw_only=True)
class Family:
    """A family as read: the object, the planner's view of it and the pool of its bases."""

    deployment: ReadDeployment
    key: FamilyKey
    view: View
    pool: Pool

    @property
    def pool_key(self) -> PoolKey:
        """Names the base Deployment."""
        return PoolKey(self.key.namespace, self.view.parent.spec.base_deployment)


def read_family(cluster: Cluster, namespace: str, name: str) -> Family:
    """The family of that name. Raises CliError where there is none, DecodeError where its spec can't be read."""
    deployment = cluster.stores.deployments.get(ObjectKey(namespace, name))
    if deployment is None:
        raise no_deployment(name, namespace, names_in(cluster.stores, namespace))
    return family_of(cluster, deployment)


def family_of(cluster: Cluster, deployment: ModuleDeployment) -> Family:
    """The family of a ModuleDeployment, which needn't be one of the stores. Raises DecodeError."""
    meta = deployment.metadata
    key = FamilyKey(names.MODULE_DEPLOYMENT, meta.namespace, meta.name)
    spec = decode_deployment_spec(deployment.spec)
    pool_key = PoolKey(meta.namespace, spec.base_deployment)
    base = cluster.stores.base_deployments.get(ObjectKey(*pool_key))
    assert isinstance(deployment, ReadDeployment), "the commands read this type alone"
    return Family(
        deployment=deployment,
        key=key,
        pool=cluster.pool(pool_key),
        view=View(
            parent=Parent(
                kind=key.kind,
                namespace=key.namespace,
                name=key.name,
                uid=meta.uid,
                generation=meta.generation,
                spec=spec,
                status=read_status(deployment),
                waiting=meta.annotation(names.WAITING_ANNOTATION),
                retry=meta.annotation(names.RETRY_ANNOTATION) or "",
                has_finalizer=names.FINALIZER in meta.finalizers,
                is_terminating=meta.is_terminating,
                is_orphaning=names.ORPHAN_FINALIZER in meta.finalizers,
            ),
            revisions=_revisions(cluster, key),
            slots=cluster.slots(key),
            base_deployment=BaseDeployment(replicas=base.spec.replicas, is_rolling=base.is_rolling) if base else None,
            conflict=_conflict(cluster, deployment, key, spec),
        ),
    )


def _revisions(cluster: Cluster, key: FamilyKey) -> dict[str, Revision]:
    found = {}
    for item in cluster.stores.replica_sets.by_index("deployment", f"{key.namespace}/{key.name}"):
        try:
            found[item.metadata.name] = revision(item)
        except DecodeError:
            continue  # its template is unknown: for the controller too it counts as none
    return found


def _conflict(cluster: Cluster, deployment: ModuleDeployment, key: FamilyKey, spec: DeploymentSpec) -> str | None:
    """The older family for the same module on the same base Deployment, in words."""
    claims = Claims()
    for other in [*cluster.stores.deployments.values(), deployment]:
        meta = other.metadata
        try:
            asked = decode_deployment_spec(other.spec)
        except DecodeError:
            continue
        family = FamilyKey(names.MODULE_DEPLOYMENT, meta.namespace, meta.name)
        where = PoolKey(meta.namespace, asked.base_deployment)
        claims.claim(Claim(created_at(meta) or float("inf"), meta.uid, family), where, asked.template.module.name)
    winner = claims.winner(key)
    if winner is None or winner == key:
        return None
    return f"{winner} is older and acts for module {spec.template.module.name} on Deployment {spec.base_deployment}"
