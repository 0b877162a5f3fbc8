"""What a manifest will be refused for, and what is unwise though it is accepted; no cluster is asked."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

import attrs

from moduledeploy.api import names
from moduledeploy.api.decode import decode_deployment_spec, decode_replica_set_spec
from moduledeploy.api.fields import DecodeError
from moduledeploy.api.spec import PEER, Percent, UpgradePolicy

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from moduledeploy.api.spec import DeploymentSpec

NAME_LENGTH: Final = 52  # as the CRD's rule
# The fields that the schema has; what it doesn't have is dropped by the server without a word.
FIELDS: Final[dict[str, frozenset[str]]] = {
    "spec": frozenset(
        {
            "baseDeploymentName",
            "replicas",
            "scaledReplicas",
            "template",
            "pause",
            "maxUnavailable",
            "minReadySeconds",
            "progressDeadlineSeconds",
            "revisionHistoryLimit",
            "confirmBatchNum",
            "operationStrategy",
            "schedulingStrategy",
        }
    ),
    "spec.template": frozenset({"metadata", "spec"}),
    "spec.template.metadata": frozenset({"labels", "annotations"}),
    "spec.template.spec": frozenset({"module"}),
    "spec.template.spec.module": frozenset({"name", "version", "url", "md5", "type"}),
    "spec.operationStrategy": frozenset(
        {
            "batchCount",
            "useBeta",
            "needConfirm",
            "grayTime",
            "grayTimeBetweenBatchSeconds",
            "maxUnavailable",
            "upgradePolicy",
            "serviceStrategy",
            "drainSeconds",
            "onFailure",
            "failureThreshold",
            "batchScaling",
        }
    ),
    "spec.operationStrategy.serviceStrategy": frozenset({"enableModuleService", "port", "targetPort"}),
    "spec.schedulingStrategy": frozenset({"schedulingPolicy"}),
}


class Level(StrEnum):
    """How bad it is."""

    REFUSED = "refused"
    UNWISE = "unwise"
    CHANGES = "changes"


@attrs.frozen(kw_only=True)
class Finding:
    """One thing about one object."""

    level: Level
    kind: str
    name: str
    field: str
    message: str


def lint_object(item: dict[str, Any]) -> list[Finding]:
    """Everything about one object; kinds that aren't ours have no findings."""
    kind = item["kind"]
    meta = item.get("metadata") or {}
    if kind not in (names.MODULE_DEPLOYMENT, names.MODULE_REPLICA_SET):
        return []
    name = str(meta.get("name", ""))

    def finding(level: Level, field: str, message: str) -> Finding:
        return Finding(level=level, kind=kind, name=name, field=field, message=message)

    found = [finding(Level.REFUSED, field, message) for field, message in _refusals(item, kind, name)]
    if kind == names.MODULE_DEPLOYMENT and not found:
        spec = decode_deployment_spec(item["spec"])
        found.extend(finding(Level.UNWISE, field, text) for rule in RULES for field, text in rule(spec, item["spec"]))
    return found


def _refusals(item: dict[str, Any], kind: str, name: str) -> Iterator[tuple[str, str]]:
    if item.get("apiVersion") != names.API_VERSION:
        yield "apiVersion", f"is {item.get('apiVersion')!r}; it is {names.API_VERSION}"
    if not name:
        yield "metadata.name", "is missing"
    if len(name) > NAME_LENGTH:
        yield (
            "metadata.name",
            f"has {len(name)} characters; at most {NAME_LENGTH}, since names of other objects are made from it",
        )
    spec = item.get("spec")
    if not isinstance(spec, dict):
        yield "spec", "is missing"
        return
    try:
        if kind == names.MODULE_DEPLOYMENT:
            decoded = decode_deployment_spec(spec)
            if decoded.progress_deadline_s <= decoded.min_ready_s:
                yield (
                    "spec.progressDeadlineSeconds",
                    f"must be greater than minReadySeconds, which is {decoded.min_ready_s}",
                )
        else:
            decode_replica_set_spec(spec)
    except DecodeError as error:
        yield error.path, str(error).removeprefix(f"{error.path}: ")
    if kind == names.MODULE_DEPLOYMENT:
        yield from _unknown(spec, "spec")


def _unknown(value: object, path: str) -> Iterator[tuple[str, str]]:
    """Fields that the schema doesn't have."""
    known = FIELDS.get(path)
    if known is None or not isinstance(value, dict):
        return
    for field, inner in value.items():
        if field in known:
            yield from _unknown(inner, f"{path}.{field}")
        else:
            yield f"{path}.{field}", f"is no field; there are {', '.join(sorted(known))}"


def _left_in_git(spec: DeploymentSpec, raw: dict[str, Any]) -> Iterator[tuple[str, str]]:
    if spec.pause is False:
        yield "spec.pause", "false in a manifest confirms every batch whenever it is applied; leave the field out"
    elif spec.pause:
        yield "spec.pause", "true in a manifest pauses the rollout again whenever it is applied; leave the field out"
    if spec.confirm_batch_num is not None:
        yield (
            "spec.confirmBatchNum",
            "confirms batches ahead of time whenever it is changed in the manifest; leave the field out",
        )
    if "scaledReplicas" in raw:
        yield "spec.scaledReplicas", "is where kubectl scale and autoscalers write; set replicas instead"


def _batches(spec: DeploymentSpec, raw: dict[str, Any]) -> Iterator[tuple[str, str]]:
    del raw
    strategy = spec.strategy
    if spec.replicas not in (0, 1) and strategy.batch_count == 1:
        yield "spec.operationStrategy.batchCount", "is 1: a new version goes to all replicas at once"
    elif strategy.batch_count > 1 and not strategy.need_confirm and not strategy.gray_time_s:
        yield (
            "spec.operationStrategy.needConfirm",
            "isn't set and neither is grayTime: nobody looks at a batch before the next one begins",
        )
    if spec.replicas != PEER and 0 < spec.replicas <= strategy.failure_threshold:
        yield (
            "spec.operationStrategy.failureThreshold",
            f"is {strategy.failure_threshold}: no batch ever counts as failed",
        )


def _protection(spec: DeploymentSpec, raw: dict[str, Any]) -> Iterator[tuple[str, str]]:
    del raw
    limit, replicas = spec.max_unavailable, spec.replicas
    everything = limit == Percent(100) or (isinstance(limit, int) and replicas != PEER and 0 < replicas <= limit)
    if everything:
        yield "spec.maxUnavailable", f"is {limit}: all replicas may be unavailable at the same time"
    takes_away = spec.strategy.upgrade_policy is UpgradePolicy.UNINSTALL_THEN_INSTALL
    if takes_away and replicas == 1:
        yield (
            "spec.operationStrategy.upgradePolicy",
            "uninstall_then_install with one replica: nothing serves during an upgrade",
        )
    if spec.strategy.drain_s and spec.strategy.service is None:
        yield "spec.operationStrategy.drainSeconds", "has no effect without serviceStrategy.enableModuleService"


def _module(spec: DeploymentSpec, raw: dict[str, Any]) -> Iterator[tuple[str, str]]:
    del raw
    module = spec.template.module
    scheme = urlsplit(module.url).scheme
    if scheme not in ("http", "https"):
        yield (
            "spec.template.spec.module.url",
            f"scheme {scheme!r} needs the controller's flag --url-schemes to allow it",
        )
    elif scheme == "http":
        yield "spec.template.spec.module.url", "is fetched without TLS, and nothing verifies the jar"
    if module.version not in module.url:
        yield (
            "spec.template.spec.module.url",
            f"doesn't name version {module.version}; a base refuses a jar of another version",
        )
    if module.md5:
        yield "spec.template.spec.module.md5", "only marks a revision: nothing verifies it"


RULES: Final[tuple[Callable[[DeploymentSpec, dict[str, Any]], Iterator[tuple[str, str]]], ...]] = (
    _left_in_git,
    _batches,
    _protection,
    _module,
)
