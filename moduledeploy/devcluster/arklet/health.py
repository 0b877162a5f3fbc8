"""The health command: figures of the machine, of the modules and of the base."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from moduledeploy.devcluster.arklet.answers import BASE_VERSION, in_health
from moduledeploy.devcluster.arklet.faults import CommandFault
from moduledeploy.devcluster.arklet.operations import MASTER

if TYPE_CHECKING:
    from moduledeploy.devcluster.arklet.fields import Fields
    from moduledeploy.devcluster.arklet.operations import Operations

_MASTER_INFO: Final = {"bizName": MASTER, "bizState": "activated", "bizVersion": BASE_VERSION, "webContextPath": "/"}
_METASPACE_ROOM: Final = 1_000_000  # bytes that are committed and not used
_HEAP_FIGURES: Final = [
    f"{key} {kind}(M)" for kind in ("heap memory", "non heap memory") for key in ("init", "used", "committed", "max")
]


class UnknownModule(Exception):
    """Raised when health is asked of something that isn't there; `str()` is the answer's message."""


def health(fields: Fields, operations: Operations) -> dict[str, Any]:
    """The `healthData`; raises `UnknownModule`, and `CommandFault` for a type that Arklet doesn't have."""
    kind, metrics = fields.text("type"), fields.texts("metrics")
    if kind not in {"", "system", "biz", "plugin"}:
        raise CommandFault(f"type: {kind} can not be found")
    data: dict[str, Any] = {}
    if kind in {"", "plugin"}:
        if fields.text("bizName"):
            raise UnknownModule("can not find plugin")
        data["pluginListInfo"] = []
    if kind in {"", "system"}:
        data |= _system(metrics, operations)
    if kind in {"", "biz"}:
        data |= _modules(fields, operations)
    if not kind:
        data["masterBizInfo"] = _master(operations)
    return data


def _master(operations: Operations) -> dict[str, str]:
    return _MASTER_INFO | ({"bizState": "ACTIVATED"} if operations.behaviour.upper_case_states else {})


def _modules(fields: Fields, operations: Operations) -> dict[str, Any]:
    name, version = fields.text("bizName"), fields.text("bizVersion")
    upper_case = operations.behaviour.upper_case_states
    known = [_master(operations), *(in_health(biz, upper_case=upper_case) for biz in operations.modules.modules())]
    if version and not name:
        raise UnknownModule("Biz name must not be empty.")
    chosen = [info for info in known if name in {"", info["bizName"]} and version in {"", info["bizVersion"]}]
    if name and version:
        if not chosen:
            raise UnknownModule("can not find biz")
        return {"bizInfo": chosen[0]}
    if not chosen:
        raise UnknownModule(f"can not find biz: {name}")
    return {"bizListInfo": chosen}


def _system(metrics: list[str], operations: Operations) -> dict[str, Any]:
    figures: dict[str, Any] = {
        "cpu": {
            "count": operations.behaviour.cores,
            "type": "simulated",
            "total used (%)": 1000.0,
            "user used (%)": 1.0,
            "system used (%)": 1.0,
            "free (%)": 98.0,
        },
        "jvm": {
            "java version": "17.0.15",
            "java home": "/usr/lib/jvm",
            "run time(s)": operations.uptime_s(),
            **dict.fromkeys(("total memory(M)", "max memory(M)", "free memory(M)", *_HEAP_FIGURES), 64.0),
            **dict.fromkeys(("loaded class count", "total class count"), 4000),
            "unload class count": 0,
            "java used metaspace": operations.metaspace,
            "java committed metaspace": operations.metaspace + _METASPACE_ROOM,
            "java max metaspace": -1,
        },
    }
    if any(metric not in figures for metric in metrics):
        raise UnknownModule("indicator not registered")
    return {name: figure for name, figure in figures.items() if name in metrics or not metrics}
