"""From the wire to what is meant: aliases folded, defaults supplied, errors that name the field and what is allowed."""

from __future__ import annotations

import re
from typing import Any, Final

from moduledeploy.api.fields import DecodeError, Fields
from moduledeploy.api.kinds import ModuleSource
from moduledeploy.api.spec import (
    DEFAULT_MAX_UNAVAILABLE,
    DEFAULT_PROGRESS_DEADLINE_S,
    PEER,
    DeploymentSpec,
    OnFailure,
    Percent,
    ReplicaSetSpec,
    SchedulingPolicy,
    ServiceStrategy,
    Strategy,
    Template,
    UpgradePolicy,
)

# The second spelling of each is that of published manifests of module-controller v1.
UPGRADE_POLICIES: Final = {policy.value: policy for policy in UpgradePolicy} | {
    "installThenUninstall": UpgradePolicy.INSTALL_THEN_UNINSTALL,
    "uninstallThenInstall": UpgradePolicy.UNINSTALL_THEN_INSTALL,
    "scaleUpThenScaleDown": UpgradePolicy.SCALEUP_THEN_SCALEDOWN,
}
SCHEDULING_POLICIES: Final = {policy.value: policy for policy in SchedulingPolicy} | {
    "Scatter": SchedulingPolicy.SCATTER,
    "Stacking": SchedulingPolicy.STACKING,
}
ON_FAILURE: Final = {choice.value: choice for choice in OnFailure}

_PERCENT: Final = re.compile(r"(100|[0-9]{1,2})%")
_LABEL_VALUE: Final = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?")
_DNS_LABEL: Final = re.compile(r"[a-z]([-a-z0-9]{0,53}[a-z0-9])?")


def decode_deployment_spec(spec: dict[str, Any]) -> DeploymentSpec:
    """ModuleDeployment.spec. Raises DecodeError."""
    fields = Fields.of("spec", spec)
    replicas = _replicas(fields)
    operation = fields.child("operationStrategy")
    template = _template(fields.child("template"))
    strategy = _strategy(operation, template)
    max_unavailable = _max_unavailable(fields, operation)
    if replicas == PEER and strategy.upgrade_policy is UpgradePolicy.SCALEUP_THEN_SCALEDOWN:
        raise operation.fail("upgradePolicy", "possible with replicas -1: peer mode has no free bases to scale up on")
    if strategy.upgrade_policy is UpgradePolicy.UNINSTALL_THEN_INSTALL and max_unavailable in (0, Percent(0)):
        raise fields.fail("maxUnavailable", "above 0, which uninstall_then_install needs to replace anything")
    return DeploymentSpec(
        base_deployment=fields.text("baseDeploymentName", default=None),
        replicas=replicas,
        template=template,
        pause=fields.flag("pause", default=None),
        max_unavailable=max_unavailable,
        min_ready_s=fields.integer("minReadySeconds", default=0),
        progress_deadline_s=fields.integer("progressDeadlineSeconds", default=DEFAULT_PROGRESS_DEADLINE_S, least=1),
        revision_history_limit=fields.integer("revisionHistoryLimit", default=10),
        confirm_batch_num=fields.optional_integer("confirmBatchNum"),
        strategy=strategy,
        scheduling=_scheduling(fields),
    )


def _replicas(fields: Fields) -> int:
    """What the scale subresource asks for counts while it is set; it has its own field because it can't hold a -1."""
    replicas = fields.integer("replicas", default=1, least=PEER)
    scaled = fields.optional_integer("scaledReplicas")
    if scaled is None:
        return replicas
    if replicas == PEER:
        raise fields.fail("scaledReplicas", "possible with replicas -1: peer mode has one replica on every base")
    return scaled


def decode_replica_set_spec(spec: dict[str, Any]) -> ReplicaSetSpec:
    """ModuleReplicaSet.spec. Raises DecodeError."""
    fields = Fields.of("spec", spec)
    return ReplicaSetSpec(
        base_deployment=fields.text("baseDeploymentName", default=None),
        replicas=fields.integer("replicas", default=1, least=PEER),
        template=_template(fields.child("template")),
        min_ready_s=fields.integer("minReadySeconds", default=0),
        scheduling=_scheduling(fields),
    )


def _scheduling(fields: Fields) -> SchedulingPolicy:
    scheduling = fields.child("schedulingStrategy")
    return scheduling.choice("schedulingPolicy", SCHEDULING_POLICIES, SchedulingPolicy.SCATTER)


def _template(fields: Fields) -> Template:
    metadata = fields.child("metadata")
    module = fields.child("spec").child("module")
    source = ModuleSource(
        name=module.text("name", default=None),
        version=module.text("version", default=None),
        url=module.text("url", default=None),
        md5=module.text("md5"),
        type=module.text("type"),
    )
    for name in ("name", "version"):
        if not _LABEL_VALUE.fullmatch(getattr(source, name)):
            raise module.fail(name, "a label value: letters, digits, '-', '_' and '.', at most 63")
    return Template(module=source, labels=metadata.texts("labels"), annotations=metadata.texts("annotations"))


def _strategy(operation: Fields, template: Template) -> Strategy:
    batch_count = operation.integer("batchCount", default=1, least=1, most=1000)
    use_beta = bool(operation.flag("useBeta"))
    if use_beta and batch_count < 2:
        raise operation.fail("useBeta", "possible with batchCount below 2: a beta is the first of two or more batches")
    gray = operation.optional_integer("grayTime")
    alias = operation.optional_integer("grayTimeBetweenBatchSeconds")
    if gray is not None and alias is not None and gray != alias:
        raise operation.fail("grayTimeBetweenBatchSeconds", f"what grayTime says, {gray}; set one of them")
    return Strategy(
        batch_count=batch_count,
        use_beta=use_beta,
        need_confirm=bool(operation.flag("needConfirm")),
        gray_time_s=gray if gray is not None else alias or 0,
        upgrade_policy=operation.choice("upgradePolicy", UPGRADE_POLICIES, UpgradePolicy.INSTALL_THEN_UNINSTALL),
        drain_s=operation.integer("drainSeconds", default=0),
        on_failure=operation.choice("onFailure", ON_FAILURE, OnFailure.PAUSE),
        failure_threshold=operation.integer("failureThreshold", default=0),
        batch_scaling=bool(operation.flag("batchScaling")),
        service=_service(operation.child("serviceStrategy"), template),
    )


def _service(fields: Fields, template: Template) -> ServiceStrategy | None:
    if not fields.flag("enableModuleService"):
        return None
    if not _DNS_LABEL.fullmatch(template.module.name):
        raise DecodeError(
            "spec.template.spec.module.name",
            template.module.name,
            "a DNS label of at most 55 characters, which enableModuleService needs for the Service's name",
        )
    port = fields.integer("port", default=0, least=1, most=65535) or None
    if port is None:
        raise fields.fail("port", "a port number from 1 to 65535, which enableModuleService needs")
    target = fields.values.get("targetPort", port)
    if isinstance(target, str) and target:
        return ServiceStrategy(port=port, target_port=target)
    return ServiceStrategy(port=port, target_port=fields.integer("targetPort", default=port, least=1, most=65535))


def _max_unavailable(fields: Fields, operation: Fields) -> int | Percent:
    own, alias = _limit(fields), _limit(operation)
    if own is not None and alias is not None and own != alias:
        raise operation.fail("maxUnavailable", f"what spec.maxUnavailable says, {own}; set one of them")
    chosen = own if own is not None else alias
    return DEFAULT_MAX_UNAVAILABLE if chosen is None else chosen


def _limit(fields: Fields) -> int | Percent | None:
    value = fields.values.get("maxUnavailable")
    if value is None:
        return None
    if isinstance(value, str) and (match := _PERCENT.fullmatch(value)):
        return Percent(int(match[1]))
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    raise fields.fail("maxUnavailable", "a number of replicas or a percentage from 0% to 100%")
