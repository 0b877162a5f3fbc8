"""What a cache keeps of pods and Modules answers as the whole objects do."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime

import attrs

from moduledeploy.api import names
from moduledeploy.api.cluster import Container, ContainerPort, ContainerStatus, Pod, PodCondition, PodSpec, PodStatus
from moduledeploy.api.kinds import BaseReference, Module, ModuleSource, ModuleSpec, ModuleStatus
from moduledeploy.api.meta import Metadata, OwnerReference
from moduledeploy.api.slim import Slimming
from moduledeploy.api.traffic import LABEL_PREFIX, labelled_modules

NOW = datetime.fromtimestamp(1_700_000_000, UTC)
PLAIN = Container("sidecar", (ContainerPort(8080, "http"),))
NAMED = Container("base", (ContainerPort(8080, "http"), ContainerPort(2238, names.ARKLET_PORT_NAME)))
SIDECAR, BASE = ContainerStatus("sidecar", "c-1", 3), ContainerStatus("base", "c-2", 1)
READY = PodCondition("Ready", "True", NOW)
LABELS = {names.CAP_LABEL: "10", f"{LABEL_PREFIX}orders": "true", "app": "base"}
OWNER = OwnerReference(kind="ReplicaSet", name="base-1", uid="uid-rs", controller=True)

PODS = [
    Pod(
        Metadata(
            name="base-1-abcde",
            namespace="shop",
            uid="uid-1",
            resourceVersion="7",
            labels=labels,
            annotations=annotations,
            deletionTimestamp=NOW,
            ownerReferences=owners,
        ),
        PodSpec(containers),
        PodStatus("Running", "10.0.0.1", conditions, statuses),
    )
    for containers, statuses, conditions, labels, annotations, owners in itertools.product(
        [(), (PLAIN,), (PLAIN, NAMED)],
        [(), (SIDECAR,), (SIDECAR, BASE)],
        [(), (PodCondition("Initialized", "True", NOW), READY)],
        [None, {"app": "base"}, LABELS],
        [None, {"prometheus.io/scrape": "true", names.ARKLET_PORT_ANNOTATION: "3238"}],
        [(), (OWNER,), (attrs.evolve(OWNER, controller=False, uid="uid-other"), OWNER)],
    )
]


def answers(pod: Pod) -> tuple[object, ...]:
    """All that is ever asked of a pod."""
    meta, status = pod.metadata, pod.status
    texts = (meta.label(names.CAP_LABEL), labelled_modules(meta.labels), meta.controller, meta.is_terminating)
    named = (meta.name, meta.namespace, meta.uid, meta.resourceVersion)
    state = (status.phase, status.podIP, pod.ready, pod.is_ready, pod.has_ended)
    return *named, *texts, *state, pod.arklet_port, pod.arklet_container


def test_a_slim_pod_answers_as_the_whole_one() -> None:
    slimming = Slimming()

    assert [answers(slimming.pod(pod)) for pod in PODS] == [answers(pod) for pod in PODS]


def test_what_nobody_asks_for_is_gone() -> None:
    slim = Slimming().pod(PODS[-1])

    assert set(slim.metadata.labels or {}) == LABELS.keys() - {"app"}
    assert set(slim.metadata.annotations or {}) == {names.ARKLET_PORT_ANNOTATION}
    assert slim.status.conditions == (READY,)
    assert slim.spec == PodSpec((Container("base", (ContainerPort(2238, names.ARKLET_PORT_NAME),)),))


def module(number: int, **status: object) -> Module:
    kept = {names.DEPLOYMENT_LABEL: "orders", names.REPLICA_SET_LABEL: "rs", names.REVISION_LABEL: "2"}
    labels = {**kept, names.BASE_NAME_LABEL: f"base-{number}", "team": "payments"}
    annotations = {names.BATCH_ANNOTATION: "1/2", names.FORCE_DELETE_ANNOTATION: "true", "note": f"number {number}"}
    return Module(
        Metadata(
            name=f"orders-{number}",
            namespace="shop",
            labels=labels,
            annotations=annotations,
            finalizers=(names.FINALIZER,),
            ownerReferences=(OwnerReference(kind=names.MODULE_REPLICA_SET, name="rs", uid="uid", controller=True),),
        ),
        ModuleSpec(ModuleSource("orders", "1.0.0", "file:///orders.jar"), BaseReference("base", "uid-base")),
        ModuleStatus(status="Available", activeSince=NOW, slotActiveSince=NOW, **status),  # type: ignore[arg-type]
    )


def test_a_slim_module_is_the_whole_one_but_for_foreign_labels_and_annotations() -> None:
    whole = module(1, lastTransitionTime=NOW, message="as it is")

    slim = Slimming().module(whole)

    texts = ("labels", "annotations")
    assert attrs.asdict(slim.metadata, filter=lambda field, _: field.name not in texts) == attrs.asdict(
        whole.metadata, filter=lambda field, _: field.name not in texts
    )
    assert (slim.spec, slim.status) == (whole.spec, whole.status)
    assert slim.metadata.labels == {
        names.DEPLOYMENT_LABEL: "orders",
        names.REPLICA_SET_LABEL: "rs",
        names.REVISION_LABEL: "2",
        names.BASE_NAME_LABEL: "base-1",
    }
    assert slim.metadata.annotations == {names.BATCH_ANNOTATION: "1/2", names.FORCE_DELETE_ANNOTATION: "true"}


def test_what_is_equal_is_there_once() -> None:
    slimming = Slimming()

    one, other = slimming.module(module(1)), slimming.module(module(2))

    assert one.spec.module is other.spec.module
    assert one.metadata.annotations is other.metadata.annotations
    assert one.metadata.ownerReferences is other.metadata.ownerReferences


def test_sharing_has_a_bound_and_nothing_is_lost_by_it() -> None:
    slimming = Slimming()

    pods = [slimming.pod(Pod(Metadata(name=f"p{cap}", labels={names.CAP_LABEL: str(cap)}))) for cap in range(20_000)]

    assert [pod.metadata.label(names.CAP_LABEL) for pod in pods] == [str(cap) for cap in range(20_000)]
    assert len(slimming) < 10_000
