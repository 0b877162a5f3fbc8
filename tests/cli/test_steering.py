"""Every command that shows or moves a rollout, against the embedded cluster with the real controller."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from secrets import token_hex
from typing import Any

import msgspec
import pytest
import yaml

from moduledeploy.cli.access.exits import Exit
from tests.cli.conftest import BASES, MANIFESTS, Call, Cluster, Complete, Said

pytestmark = pytest.mark.slow


@pytest.fixture
def rollout(cluster: Cluster, call: Call) -> Iterator[Rollout]:
    """A ModuleDeployment of its own for each test, and the commands on it."""
    made = Rollout(cluster, call, f"m{token_hex(4)}")
    yield made
    cluster.kubectl("delete", "mddeploy", made.name, "--ignore-not-found", "--timeout=30s")


class Rollout:
    """One ModuleDeployment as a person handles it."""

    def __init__(self, cluster: Cluster, call: Call, name: str) -> None:
        self.cluster, self.call, self.name = cluster, call, name

    def __call__(self, command: str, *words: str, name: str | None = None) -> Said:
        given = [] if name == "" else [name or self.name]
        return self.call(command, *given, *words, "--kubeconfig", str(self.cluster.kubeconfig))

    def apply(self, version: str = "1.0.0", *, replicas: int = BASES, **strategy: Any) -> None:
        module = {"name": self.name, "version": version, "url": f"file:///modules/{self.name}-{version}-ark-biz.jar"}
        spec = {
            "baseDeploymentName": "base",
            "replicas": replicas,
            "template": {"spec": {"module": module}},
            "operationStrategy": strategy,
        }
        metadata = {"name": self.name, "namespace": "default"}
        self.cluster.apply(
            {
                "apiVersion": "koupleless.alipay.com/v1alpha1",
                "kind": "ModuleDeployment",
                "metadata": metadata,
                "spec": spec,
            }
        )

    def reaches(self, status: Exit, *words: str) -> Said:
        """Watch it until it ends in this way."""
        said = self("status", "--timeout", "40s", *words)
        assert said.status == status, said
        return said

    def is_at_its_first_gate(self) -> None:
        self.apply()
        self.reaches(Exit.REACHED)
        self.apply("2.0.0", batchCount=2, useBeta=True, needConfirm=True)
        self.reaches(Exit.GATE)


def test_every_change_of_what_is_followed_is_a_line_of_json(rollout: Rollout) -> None:
    rollout.apply(batchCount=2)

    said = rollout.reaches(Exit.REACHED, "-o", "json")

    documents = [*map(msgspec.json.decode, said.out.splitlines())]
    assert len(documents) > 1
    assert {item["kind"] for item in documents} == {"RolloutSummary"}
    assert documents[-1]["phase"] == "Completed"


def test_a_rollout_is_followed_to_its_end(rollout: Rollout) -> None:
    rollout.apply(batchCount=2)

    said = rollout.reaches(Exit.REACHED)

    assert said.out.splitlines()[-1].startswith("Completed, batch 2/2 - ")


def test_a_gate_is_an_exit_status_of_its_own_and_may_be_the_goal(rollout: Rollout) -> None:
    rollout.is_at_its_first_gate()

    assert rollout("status").status == Exit.GATE
    assert rollout("status", "--until", "paused").status == Exit.REACHED
    assert rollout("status", "--until", "batch=1").status == Exit.REACHED
    assert rollout("status", "--until", "batch=2").status == Exit.GATE


def test_confirming_opens_the_next_batch_and_doing_it_again_says_so(rollout: Rollout) -> None:
    rollout.is_at_its_first_gate()

    first, second = rollout("confirm", "--batch", "1"), rollout("confirm", "--batch", "1")

    assert (first.status, second.status) == (0, 0)
    assert "already confirmed" in second.out
    rollout.reaches(Exit.REACHED)


def test_a_batch_not_yet_reached_is_refused_with_the_reason(rollout: Rollout) -> None:
    rollout.is_at_its_first_gate()

    said = rollout("confirm", "--batch", "2", "-o", "json")

    assert (said.status, said.out) == (Exit.FAILED, "")
    assert "the rollout is in batch 1 of 2" in said.err


def test_a_confirmation_for_another_revision_releases_nothing(rollout: Rollout) -> None:
    rollout.is_at_its_first_gate()

    said = rollout("confirm", "--batch", "1", "--revision", "1")

    assert said.status == Exit.SUPERSEDED
    assert rollout("status").status == Exit.GATE


def test_history_says_who_confirmed_which_batch(rollout: Rollout) -> None:
    rollout.is_at_its_first_gate()
    rollout("confirm", "--batch", "1")
    rollout.reaches(Exit.REACHED)
    its_events = f"involvedObject.name={rollout.name}"
    assert rollout.cluster.kubectl("delete", "events", "--field-selector", its_events, "--wait=false")

    items = rollout("history", "-o", "json").document["items"]

    assert [(item["revision"], item["version"], item["outcome"]) for item in items] == [
        (1, "1.0.0", "Completed"),
        (2, "2.0.0", "Completed"),
    ]
    assert [confirmed["batch"] for confirmed in items[1]["confirmed"]] == [1]
    assert items[1]["confirmed"][0]["by"]
    assert all(0 < item["durationSeconds"] < 60 for item in items), items


def test_history_keeps_what_failed_and_what_was_overtaken(rollout: Rollout) -> None:
    rollout.apply("1.0.0-bad")
    rollout.reaches(Exit.FAILED)
    rollout.apply("2.0.0", batchCount=2, needConfirm=True)
    rollout.reaches(Exit.GATE)
    rollout("set", "version=3.0.0")
    rollout.reaches(Exit.GATE)

    items = rollout("history", "-o", "json").document["items"]

    assert [item["outcome"] for item in items] == ["Failed", "Superseded", "WaitingForConfirmation"]
    assert ["endedAt" in item for item in items] == [True, True, False]


def test_whoever_confirms_by_another_tool_is_told_from_the_managed_fields(rollout: Rollout) -> None:
    rollout.is_at_its_first_gate()
    patch = '{"spec":{"pause":false}}'
    rollout.cluster.kubectl(
        "patch", "mddeploy", rollout.name, "--type", "merge", "-p", patch, "--field-manager", "alice"
    )
    rollout.reaches(Exit.REACHED)

    confirmed = rollout("history", "-o", "json").document["items"][1]["confirmed"]

    assert [(item["batch"], item["by"]) for item in confirmed] == [(1, "alice")]


def test_what_a_command_changed_is_a_document_too(rollout: Rollout) -> None:
    rollout.apply(replicas=2)
    rollout.reaches(Exit.REACHED)
    for words, changed, message in (
        (("pause",), True, "paused"),
        (("pause",), False, "is already paused"),
        (("resume",), True, "resumed"),
        (("scale", "--replicas", "3"), True, "scaled from 2 to 3"),
        (("set", "version=2.0.0", "--dry-run"), True, "would get"),
        (("restart",), True, "is deployed again"),
        (("retry",), False, "there is nothing to retry"),
        (("undo", "--to-revision", "1", "--dry-run"), True, "would be rolled back"),
    ):
        said = rollout(*words, "-o", "json")

        assert (said.status, said.err) == (0, ""), words
        assert message in said.document["message"]
        assert said.document | {"message": ""} == {
            "apiVersion": "cli.koupleless.alipay.com/v1",
            "kind": "Change",
            "action": words[0],
            "namespace": "default",
            "name": rollout.name,
            "changed": changed,
            "dryRun": "--dry-run" in words,
            "message": "",
        }


def test_a_persons_pause_and_the_gate_are_two_things(rollout: Rollout) -> None:
    rollout.is_at_its_first_gate()

    assert rollout("resume").status == Exit.GATE
    assert rollout("pause").status == 0
    assert "already paused" in rollout("pause").out
    assert "paused by a person" in rollout("confirm", "--batch", "1").err
    assert rollout("resume").status == 0
    rollout.reaches(Exit.GATE)
    assert rollout("confirm", "--batch", "1").status == 0
    rollout.reaches(Exit.REACHED)
    assert "is not paused" in rollout("resume").out


def test_a_failed_rollout_is_retried_and_undone(rollout: Rollout) -> None:
    rollout.apply()
    rollout.reaches(Exit.REACHED)
    assert rollout("set", "version=2.0.0-bad").status == 0
    rollout.reaches(Exit.FAILED)

    assert "is tried again" in rollout("retry").out
    rollout.reaches(Exit.FAILED)
    assert "would be rolled back to revision 1" in rollout("undo", "--dry-run").out
    assert rollout("undo").status == 0
    rollout.reaches(Exit.REACHED)
    assert "skipped" in rollout("undo", "--to-revision", "1").out or rollout("undo", "--to-revision", "3").status == 0
    assert "nothing to retry" in rollout("retry").out


def test_the_same_version_is_deployed_again(rollout: Rollout) -> None:
    rollout.apply()
    rollout.reaches(Exit.REACHED)

    assert rollout("restart").status == 0

    rollout.reaches(Exit.REACHED)
    items = rollout("history", "-o", "json").document["items"]
    assert [item["version"] for item in items] == ["1.0.0", "1.0.0"]


def test_scaling_goes_through_the_scale_subresource(rollout: Rollout) -> None:
    rollout.apply(replicas=2)
    rollout.reaches(Exit.REACHED)

    assert "from 2 to 3" in rollout("scale", "--replicas", "3").out
    assert "has 3 replicas already" in rollout("scale", "--replicas", "3").out
    rollout.reaches(Exit.REACHED)
    read = yaml.safe_load(rollout.cluster.kubectl("get", "mddeploy", rollout.name, "-o", "yaml"))
    assert (read["spec"]["replicas"], read["spec"]["scaledReplicas"]) == (2, 3)


def test_peers_are_scaled_with_their_base(rollout: Rollout) -> None:
    rollout.apply(replicas=-1)

    said = rollout("scale", "--replicas", "3")

    assert said.status == 1
    assert "kubectl scale deployment/base" in said.err


def test_a_revision_that_is_gone_from_the_spec_is_superseded(rollout: Rollout) -> None:
    rollout.is_at_its_first_gate()

    assert rollout("status", "--revision", "1").status == Exit.SUPERSEDED


def test_what_isnt_reached_in_time_says_so(rollout: Rollout) -> None:
    rollout.apply(replicas=BASES + 1)

    said = rollout("status", "--timeout", "1s")

    assert said.status == Exit.TIMEOUT
    assert "not healthy within 1 s" in said.err


def test_the_tree_shows_batches_bases_and_the_command_that_goes_on(rollout: Rollout) -> None:
    rollout.is_at_its_first_gate()

    lines = rollout("get").out.splitlines()

    assert f"Go on with: moduledeploy confirm {rollout.name} --batch 1" in lines
    assert [line for line in lines if "batch 1" in line and "Waiting" in line]
    modules = [line for line in lines if "□" in line]
    # The gate waits for the new version alone: the one that it replaced may just be leaving its base.
    assert len([line for line in modules if "Terminating" not in line]) == BASES


def test_who_reads_no_further_ends_it_without_a_word(rollout: Rollout) -> None:
    rollout.apply()
    rollout.reaches(Exit.REACHED)
    config = f"--kubeconfig {rollout.cluster.kubeconfig}"

    for words in ("get {}", "get {} -w", "get {} -o json", "list -w"):
        called = f"{sys.executable} -m moduledeploy {words.format(rollout.name)} {config}"
        done = subprocess.run(
            ["bash", "-c", f"({called}; echo $? >&2) | true"],
            cwd=MANIFESTS.parent,
            capture_output=True,
            text=True,
            timeout=50,
            check=False,
        )
        assert (words, done.stderr) == (words, "141\n")


def test_the_list_has_a_row_for_it(rollout: Rollout) -> None:
    rollout.apply()
    rollout.reaches(Exit.REACHED)

    rows = rollout("list", "-o", "json", name="").document["items"]

    mine = next(row for row in rows if row["name"] == rollout.name)
    assert (mine["phase"], mine["standing"], mine["available"]) == ("Completed", "healthy", BASES)


def test_capacity_counts_slots_and_judges_rollouts(rollout: Rollout) -> None:
    rollout.apply(replicas=BASES + 1)

    item = rollout("capacity", "-o", "json", name="").document["items"][0]

    assert item["slots"] == 5 * BASES
    mine = next(found for found in item["rollouts"] if found["name"] == rollout.name)
    assert mine["canFinish"] is False
    assert "already have the module" in mine["reason"]


def test_the_plan_of_a_running_cluster_is_what_then_happens(rollout: Rollout) -> None:
    rollout.apply()
    rollout.reaches(Exit.REACHED)
    planned = rollout("plan", "--set", "version=2.0.0", "-o", "json").document

    rollout("set", "version=2.0.0")
    rollout.reaches(Exit.REACHED)

    read = yaml.safe_load(rollout.cluster.kubectl("get", "md", "-o", "yaml"))["items"]
    mine = [item["spec"] for item in read if item["spec"]["module"]["name"] == rollout.name]
    assert sorted((spec["base"]["name"], spec["module"]["version"]) for spec in mine) == [
        tuple(pair) for pair in planned["placed"]
    ]


def test_live_names_are_completed(rollout: Rollout, complete: Complete) -> None:
    rollout.apply()
    config = ("--kubeconfig", str(rollout.cluster.kubeconfig))

    assert complete("get", *config, rollout.name[:3]) == [rollout.name]
    assert complete(*config, "get", rollout.name[:3]) == [rollout.name]
    assert complete("get", *config, f"mddeploy/{rollout.name[:3]}") == [f"mddeploy/{rollout.name}"]
    assert "default" in complete("get", *config, "-n", "")


def test_revisions_and_the_batch_of_the_named_rollout_are_completed(rollout: Rollout, complete: Complete) -> None:
    rollout.is_at_its_first_gate()
    config = ("--kubeconfig", str(rollout.cluster.kubeconfig))

    assert complete("undo", *config, rollout.name, "--to-revision", "") == ["1", "2"]
    assert complete("confirm", *config, f"mddeploy/{rollout.name}", "--batch", "") == ["1"]


def test_a_name_that_is_not_there_is_not_found(rollout: Rollout) -> None:
    for command in ("get", "status", "history", "pause", "plan"):
        said = rollout(command)
        assert (said.status, said.err.count("\n")) == (Exit.NOT_FOUND, 1), command


def test_kubectl_finds_it_as_its_plugin_and_completes_it(rollout: Rollout, tmp_path: Path) -> None:
    rollout.apply()
    for name, call in (
        ("kubectl-moduledeploy", "from moduledeploy.cli import main; sys.exit(main())"),
        (
            "kubectl_complete-moduledeploy",
            "from moduledeploy.cli import complete_for_kubectl; sys.exit(complete_for_kubectl())",
        ),
    ):
        script = tmp_path / name
        script.write_text(f"#!{sys.executable}\nimport sys; sys.path.insert(0, {str(MANIFESTS.parent)!r}); {call}\n")
        script.chmod(0o755)
    environ = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}", "KUBECONFIG": str(rollout.cluster.kubeconfig)}

    def kubectl(*words: str) -> str:
        program = str(Path(sys.executable).parent / "kubectl")
        return subprocess.run(
            [program, *words], env=environ, capture_output=True, text=True, timeout=60, check=True
        ).stdout

    assert rollout.name in kubectl("moduledeploy", "list")
    assert kubectl("moduledeploy", "get", "--help").startswith("Usage: kubectl moduledeploy get")
    assert rollout.name in kubectl("__complete", "moduledeploy", "get", "").splitlines()
