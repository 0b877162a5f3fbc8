"""Objects as an API server would send them: base pods of a chosen size, Modules, and what belongs to them."""

from __future__ import annotations

import json
import uuid
from typing import Any, Final

import attrs

from moduledeploy.api.bodies import module_body, replica_set_body
from moduledeploy.api.kinds import ModuleSource
from moduledeploy.api.names import API_VERSION, CAP_LABEL, DEPLOYMENT_REVISION_ANNOTATION, module_object_name
from moduledeploy.api.revision import revision_hash
from moduledeploy.api.spec import DeploymentSpec, Template

NAMESPACE: Final = "default"
MOMENT: Final = "2026-01-05T08:00:00Z"
ARKLET_PORT: Final = 1238
_SPACE: Final = uuid.UUID("6f0c3d0e-54a1-4c8e-9c5e-0d7d3b1f5a10")
_CONDITIONS: Final = ("PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady", "PodScheduled")


def uid(*words: object) -> str:
    """The same UID for the same words."""
    return str(uuid.uuid5(_SPACE, "/".join(map(str, words))))


def address(number: int) -> str:
    """The address of a pod, on loopback."""
    return f"127.{2 + number // 64_000}.{number % 64_000 // 250}.{1 + number % 250}"


def base_deployment(name: str, replicas: int) -> dict[str, Any]:
    """An apps/v1 Deployment that stands still."""
    labels = {"app": name}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {**_meta("Deployment", name), "generation": 1, "labels": labels},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": _pod_spec(0, ARKLET_PORT)},
        },
        "status": {
            "observedGeneration": 1,
            "replicas": replicas,
            "updatedReplicas": replicas,
            "readyReplicas": replicas,
        },
    }


def base_replica_set(deployment: str, replicas: int) -> dict[str, Any]:
    """Its only ReplicaSet."""
    name = replica_set_of(deployment)
    return {
        "apiVersion": "apps/v1",
        "kind": "ReplicaSet",
        "metadata": {
            **_meta("ReplicaSet", name),
            "generation": 1,
            "labels": {"app": deployment},
            "annotations": {DEPLOYMENT_REVISION_ANNOTATION: "1"},
            "ownerReferences": [_owner("apps/v1", "Deployment", deployment)],
        },
        "spec": {"replicas": replicas, "selector": {"matchLabels": {"app": deployment}}},
        "status": {"replicas": replicas, "observedGeneration": 1},
    }


def replica_set_of(deployment: str) -> str:
    """The name of that ReplicaSet."""
    return f"{deployment}-6c9f7d8b5"


def pod_name(deployment: str, number: int) -> str:
    """The name of a base pod."""
    return f"{replica_set_of(deployment)}-{number:05d}"


def base_pod(deployment: str, number: int, *, size: int = 4400, arklet_port: int = ARKLET_PORT) -> dict[str, Any]:
    """A Ready base pod of about `size` bytes as JSON: more of them are variables of its environment."""
    pod = _base_pod(deployment, number, 0, arklet_port)
    missing = size - len(json.dumps(pod, separators=(",", ":")))
    variable = len(json.dumps(_variable(0), separators=(",", ":"))) + 1
    return _base_pod(deployment, number, max(0, round(missing / variable)), arklet_port)


def _base_pod(deployment: str, number: int, variables: int, arklet_port: int) -> dict[str, Any]:
    name, owner = pod_name(deployment, number), replica_set_of(deployment)
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            **_meta("Pod", name),
            "generateName": f"{owner}-",
            "labels": {"app": deployment, "pod-template-hash": owner.rpartition("-")[2], CAP_LABEL: "20"},
            "annotations": {"prometheus.io/scrape": "true", "prometheus.io/port": "8080"},
            "ownerReferences": [_owner("apps/v1", "ReplicaSet", owner)],
            "managedFields": [_managed("kube-controller-manager", "spec"), _managed("kubelet", "status")],
        },
        "spec": _pod_spec(variables, arklet_port) | {"nodeName": f"node-{number % 50}"},
        "status": {
            "phase": "Running",
            "conditions": [{"type": t, "status": "True", "lastProbeTime": None, "lastTransitionTime": MOMENT} for t in _CONDITIONS],
            "hostIP": "10.0.0.1",
            "hostIPs": [{"ip": "10.0.0.1"}],
            "podIP": address(number),
            "podIPs": [{"ip": address(number)}],
            "startTime": MOMENT,
            "containerStatuses": [
                {
                    "name": "base",
                    "state": {"running": {"startedAt": MOMENT}},
                    "lastState": {},
                    "ready": True,
                    "restartCount": 0,
                    "image": "registry.example.com/base:1.0.0",
                    "imageID": "registry.example.com/base@sha256:" + "0" * 64,
                    "containerID": container_id(name),
                    "started": True,
                }
            ],
            "qosClass": "Burstable",
        },
    }  # fmt: skip


def container_id(pod: str) -> str:
    """What its one container is called."""
    return f"containerd://{uid('container', pod).replace('-', '') * 2}"


def _pod_spec(variables: int, arklet_port: int) -> dict[str, Any]:
    probe = {"httpGet": {"path": "/ready", "port": 8080, "scheme": "HTTP"}, "periodSeconds": 10, "failureThreshold": 3}
    container = {
        "name": "base",
        "image": "registry.example.com/base:1.0.0",
        "ports": [{"name": "arklet", "containerPort": arklet_port, "protocol": "TCP"}],
        "env": [_variable(number) for number in range(variables)],
        "resources": {"limits": {"memory": "2Gi"}, "requests": {"cpu": "500m", "memory": "2Gi"}},
        "readinessProbe": probe,
        "livenessProbe": probe,
        "volumeMounts": [{"name": "token", "readOnly": True, "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount"}],
        "imagePullPolicy": "IfNotPresent",
    }  # fmt: skip
    return {
        "containers": [container],
        "volumes": [{"name": "token", "projected": {"sources": [{"serviceAccountToken": {"path": "token"}}]}}],
        "restartPolicy": "Always",
        "serviceAccountName": "base",
        "tolerations": [{"key": "node.kubernetes.io/not-ready", "operator": "Exists", "effect": "NoExecute"}],
    }


def _variable(number: int) -> dict[str, str]:
    return {"name": f"VARIABLE_{number:03d}", "value": "some value of usual length"}


@attrs.frozen(kw_only=True)
class Family:
    """A ModuleDeployment that has been rolled out: one Module on each base pod of a Deployment."""

    module: str
    base_deployment: str
    replicas: int

    @property
    def name(self) -> str:
        """Name of the ModuleDeployment."""
        return f"{self.module}-on-{self.base_deployment}"

    @property
    def source(self) -> ModuleSource:
        """What is installed."""
        return ModuleSource(
            name=self.module, version="1.0.0", url=f"https://jars.example.com/{self.module}-1.0.0-ark-biz.jar"
        )

    @property
    def template(self) -> Template:
        """The one revision."""
        return Template(module=self.source)

    @property
    def replica_set(self) -> str:
        """Name of the ModuleReplicaSet."""
        return f"{self.name}-{revision_hash(self.template, 0)}"

    def deployment_object(self) -> dict[str, Any]:
        """The ModuleDeployment, without a status."""
        source = {"name": self.source.name, "version": self.source.version, "url": self.source.url}
        return {
            "apiVersion": API_VERSION,
            "kind": "ModuleDeployment",
            "metadata": _meta("ModuleDeployment", self.name) | {"generation": 1},
            "spec": {
                "baseDeploymentName": self.base_deployment,
                "replicas": self.replicas,
                "template": {"spec": {"module": source}},
            },
        }

    def replica_set_object(self) -> dict[str, Any]:
        """The ModuleReplicaSet."""
        spec = DeploymentSpec(base_deployment=self.base_deployment, replicas=self.replicas, template=self.template)
        body = replica_set_body(
            name=self.replica_set,
            namespace=NAMESPACE,
            deployment=self.name,
            deployment_uid=uid("ModuleDeployment", self.name),
            spec=spec,
            number=1,
            replicas=self.replicas,
        )
        body["metadata"] |= _meta("ModuleReplicaSet", self.replica_set) | {"generation": 1}
        return body

    def module_object(self, number: int) -> dict[str, Any]:
        """An Available Module on base pod `number`."""
        base = pod_name(self.base_deployment, number)
        base_uid = uid("Pod", base)
        name = module_object_name(self.replica_set, base_uid)
        body = module_body(
            name=name,
            namespace=NAMESPACE,
            replica_set=self.replica_set,
            replica_set_uid=uid("ModuleReplicaSet", self.replica_set),
            deployment=self.name,
            number=1,
            template=self.template,
            base_name=base,
            base_uid=base_uid,
            base_ip=address(number),
            batch="",
            uninstall_first=False,
        )
        body["metadata"] |= _meta("Module", name) | {
            "generation": 1,
            "managedFields": [_managed("moduledeploy", "spec")],
        }
        body["status"] = {
            "status": "Available",
            "reason": "",
            "message": "",
            "attempts": 0,
            "containerID": container_id(base),
            "lastTransitionTime": MOMENT,
            "activeSince": MOMENT,
            "slotActiveSince": MOMENT,
        }
        return body


def _meta(kind: str, name: str) -> dict[str, Any]:
    return {
        "name": name,
        "namespace": NAMESPACE,
        "uid": uid(kind, name),
        "resourceVersion": "1",
        "creationTimestamp": MOMENT,
    }


def _owner(api_version: str, kind: str, name: str) -> dict[str, Any]:
    return {
        "apiVersion": api_version,
        "kind": kind,
        "name": name,
        "uid": uid(kind, name),
        "controller": True,
        "blockOwnerDeletion": True,
    }


def _managed(manager: str, part: str) -> dict[str, Any]:
    names = ("containers", "conditions", "phase", "restartPolicy", "podIP")
    fields: dict[str, Any] = {f"f:{part}": {f"f:{name}": {} for name in names}}
    return {
        "manager": manager,
        "operation": "Update",
        "apiVersion": "v1",
        "time": MOMENT,
        "fieldsType": "FieldsV1",
        "fieldsV1": fields,
    }
