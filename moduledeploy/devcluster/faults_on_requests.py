"""Faults of the API server: how a request that a rule strikes is answered."""

from __future__ import annotations

from typing import TYPE_CHECKING

from moduledeploy.devcluster.errors import ApiError, conflict, expired
from moduledeploy.devcluster.storage import encode

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from moduledeploy.devcluster.faults import Fault
    from moduledeploy.devcluster.requests import Target


def refusal(fault: Fault, target: Target) -> ApiError | None:
    """The error that a fault answers with, if it is one that answers with an error."""
    match fault.kind:
        case "conflict":
            return conflict(target.plural, target.group, target.name, "injected")
        case "gone":
            return expired("injected: too old resource version")
        case "too_many":
            after = str(max(1, int(fault.seconds)))
            details = {"retryAfterSeconds": int(after)}
            return ApiError(429, "TooManyRequests", "injected", details=details, headers={"Retry-After": after})
        case "error":
            reasons = {500: "InternalError", 503: "ServiceUnavailable", 504: "Timeout"}
            return ApiError(fault.code, reasons.get(fault.code, ""), "injected")
        case _:
            return None


class CutError(Exception):
    """The connection is to be cut where it is."""


async def spoiled(lines: AsyncIterator[bytes], fault: Fault) -> AsyncIterator[bytes]:
    """The pieces of a watch as a fault lets them through; raises CutError where the connection breaks."""
    if fault.kind == "gone":
        yield encode({"type": "ERROR", "object": expired("injected: too old resource version").status()}) + b"\n"
        return
    passed = 0
    async for piece in lines:
        for line in piece.splitlines(keepends=True):
            if fault.kind == "no_bookmarks" and line.startswith(b'{"type":"BOOKMARK"'):
                continue
            if fault.kind in ("cut", "half_open") and passed >= fault.events:
                if fault.kind == "cut":
                    yield line[: len(line) // 2]
                    raise CutError
                continue
            passed += 1
            yield line
