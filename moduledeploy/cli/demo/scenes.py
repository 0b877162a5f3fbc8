"""The demo's scenes: what is done, and what has to be seen afterwards."""

from __future__ import annotations

import shlex
from collections.abc import Awaitable, Callable
from typing import Final

import attrs
import msgspec

from moduledeploy.cli.demo.stage import MANIFESTS, Snapshot, Stage

SAMPLES: Final = MANIFESTS / "samples"
Deed = Callable[[Stage], Awaitable[str]]
Promise = Callable[[Snapshot], bool]


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


def _typed(*arguments: str) -> Deed:
    async def deed(stage: Stage) -> str:
        await stage.kubectl(*arguments)
        return f"kubectl {shlex.join(text.replace(f'{MANIFESTS.parent}/', '') for text in arguments)}"

    return deed


def _apply(sample: str) -> Deed:
    return _typed("apply", "-f", str(SAMPLES / sample))


def _set_version(version: str) -> Deed:
    module = {"version": version, "url": f"file:///modules/orders-{version}-ark-biz.jar"}
    patch = msgspec.json.encode({"spec": {"template": {"spec": {"module": module}}}}).decode()
    return _typed("patch", "mddeploy", "orders", "--type", "merge", "-p", patch)


def _both(one: Promise, other: Promise) -> Promise:
    return lambda seen: one(seen) and other(seen)


def _two_wait_for_bases(seen: Snapshot) -> bool:
    message = seen.status("orders").get("message", "")
    return len(seen.installed("orders")) == 10 and "0/10 bases are available: 10 already have the module." in message


def _completed(name: str, replicas: int, version: str) -> Promise:
    """Completed as the status says, and really on that many bases in that version alone."""

    def holds(seen: Snapshot) -> bool:
        installed = seen.installed(name)
        return (
            seen.is_seen(name)
            and seen.release(name).get("progress") == "Completed"
            and len(installed) == replicas
            and all(versions == [version] for versions in installed.values())
        )

    return holds


def _ready_bases(count: int) -> Promise:
    def holds(seen: Snapshot) -> bool:
        ready = [
            pod
            for pod in seen.pods
            if any(
                c["type"] == "Ready" and c["status"] == "True"
                for c in (pod.get("status") or {}).get("conditions") or []
            )
        ]
        return len(ready) == count

    return holds


def _stopped_in_first_batch(seen: Snapshot) -> bool:
    release = seen.release("orders")
    message = seen.status("orders").get("message", "")
    serving = [versions for versions in seen.installed("orders").values() if versions == ["2.0.0"]]
    return (
        seen.is_seen("orders")
        and release.get("progress") == "Failed"
        and release.get("currentBatch") == 1
        and len(serving) == 12
        and "failed" in message
    )


def _gone(seen: Snapshot) -> bool:
    return not seen.deployments and not seen.modules


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
            title="Orders is scaled up to twelve replicas; for two of them there is no base",
            subject="orders",
            deed=_typed("scale", "mddeploy/orders", "--replicas=12"),
            holds=_two_wait_for_bases,
        ),
        Scene(
            title="A peer module goes to every base",
            subject="audit",
            deed=_apply("audit-peer.yaml"),
            holds=_completed("audit", 10, "1.0.0"),
        ),
        Scene(
            title="The base grows to twelve pods: the peer module follows, and the waiting replicas find their bases",
            subject="audit",
            deed=_typed("scale", "deployment/base", "--replicas=12"),
            holds=_both(_completed("audit", 12, "1.0.0"), _completed("orders", 12, "2.0.0")),
        ),
        Scene(
            title="A version that can't start is stopped in its first batch, and the status says why",
            subject="orders",
            deed=_set_version("3.0.0-bad"),
            holds=_stopped_in_first_batch,
        ),
        Scene(
            title="Going back to version 2 heals it",
            subject="orders",
            deed=_set_version("2.0.0"),
            holds=_completed("orders", 12, "2.0.0"),
        ),
        Scene(
            title="Deletion uninstalls everything",
            subject="orders",
            deed=_typed("delete", "mddeploy", "--all"),
            holds=_gone,
        ),
    ]
