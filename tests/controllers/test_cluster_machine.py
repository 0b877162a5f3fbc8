"""Several families, bases that come and go, an API that fails, a process that dies: the real controllers in any order of events.

Safety is checked after every turn; at the end faults stop, and what each family asks for is reached. Then everything is
deleted, and nothing is left. MODULEDEPLOY_CLUSTER_EXAMPLES and _STEPS say how many lives of how many steps.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Coroutine
from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from moduledeploy.api import names
from moduledeploy.arklet.outcomes import FailureClass, Refused
from moduledeploy.controllers import resources
from moduledeploy.kube.errors import Conflict, ServerError, Unreachable
from moduledeploy.kube.resources import ObjectKey
from tests.controllers.cluster_rules import ClusterRules, check_clean, check_reached
from tests.controllers.world import World, module
from tests.lives import live

EXAMPLES = int(os.environ.get("MODULEDEPLOY_CLUSTER_EXAMPLES", "25"))
STEPS = int(os.environ.get("MODULEDEPLOY_CLUSTER_STEPS", "40"))
SERVICE = {"enableModuleService": True, "port": 8080, "targetPort": 8080}
ANOTHER_PORT = {**SERVICE, "port": 9090}
POLICIES = ("install_then_uninstall", "uninstall_then_install", "scaleup_then_scaledown")
# Families by name: module and base Deployment. The second is the first's rival, the third shares its Service.
FAMILIES = {
    "orders": ("orders", "base"),
    "rival": ("orders", "base"),
    "cousin": ("orders", "other"),
    "audit": ("audit", "base"),
}
BARE = "bare"
ASKED = st.fixed_dictionaries(
    {"replicas": st.integers(-1, 4), "policy": st.sampled_from(POLICIES), "service": st.booleans()}
)
MOST_BASES = 5
SETTLED_S = 4000.0  # longer than every retry, drain and audit here


class Killed(BaseException):
    """The process dies."""


def _is_all_killed(error: BaseException) -> bool:
    """Tasks of a group die together."""
    return isinstance(error, BaseExceptionGroup) and error.split(Killed)[1] is None


class ClusterMachine(RuleBasedStateMachine):
    """The real reconcilers against the in-memory API and Arklet, with virtual time."""

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.world = World()
        self.kept = ClusterRules(self.world)
        self.faults: list[tuple[int, BaseException]] = []
        self.points = 0
        self.resisted = False

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        return self.runner.run(work)

    @initialize(
        bases=st.integers(1, 4),
        cap=st.sampled_from([None, "1", "2"]),
        families=st.dictionaries(st.sampled_from(sorted(FAMILIES)), ASKED, min_size=1),
    )
    def begin(self, bases: int, cap: str | None, families: dict[str, dict[str, Any]]) -> None:
        self.labels = {"labels": {names.CAP_LABEL: cap}} if cap else {}
        self.world.add_bases(bases, **self.labels)
        self.world.add_bases(1, deployment="other")
        for name, asked in families.items():
            self.deploy(name, asked)
        self.world.around = self.reach
        self.world.start()

    def reach(self, point: str) -> None:
        """A request is made: the fault that is due strikes."""
        self.points += 1
        if self.faults and self.faults[0][0] <= self.points:
            raise self.faults.pop(0)[1]

    # People.

    @rule(name=st.sampled_from(sorted(FAMILIES)), asked=ASKED)
    def make(self, name: str, asked: dict[str, Any]) -> None:
        if self.world.api.find(resources.MODULE_DEPLOYMENTS, name) is None:
            self.deploy(name, asked)

    def deploy(self, name: str, asked: dict[str, Any]) -> None:
        module_name, base = FAMILIES[name]
        is_peer = asked["replicas"] < 0
        policy = POLICIES[0] if is_peer and asked["policy"] == POLICIES[2] else asked["policy"]
        strategy: dict[str, Any] = {"upgradePolicy": policy, "batchCount": 2}
        if asked["service"]:
            strategy |= {"serviceStrategy": SERVICE, "drainSeconds": 5}
        self.world.deploy(
            "1",
            name=name,
            module_name=module_name,
            baseDeploymentName=base,
            replicas=asked["replicas"],
            maxUnavailable=1,
            operationStrategy=strategy,
        )

    @rule(
        data=st.data(),
        version=st.sampled_from("123"),
        url=st.sampled_from(["", "file:///other.jar"]),
    )
    def upgrade(self, data: st.DataObject, version: str, url: str) -> None:
        for name in self.one_of_those(data):
            self.world.edit(name, template=module(version, FAMILIES[name][0], url))

    @rule(data=st.data(), replicas=st.integers(0, 4), limit=st.integers(1, 2))
    def scale(self, data: st.DataObject, replicas: int, limit: int) -> None:
        for name in self.one_of_those(data):
            if self.world.deployment(name)["spec"]["replicas"] < 0:
                replicas = -1
            self.world.edit(name, replicas=replicas, maxUnavailable=limit)

    @rule(
        data=st.data(),
        fields=st.fixed_dictionaries(
            {},
            optional={
                "batchCount": st.integers(2, 3),
                "needConfirm": st.booleans(),
                "grayTime": st.sampled_from([0, 30]),
                "onFailure": st.sampled_from(["pause", "abort", "rollback"]),
                "failureThreshold": st.integers(0, 1),
                "serviceStrategy": st.sampled_from([SERVICE, ANOTHER_PORT, None]),
                "drainSeconds": st.sampled_from([0, 5]),
            },
        ),
    )
    def change_strategy(self, data: st.DataObject, fields: dict[str, Any]) -> None:
        for name in self.one_of_those(data):
            self.world.strategy(name, **fields)

    @rule(data=st.data(), pause=st.sampled_from([True, False, None]))
    def pause(self, data: st.DataObject, pause: bool | None) -> None:
        for name in self.one_of_those(data):
            self.world.edit(name, pause=pause)

    @rule(data=st.data(), value=st.sampled_from("ab"))
    def retry(self, data: st.DataObject, value: str) -> None:
        for name in self.one_of_those(data):
            self.world.annotate(resources.MODULE_DEPLOYMENTS, name, retry=value)

    @rule(data=st.data(), leaves=st.booleans())
    def delete(self, data: st.DataObject, leaves: bool) -> None:
        for name in self.one_of_those(data):
            self.world.delete(name, orphan=leaves)

    @rule(replicas=st.integers(0, 2))
    def bare_replica_set(self, replicas: int) -> None:
        if self.world.api.find(resources.MODULE_REPLICA_SETS, BARE) is None:
            self.world.replica_set(BARE, "pay", replicas)
        else:
            self.world.patch(resources.MODULE_REPLICA_SETS, BARE, {"spec": {"replicas": replicas}})

    @rule()
    def delete_bare(self) -> None:
        if self.world.api.find(resources.MODULE_REPLICA_SETS, BARE) is not None:
            self.world.api.delete(resources.MODULE_REPLICA_SETS, ObjectKey("default", BARE))

    @rule(data=st.data(), force=st.booleans())
    def delete_a_module(self, data: st.DataObject, force: bool) -> None:
        found = [body["metadata"]["name"] for body in self.world.modules()]
        if found:
            name = data.draw(st.sampled_from(found))
            if force:
                self.world.annotate(resources.MODULES, name, force_delete="true")
                self.kept.given_up.add(self.world.api.get(resources.MODULES, name)["spec"]["base"]["name"])
            self.world.api.delete(resources.MODULES, ObjectKey("default", name))

    def one_of_those(self, data: st.DataObject) -> list[str]:
        """One of the families that are there, if any is."""
        found = [name for name in FAMILIES if self.is_there(name)]
        return [data.draw(st.sampled_from(found))] if found else []

    def is_there(self, name: str) -> bool:
        found = self.world.api.find(resources.MODULE_DEPLOYMENTS, name)
        return found is not None and "deletionTimestamp" not in found["metadata"]

    # Bases.

    @rule(deployment=st.sampled_from(["base", "base", "other"]), same_address=st.booleans())
    def add_a_base(self, deployment: str, same_address: bool) -> None:
        if sum(self.world.is_of(pod, deployment) for pod in self.world.api.list(resources.PODS)) < MOST_BASES:
            address = self.world.freed.pop() if same_address and self.world.freed else ""
            self.world.add_bases(1, deployment=deployment, address=address, **self.labels)

    @rule(data=st.data(), deed=st.sampled_from(["lose", "restart", "unready", "ready", "down", "up", "mute", "heard"]))
    def change_a_base(self, data: st.DataObject, deed: str) -> None:
        found = [f"{pod['status']['podIP']}:1238" for pod in self.world.api.list(resources.PODS)]
        if not found:
            return
        address = data.draw(st.sampled_from(found))
        match deed:
            case "lose":
                self.world.delete_base(address)
            case "restart":
                self.world.restart_base(address)
            case "unready" | "ready":
                self.world.set_ready(address, ready=deed == "ready")
            case "down":
                self.world.arklet.down.add(address)
                self.resisted = True
            case "mute":
                self.world.arklet.mute.add(address)
            case _:
                self.world.arklet.down.discard(address)
                self.world.arklet.mute.discard(address)

    @rule(version=st.sampled_from("123"), failure=st.sampled_from([None, *FailureClass]))
    def break_a_version(self, version: str, failure: FailureClass | None) -> None:
        if failure is None:
            self.world.arklet.refused.pop(f"orders:{version}", None)
        else:
            self.world.arklet.refused[f"orders:{version}"] = Refused(failure, "FAILED", "it throws")

    @rule(version=st.sampled_from("123"), keeps=st.booleans())
    def keep_a_version(self, version: str, keeps: bool) -> None:
        """It can't be uninstalled."""
        kept = self.world.arklet.kept
        kept.add(f"orders:{version}") if keeps else kept.discard(f"orders:{version}")
        self.resisted = self.resisted or keeps

    @rule(rolling=st.booleans())
    def roll_the_base(self, rolling: bool) -> None:
        change = {"status": {"updatedReplicas": 0 if rolling else 1 << 20}}
        self.world.patch(resources.DEPLOYMENTS, "base", change)

    # The controller and its surroundings.

    @rule(ahead=st.integers(1, 12), fault=st.sampled_from([Killed, Unreachable, ServerError, Conflict]))
    def a_request_fails(self, ahead: int, fault: type[BaseException]) -> None:
        error = fault("injected")
        self.faults = [(self.points + ahead, error)]

    @rule(
        held=st.sets(
            st.sampled_from(
                [resources.PODS, resources.MODULES, resources.MODULE_DEPLOYMENTS, resources.MODULE_REPLICA_SETS]
            ),
            max_size=2,
        )
    )
    def watches_lag(self, held: set[Any]) -> None:
        self.world.process.held = held

    @precondition(lambda self: bool(self.world.process.held))
    @rule()
    def watches_catch_up(self) -> None:
        self.world.process.held = set()

    @rule()
    def endpoints_and_garbage(self) -> None:
        self.world.publish_endpoints()
        self.world.api.collect()

    @rule(turns=st.integers(1, 15), picks=st.randoms(use_true_random=False))
    def work(self, turns: int, picks: Any) -> None:
        """Whatever is due gets its turn, in any order."""
        for _ in range(turns):
            self.turn(picks)

    @rule(seconds=st.sampled_from([1.0, 6.0, 40.0, 700.0]))
    def let_time_pass(self, seconds: float) -> None:
        self.world.clock.advance(seconds)

    @rule()
    def settle(self) -> None:
        for _ in range(400):
            self.world.publish_endpoints()
            self.world.api.collect()
            if not self.turn(None):
                return

    def turn(self, picks: Any) -> bool:
        process = self.world.process
        process.deliver()
        if picks is not None:
            process.queue.shuffle(picks)
        key = process.queue.peek()
        self.kept.before()
        try:
            worked = bool(self.run(process.turn()))
        except BaseException as error:
            if not isinstance(error, Killed) and not _is_all_killed(error):
                raise
            self.world.start()
            return True
        if key is not None and not process.held:
            self.kept.after(key)
        return worked

    def teardown(self) -> None:
        """Faults stop and people let it: everybody gets what he asked for; then all is deleted and nothing is left."""
        try:
            if self.world.api.list(resources.DEPLOYMENTS):
                self.calm()
                self.rest()
                self.check_goals()
                self.delete_all()
                check_clean(self.world, self.kept.given_up if self.resisted else set())
        finally:
            self.runner.close()

    def calm(self) -> None:
        world, arklet = self.world, self.world.arklet
        self.faults, world.process.held = [], set()
        for broken in (arklet.refused, arklet.kept, arklet.down, arklet.mute):
            broken.clear()
        for pod in world.api.list(resources.PODS):
            world.patch(resources.PODS, pod["metadata"]["name"], {"metadata": {"labels": {names.CAP_LABEL: None}}})
            world.set_ready(f"{pod['status']['podIP']}:1238", ready=True)
        self.roll_the_base(rolling=False)
        for deployment in ("base", "other"):
            world.add_bases(6, deployment=deployment)

    def rest(self) -> None:
        for attempt in range(10):
            for body in self.world.api.list(resources.MODULE_DEPLOYMENTS):
                if "deletionTimestamp" not in body["metadata"]:
                    self.world.edit(body["metadata"]["name"], pause=None)
                    self.world.annotate(resources.MODULE_DEPLOYMENTS, body["metadata"]["name"], retry=f"end {attempt}")
            self.settle()
            self.run(self.world.run_for(SETTLED_S))
            self.settle()

    def check_goals(self) -> None:
        bodies = self.world.api.list(resources.MODULE_DEPLOYMENTS)
        for body in bodies:
            if "deletionTimestamp" not in body["metadata"]:
                mine = body["metadata"]["name"]
                others = {b["metadata"]["name"] for b in bodies} - {mine}
                rivals = {name for name in others if FAMILIES[name][0] == FAMILIES[mine][0]}
                check_reached(self.world, body, rivals | self.left_behind(FAMILIES[mine][0]))

    def left_behind(self, module_name: str) -> set[str]:
        """Revisions of the module that nobody owns; they act on their own."""
        return {
            body["metadata"]["name"]
            for body in self.world.api.list(resources.MODULE_REPLICA_SETS)
            if not body["metadata"].get("ownerReferences")
            and body["spec"]["template"]["spec"]["module"]["name"] == module_name
        }

    def delete_all(self) -> None:
        for name, (module_name, base) in FAMILIES.items():  # who was orphaned gets an owner again
            if self.world.api.find(resources.MODULE_DEPLOYMENTS, name) is None:
                self.world.deploy(
                    "1", name=name, module_name=module_name, baseDeploymentName=base, replicas=1, maxUnavailable=1
                )
        self.rest()
        for name in FAMILIES:
            if self.is_there(name):
                self.world.delete(name)
        self.delete_bare()
        self.rest()


@pytest.mark.timeout(1800)
def test_every_family_gets_what_it_asks_for_and_leaves_nothing_behind() -> None:
    live(ClusterMachine, examples=EXAMPLES, steps=STEPS)
