"""What a cache keeps of objects that come by the ten thousand: what is read of them, and one instance of what is equal."""

from __future__ import annotations

import sys
from collections.abc import Hashable
from typing import TYPE_CHECKING, Any, Final, TypeVar

import attrs

from moduledeploy.api import names
from moduledeploy.api.cluster import Container, ContainerStatus, Pod, PodCondition, PodSpec, PodStatus
from moduledeploy.api.kinds import BaseReference, Module, ModuleSpec, ModuleStatus
from moduledeploy.api.meta import Metadata, OwnerReference

if TYPE_CHECKING:
    from datetime import datetime

T = TypeVar("T")
_Items = tuple[tuple[str, str], ...]
# Templates, owners and sets of labels there are at a time; a table that has grown beyond holds mostly what is gone.
_MOST_SHARED: Final = 8192
_NO_SPEC: Final = PodSpec()
_REVISION_LABELS: Final = frozenset(
    {
        names.DEPLOYMENT_LABEL,
        names.MODULE_NAME_LABEL,
        names.MODULE_VERSION_LABEL,
        names.REPLICA_SET_LABEL,
        names.REVISION_LABEL,
    }
)
_BASE_LABELS: Final = frozenset({names.BASE_NAME_LABEL, names.BASE_IP_LABEL})
_MODULE_ANNOTATIONS: Final = frozenset(
    {names.BATCH_ANNOTATION, names.UNINSTALL_FIRST_ANNOTATION, names.FORCE_DELETE_ANNOTATION}
)
_intern: Final = sys.intern


@attrs.define
class Slimming:
    """Drops what no controller reads of pods and Modules, and makes equal parts one part: give each informer its own.

    Every property of theirs answers as before. Gone are labels and annotations that are none of ours, conditions but Ready,
    containers but Arklet's: of ten thousand pods these are most of the memory.
    """

    _shared: dict[Hashable, Any] = attrs.field(factory=dict, init=False)

    def pod(self, pod: Pod) -> Pod:
        """What the controllers read of a pod."""
        meta, status = pod.metadata, pod.status
        labels = tuple([item for item in meta.labels.items() if names.GROUP in item[0]]) if meta.labels else ()
        port = meta.annotation(names.ARKLET_PORT_ANNOTATION)
        annotations = () if port is None else ((names.ARKLET_PORT_ANNOTATION, port),)
        return Pod(
            self._metadata(meta, self._dict(labels), annotations),
            self._spec(pod.spec),
            PodStatus(_intern(status.phase), status.podIP, _ready(pod), _arklet_status(pod)),
        )

    def module(self, module: Module) -> Module:
        """What the controllers read of a Module."""
        meta, spec = module.metadata, module.spec
        return Module(
            self._metadata(meta, self._module_labels(meta.labels), _kept(meta.annotations, _MODULE_ANNOTATIONS)),
            # A base has several Modules, so what names it comes several times.
            ModuleSpec(self._one(spec.module), BaseReference(_intern(spec.base.name), _intern(spec.base.uid))),
            _module_status(module.status),
        )

    def __len__(self) -> int:
        """Parts that are shared at present."""
        return len(self._shared)

    def _module_labels(self, labels: dict[str, str] | None) -> dict[str, str] | None:
        """Those of its revision are many Modules'; with those of its base no two Modules have the same."""
        shared, own = self._dict(_kept(labels, _REVISION_LABELS)), _kept(labels, _BASE_LABELS)
        return {**(shared or {}), **{key: _intern(value) for key, value in own}} if own else shared

    def _metadata(self, meta: Metadata, labels: dict[str, str] | None, annotations: _Items) -> Metadata:
        return Metadata(
            meta.name,
            _intern(meta.namespace),
            meta.uid,
            meta.resourceVersion,
            meta.generation,
            labels,
            self._dict(annotations),
            meta.creationTimestamp,
            meta.deletionTimestamp,
            self._one(meta.finalizers) if meta.finalizers else (),
            self._owners(meta.ownerReferences),
        )

    def _owners(self, owners: tuple[OwnerReference, ...]) -> tuple[OwnerReference, ...]:
        # By UID and role: one object's references never differ in more, and hashing all of them takes five times as long.
        if len(owners) == 1:
            key = ("owner", owners[0].uid, owners[0].controller)
            return self._shared.get(key) or self._keep(key, owners)
        return owners

    def _spec(self, spec: PodSpec) -> PodSpec:
        """The container that `Pod.arklet_port` and `Pod.arklet_container` look for, with that port."""
        for container in spec.containers:
            for port in container.ports:
                if port.name == names.ARKLET_PORT_NAME:
                    key = ("port", container.name, port.containerPort)
                    return self._shared.get(key) or self._keep(key, PodSpec((Container(container.name, (port,)),)))
        return _NO_SPEC

    def _dict(self, items: _Items) -> dict[str, str] | None:
        if not items:
            return None
        return self._shared.get(items) or self._keep(items, dict(items))

    def _one(self, value: T) -> T:
        """The first of all equal ones."""
        return self._shared.get(value) or self._keep(value, value)

    def _keep(self, key: Hashable, value: T) -> T:
        if len(self._shared) >= _MOST_SHARED:
            self._shared.clear()
        self._shared[key] = value
        return value


def _kept(texts: dict[str, str] | None, keys: frozenset[str]) -> _Items:
    return tuple([item for item in texts.items() if item[0] in keys]) if texts else ()


def _ready(pod: Pod) -> tuple[PodCondition, ...]:
    ready = pod.ready
    return (PodCondition("Ready", _intern(ready.status), ready.lastTransitionTime),) if ready else ()


def _arklet_status(pod: Pod) -> tuple[ContainerStatus, ...]:
    statuses = pod.status.containerStatuses
    status = statuses[0] if len(statuses) == 1 else pod.arklet_container
    return (ContainerStatus(_intern(status.name), status.containerID, status.restartCount),) if status else ()


def _module_status(status: ModuleStatus) -> ModuleStatus:
    return ModuleStatus(
        _intern(status.status),
        _intern(status.reason),
        _intern(status.message),
        _intern(status.failureClass),
        status.attempts,
        status.nextRetryTime,
        status.lastTransitionTime,
        _same(status.activeSince, status.lastTransitionTime),
        _same(status.slotActiveSince, status.activeSince),
        _intern(status.containerID),
    )


def _same(moment: datetime | None, other: datetime | None) -> datetime | None:
    return other if moment == other else moment
