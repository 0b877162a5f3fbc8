"""Bodies of the objects that this program creates."""

from __future__ import annotations

import re
from typing import Any, Final

from moduledeploy.api import names
from moduledeploy.api.encode import encode_source, encode_template, metadata, owner_reference
from moduledeploy.api.kinds import ModuleSource
from moduledeploy.api.spec import DeploymentSpec, Template

_LABEL_VALUE: Final = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?")


def own_labels(module: ModuleSource, *, deployment: str, replica_set: str, number: int) -> dict[str, str]:
    """The labels of this program on a ModuleReplicaSet and its Modules; without a ModuleDeployment one less."""
    labels = {
        names.MODULE_NAME_LABEL: module.name,
        names.MODULE_VERSION_LABEL: module.version,
        names.REPLICA_SET_LABEL: replica_set,
        names.REVISION_LABEL: str(number),
    }
    return {**labels, names.DEPLOYMENT_LABEL: deployment} if deployment else labels


def base_labels(name: str, address: str) -> dict[str, str]:
    """The labels by which people find a base's Modules; one whose value is no label's (a long name, no address) is left out."""
    labels = {names.BASE_NAME_LABEL: name, names.BASE_IP_LABEL: address.replace(":", "-")}
    return {key: value for key, value in labels.items() if _LABEL_VALUE.fullmatch(value)}


def replica_set_body(
    *, name: str, namespace: str, deployment: str, deployment_uid: str, spec: DeploymentSpec, number: int, replicas: int
) -> dict[str, Any]:
    """A ModuleReplicaSet for the newest template of a ModuleDeployment."""
    return {
        "apiVersion": names.API_VERSION,
        "kind": names.MODULE_REPLICA_SET,
        "metadata": metadata(
            name,
            namespace,
            labels={
                **spec.template.labels,
                **own_labels(spec.template.module, deployment=deployment, replica_set=name, number=number),
            },
            annotations={},
            owner=owner_reference(names.MODULE_DEPLOYMENT, deployment, deployment_uid),
        ),
        "spec": {
            "baseDeploymentName": spec.base_deployment,
            "replicas": replicas,
            "minReadySeconds": spec.min_ready_s,
            "template": encode_template(spec.template),
            "schedulingStrategy": {"schedulingPolicy": spec.scheduling.value},
        },
    }


def module_body(
    *,
    name: str,
    namespace: str,
    replica_set: str,
    replica_set_uid: str,
    deployment: str,
    number: int,
    template: Template,
    base_name: str,
    base_uid: str,
    base_ip: str,
    batch: str,
    uninstall_first: bool,
) -> dict[str, Any]:
    """A Module of a ModuleReplicaSet on one base, with the finalizer from its first moment."""
    labels = {
        **template.labels,
        **own_labels(template.module, deployment=deployment, replica_set=replica_set, number=number),
        **base_labels(base_name, base_ip),
    }
    annotations = dict(template.annotations)
    if batch:
        annotations[names.BATCH_ANNOTATION] = batch
    if uninstall_first:
        annotations[names.UNINSTALL_FIRST_ANNOTATION] = "true"
    made = metadata(
        name,
        namespace,
        labels=labels,
        annotations=annotations,
        owner=owner_reference(names.MODULE_REPLICA_SET, replica_set, replica_set_uid),
    )
    return {
        "apiVersion": names.API_VERSION,
        "kind": names.MODULE,
        "metadata": {**made, "finalizers": [names.FINALIZER]},
        "spec": {"module": encode_source(template.module), "base": {"name": base_name, "uid": base_uid}},
    }


def merge_finalizers(present: tuple[str, ...], *, add: bool, version: str) -> dict[str, Any]:
    """A merge patch that adds or removes this program's finalizer and no other; void when the object changed meanwhile."""
    kept = [finalizer for finalizer in present if finalizer != names.FINALIZER]
    return {"metadata": {"resourceVersion": version, "finalizers": [*kept, names.FINALIZER] if add else kept}}
