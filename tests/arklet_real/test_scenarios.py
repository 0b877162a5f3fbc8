"""The controller on real bases: what a rollout promises holds on the real thing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import pytest

from tests.arklet_real.stage import is_ready, most_silent_at_once, watching

if TYPE_CHECKING:
    from tests.arklet_real.stage import Stage

pytestmark = [pytest.mark.realarklet, pytest.mark.timeout(1200, func_only=True)]

UNINSTALL_FIRST: Final[dict[str, Any]] = {"upgradePolicy": "uninstall_then_install"}
INSTALL_FIRST: Final[dict[str, Any]] = {"upgradePolicy": "install_then_uninstall"}


def test_a_first_version_is_deployed_in_batches_with_a_beta(stage: Stage) -> None:
    stage.deploy("site", "web", "1.0.0", batchCount=2, useBeta=True, grayTime=3600)
    stage.wait_progress("site", "GrayWaiting")
    after_the_beta = stage.answers()
    stage.change("site", grayTime=0)
    stage.wait_progress("site", "Completed")

    assert sorted(map(str, after_the_beta)) == ["1.0.0", "None", "None"]
    assert stage.release("site")["batches"] == [1, 2]
    assert stage.answers() == ["1.0.0"] * 3


def test_a_web_module_is_replaced_one_base_at_a_time_and_traffic_is_led_away_first(stage: Stage) -> None:
    service = {"enableModuleService": True, "port": 80, "targetPort": stage.bases[0].web_port}
    stage.deploy("site", "web", "1.0.0", **UNINSTALL_FIRST, serviceStrategy=service, drainSeconds=1)
    stage.wait_progress("site", "Completed")
    hosts = {base.host for base in stage.bases}
    stage.wait(lambda: stage.listed("web-service") == hosts, "the Service to list all bases")

    with watching(lambda: stage.look("web-service")) as rounds:
        stage.change("site", "2.0.0")
        stage.wait_progress("site", "Completed")
        stage.wait(lambda: stage.listed("web-service") == hosts, "the Service to list all bases again")

    assert stage.answers() == ["2.0.0"] * 3
    assert most_silent_at_once(rounds) <= 1
    assert [seen for seen in rounds if seen.silent & seen.listed] == []
    assert min(len(seen.listed_before) for seen in rounds) >= 2


def test_versions_of_a_plain_module_run_side_by_side_until_the_switch(stage: Stage) -> None:
    stage.deploy("job", "plain", "1.0.0", **INSTALL_FIRST)
    stage.wait_progress("job", "Completed")

    with watching(stage.installed) as lists:
        stage.change("job", "2.0.0", min_ready_s=500)
        both = {"plain:1.0.0": "deactivated", "plain:2.0.0": "activated"}
        stage.wait(lambda: stage.installed() == [both] * 3, "both versions, switched to the new one")
        stage.change("job", min_ready_s=0)
        stage.wait(lambda: stage.installed() == [{"plain:2.0.0": "activated"}] * 3, "only the new version")
    stage.wait_progress("job", "Completed")

    assert all(modules for installed in lists for modules in installed)


def test_a_shared_context_path_is_told_with_the_way_out_and_nothing_is_lost(stage: Stage) -> None:
    stage.deploy("site", "web", "1.0.0", **INSTALL_FIRST)
    stage.wait_progress("site", "Completed")

    with watching(stage.answers) as rounds:
        stage.change("site", "2.0.0")
        stage.wait(
            lambda: "uninstall_then_install" in str(stage.get("site")["status"]), "the status to name the way out"
        )
    # While an install is tried, the version that can't stay is listed as starting.
    stage.wait(lambda: stage.installed() == [{"web:1.0.0": "activated"}] * 3, "nothing but version 1 to be left")
    stage.change("site", **UNINSTALL_FIRST)
    stage.wait(lambda: stage.answers() == ["2.0.0"] * 3, "the way out to lead there")

    assert {answer for answers in rounds for answer in answers} == {"1.0.0"}
    stage.wait_progress("site", "Completed")


def test_a_version_that_cannot_start_is_stopped_in_its_first_batch_and_rolled_back(stage: Stage) -> None:
    stage.deploy("site", "web", "1.0.0", **UNINSTALL_FIRST, batchCount=2, useBeta=True, onFailure="rollback")
    stage.wait_progress("site", "Completed")

    with watching(lambda: stage.look("web-service")) as rounds:
        stage.change("site", "3.0.0")
        reason = stage.wait(lambda: stage.condition_if("site", "Progressing", "False"), "the rollout to fail")
        stage.wait(lambda: stage.answers() == ["1.0.0"] * 3, "the version before to be back")

    assert reason["reason"] == "InstallFailed"
    assert "this version cannot start" in str(reason["message"])
    assert most_silent_at_once(rounds) <= 1
    assert {answer for seen in rounds for answer in seen.answers.values()} <= {"1.0.0", None}


def test_a_killed_base_gets_its_modules_back(stage: Stage) -> None:
    stage.deploy("site", "web", "1.0.0", **UNINSTALL_FIRST)
    stage.deploy("job", "plain", "1.0.0")
    stage.wait_progress("site", "Completed")
    stage.wait_progress("job", "Completed")
    base = stage.bases[1]
    restarts = _restarts(stage, base.host)

    base.kill()
    stage.wait(lambda: not is_ready(stage.pods()[base.host]), "the pod to be NotReady")
    base.start()
    base.wait_up()
    both = {"web:1.0.0": "activated", "plain:1.0.0": "activated"}
    stage.wait(lambda: base.modules() == both, "its modules to come back")

    assert base.web_answer() == "1.0.0"
    stage.wait(lambda: _restarts(stage, base.host) == restarts + 1, "the pod to tell of the restart")
    stage.wait(lambda: stage.get("site")["status"].get("availableReplicas") == 3, "all replicas to be available")


def test_what_was_uninstalled_by_hand_comes_back_and_what_is_foreign_stays(stage: Stage) -> None:
    stage.deploy("site", "web", "1.0.0", **UNINSTALL_FIRST)
    stage.wait_progress("site", "Completed")
    base = stage.bases[0]

    url = stage.jars.url("plain", "1.0.0")
    base.call("installBiz", bizName="plain", bizVersion="1.0.0", bizUrl=url)
    base.call("uninstallBiz", bizName="web", bizVersion="1.0.0")
    stage.wait(lambda: base.web_answer() == "1.0.0", "the module to come back")
    stage.clear_deployments()

    assert base.modules() == {"plain:1.0.0": "activated"}


def test_deletion_leaves_the_bases_empty(stage: Stage) -> None:
    stage.deploy("site", "web", "1.0.0", **UNINSTALL_FIRST)
    stage.deploy("job", "plain", "1.0.0")
    stage.wait_progress("site", "Completed")
    stage.wait_progress("job", "Completed")

    stage.clear_deployments()

    assert stage.installed() == [{}, {}, {}]


def _restarts(stage: Stage, host: str) -> int:
    count: int = stage.pods()[host]["status"]["containerStatuses"][0]["restartCount"]
    return count
