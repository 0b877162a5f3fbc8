"""Labels of this program on Modules and ModuleReplicaSets, by which people look for them: as they are and as they should be.

Who belongs to whom is for owner references to say; whoever edits a label changes that nowhere.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from moduledeploy.api import names
from moduledeploy.api.bodies import base_labels, own_labels
from moduledeploy.controllers.facts import number_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from moduledeploy.api.cluster import Pod
    from moduledeploy.api.kinds import Module, ModuleReplicaSet
    from moduledeploy.api.meta import Metadata
    from moduledeploy.api.spec import DeploymentSpec
    from moduledeploy.rollout.view import Revision

_NOTHING: Final[Mapping[str, str | None]] = {}


def labels_to_mend(module: Module, replica_set: ModuleReplicaSet | None, pod: Pod) -> Mapping[str, str | None]:
    """What is to be written to a Module's labels, None for one that is to go; nothing for one that no revision controls."""
    meta, owner = module.metadata, module.metadata.controller
    if replica_set is None or owner is None or owner.uid != replica_set.metadata.uid or meta.is_terminating:
        return _NOTHING
    deployment, number = _deployment_of(replica_set.metadata), number_of(replica_set.metadata)
    expected: dict[str, str | None] = {
        **own_labels(
            module.spec.module,
            deployment=deployment,
            replica_set=owner.name,
            number=_made_with(meta, number),
        ),
        **base_labels(pod.metadata.name, pod.status.podIP),
    }
    if not deployment:
        expected[names.DEPLOYMENT_LABEL] = None
    elif not number:
        del expected[names.REVISION_LABEL]  # the ModuleReplicaSet's own is to be mended before
    return {key: value for key, value in expected.items() if meta.label(key) != value}


def is_edited(replica_set: ModuleReplicaSet, made: Revision, deployment: str, spec: DeploymentSpec) -> bool:
    """Something of a ModuleReplicaSet isn't as its ModuleDeployment writes it, besides the number of replicas."""
    meta, written = replica_set.metadata, replica_set.spec
    scheduling = (written.get("schedulingStrategy") or {}).get("schedulingPolicy")
    labels = own_labels(made.template.module, deployment=deployment, replica_set=meta.name, number=made.number)
    return (written.get("minReadySeconds") or 0, scheduling) != (
        spec.min_ready_s,
        spec.scheduling.value,
    ) or not labels.items() <= (meta.labels or {}).items()


def _deployment_of(meta: Metadata) -> str:
    """The ModuleDeployment that controls a ModuleReplicaSet, or that left it behind: its namesake will adopt it."""
    owner = meta.controller
    if owner is not None and owner.kind == names.MODULE_DEPLOYMENT:
        return owner.name
    return meta.label(names.DEPLOYMENT_LABEL) or ""


def _made_with(meta: Metadata, number: int) -> int:
    """The revision number that a Module was made with: a revision that comes back later gets another (`number`).

    Its batch tells, if it was made for one; else its label, as long as the revision can have had that number.
    """
    batch = (meta.annotation(names.BATCH_ANNOTATION) or "").partition("/")[0]
    for text in (batch, meta.label(names.REVISION_LABEL) or ""):
        if text.isascii() and text.isdigit() and int(text) <= number:
            return int(text)
    return number
