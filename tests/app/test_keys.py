"""Which keys are looked at when a process begins to work, and in what order."""

from __future__ import annotations

import pytest

from moduledeploy.api import names
from moduledeploy.api.cluster import Pod
from moduledeploy.api.kinds import BaseReference, Module, ModuleDeployment, ModuleReplicaSet, ModuleSource, ModuleSpec
from moduledeploy.api.meta import Metadata, OwnerReference
from moduledeploy.app.keys import Keys
from moduledeploy.controllers.cluster import Cluster, Stores
from moduledeploy.controllers.facts import BaseKey, FamilyKey
from moduledeploy.controllers.indexes import INDEXES
from moduledeploy.kube.informer import Change
from moduledeploy.kube.queue import Queue
from moduledeploy.kube.store import Object, Store, key_of
from moduledeploy.runtime.metrics import Metrics
from tests.clock import ManualClock

ORDERS = FamilyKey(names.MODULE_DEPLOYMENT, "shop", "orders")
BARE = FamilyKey(names.MODULE_REPLICA_SET, "shop", "bare")
BASE = BaseKey("shop", "base-1", "uid-1")


def meta(name: str, **fields: object) -> Metadata:
    return Metadata(name=name, namespace="shop", uid=f"uid-{name}", resourceVersion="1", **fields)  # type: ignore[arg-type]


def module_of(base: BaseKey) -> Module:
    owner = OwnerReference(kind=names.MODULE_REPLICA_SET, name="orders-1", uid="uid-orders-1", controller=True)
    labels = {names.DEPLOYMENT_LABEL: "orders"}
    spec = ModuleSpec(ModuleSource("orders", "1.0.0"), BaseReference(base.name, base.uid))
    return Module(meta(f"orders-1-{base.uid}", labels=labels, ownerReferences=(owner,)), spec)


class World:
    """Stores that are filled by hand, queues that are read by hand."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.metrics = Metrics()
        self.families: Queue[FamilyKey] = Queue(name="rollout", metrics=self.metrics.queue, clock=self.clock)
        self.bases: Queue[BaseKey] = Queue(name="base", metrics=self.metrics.queue, clock=self.clock)
        self.keys = Keys(self.families, self.bases)
        kinds = [field.name for field in Stores.__attrs_attrs__]
        self.cluster = Cluster(Stores(**{kind: Store(INDEXES.get(kind)) for kind in kinds}), self.keys)

    def put(self, kind: str, obj: Object) -> None:
        getattr(self.cluster.stores, kind).put(key_of(obj), obj)

    async def taken(self) -> tuple[list[FamilyKey], list[BaseKey]]:
        return [await self.families.get() for _ in range(len(self.families))], [
            await self.bases.get() for _ in range(len(self.bases))
        ]


@pytest.fixture
def world() -> World:
    return World()


async def test_before_a_process_works_it_keeps_no_keys(world: World) -> None:
    module = module_of(BASE)
    world.put("modules", module)

    world.cluster.on_module(Change(key_of(module), None, module))

    assert await world.taken() == ([], [])


async def test_a_process_that_begins_to_work_looks_at_everything_there_is(world: World) -> None:
    labelled = Pod(meta("base-9", labels={"module.koupleless.alipay.com/gone": "true"}))
    world.put("deployments", ModuleDeployment(meta("orders")))
    world.put("replica_sets", ModuleReplicaSet(meta("bare")))
    world.put("modules", module_of(BASE))
    world.put("pods", labelled)
    world.put("pods", Pod(meta("other")))

    await world.keys.begin(world.cluster)

    assert await world.taken() == ([ORDERS, BARE], [BASE, BaseKey("shop", "base-9", "uid-base-9")])


async def test_what_changes_while_everything_is_looked_at_goes_first(world: World) -> None:
    for number in range(3):
        world.put("modules", module_of(BaseKey("shop", f"base-{number}", f"uid-{number}")))
    fresh = module_of(BaseKey("shop", "base-9", "uid-9"))

    await world.keys.begin(world.cluster)
    world.put("modules", fresh)
    world.cluster.on_module(Change(key_of(fresh), None, fresh))

    assert (await world.taken())[1][0] == BaseKey("shop", "base-9", "uid-9")


async def test_the_clock_of_a_key_runs_from_when_the_process_works(world: World) -> None:
    world.put("deployments", ModuleDeployment(meta("orders")))
    world.cluster.on_deployment(
        Change(key_of(ModuleDeployment(meta("orders"))), None, ModuleDeployment(meta("orders")))
    )
    world.clock.advance(600)  # as a standby

    await world.keys.begin(world.cluster)
    await world.families.get()

    labels = {"name": "rollout", "controller": "rollout"}
    assert world.metrics.registry.get_sample_value("workqueue_queue_duration_seconds_sum", labels) == 0
