"""What a state means to whoever waits for it: told from the object alone."""

from __future__ import annotations

import json
from typing import Any

import attrs
import msgspec
import pytest

from moduledeploy.api.decode import decode_deployment_spec
from moduledeploy.api.times import decode_time, encode_time
from moduledeploy.cli.pictures.history import history
from moduledeploy.cli.pictures.standing import Standing, confirmations, message_of, phase_of, standing_of
from moduledeploy.cli.pictures.words import age, steady
from moduledeploy.cli.reading.kinds import ReadDeployment, read_status
from moduledeploy.cli.reading.one import One
from moduledeploy.cli.reading.revisions import revisions_of
from moduledeploy.cli.reading.snapshot import stores_of
from moduledeploy.rollout.record import STARTED
from tests.cli.objects import T0, completed, deployment, family

WRITTEN = decode_time(T0)
AT_A_GATE = completed(batches=[1, 3], currentBatch=1, progress="WaitingForConfirmation")


def read(*, generation: int = 1, metadata: dict[str, Any] | None = None, **status: Any) -> ReadDeployment:
    item = deployment()
    item["metadata"] |= {"generation": generation, **(metadata or {})}
    return msgspec.convert(
        item | {"status": {**completed(), **status, "observedGeneration": 1}}, ReadDeployment, strict=False
    )


def test_a_generation_that_nobody_has_looked_at_is_said_with_its_age() -> None:
    seen = read(generation=7)

    assert message_of(seen, read_status(seen), WRITTEN + 40) == (
        "nobody has observed generation 7 for 40s: is the controller running?"
    )
    assert message_of(seen, read_status(seen), WRITTEN + 2) == "waiting for the controller to look at generation 7"
    assert standing_of(seen, read_status(seen)) is Standing.PROGRESSING
    assert phase_of(seen, read_status(seen)) == "Init"


def test_time_alone_is_no_change() -> None:
    one, other = (steady(f"nobody has observed generation 3 for {text}: is it?") for text in ("59s", "1m2s"))
    assert one == other
    assert steady("3 of 4 replicas of a-5d are available") != steady("4 of 4 replicas of a-5d are available")


@pytest.mark.parametrize(("pause", "says"), [(True, "10 of 10"), (False, "nobody has observed generation 2 for 40s")])
def test_the_controllers_own_pause_is_nothing_that_somebody_must_look_at(pause: bool, says: str) -> None:
    waiting = {"annotations": {"koupleless.alipay.com/waiting": "orders-r1/1"}}
    seen = read(generation=2, metadata=waiting, **AT_A_GATE, message="10 of 10")
    seen = attrs.evolve(seen, spec={**seen.spec, "pause": pause})

    assert message_of(seen, read_status(seen), WRITTEN + 40).startswith(says)


def test_what_somebody_wrote_after_the_controllers_pause_must_be_looked_at() -> None:
    owned: dict[str, Any] = {"f:spec": {"f:pause": {}}}
    wrote = [
        {"manager": "moduledeploy", "operation": "Update", "time": T0, "fieldsV1": owned},
        {"manager": "eve", "operation": "Update", "time": encode_time(WRITTEN + 60), "subresource": "scale"},
    ]
    waiting = {"annotations": {"koupleless.alipay.com/waiting": "orders-r1/1"}, "managedFields": wrote}
    seen = read(generation=2, metadata=waiting, **AT_A_GATE, message="10 of 10")
    seen = attrs.evolve(seen, spec={**seen.spec, "pause": True})

    assert message_of(seen, read_status(seen), WRITTEN + 100).startswith("nobody has observed generation 2 for 40s")


@pytest.mark.parametrize(
    ("release", "late_s", "says"),
    [
        ({"progress": "GrayWaiting", "nextReconcileTime": T0}, 40, "the gray time is over for 40s and nobody decided"),
        ({"progress": "GrayWaiting", "nextReconcileTime": T0}, 5, "10 of 10"),
        ({"progress": "Paused", "nextReconcileTime": T0}, 40, "10 of 10"),
        ({"progress": "Executing"}, 640, "the progress deadline has passed for 40s and nobody decided"),
        ({"progress": "Executing"}, 590, "10 of 10"),
        ({"progress": "Completed"}, 7000, "10 of 10"),
    ],
)
def test_what_a_running_controller_would_have_done_by_now_is_said(
    release: dict[str, str], late_s: float, says: str
) -> None:
    deadline = {"highWaterMark": 1, "progressedAt": T0}
    seen = read(**completed(**release, deadline=deadline), message="10 of 10")

    assert message_of(seen, read_status(seen), WRITTEN + late_s).startswith(says)


@pytest.mark.parametrize(
    ("progress", "standing"),
    [
        ("Completed", Standing.HEALTHY),
        ("Executing", Standing.PROGRESSING),
        ("GrayWaiting", Standing.PROGRESSING),
        ("WaitingForConfirmation", Standing.GATE),
        ("Paused", Standing.GATE),
        ("Failed", Standing.FAILED),
        ("Aborted", Standing.FAILED),
    ],
)
def test_every_progress_means_something(progress: str, standing: Standing) -> None:
    seen = read(**completed(progress=progress))

    assert standing_of(seen, read_status(seen)) is standing


def test_whoever_wrote_the_pause_last_confirmed_the_batch() -> None:
    owned: dict[str, Any] = {"f:spec": {"f:pause": {}}}
    entry = {"manager": "bob", "operation": "Update", "time": T0, "fieldsV1": owned}
    seen = read(metadata={"managedFields": [entry]}, **completed(confirmedBatch=1, batches=[1, 3], currentBatch=2))

    assert confirmations(seen, read_status(seen))["orders-r1"][1].by == "bob"


def test_the_controllers_own_pause_confirms_nothing() -> None:
    entry = {"manager": "moduledeploy", "operation": "Update", "time": T0, "fieldsV1": {"f:spec": {"f:pause": {}}}}
    seen = read(metadata={"managedFields": [entry]}, **completed(confirmedBatch=1, batches=[1, 3], currentBatch=2))

    assert confirmations(seen, read_status(seen))["orders-r1"] == {}


def test_a_note_from_before_the_rollout_is_not_its_confirmation() -> None:
    old = '{"orders-r1":{"1":{"by":"bob","at":%f}}}' % (WRITTEN - 5)
    annotations = {"koupleless.alipay.com/confirmations": old}
    seen = read(metadata={"annotations": annotations}, **completed(startedAt=encode_time(WRITTEN)))

    assert confirmations(seen, read_status(seen)) == {}


def test_a_note_from_before_a_revisions_last_rollout_is_not_told_of_it() -> None:
    notes = {"1": {"by": "bob", "at": WRITTEN - 5}, "2": {"by": "eve", "at": WRITTEN + 5}}
    annotations = {"koupleless.alipay.com/confirmations": json.dumps({"orders-r1": notes})}
    seen = read(metadata={"annotations": annotations}, **completed(number=2))
    one = One(deployment=seen, spec=decode_deployment_spec(seen.spec), status=read_status(seen))
    replica_set = family(on=0)[0]
    replica_set["status"] = {"conditions": [{"type": STARTED, "status": "True", "lastTransitionTime": T0}]}
    stores = stores_of([replica_set], "default")

    [entry] = history(one, revisions_of(stores, seen))

    assert [confirmed.by for confirmed in entry.confirmed] == ["eve"]


@pytest.mark.parametrize("text", ["", "nonsense", "[]", '{"orders-r1": 3}'])
def test_an_annotation_that_somebody_else_wrote_is_no_note(text: str) -> None:
    seen = read(metadata={"annotations": {"koupleless.alipay.com/confirmations": text}})

    assert confirmations(seen, read_status(seen)) == {}


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(None, "<none>"), (-3, "0s"), (119, "119s"), (121, "2m1s"), (600, "10m"), (3 * 3600, "3h"), (9 * 86400, "9d")],
)
def test_ages_are_short(seconds: float | None, text: str) -> None:
    assert age(seconds) == text
