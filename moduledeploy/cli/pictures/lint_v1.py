"""What changes for a manifest that module-controller v1 has run: fields that it ignored take effect now."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from moduledeploy.api import names
from moduledeploy.api.decode import decode_deployment_spec
from moduledeploy.api.fields import DecodeError
from moduledeploy.api.spec import PEER
from moduledeploy.api.status import ReleaseKind
from moduledeploy.cli.pictures.lint import Finding, Level
from moduledeploy.rollout.batches import batches_left

if TYPE_CHECKING:
    from collections.abc import Iterator

    from moduledeploy.api.spec import DeploymentSpec

_IGNORED = {
    "minReadySeconds": "a replica counts as available only after that many seconds",
    "progressDeadlineSeconds": "a rollout that gets no further fails after that many seconds, waits and gray times not counted",
    "revisionHistoryLimit": "older ModuleReplicaSets without replicas go; v1 kept them all",
}


def changes_from_v1(item: dict[str, Any]) -> list[Finding]:
    """What this manifest will do that it didn't under v1; nothing for one that is refused anyway."""
    if item["kind"] != names.MODULE_DEPLOYMENT:
        return []
    try:
        spec = decode_deployment_spec(item.get("spec") or {})
    except DecodeError:
        return []
    name = str((item.get("metadata") or {}).get("name", ""))
    raw = item["spec"]
    operation = raw.get("operationStrategy") or {}
    told = [*_ignored(raw, operation), *_batches(spec, operation), *_replicas(spec), *_policies(operation)]
    return [
        Finding(level=Level.CHANGES, kind=item["kind"], name=name, field=field, message=message)
        for field, message in told
    ]


def _ignored(raw: dict[str, Any], operation: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for field, effect in _IGNORED.items():
        if field in raw:
            yield f"spec.{field}", f"v1 ignored it; now {effect}"
    if "maxUnavailable" in raw or "maxUnavailable" in operation:
        yield "spec.maxUnavailable", "v1 ignored it; now no step takes more replicas away than that"
    else:
        yield "spec.maxUnavailable", "isn't set, so 25% holds; v1 had no limit"


def _batches(spec: DeploymentSpec, operation: dict[str, Any]) -> Iterator[tuple[str, str]]:
    strategy = spec.strategy
    if strategy.use_beta:
        yield (
            "spec.operationStrategy.useBeta",
            "the beta is one of the batchCount batches and pauses only with needConfirm; v1 made one more and always paused",
        )
    if spec.replicas > 0:
        now = batches_left(spec.replicas, strategy, ReleaseKind.DEPLOY, 0)
        sizes = ", ".join(map(str, now))
        if strategy.use_beta:
            yield "spec.operationStrategy.batchCount", f"batches are {sizes}; scaling has no beta, which v1's had"
        elif now != (old := v1_sizes(spec.replicas, strategy.batch_count)):
            yield "spec.operationStrategy.batchCount", f"batches are {sizes}; v1 planned {', '.join(map(str, old))}"
    for field in ("grayTime", "grayTimeBetweenBatchSeconds"):
        if operation.get(field):
            yield (
                f"spec.operationStrategy.{field}",
                "the next batch begins by itself after it; v1 never went on without a person",
            )
    if strategy.need_confirm:
        yield (
            "spec.operationStrategy.needConfirm",
            "spec.pause false or a confirmBatchNum of at least the batch confirms it; v1 wanted it to be equal, and reset it",
        )


def _replicas(spec: DeploymentSpec) -> Iterator[tuple[str, str]]:
    if spec.replicas == PEER:
        yield "spec.replicas", "-1 stays in the spec and bases that join get the module; v1 wrote a number in its place"
    else:
        yield (
            "spec.replicas",
            "a change scales at once (in batches only with batchScaling); v1 rolled out in batches, beta first",
        )
    yield (
        "spec.template.spec.module.url",
        "another url of the same version is a new revision and is installed; v1 didn't install it",
    )


def _policies(operation: dict[str, Any]) -> Iterator[tuple[str, str]]:
    policy = operation.get("upgradePolicy")
    if policy is None:
        yield (
            "spec.operationStrategy.upgradePolicy",
            "isn't set: install_then_uninstall has two versions side by side for a while",
        )
    elif policy not in ("scaleup_then_scaledown", "scaleUpThenScaleDown"):
        yield (
            "spec.operationStrategy.upgradePolicy",
            f"{policy} is really done, base by base; v1 told the two orders not apart",
        )


def v1_sizes(replicas: int, batch_count: int) -> tuple[int, ...]:
    """The sizes that v1 planned without a beta: rounded up, the last takes what is left, which may be nothing."""
    real = 1 if batch_count <= 0 else min(replicas, batch_count)
    step = -(-replicas // real)
    sizes, left = [], replicas
    for number in range(1, real + 1):
        size = left if number == real else min(step, left)
        sizes.append(size)
        left -= size
    return tuple(sizes)
