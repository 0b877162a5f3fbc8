"""The JSON shapes of Arklet's answers: what a value of the base looks like on the wire."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import attrs

if TYPE_CHECKING:
    from moduledeploy.devcluster.arklet.container import Biz
    from moduledeploy.devcluster.arklet.faults import CommandFault

BASE_VERSION: Final = "1.0.0"

NOT_FOUND: Final = {"code": "CMD_NOT_FOUND", "message": "please follow the doc"}


@attrs.frozen
class Outcome:
    """How a command on one module ended: Arklet's inner code and text, and what there is to tell besides."""

    code: str
    message: str
    details: dict[str, Any] = attrs.field(factory=dict)

    @property
    def is_success(self) -> bool:
        """Whether the command did what was asked."""
        return self.code == "SUCCESS"

    def data(self) -> dict[str, Any]:
        """The answer's `data`."""
        return {"code": self.code, "message": self.message, **self.details}


def internal_error(fault: CommandFault) -> dict[str, Any]:
    """An exception in a command; the one answer of a known command without a base identity."""
    return {
        "code": "CMD_PROCESS_INTERNAL_ERROR",
        "errorStackTrace": fault.stack_trace(),
        "message": f"Internal Error: {fault}",
    }


def throwable(fault: CommandFault) -> dict[str, Any]:
    """An exception as a record of an asynchronous operation holds it."""
    frames = [line.strip() for line in fault.stack_trace().split("\n") if line.startswith("\tat")]
    stack = [{"className": frame, "lineNumber": number, "nativeMethod": False} for number, frame in enumerate(frames)]
    return {"localizedMessage": str(fault), "message": str(fault), "stackTrace": stack, "suppressed": []}


def listed(biz: Biz, *, upper_case: bool) -> dict[str, Any]:
    """A module as queryAllBiz lists it."""
    return {
        "bizName": biz.jar.name,
        "bizState": biz.state.name if upper_case else biz.state.value,
        "bizStateRecords": [
            {
                "changeTime": record.at_ms,
                "message": record.message,
                "reason": record.reason.name if upper_case else record.reason.value,
                "state": record.state.name if upper_case else record.state.value,
            }
            for record in biz.records
        ],
        "bizVersion": biz.jar.version,
        "mainClass": biz.jar.main_class,
        "webContextPath": biz.jar.context_path,
    }


def in_health(biz: Biz, *, upper_case: bool) -> dict[str, Any]:
    """A module as health shows it."""
    full = listed(biz, upper_case=upper_case)
    return {key: full[key] for key in ("bizName", "bizState", "bizVersion", "webContextPath")}


def described(biz: Biz, *, upper_case: bool) -> dict[str, Any]:
    """A module as the answer to its own install describes it."""
    nothing: dict[str, list[str]] = {
        key: []
        for key in (
            "denyImportClasses",
            "denyImportPackageNodes",
            "denyImportPackageStems",
            "denyImportPackages",
            "denyImportResources",
            "denyPrefixImportResourceStems",
            "denySuffixImportResourceStems",
            "injectExportPackages",
            "injectPluginDependencies",
        )
    }
    return {
        **listed(biz, upper_case=upper_case),
        **nothing,
        "attributes": {},
        "bizTempWorkDir": biz.folder,
        "bizUrl": f"file:{biz.folder}/",
        "classPath": [f"file:{biz.folder}/"],
        "declaredMode": False,
        "identity": biz.identity,
        "priority": biz.jar.priority,
    }


def installed(biz: Biz, *, began_ms: int, now_ms: int, metaspace: int, upper_case: bool) -> Outcome:
    """An install that took effect."""
    began = datetime.fromtimestamp(began_ms / 1000, UTC).strftime("%H:%M:%S")
    return Outcome(
        "SUCCESS",
        f"Install Biz: {biz.identity} success, cost: {now_ms - began_ms} ms, started at: {began},{began_ms % 1000:03}",
        {"bizInfos": [described(biz, upper_case=upper_case)], "elapsedSpace": metaspace},
    )


def repeated(identity: str) -> Outcome:
    """An install of an identity that is registered, in whatever state."""
    text = f"Biz: {identity} has been installed or registered."
    return Outcome("REPEAT_BIZ", text, {"elapsedSpace": 0})
