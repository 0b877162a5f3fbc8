"""Carry a plan out: every write with its precondition, in order, Modules more at a time while that succeeds."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final, Protocol

import attrs
import structlog

from moduledeploy.api import names
from moduledeploy.api.bodies import merge_finalizers, module_body, own_labels, replica_set_body
from moduledeploy.api.encode import owner_reference
from moduledeploy.api.traffic import (
    service_body,
    service_labels,
    service_name,
    service_owner,
    service_ports,
    service_selector,
)
from moduledeploy.controllers.resources import MODULE_DEPLOYMENTS, MODULE_REPLICA_SETS, MODULES, SERVICES
from moduledeploy.controllers.slowstart import SlowStart
from moduledeploy.kube.errors import AlreadyExists, NotFound
from moduledeploy.kube.resources import MERGE_PATCH, ObjectKey, Resource
from moduledeploy.rollout import actions
from moduledeploy.rollout.gate import GateWrite
from moduledeploy.rollout.service import CreateService, LeaveService, MendService, OwnService, ServiceAction

if TYPE_CHECKING:
    from moduledeploy.api.cluster import Pod, Service
    from moduledeploy.api.kinds import ModuleReplicaSet
    from moduledeploy.api.spec import ServiceStrategy
    from moduledeploy.kube.store import Store
    from moduledeploy.kube.writer import Written
    from moduledeploy.placement.pool import Pool
    from moduledeploy.rollout.view import View

_log: Final = structlog.get_logger()
MOST_AT_ONCE: Final = 64  # writes under way at once for one family; the API server shares its turns among many


class Writer(Protocol):
    """Writes to the API server, each answered with the version that it produced."""

    async def create(self, resource: Resource, namespace: str, body: Mapping[str, object]) -> Written: ...
    async def patch(
        self,
        resource: Resource,
        key: ObjectKey,
        body: object,
        *,
        subresource: str = "",
        content_type: str = MERGE_PATCH,
    ) -> Written: ...
    async def delete(self, resource: Resource, key: ObjectKey, *, uid: str | None = None) -> Written: ...


def without_nulls(value: Any) -> Any:  # noqa: ANN401  # any JSON
    """A JSON value as a merge patch leaves it: fields that are null are not there."""
    if isinstance(value, dict):
        return {key: without_nulls(item) for key, item in value.items() if item is not None}
    return [without_nulls(item) for item in value] if isinstance(value, list) else value


@attrs.define(kw_only=True)
class Executor:
    """Carries out the actions of one plan.

    `written` is told the version of every write. `creations` outlives the pass.
    """

    view: View
    pool: Pool
    version: str
    finalizers: tuple[str, ...]
    pods: Store[Pod]
    services: Store[Service]
    replica_sets: Store[ModuleReplicaSet]
    writer: Writer
    written: Callable[[Resource, str], None]
    creations: SlowStart
    is_parent_gone: bool = False

    async def run(self, planned: Iterable[actions.Action]) -> None:
        """Carry them out in order; the first that fails ends the pass."""
        todo = list(planned)
        for action in todo:
            if not isinstance(action, actions.CreateModule | actions.DeleteModule):
                await self._parent_or_revision(action)
        deletions = [action for action in todo if isinstance(action, actions.DeleteModule)]
        creations = [action for action in todo if isinstance(action, actions.CreateModule)]
        at_once = SlowStart(clock=self.creations.clock, at_least=MOST_AT_ONCE, at_most=MOST_AT_ONCE)
        await at_once.run(deletions, self._move)
        await self.creations.run(creations, self._move)

    async def _parent_or_revision(self, action: actions.Action) -> None:
        match action:
            case actions.AddFinalizer():
                await self._patch_parent(merge_finalizers(self.finalizers, add=True, version=self.version))
            case actions.RemoveFinalizer():
                await self._patch_parent(merge_finalizers(self.finalizers, add=False, version=self.version))
                self.is_parent_gone = True
            case actions.WriteGate(write=write, token=token):
                await self._write_gate(write, token)
            case actions.CreateRevision():
                await self._create_revision(action)
            case actions.AdoptRevision(name=name):
                await self._adopt(name)
            case actions.AdoptModule(name=name, version=version, replica_set=replica_set):
                owner = owner_reference(names.MODULE_REPLICA_SET, replica_set, self.view.revisions[replica_set].uid)
                meta = {"resourceVersion": version, "ownerReferences": [owner]}
                await self._patch(MODULES, name, {"metadata": meta})
            case actions.AdjustRevision():
                await self._adjust(action)
            case actions.DeleteRevision(name=name, uid=uid):
                await self._delete(MODULE_REPLICA_SETS, name, uid)
            case CreateService() | OwnService() | MendService() | LeaveService():
                await self._service(action)
            case _:
                raise TypeError(f"not an action on a parent or a revision: {action}")

    async def _write_gate(self, write: GateWrite, token: str) -> None:
        """Pause and annotation in one patch that is void when the object changed since it was read."""
        annotation = token if write is GateWrite.SET else None
        body: dict[str, Any] = {
            "metadata": {"resourceVersion": self.version, "annotations": {names.WAITING_ANNOTATION: annotation}}
        }
        if write is not GateWrite.FORGET:
            body["spec"] = {"pause": True if write is GateWrite.SET else None}
        await self._patch_parent(body)

    async def _adopt(self, name: str) -> None:
        """Void where the ModuleReplicaSet changed since it was read: somebody else may have adopted it."""
        parent = self.view.parent
        orphan = self.replica_sets.get(ObjectKey(parent.namespace, name))
        if orphan is not None:
            owner = owner_reference(parent.kind, parent.name, parent.uid)
            meta = {"resourceVersion": orphan.metadata.resourceVersion, "ownerReferences": [owner]}
            await self._patch(MODULE_REPLICA_SETS, name, {"metadata": meta})

    async def _service(self, action: ServiceAction) -> None:
        """One step on a Service; ownership is written with the version that was read, for other owners write it too."""
        parent = self.view.parent
        own = service_owner(parent.name, parent.uid)
        match action:
            case CreateService(module_name=module, strategy=strategy):
                body = service_body(module_name=module, namespace=parent.namespace, strategy=strategy, owner=own)
                self._note(SERVICES, await self.writer.create(SERVICES, parent.namespace, body))
            case MendService(module_name=module, strategy=strategy):
                await self._mend_service(module, strategy)
            case OwnService(name=name) | LeaveService(name=name):
                service = self.services.get(ObjectKey(parent.namespace, name))
                if service is None:
                    return
                others = [
                    service_owner(owner.name, owner.uid)
                    for owner in service.metadata.ownerReferences
                    if owner.uid != parent.uid
                ]
                owners = [*others, own] if isinstance(action, OwnService) else others
                if not owners:
                    await self._delete(SERVICES, name, service.metadata.uid)
                    return
                meta = {"resourceVersion": service.metadata.resourceVersion, "ownerReferences": owners}
                await self._patch(SERVICES, name, {"metadata": meta})

    async def _mend_service(self, module: str, strategy: ServiceStrategy) -> None:
        name = service_name(module)
        service = self.services.get(ObjectKey(self.view.parent.namespace, name))
        foreign = dict.fromkeys(service.spec.selector or () if service is not None else ())
        spec = {"selector": {**foreign, **service_selector(module)}, "ports": service_ports(strategy)}
        await self._patch(SERVICES, name, {"metadata": {"labels": service_labels(module)}, "spec": spec})

    async def _create_revision(self, action: actions.CreateRevision) -> None:
        parent = self.view.parent
        body = replica_set_body(
            name=action.name,
            namespace=parent.namespace,
            deployment=parent.name,
            deployment_uid=parent.uid,
            spec=parent.spec,
            number=action.number,
            replicas=action.replicas,
        )
        self._note(MODULE_REPLICA_SETS, await self.writer.create(MODULE_REPLICA_SETS, parent.namespace, body))

    async def _adjust(self, action: actions.AdjustRevision) -> None:
        """Write all that a ModuleDeployment decides about a ModuleReplicaSet; its template never changes."""
        parent, module = self.view.parent, self.view.revisions[action.name].template.module
        labels = own_labels(module, deployment=parent.name, replica_set=action.name, number=action.number)
        spec = {
            "replicas": action.replicas,
            "minReadySeconds": parent.spec.min_ready_s,
            "schedulingStrategy": {"schedulingPolicy": parent.spec.scheduling.value},
        }
        await self._patch(MODULE_REPLICA_SETS, action.name, {"metadata": {"labels": labels}, "spec": spec})

    async def _move(self, move: actions.CreateModule | actions.DeleteModule) -> None:
        if isinstance(move, actions.DeleteModule):
            await self._delete(MODULES, move.name, move.uid)
        elif await self._create_module(move):
            for old in move.replaces:
                await self._delete(MODULES, old.name, old.uid)

    async def _create_module(self, action: actions.CreateModule) -> bool:
        """Create it on the base that it was planned for; False where that base is gone, or its name is taken.

        As a rule a pass whose answer was lost has made it: the watch brings it, and the next pass goes on from there.
        """
        parent, made = self.view.parent, action.revision
        pod = next((pod for pod in self._pods_of(action.base_uid)), None)
        if pod is None:
            return False
        body = module_body(
            name=action.name,
            namespace=parent.namespace,
            replica_set=made.name,
            replica_set_uid=made.uid,
            deployment=parent.name if parent.is_deployment else self._left_by(made.name),
            number=made.number,
            template=made.template,
            base_name=pod.metadata.name,
            base_uid=action.base_uid,
            base_ip=pod.status.podIP,
            batch=action.batch,
            uninstall_first=action.uninstall_first,
        )
        try:
            self._note(MODULES, await self.writer.create(MODULES, parent.namespace, body))
        except AlreadyExists:
            _log.debug("Module is there already", name=action.name)
            return False
        return True

    def _left_by(self, replica_set: str) -> str:
        """The ModuleDeployment that left this ModuleReplicaSet behind; its namesake will adopt it with all its Modules."""
        found = self.replica_sets.get(ObjectKey(self.view.parent.namespace, replica_set))
        return (found.metadata.label(names.DEPLOYMENT_LABEL) if found is not None else None) or ""

    def _pods_of(self, uid: str) -> list[Pod]:
        return self.pods.by_index("uid", uid)

    async def _delete(self, resource: Resource, name: str, uid: str) -> None:
        try:
            wrote = await self.writer.delete(resource, ObjectKey(self.view.parent.namespace, name), uid=uid)
        except NotFound:
            _log.debug("gone already", name=name)
        else:
            self._note(resource, wrote)

    async def _patch_parent(self, body: object) -> None:
        parent = self.view.parent
        resource = MODULE_DEPLOYMENTS if parent.is_deployment else MODULE_REPLICA_SETS
        await self._patch(resource, parent.name, body)

    async def _patch(self, resource: Resource, name: str, body: object) -> None:
        self._note(resource, await self.writer.patch(resource, ObjectKey(self.view.parent.namespace, name), body))

    def _note(self, resource: Resource, wrote: Written) -> None:
        if wrote.resource_version:
            self.written(resource, wrote.resource_version)
