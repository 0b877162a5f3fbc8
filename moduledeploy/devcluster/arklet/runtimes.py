"""The runtimes that were recorded, and what of an answer depends on which of them it is.

1.4.2   arklet-core with sofa-ark 2.2.16, bare
2.1.6   the line for JDK 17, in a Spring Boot base: answers without a base identity, records of states without their
        fields, no batchInstallBiz; and to uninstall a module that has no Spring context fails after it took effect
"""

from __future__ import annotations

from enum import Enum
from typing import Any, Final

_LATER: Final = frozenset({"batchInstallBiz"})  # commands that 2.1.6 doesn't have
NO_CONTEXT: Final = (
    "com.alipay.sofa.koupleless.common.exception.BizRuntimeException: java.lang.NullPointerException: Cannot invoke"
    ' "com.alipay.sofa.koupleless.common.model.ApplicationContextHolder.close()" because "this.applicationContext" is null'
)


class Runtime(Enum):
    """A runtime by its version."""

    BARE = "1.4.2"
    SPRING = "2.1.6"

    def has(self, command: str) -> bool:
        """Whether a command of the newest runtime exists in this one."""
        return self is Runtime.BARE or command not in _LATER

    def unidentified(self, fault: str) -> str:
        """What is said of a jar that was to tell its own identity, and couldn't be read for this reason."""
        return fault if self is Runtime.BARE else f"refresh biz info from jar failed: {fault.partition(': ')[2]}"

    def written(self, answer: dict[str, Any]) -> dict[str, Any]:
        """The answer as this runtime writes it."""
        if self is Runtime.BARE:
            return answer
        return {key: _bare_records(value) for key, value in answer.items() if key != "baseIdentity"}


def _bare_records(value: Any, key: str = "") -> Any:
    if key == "bizStateRecords":
        return [{} for _ in value]
    if isinstance(value, dict):
        return {name: _bare_records(item, name) for name, item in value.items()}
    return [_bare_records(item) for item in value] if isinstance(value, list) else value
