from __future__ import annotations

import attrs
from prometheus_client import generate_latest

from moduledeploy.api.cluster import Deployment, DeploymentSpec
from moduledeploy.api.encode import encode_deployment_status
from moduledeploy.api.kinds import ModuleDeployment
from moduledeploy.api.meta import Metadata
from moduledeploy.api.spec import OnFailure
from moduledeploy.api.status import Counts, Deadline, DeploymentStatus, Failure, Progress, Release
from moduledeploy.controllers.cluster import Cluster, Stores
from moduledeploy.controllers.facts import BaseKey, FamilyKey, PoolKey
from moduledeploy.controllers.rows import NO_BASE, RowSource
from moduledeploy.kube.store import Store, key_of
from moduledeploy.placement.bases import Base, Obstacle
from moduledeploy.placement.decision import Refusal
from moduledeploy.runtime.metrics import PHASES, UNSCHEDULABLE_REASONS, Metrics
from moduledeploy.runtime.object_metrics import DeploymentRow, ObjectCollector

POOL = PoolKey("prod", "base")
FAMILY = FamilyKey("ModuleDeployment", "prod", "shop")


class NoKeys:
    def family(self, key: FamilyKey) -> None: ...
    def base(self, key: BaseKey) -> None: ...


def cluster() -> Cluster:
    stores = Stores(**{field.name: Store() for field in attrs.fields(Stores)})
    return Cluster(stores, NoKeys())


def deployment(status: DeploymentStatus | None = None, version: str = "7", **spec: object) -> ModuleDeployment:
    module = {"name": "shop", "version": "1.0.0", "url": "https://example.com/shop.jar"}
    body: dict[str, object] = {"baseDeploymentName": "base", "replicas": 4, "template": {"spec": {"module": module}}}
    return ModuleDeployment(
        Metadata(name="shop", namespace="prod", uid="u", resourceVersion=version, generation=3),
        body | spec,
        encode_deployment_status(status) if status else {},
    )


def release(**changes: object) -> Release:
    made = Release(
        revision="shop-1",
        batches=(1, 1, 2),
        current_batch=2,
        progress=Progress.EXECUTING,
        transition_at=1_700_000_100.0,
        started_at=1_700_000_000.0,
        deadline=Deadline(progressed_at=1_700_000_000.0),
    )
    return attrs.evolve(made, **changes)  # type: ignore[arg-type]


def row(world: Cluster, object_: ModuleDeployment) -> DeploymentRow:
    world.stores.deployments.put(key_of(object_), object_)
    (found,) = RowSource(world).read().deployments
    return found


def test_a_deployment_without_status_is_at_its_beginning() -> None:
    found = row(cluster(), deployment())

    assert (found.phase, found.spec_replicas, found.max_unavailable, found.batches) == ("Init", 4, 0, 0)
    assert (found.generation, found.observed_generation) == (3, 0)


def test_the_cursor_shows_what_is_done_and_what_is_open() -> None:
    status = DeploymentStatus(counts=Counts(desired=4, replicas=4, updated=2, available=4), release=release())

    found = row(cluster(), deployment(status))

    assert (found.batches, found.batches_completed, found.batch_current, found.batch_replicas) == (3, 1, 2, 1)
    assert (found.phase, found.phase_start_at) == ("Executing", 1_700_000_100.0)


def test_a_batch_that_waits_for_a_person_is_completed() -> None:
    waits = release(progress=Progress.WAITING_FOR_CONFIRMATION, batch_done=True)

    assert row(cluster(), deployment(DeploymentStatus(release=waits))).batches_completed == 2


def test_a_completed_rollout_has_completed_every_batch() -> None:
    done = release(progress=Progress.COMPLETED, current_batch=3, batch_done=True)

    assert row(cluster(), deployment(DeploymentStatus(release=done))).batches_completed == 3


def test_a_failed_rollout_says_so() -> None:
    failure = Failure(revision="shop-1", decision=OnFailure.PAUSE, reason="InstallFailed", message="", at=1.0)

    assert row(
        cluster(), deployment(DeploymentStatus(release=release(progress=Progress.FAILED, failure=failure)))
    ).phase == ("Failed")


def test_peer_mode_tells_the_number_of_bases_not_minus_1() -> None:
    world = cluster()
    base = Deployment(Metadata(name="base", namespace="prod"), DeploymentSpec(replicas=8))
    world.stores.base_deployments.put(key_of(base), base)  # type: ignore[arg-type]

    found = row(world, deployment(DeploymentStatus(max_unavailable=2), replicas=-1))

    assert (found.spec_replicas, found.max_unavailable) == (8, 2)


def test_a_spec_that_cannot_be_read_still_has_a_row() -> None:
    found = row(cluster(), deployment(replicas="many"))

    assert (found.module, found.generation, found.observed_generation) == ("", 3, 0)


def waiting(world: Cluster, desired: int = 4, replicas: int = 1) -> DeploymentRow:
    world.waiting[POOL].add(FAMILY)
    return row(
        world, deployment(DeploymentStatus(counts=Counts(desired=desired, replicas=replicas), release=release()))
    )


def test_replicas_without_a_base_are_told_by_what_keeps_most_bases_from_them() -> None:
    world = cluster()
    for number in range(3):
        world.pool(POOL).set_base(Base(uid=f"u{number}", name=f"b{number}", cap=0))
    world.pool(POOL).set_base(Base(uid="u9", name="b9", obstacle=Obstacle.NOT_READY))

    assert waiting(world).unschedulable == {"CapacityFull": 3}


def test_where_there_is_no_base_the_reason_says_so() -> None:
    assert waiting(cluster()).unschedulable == {NO_BASE: 3}


def test_a_base_deployment_that_is_not_there_keeps_all_replicas_waiting() -> None:
    status = DeploymentStatus(counts=Counts(desired=4), release=release())

    assert row(cluster(), deployment(status)).unschedulable == {NO_BASE: 4}


def test_bases_that_have_the_module_are_the_reason_only_when_nothing_else_is() -> None:
    world = cluster()
    world.pool(POOL).set_base(Base(uid="u0", name="b0"))
    world.pool(POOL).add_module("u0", "shop", "shop-1-x")

    assert waiting(world).unschedulable == {"AlreadyInstalled": 3}


def test_replicas_that_a_batch_has_not_reached_yet_are_not_unschedulable() -> None:
    world = cluster()
    for number in range(4):
        world.pool(POOL).set_base(Base(uid=f"u{number}", name=f"b{number}"))

    assert waiting(world).unschedulable == {}


def test_in_peer_mode_a_base_that_has_the_module_keeps_nobody_waiting() -> None:
    world = cluster()
    for number in range(4):
        world.pool(POOL).set_base(Base(uid=f"u{number}", name=f"b{number}"))
        world.pool(POOL).add_module(f"u{number}", "shop", f"shop-1-{number}")
    world.pool(POOL).set_base(Base(uid="u9", name="b9", obstacle=Obstacle.NOT_READY))
    world.waiting[POOL].add(FAMILY)
    status = DeploymentStatus(counts=Counts(desired=5, replicas=2), release=release())

    assert row(world, deployment(status, replicas=-1)).unschedulable == {"BaseNotReady": 1}


def test_every_word_that_a_row_may_say_has_a_series() -> None:
    assert {str(reason) for reason in (*Obstacle, *Refusal, NO_BASE)} - {"Excluded"} == set(UNSCHEDULABLE_REASONS)
    assert set(PHASES) == {word.value for word in Progress}


def test_slots_are_summed_over_the_bases_of_a_deployment() -> None:
    world = cluster()
    world.pool(POOL).set_base(Base(uid="u0", name="b0", cap=5))
    world.pool(POOL).set_base(Base(uid="u1", name="b1", cap=3))
    world.pool(POOL).add_module("u0", "shop", "shop-1-x")

    (base,) = RowSource(world).read().bases

    assert (base.namespace, base.base, base.used, base.free) == ("prod", "base", 1, 7)


def test_a_base_without_a_cap_has_no_number_of_free_slots() -> None:
    world = cluster()
    world.pool(POOL).set_base(Base(uid="u0", name="b0", cap=5))
    world.pool(POOL).set_base(Base(uid="u1", name="b1"))

    (base,) = RowSource(world).read().bases

    assert base.free is None


def test_a_row_is_made_anew_when_its_object_changed_and_forgotten_with_it() -> None:
    world = cluster()
    source = RowSource(world)
    first = deployment()
    world.stores.deployments.put(key_of(first), first)
    before = source.read().deployments[0]
    again = source.read().deployments[0]
    second = deployment(version="8", replicas=5)
    world.stores.deployments.put(key_of(second), second)
    after = source.read().deployments[0]
    world.stores.deployments.remove(key_of(second))

    assert again is before
    assert after.spec_replicas == 5
    assert source.read().deployments == []


def test_series_per_module_deployment_stay_below_fifty() -> None:
    world = cluster()
    metrics = Metrics()
    collector = ObjectCollector(RowSource(world).read)
    metrics.registry.register(collector)
    one = deployment()
    world.stores.deployments.put(key_of(one), one)
    collector.take()

    assert generate_latest(metrics.registry).count(b'moduledeployment="shop"') < 50
