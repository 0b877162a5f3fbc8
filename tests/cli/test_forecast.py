"""`plan`, `simulate`, `capacity` and `why` on snapshots: what they promise is what the planner would do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.cli.conftest import Call
from tests.cli.objects import bases, completed, deployment, family


@pytest.fixture
def snapshot(tmp_path: Path) -> Any:
    """Write objects to a file and give the flag that reads it."""

    def written(*objects: Any) -> tuple[str, str]:
        flat = [item for found in objects for item in (found if isinstance(found, list) else [found])]
        path = tmp_path / "snapshot.yaml"
        path.write_text(yaml.safe_dump({"apiVersion": "v1", "kind": "List", "items": flat}))
        return "--snapshot", str(path)

    return written


def running(*, replicas: int = 4, **strategy: Any) -> dict[str, Any]:
    return deployment(replicas=replicas, operationStrategy=strategy) | {"status": completed(replicas=replicas)}


def moves(step: dict[str, Any]) -> list[tuple[str, str]]:
    return [(move["base"], move["deed"]) for move in step["moves"]]


def test_a_first_deployment_is_planned_batch_by_batch_with_its_bases(call: Call, snapshot: Any) -> None:
    strategy = {"batchCount": 3, "useBeta": True}
    said = call("plan", "orders", *snapshot(deployment(operationStrategy=strategy), bases(6)), "-o", "json")

    assert said.status == 0
    assert [moves(step) for step in said.document["steps"]] == [
        [("b0", "install")],
        [("b1", "install")],
        [("b2", "install"), ("b3", "install")],
    ]


def test_a_new_version_is_planned_on_the_bases_that_have_the_old_one(call: Call, snapshot: Any) -> None:
    objects = snapshot(running(batchCount=2), bases(6), family(on=4))

    said = call("plan", "orders", "--set", "version=2.0.0", *objects, "-o", "json")

    assert [moves(step) for step in said.document["steps"]] == [
        [("b0", "replace"), ("b1", "replace")],
        [("b2", "replace"), ("b3", "replace")],
    ]
    assert said.document["lowestAvailable"] == 4


def test_uninstalling_first_never_goes_below_the_floor(call: Call, snapshot: Any) -> None:
    objects = snapshot(running(upgradePolicy="uninstall_then_install"), bases(4), family(on=4))

    said = call("plan", "orders", "--set", "version=2.0.0", *objects, "-o", "json")

    assert (said.document["lowestAvailable"], said.document["floor"], said.document["completes"]) == (3, 3, True)
    assert {deed for _, deed in moves(said.document["steps"][0])} == {"reinstall"}


def test_scaling_up_first_takes_free_bases_and_gives_the_old_ones_back(call: Call, snapshot: Any) -> None:
    objects = snapshot(running(replicas=2, upgradePolicy="scaleup_then_scaledown"), bases(4), family(on=2))

    said = call("plan", "orders", "--set", "version=2.0.0", *objects, "-o", "json")

    assert dict(said.document["placed"]) == {"b2": "2.0.0", "b3": "2.0.0"}


def test_gray_times_and_confirmations_are_counted(call: Call, snapshot: Any) -> None:
    strategy = {"batchCount": 4, "needConfirm": True, "grayTime": 60}
    objects = snapshot(running(**strategy), bases(4), family(on=4))

    said = call("plan", "orders", "--set", "version=2.0.0", *objects)

    assert said.status == 0
    assert "It completes, in 3m at the earliest, after 3 confirmations" in said.out


def test_available_only_after_min_ready_seconds_costs_that_time_in_every_batch(call: Call, snapshot: Any) -> None:
    md = deployment(minReadySeconds=30, operationStrategy={"batchCount": 2}) | {"status": completed()}

    said = call("plan", "orders", "--set", "version=2.0.0", *snapshot(md, bases(4), family(on=4)), "-o", "json")

    assert said.document["seconds"] == 60


@pytest.mark.parametrize("policy", ["install_then_uninstall", "uninstall_then_install", "scaleup_then_scaledown"])
def test_a_module_with_a_service_is_planned_to_its_end(call: Call, snapshot: Any, policy: str) -> None:
    service = {"enableModuleService": True, "port": 80, "targetPort": 8080}
    objects = snapshot(running(upgradePolicy=policy, serviceStrategy=service), bases(8), family(on=4))

    said = call("plan", "orders", "--set", "version=2.0.0", *objects, "-o", "json")

    assert (said.document["completes"], said.document["stuck"]) == (True, "")
    assert {version for _, version in said.document["placed"]} == {"2.0.0"}


@pytest.mark.parametrize(
    ("policy", "seconds"),
    [("install_then_uninstall", 0), ("uninstall_then_install", 10), ("scaleup_then_scaledown", 5)],
)
def test_draining_takes_its_time_where_a_base_stops_serving(
    call: Call, snapshot: Any, policy: str, seconds: float
) -> None:
    md = deployment(maxUnavailable=2, operationStrategy={"upgradePolicy": policy, "drainSeconds": 5})
    objects = snapshot(md | {"status": completed()}, bases(8), family(on=4))

    said = call("plan", "orders", "--set", "version=2.0.0", *objects, "-o", "json")

    assert said.document["seconds"] == seconds


def test_what_finds_no_base_is_said_with_the_reason(call: Call, snapshot: Any) -> None:
    said = call("plan", "orders", *snapshot(deployment(replicas=6), bases(4)))

    assert said.status == 1
    assert "0/4 bases are available: 4 already have the module." in said.out


def test_a_cap_is_a_reason_too(call: Call, snapshot: Any) -> None:
    said = call("plan", "orders", *snapshot(deployment(), bases(4, cap=0)))

    assert "4 at max-module-count" in said.out


def test_a_rolling_base_deployment_is_waited_for(call: Call, snapshot: Any) -> None:
    said = call("plan", "orders", *snapshot(deployment(), bases(4, rolling=True)), "-o", "json")

    assert said.document["steps"][0]["then"] == ["baseRollout"]


def test_a_manifest_is_planned_as_if_it_were_applied(call: Call, snapshot: Any, tmp_path: Path) -> None:
    manifest = tmp_path / "orders.yaml"
    manifest.write_text(yaml.safe_dump(deployment(version="2.0.0")))

    said = call("plan", "-f", str(manifest), *snapshot(running(), bases(4), family(on=4)), "-o", "json")

    assert [deed for _, deed in moves(said.document["steps"][0])] == ["replace"] * 4


def test_peers_are_planned_on_every_base(call: Call, snapshot: Any) -> None:
    said = call("plan", "orders", *snapshot(deployment(replicas=-1), bases(3)), "-o", "json")

    assert [name for name, _ in said.document["placed"]] == ["b0", "b1", "b2"]


def test_a_lost_base_costs_a_replica_until_it_is_placed_again(call: Call, snapshot: Any) -> None:
    objects = snapshot(running(), bases(5), family(on=4))

    said = call("simulate", "orders", "--lose-base", "b1", *objects, "-o", "json")

    assert (said.document["lowestAvailable"], said.document["available"]) == (3, 4)
    assert [name for name, _ in said.document["placed"]] == ["b0", "b2", "b3", "b4"]


def test_who_else_loses_replicas_with_a_base_is_named(call: Call, snapshot: Any) -> None:
    other = deployment("bills") | {"status": completed("bills", replicas=2)}
    objects = snapshot(running(), other, bases(6), family(on=4), family(on=2, name="bills"))

    assert call("simulate", "orders", "--lose-base", "b1", *objects, "-o", "json").document["others"] == ["bills"]
    assert "bills will look for bases at the same time" in call("simulate", "orders", "--lose-base", "b1", *objects).out
    assert call("simulate", "orders", "--lose-base", "b3", *objects, "-o", "json").document["others"] == []


def test_of_many_bases_why_lists_those_that_would_be_taken_first(call: Call, snapshot: Any) -> None:
    objects = snapshot(running(), bases(80), family(on=4))

    lines = call("why", "orders", *objects).out.splitlines()

    first = next(at for at, line in enumerate(lines) if line.startswith("BASE")) + 1
    assert lines[first].startswith("b10 ")
    assert lines[-1] == "… and 30 more, which -o json and -o yaml name"
    assert len(call("why", "orders", *objects, "-o", "json").document["bases"]) == 80


def test_scaling_down_is_simulated_with_the_bases_that_are_emptied(call: Call, snapshot: Any) -> None:
    said = call("simulate", "orders", "--scale", "2", *snapshot(running(), bases(4), family(on=4)), "-o", "json")

    assert [name for name, _ in said.document["placed"]] == ["b0", "b1"]


def test_another_cap_is_simulated(call: Call, snapshot: Any) -> None:
    objects = snapshot(running(), bases(6), family(on=4))

    assert call("simulate", "orders", "--scale", "6", "--cap", "0", *objects).status == 1
    assert call("simulate", "orders", "--scale", "6", "--cap", "1", *objects).status == 0


def test_a_base_that_is_not_there_cannot_be_lost(call: Call, snapshot: Any) -> None:
    said = call("simulate", "orders", "--lose-base", "b9", *snapshot(running(), bases(4), family(on=4)))

    assert (said.status, said.err) == (6, "moduledeploy: no pod b9 in namespace default\n")


def test_why_shows_each_base_with_each_filter(call: Call, snapshot: Any) -> None:
    said = call("why", "orders", *snapshot(running(), bases(5, cap=1), family(on=4)), "-o", "json")

    verdicts = {base["base"]: base for base in said.document["bases"]}
    assert [name for name, base in verdicts.items() if base["takes"]] == ["b4"]
    refused = [item for item in verdicts["b0"]["filters"] if not item["passes"]]
    assert [(item["name"], item["reason"]) for item in refused] == [("without-module", "it has orders:1.0.0")]


def test_why_tells_the_conflict_that_the_controller_found(call: Call, snapshot: Any) -> None:
    waiting = running()
    conflict = {"type": "Conflict", "status": "True", "reason": "OlderFamilyActs", "message": "Service s is another's"}
    waiting["status"]["conditions"] = [conflict]

    said = call("why", "orders", *snapshot(waiting, bases(4), family(on=4)))

    assert "  - Service s is another's" in said.out


def test_why_names_the_command_with_its_namespace(call: Call, snapshot: Any) -> None:
    paused = deployment(pause=True) | {"status": completed(batches=[2, 2], progress="Paused")}
    paused["metadata"]["namespace"] = "team"

    said = call("why", "orders", *snapshot(paused))

    assert "  - a person paused it: moduledeploy resume orders -n team" in said.out


def test_why_names_what_a_failed_module_suffers_from(call: Call, snapshot: Any) -> None:
    failed = family(on=1, status="Failed", reason="InstallFailed", message="no such jar", failureClass="permanent")

    said = call("why", "orders-r1-b0", *snapshot(running(), bases(1), failed))

    assert "InstallFailed: no such jar" in said.out
    assert "trying again alone won't mend it" in said.out


def test_why_tells_a_base_its_modules(call: Call, snapshot: Any) -> None:
    said = call("why", "b0", *snapshot(running(), bases(4, cap=1), family(on=4)))

    assert "takes no new module: it has 1, and 1 is its cap" in said.out
    assert "orders:1.0.0" in said.out


def test_why_tells_whose_cap_label_is_no_number(call: Call, snapshot: Any) -> None:
    deployment, *others = bases(1)
    deployment["metadata"]["labels"] = {"koupleless.alipay.com/max-module-count": "many"}

    base = call("why", "b0", *snapshot(running(), [deployment, *others], family(on=1)))
    rollout = call("why", "orders", *snapshot(running(), [deployment, *others], family(on=1)))

    said = "label koupleless.alipay.com/max-module-count of Deployment base is 'many', no number from 0"
    assert f"takes no new module: {said}" in base.out
    assert said in rollout.out


@pytest.mark.parametrize(
    "fields", [{"metadata": [1]}, {"metadata": {"name": 7}}, {"spec": 5}, {"metadata": {"labels": 3}}]
)
def test_a_manifest_that_is_none_is_not_understood(call: Call, tmp_path: Path, fields: dict[str, Any]) -> None:
    manifest = tmp_path / "orders.yaml"
    manifest.write_text(yaml.safe_dump(deployment() | fields))

    said = call("plan", "-f", str(manifest), "--snapshot", "/dev/null")

    assert (said.status, said.err.count("\n")) == (2, 1)


def test_why_something_unknown_is_not_found(call: Call, snapshot: Any) -> None:
    assert call("why", "nobody", *snapshot(bases(1))).status == 6
