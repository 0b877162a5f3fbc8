"""What the recording can't show: flags, races, failures, health and batches."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anyio
import pytest

from moduledeploy.devcluster.arklet import Behaviour, JvmStopped

if TYPE_CHECKING:
    from tests.clock import ManualClock
    from tests.devcluster.arklet.conftest import Base

CONFLICT = "command conflict, exist unfinished command for this biz"


def states(base: Base) -> dict[str, str]:
    base.arklet.check_invariants()
    return base.arklet.modules()


async def install_until_restart(base: Base, identity: str) -> None:
    with pytest.raises(JvmStopped):
        await base.install(identity)


async def test_with_multi_active_both_versions_are_active_and_a_switch_changes_nothing(base: Base) -> None:
    base.arklet.behaviour = Behaviour(multi_active=True)
    await base.install("a:1")
    await base.install("a:2")

    assert (await base.call("switchBiz", bizName="a", bizVersion="1"))["code"] == "SUCCESS"
    assert states(base) == {"a:1": "activated", "a:2": "activated"}


async def test_with_activate_new_the_new_version_takes_over(base: Base) -> None:
    base.arklet.behaviour = Behaviour(activate_new=True)
    await base.install("a:1")
    await base.install("a:2")

    assert states(base) == {"a:1": "deactivated", "a:2": "activated"}


async def test_uninstalling_the_active_version_promotes_nothing(base: Base) -> None:
    await base.install("a:1")
    await base.install("a:2")
    await base.uninstall("a:1")

    assert states(base) == {"a:2": "deactivated"}


async def test_old_runtimes_print_states_in_upper_case(base: Base) -> None:
    base.arklet.behaviour = Behaviour(upper_case_states=True)
    answer = await base.install("a:1")

    assert answer["data"]["bizInfos"][0]["bizState"] == "ACTIVATED"
    [listed] = (await base.call("queryAllBiz"))["data"]
    assert [(r["state"], r["reason"]) for r in listed["bizStateRecords"]] == [
        ("RESOLVED", "CREATED"),
        ("ACTIVATED", "STARTED"),
    ]


async def test_two_versions_of_a_web_module_cannot_run_side_by_side(base: Base) -> None:
    await base.install("webshop:1")
    answer = await base.install("webshop:2")

    assert answer["message"] == "Internal Error: java.lang.reflect.InvocationTargetException"
    assert "Child name [/webshop] is not unique" in answer["errorStackTrace"]
    assert states(base) == {"webshop:1": "activated"}
    await base.uninstall("webshop:1")
    assert (await base.install("webshop:2"))["code"] == "SUCCESS"


async def test_different_web_modules_can_share_a_context_path_by_name(base: Base) -> None:
    await base.install("webshop--a:1")
    answer = await base.install("webshop--b:1")

    assert "Child name [/webshop] is not unique" in answer["errorStackTrace"]


async def test_a_failed_install_stays_broken_where_the_base_keeps_it(base: Base) -> None:
    base.arklet.behaviour = Behaviour(auto_uninstall=False, fail_install=("a:2",))
    await base.install("a:2")

    assert states(base) == {"a:2": "broken"}
    assert (await base.install("a:2"))["data"]["code"] == "REPEAT_BIZ"
    switched = await base.call("switchBiz", bizName="a", bizVersion="2")
    assert switched["data"] == {"code": "ILLEGAL_STATE_BIZ", "message": "Switch Biz: a:2's state must not be broken."}
    assert (await base.uninstall("a:2"))["data"]["code"] == "SUCCESS"
    assert base.arklet.effects.installs == {}


async def test_a_failed_uninstall_removes_the_module_all_the_same(base: Base) -> None:
    base.arklet.behaviour = Behaviour(fail_uninstall=("a",))
    await base.install("a:1")

    assert (await base.uninstall("a:1"))["code"] == "CMD_PROCESS_INTERNAL_ERROR"
    assert (await base.uninstall("a:1"))["data"]["code"] == "NOT_FOUND_BIZ"
    assert base.arklet.effects.uninstalls == {"a:1": 1}


async def test_a_failed_uninstall_stays_broken_where_the_base_keeps_it(base: Base) -> None:
    base.arklet.behaviour = Behaviour(fail_uninstall=("a",), remove_after_stop_failure=False)
    await base.install("a:1")

    for _ in range(2):
        assert (await base.uninstall("a:1"))["code"] == "CMD_PROCESS_INTERNAL_ERROR"
    assert states(base) == {"a:1": "broken"}
    assert base.arklet.effects.uninstalls == {}


async def test_a_manifest_can_name_another_identity_than_the_request(base: Base) -> None:
    base.arklet.behaviour = Behaviour(identity=(("a:2", "a:1"),))
    answer = await base.install("a:2")

    assert answer["data"]["bizInfos"][0]["identity"] == "a:1"
    assert states(base) == {"a:1": "activated"}


async def test_a_stalled_download_keeps_its_lock_until_the_base_restarts(base: Base, clock: ManualClock) -> None:
    base.arklet.behaviour = Behaviour(stalled_download=("a",))
    base.arklet.spawn(install_until_restart, base, "a:1")
    await clock.run_for(3600)

    assert states(base) == {}
    assert "exist unfinished command(installBiz)" in (await base.uninstall("a:1"))["message"]
    base.arklet.restart()
    assert (await base.uninstall("a:1"))["data"]["code"] == "NOT_FOUND_BIZ"


async def test_a_restart_loses_modules_records_and_running_operations(base: Base, clock: ManualClock) -> None:
    await base.install("a:1")
    await base.install("slow:1", **{"async": True, "requestId": "r-1"})

    base.arklet.restart()
    await clock.run_for(60)

    assert states(base) == {}
    assert (await base.call("queryBizOps", requestId="r-1"))["message"] == "Not found the corresponding ops record."
    assert base.arklet.effects.installs == {"a:1": 1}


async def test_an_async_conflict_leaves_a_record_for_ever_and_steals_the_lock(base: Base, clock: ManualClock) -> None:
    await base.install("slow:1", **{"async": True, "requestId": "r-1"})
    await anyio.wait_all_tasks_blocked()
    await base.install("slow:1", **{"async": True, "requestId": "r-2"})
    await clock.run_for(1)

    record = (await base.call("queryBizOps", requestId="r-2"))["data"]
    assert (record["status"], record["message"]) == ("INITIALIZED", CONFLICT)
    assert record["endTimestamp"] > 0
    assert (await base.install("slow:1"))["data"]["code"] == "REPEAT_BIZ"
    assert "BizState must be ACTIVATED, DEACTIVATED or BROKEN." in (await base.uninstall("slow:1"))["message"]
    await clock.run_for(6)
    assert states(base) == {"slow:1": "activated"}


async def test_an_async_repeat_loses_its_code(base: Base) -> None:
    await base.install("a:1")
    await base.install("a:1", **{"async": True, "requestId": "r-1"})
    await anyio.wait_all_tasks_blocked()

    record = (await base.call("queryBizOps", requestId="r-1"))["data"]
    assert (record["status"], record["message"]) == ("FAILED", "install biz not success!")


async def test_a_slow_uninstall_shows_the_module_deactivated_meanwhile(base: Base, clock: ManualClock) -> None:
    await base.install("a:1")
    base.arklet.behaviour = Behaviour(uninstall_delay_s=5)
    base.arklet.spawn(base.uninstall, "a:1")
    await clock.run_for(1)

    assert states(base) == {"a:1": "deactivated"}
    await clock.run_for(5)
    assert states(base) == {}


async def test_a_batch_installs_all_and_reports_each_url(base: Base) -> None:
    jar = "file:///modules/{}-1.0.0-ark-biz.jar".format
    batch = [{"bizUrl": jar(name)} for name in ("a", "bad", "b")]
    answer = await base.call("batchInstallBiz", bizList=batch)

    assert (answer["code"], answer["message"]) == ("FAILED", "install biz not success!")
    codes = {url: outcome["code"] for url, outcome in answer["data"]["bizUrlToResponse"].items()}
    assert codes == {jar("a"): "SUCCESS", jar("bad"): "FAILED", jar("b"): "SUCCESS"}
    assert states(base) == {"a:1.0.0": "activated", "b:1.0.0": "activated"}


async def test_a_batch_with_a_missing_jar_installs_nothing(base: Base) -> None:
    batch = [{"bizUrl": f"file:///modules/{name}-1.0.0-ark-biz.jar"} for name in ("a", "ghost")]
    answer = await base.call("batchInstallBiz", bizList=batch)

    assert answer["code"] == "CMD_PROCESS_INTERNAL_ERROR"
    assert states(base) == {}
    assert (await base.call("batchInstallBiz", bizList=[]))["code"] == "SUCCESS"


async def test_health_shows_the_base_that_the_list_hides(base: Base) -> None:
    await base.install("a:1")
    data = (await base.call("health"))["data"]["healthData"]

    assert [info["bizName"] for info in data["bizListInfo"]] == ["base", "a"]
    assert {"cpu", "jvm", "masterBizInfo", "pluginListInfo"} <= data.keys()
    assert (await base.call("health", bizName="a"))["message"] == "can not find plugin"
    assert (await base.call("health", type="system", metrics=["gpu"]))["message"] == "indicator not registered"
    assert [biz["bizName"] for biz in (await base.call("queryAllBiz"))["data"]] == ["a"]


async def test_help_lists_the_commands(base: Base) -> None:
    assert len((await base.call("help"))["data"]) == 8


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({}, "bizUrl should not be blank"),
        ({"biz_url": "/x.jar"}, "java.net.MalformedURLException: no protocol: /x.jar"),
        ({"BIZURL": "https://h/x.jar"}, "java.lang.IllegalArgumentException: Biz Name must not be empty!"),
        ({"bizUrl": "https://h/x.jar", "envs": "x"}, "InstallBizHandler$Input.isAsync()"),
        ({"bizUrl": "https://h/x.jar", "async": "perhaps"}, "InstallBizHandler$Input.isAsync()"),
        ({"bizUrl": "http://127.0.0.1:99999/x.jar"}, "java.lang.IllegalArgumentException: port out of range:99999"),
    ],
)
async def test_wrong_fields_end_in_the_exception_the_jvm_throws(
    base: Base, fields: dict[str, Any], message: str
) -> None:
    answer = await base.call("installBiz", **fields)

    assert answer["code"] == "CMD_PROCESS_INTERNAL_ERROR"
    assert message in answer["message"]
    assert 3000 < len(answer["errorStackTrace"]) < 11_000
    assert "baseIdentity" not in answer
