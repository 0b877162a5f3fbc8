"""Rows of plain values for the metrics of what there is, made from the stores and the pools."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import attrs

from moduledeploy.api import names
from moduledeploy.api.decode import decode_deployment_spec
from moduledeploy.api.decode_status import decode_deployment_status
from moduledeploy.api.fields import DecodeError
from moduledeploy.api.spec import UpgradePolicy
from moduledeploy.api.status import DeploymentStatus, Progress, Release
from moduledeploy.controllers.facts import FamilyKey, PoolKey, created_at
from moduledeploy.kube.resources import ObjectKey
from moduledeploy.placement.decision import Refusal
from moduledeploy.runtime.object_metrics import BaseRow, DeploymentRow, Rows

if TYPE_CHECKING:
    from collections.abc import Mapping

    from moduledeploy.api.kinds import ModuleDeployment
    from moduledeploy.api.spec import DeploymentSpec
    from moduledeploy.controllers.cluster import Cluster

NO_BASE: Final = "NoMatchingBase"


@attrs.frozen
class _Made:
    """A row and the version of the object that it was made from."""

    version: str
    row: DeploymentRow


@attrs.define
class RowSource:
    """Reads the rows; a ModuleDeployment's is made anew only when its object changed, which every change of counts does.

    Belongs to the event loop, where stores and pools can't change meanwhile.
    """

    cluster: Cluster
    _made: dict[ObjectKey, _Made] = attrs.field(factory=dict, init=False)

    def read(self) -> Rows:
        """All rows as of now, ModuleDeployments by namespace and name so that a limit always leaves out the same ones."""
        store = self.cluster.stores.deployments
        kept: dict[ObjectKey, _Made] = {}
        for key in sorted(store.keys()):
            deployment = store.get(key)
            if deployment is None:
                continue
            version, known = deployment.metadata.resourceVersion, self._made.get(key)
            kept[key] = known if known and known.version == version else _Made(version, self._row(key, deployment))
        self._made = kept
        return Rows([made.row for made in kept.values()], self._bases())

    def _bases(self) -> list[BaseRow]:
        rows = []
        for key, pool in sorted(self.cluster.pools.items()):
            if len(pool):
                used, free = pool.capacity()
                rows.append(BaseRow(namespace=key.namespace, base=key.deployment, used=used, free=free))
        return rows

    def _row(self, key: ObjectKey, deployment: ModuleDeployment) -> DeploymentRow:
        meta, status = deployment.metadata, _status(deployment)
        try:
            spec = decode_deployment_spec(deployment.spec)
        except DecodeError:
            spec = None  # said in its conditions; here it shows as a generation that nobody observes
        desired = self._desired(key, spec, status)
        release, counts = status.release, status.counts
        return DeploymentRow(
            namespace=key.namespace,
            name=key.name,
            module=spec.template.module.name if spec else "",
            version=spec.template.module.version if spec else "",
            strategy=spec.strategy.upgrade_policy.value if spec else "",
            scheduling=spec.scheduling.value if spec else "",
            phase=(release.progress if release else Progress.INIT).value,
            phase_start_at=release.transition_at if release else created_at(meta),
            spec_replicas=desired,
            max_unavailable=status.max_unavailable,
            is_paused=bool(deployment.spec.get("pause")),
            replicas=counts.replicas,
            updated=counts.updated,
            ready=counts.ready,
            available=counts.available,
            unavailable=counts.unavailable,
            updated_available=counts.updated_available,
            batches=len(release.batches) if release else 0,
            batches_completed=_completed(release),
            batch_current=release.current_batch if release else 0,
            batch_replicas=_size(release),
            generation=meta.generation,
            observed_generation=status.observed_generation,
            unschedulable=self._unschedulable(key, spec, status) if spec else {},
        )

    def _desired(self, key: ObjectKey, spec: DeploymentSpec | None, status: DeploymentStatus) -> int:
        if spec is None:
            return status.counts.desired
        if not spec.is_peer:
            return spec.replicas
        base = self.cluster.stores.base_deployments.get(ObjectKey(key.namespace, spec.base_deployment))
        return base.spec.replicas if base else 0

    def _unschedulable(self, key: ObjectKey, spec: DeploymentSpec, status: DeploymentStatus) -> Mapping[str, int]:
        """Replicas that wait for a base, all under the reason that keeps most bases from taking them."""
        pool_key = PoolKey(key.namespace, spec.base_deployment)
        pool = self.cluster.pools.get(pool_key)
        missing = max(0, status.counts.desired - status.counts.replicas)
        base = self.cluster.stores.base_deployments.get(ObjectKey(key.namespace, spec.base_deployment))
        if base is None and not pool:
            return {NO_BASE: missing}  # nobody looks for a base where there is no Deployment
        waiting = self.cluster.waiting.get(pool_key, ())
        if FamilyKey(names.MODULE_DEPLOYMENT, key.namespace, key.name) not in waiting:
            return {}
        if not pool:
            return {NO_BASE: missing}
        counts = dict(pool.obstacles(spec.template.module.name))
        unplaced = missing - counts.pop(Refusal.EXCLUDED, 0)
        if spec.is_peer or len(counts) > 1:
            # Bases that have the module are where it should be; what keeps the others away is the reason.
            counts.pop(Refusal.HAS_MODULE, None)
        if spec.is_peer:
            unplaced = min(unplaced, sum(counts.values()))
        if unplaced <= 0 and (spec.is_peer or spec.strategy.upgrade_policy is not UpgradePolicy.SCALEUP_THEN_SCALEDOWN):
            return {}
        reason = max(sorted(counts), key=counts.__getitem__, default=NO_BASE)
        return {str(reason): max(1, unplaced)}


def _status(deployment: ModuleDeployment) -> DeploymentStatus:
    try:
        return decode_deployment_status(deployment.status)
    except DecodeError:
        return DeploymentStatus()


def _completed(release: Release | None) -> int:
    if release is None:
        return 0
    if release.progress is Progress.COMPLETED:
        return len(release.batches)
    return release.current_batch if release.batch_done else max(0, release.current_batch - 1)


def _size(release: Release | None) -> int:
    if release is None or not 0 < release.current_batch <= len(release.batches):
        return 0
    return release.batches[release.current_batch - 1]
