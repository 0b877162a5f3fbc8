"""Locks per identity and the records of asynchronous operations, with the two faults that Arklet has in them.

An asynchronous operation that meets a taken lock leaves its record INITIALIZED for ever, and releases the lock that isn't its
own, so that a later operation gets in while the first still runs (both seen with arklet-core 1.4.2).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs

from moduledeploy.devcluster.arklet.answers import throwable

if TYPE_CHECKING:
    from moduledeploy.devcluster.arklet.faults import CommandFault


@attrs.define(kw_only=True)
class OperationRecord:
    """One asynchronous operation; instants in epoch milliseconds, 0 while it has not ended."""

    request_id: str
    meta: dict[str, Any]
    thread: str
    began_ms: int
    ended_ms: int = 0
    status: str = "INITIALIZED"
    message: str = ""
    fault: CommandFault | None = None

    def end(self, now_ms: int, status: str, *, message: str = "", fault: CommandFault | None = None) -> None:
        """Note how the operation ended."""
        self.ended_ms, self.status, self.message, self.fault = now_ms, status, message, fault

    def shown(self) -> dict[str, Any]:
        """The record as queryBizOps answers it."""
        shown = {
            "arkBizMeta": self.meta,
            "elapsedTime": self.ended_ms - self.began_ms if self.ended_ms else 0,
            "endTimestamp": self.ended_ms,
            "requestId": self.request_id,
            "startTime": self.began_ms,
            "startTimestamp": self.began_ms,
            "status": self.status,
            "threadName": self.thread,
        }
        if self.ended_ms:
            shown["endTime"] = self.ended_ms
        if self.message:
            shown["message"] = self.message
        if self.fault is not None:
            shown["throwable"] = throwable(self.fault)
        return shown


@attrs.define
class Journal:
    """What one JVM remembers of operations; lost with it."""

    _locks: dict[str, str] = attrs.field(factory=dict)
    _records: dict[str, OperationRecord] = attrs.field(factory=dict)

    def holder(self, key: str) -> str | None:
        """The command that holds the identity's lock."""
        return self._locks.get(key)

    def lock(self, key: str, command: str) -> bool:
        """Take the identity's lock; False where it is taken."""
        if key in self._locks:
            return False
        self._locks[key] = command
        return True

    def release(self, key: str) -> None:
        """Give the identity's lock back, whoever took it."""
        self._locks.pop(key, None)

    def open(self, record: OperationRecord) -> bool:
        """Begin a record; False where the request id was ever used."""
        return self._records.setdefault(record.request_id, record) is record

    def record(self, request_id: str) -> OperationRecord | None:
        """The record of a request id."""
        return self._records.get(request_id)
