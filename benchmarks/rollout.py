"""Rollouts of N modules from end to end, beside a bare loop that sends the same requests to the same server.

The embedded cluster is a process of its own, with bases whose installs take no time; `moduledeploy run` is another. A step is
measured from the request of a person to Completed, or until the ModuleDeployment is gone. The bare loop
(`benchmarks.rollout_bare`) and the controller go through all steps in turn.
"""

from __future__ import annotations

import asyncio
import statistics
import time
from collections import defaultdict
from typing import TYPE_CHECKING, Any, Final

import attrs

from benchmarks.processes import Controller
from benchmarks.rollout_bare import BareLoop, open_bare_loop, template
from benchmarks.rollout_stage import FAMILIES, Base, Stage, open_stage
from benchmarks.rows import Point, Target, measured
from moduledeploy.api.encode import encode_template

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from benchmarks.rows import Row, Size

NAME: Final = "ours"
INSTALL, DELETE = "install", "delete"
POLICIES: Final = ("install_then_uninstall", "uninstall_then_install", "scaleup_then_scaledown")
ALL: Final = (INSTALL, *POLICIES, DELETE)
IN_TIME: Final = Target(sign="<=", limit=1.5)
# Changes of Modules, the pod's label left out, which only a Service asks for: made with its status, marked, let go.
WRITES: Final = {INSTALL: 2.0, DELETE: 3.0, **dict.fromkeys(POLICIES, 5.0)}


@attrs.frozen(kw_only=True)
class Load:
    """N modules, by which steps, how often."""

    count: int
    steps: tuple[str, ...] = ALL
    rounds: int = 1

    @property
    def bases(self) -> int:
        """As many as modules, and as many again where new replicas go to other bases than the old ones."""
        return self.count * (2 if POLICIES[2] in self.steps else 1)


LOADS: Final[dict[Size, tuple[Load, ...]]] = {
    "quick": (Load(count=20),),
    "full": (Load(count=100, rounds=3), Load(count=1_000)),
}


@attrs.frozen(kw_only=True)
class Cost:
    """What one step took: seconds; CPU of who sent the requests; requests sent, per module but for the others."""

    wall_s: float
    cpu_s: float
    writes: float
    calls: float
    others: float = 0.0


@attrs.define
class Ours:
    """The controller, driven as people do it."""

    stage: Stage
    controller: Controller
    count: int
    _version: int = 0

    async def step(self, name: str) -> Cost:
        """Ask for it, and wait until it is done."""
        version = (await self.stage.read(FAMILIES))["metadata"]["resourceVersion"]
        used, sent = self.controller.usage(), await self.stage.counts()
        begun_at = time.monotonic()
        async with asyncio.TaskGroup() as group:
            until = "gone" if name == DELETE else "Completed"
            group.create_task(self.stage.wait_family(NAME, version, until=until))
            await self._ask(name)
        wall_s = time.monotonic() - begun_at
        now = await self.stage.counts()
        return Cost(
            wall_s=wall_s,
            cpu_s=(self.controller.usage().cpu_s - used.cpu_s) / self.count,
            writes=(now.modules - sent.modules) / self.count,
            calls=(now.calls - sent.calls) / self.count,
            others=now.others - sent.others,
        )

    async def _ask(self, step: str) -> None:
        self._version += 1
        spec: dict[str, Any] = {"template": encode_template(template(str(self._version), NAME))}
        if step == INSTALL:
            kind = {"apiVersion": "koupleless.alipay.com/v1alpha1", "kind": "ModuleDeployment"}
            spec |= {"baseDeploymentName": "base", "replicas": self.count}
            await self.stage.write("POST", FAMILIES, {**kind, "metadata": {"name": NAME}, "spec": spec})
        elif step == DELETE:
            await self.stage.write("DELETE", f"{FAMILIES}/{NAME}", {})
        else:
            spec["operationStrategy"] = {"upgradePolicy": step}
            await self.stage.write("PATCH", f"{FAMILIES}/{NAME}", {"spec": spec})


@attrs.define
class Bare:
    """The bare loop, measured alike; it runs in this process."""

    loop: BareLoop
    count: int
    _version: int = 0

    async def step(self, name: str) -> Cost:
        """Send it all."""
        self._version += 1
        sent, cpu_s = attrs.evolve(self.loop.sent), time.process_time()
        begun_at = time.monotonic()
        if name == INSTALL:
            await self.loop.install(str(self._version), self.count)
        elif name == DELETE:
            await self.loop.remove()
        else:
            await getattr(self.loop, name)(str(self._version))
        return Cost(
            wall_s=time.monotonic() - begun_at,
            cpu_s=(time.process_time() - cpu_s) / self.count,
            writes=(self.loop.sent.writes - sent.writes) / self.count,
            calls=(self.loop.sent.calls - sent.calls) / self.count,
        )


@attrs.define
class Found:
    """What a load came to, by step, one cost for each round; and the controller's peak of memory."""

    ours: defaultdict[str, list[Cost]] = attrs.field(factory=lambda: defaultdict(list))
    bare: defaultdict[str, list[Cost]] = attrs.field(factory=lambda: defaultdict(list))
    peak_mb: float = 0.0

    def medians(self, step: str, field: str) -> tuple[float, float]:
        """Of ours and of the bare loop."""
        ours, bare = (statistics.median(getattr(cost, field) for cost in side[step]) for side in (self.ours, self.bare))
        return ours, bare

    def ratio(self, step: str) -> float:
        """Wall time, ours by the bare loop's, the median of the rounds'."""
        pairs = zip(self.ours[step], self.bare[step], strict=True)
        return statistics.median(ours.wall_s / bare.wall_s for ours, bare in pairs)


async def run(load: Load) -> Found:
    """All rounds; the bare loop and ours take turns on one server, and in who begins."""
    found = Found()
    async with open_stage() as stage:
        bases = await stage.bases(load.bases)
        for number in range(load.rounds):
            for side in (_bare_round, _our_round)[:: -1 if number % 2 else 1]:
                await side(stage, bases, load, found)
    return found


async def _bare_round(stage: Stage, bases: list[Base], load: Load, found: Found) -> None:
    async with open_bare_loop(stage.url, bases) as loop:
        bare = Bare(loop, load.count)
        await _steps(load, bare.step, found.bare)
        if DELETE not in load.steps:
            await bare.step(DELETE)


async def _our_round(stage: Stage, _: list[Base], load: Load, found: Found) -> None:
    with stage.controller() as controller:
        await _steps(load, Ours(stage, controller, load.count).step, found.ours)
        found.peak_mb = max(found.peak_mb, controller.usage().peak_mb)


async def _steps(load: Load, step: Callable[[str], Awaitable[Cost]], costs: defaultdict[str, list[Cost]]) -> None:
    for name in load.steps:
        costs[name].append(await step(name))


def rows(size: Size) -> Iterator[Row]:
    """Each load."""
    for load in LOADS[size]:
        yield from rows_of(load)


def rows_of(load: Load) -> Iterator[Row]:
    """Times of each step, then what was sent, then memory."""
    found = asyncio.run(run(load))
    size = f"{load.count:,} modules, {load.bases:,} bases".replace(",", " ")
    for step in load.steps:
        ours, bare = found.medians(step, "wall_s")
        points = (
            Point(picture="rollout", curve=f"{step}, ours", x=load.count, y=1e3 * ours / load.count),
            Point(picture="rollout", curve=f"{step}, bare loop", x=load.count, y=1e3 * bare / load.count),
        )
        yield measured(
            what=f"rollout, {step} [s]",
            size=size,
            ours=ours,
            reference=bare,
            ratio=found.ratio(step),
            target=IN_TIME,
            points=points,
        )
    for step in load.steps:
        ours, bare = found.medians(step, "cpu_s")
        what = f"rollout, {step}: CPU beside the server's [ms a module]"
        yield measured(what=what, size=size, ours=1e3 * ours, reference=1e3 * bare)
    for step in load.steps:
        yield from _sent(load, size, step, found)
    yield measured(what="rollout: peak memory of the controller [MB]", size=size, ours=found.peak_mb)


def _sent(load: Load, size: str, step: str, found: Found) -> Iterator[Row]:
    ours, bare = found.medians(step, "writes")
    target = Target(sign="<=", limit=WRITES[step], of="ours", words="a module")
    yield measured(
        what=f"rollout, {step}: writes of Modules [a module]", size=size, ours=ours, reference=bare, target=target
    )
    ours, bare = found.medians(step, "calls")
    yield measured(what=f"rollout, {step}: calls to Arklet [a module]", size=size, ours=ours, reference=bare)
    if load.rounds == 1:
        what = f"rollout, {step}: writes of the ModuleDeployment and its revisions"
        yield measured(what=what, size=size, ours=found.medians(step, "others")[0])
