"""The demo's scenes: what is done, and what has to be seen afterwards."""

from __future__ import annotations

import shlex
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Final

import attrs

from moduledeploy.api.status import Progress
from moduledeploy.cli.demo.stage import MANIFESTS, NAMESPACE, Stage
from moduledeploy.cli.reading.kinds import ReadDeployment, read_status
from moduledeploy.controllers.cluster import Stores
from moduledeploy.kube.resources import ObjectKey

if TYPE_CHECKING:
    from moduledeploy.api.status import Release

SAMPLES: Final = MANIFESTS / "samples"
Deed = Callable[[Stage], Awaitable[str]]
Promise = Callable[[Stores], bool]


@attrs.frozen(kw_only=True)
class Scene:
    """One step.

    deed: what is done; returns the command that was typed, for people.
    holds: whether what was promised is seen; `subject` is the ModuleDeployment that is shown.
    confirms: this scene stops after every batch and asks a person.
    """

    title: str
    subject: str
    deed: Deed
    holds: Promise
    confirms: bool = False
    within_s: float = 25.0


def _kubectl(*arguments: str) -> Deed:
    async def deed(stage: Stage) -> str:
        await stage.kubectl(*arguments)
        return f"kubectl {shlex.join(text.replace(f'{MANIFESTS.parent}/', '') for text in arguments)}"

    return deed


def _apply(sample: str) -> Deed:
    return _kubectl("apply", "-f", str(SAMPLES / sample))


def _moduledeploy(*arguments: str) -> Deed:
    async def deed(stage: Stage) -> str:
        return await stage.moduledeploy(*arguments)

    return deed


def _both(one: Promise, other: Promise) -> Promise:
    return lambda seen: one(seen) and other(seen)


def release_of(seen: Stores, name: str) -> Release | None:
    """The rollout of the newest generation of that ModuleDeployment; None until the controller has looked at it."""
    found = seen.deployments.get(ObjectKey(NAMESPACE, name))
    if not isinstance(found, ReadDeployment):
        return None
    status = read_status(found)
    return status.release if status.observed_generation >= found.metadata.generation else None


def _message(seen: Stores, name: str) -> str:
    found = seen.deployments.get(ObjectKey(NAMESPACE, name))
    return read_status(found).message if found is not None else ""


def _installed(seen: Stores, name: str) -> dict[str, list[str]]:
    """Versions of a module that are available, by base."""
    found: dict[str, list[str]] = {}
    for module in seen.modules.values():
        if module.spec.module.name == name and module.status.status == "Available":
            found.setdefault(module.spec.base.name, []).append(module.spec.module.version)
    return found


def _two_wait_for_bases(seen: Stores) -> bool:
    if release_of(seen, "orders") is None:
        return False
    lacks = "0/10 bases are available: 10 already have the module." in _message(seen, "orders")
    return lacks and len(_installed(seen, "orders")) == 10


def _completed(name: str, replicas: int, version: str) -> Promise:
    """Completed as the status says, and really on that many bases in that version alone."""

    def holds(seen: Stores) -> bool:
        release, installed = release_of(seen, name), _installed(seen, name)
        return (
            release is not None
            and release.progress is Progress.COMPLETED
            and len(installed) == replicas
            and all(versions == [version] for versions in installed.values())
        )

    return holds


def _ready_bases(count: int) -> Promise:
    return lambda seen: sum(pod.is_ready for pod in seen.pods.values()) == count


def _stopped_in_first_batch(seen: Stores) -> bool:
    release = release_of(seen, "orders")
    if release is None or release.progress is not Progress.FAILED:
        return False
    serving = [versions for versions in _installed(seen, "orders").values() if versions == ["2.0.0"]]
    return release.current_batch == 1 and len(serving) == 12 and "failed" in _message(seen, "orders")


def _gone(seen: Stores) -> bool:
    return not len(seen.deployments) and not len(seen.modules)


def scenes() -> list[Scene]:
    """All scenes in order."""
    return [
        Scene(
            title="Ten bases come up",
            subject="orders",
            deed=_apply("base.yaml"),
            holds=_ready_bases(10),
        ),
        Scene(
            title="Module orders goes to ten bases in four batches, the beta first",
            subject="orders",
            deed=_apply("orders-v1.yaml"),
            holds=_completed("orders", 10, "1.0.0"),
        ),
        Scene(
            title="Version 2 rolls out and waits for a person after every batch",
            subject="orders",
            deed=_apply("orders-v2.yaml"),
            holds=_completed("orders", 10, "2.0.0"),
            confirms=True,
            within_s=40.0,
        ),
        Scene(
            title="Orders gets twelve replicas; for two of them there is no base",
            subject="orders",
            deed=_moduledeploy("scale", "orders", "--replicas", "12"),
            holds=_two_wait_for_bases,
        ),
        Scene(
            title="A peer module goes to every base",
            subject="audit",
            deed=_apply("audit-peer.yaml"),
            holds=_completed("audit", 10, "1.0.0"),
        ),
        Scene(
            title="The base grows to twelve: the peer follows, the waiting replicas get theirs",
            subject="audit",
            deed=_kubectl("scale", "deployment/base", "--replicas=12"),
            holds=_both(_completed("audit", 12, "1.0.0"), _completed("orders", 12, "2.0.0")),
        ),
        Scene(
            title="A version that can't start is stopped in its first batch, and the status says why",
            subject="orders",
            deed=_moduledeploy("set", "orders", "version=3.0.0-bad"),
            holds=_stopped_in_first_batch,
        ),
        Scene(
            title="Going back to version 2 heals it",
            subject="orders",
            deed=_moduledeploy("undo", "orders"),
            holds=_completed("orders", 12, "2.0.0"),
        ),
        Scene(
            title="Deletion uninstalls everything",
            subject="orders",
            deed=_kubectl("delete", "mddeploy", "--all"),
            holds=_gone,
        ),
    ]
