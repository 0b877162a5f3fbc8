"""Calls to Arklet: each on a connection of its own, each bounded, each ending in a value."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final, Protocol

import aiohttp
import attrs
import msgspec

from moduledeploy.arklet.messages import clean, read_listing, read_outcome
from moduledeploy.arklet.outcomes import (
    Busy,
    Done,
    IllegalState,
    Listing,
    NotFound,
    Outcome,
    Refused,
    Repeated,
    Unclear,
)

if TYPE_CHECKING:
    from moduledeploy.runtime.metrics import ArkletMetrics

MAX_ANSWER: Final = 1024 * 1024
_WORDS: Final = {Repeated: "REPEAT_BIZ", NotFound: "NOT_FOUND_BIZ", IllegalState: "ILLEGAL_STATE_BIZ", Busy: "busy"}


class Gate(Protocol):
    """Decides whether this process may call now."""

    def check(self) -> None:
        """Return when it may; raise otherwise."""


@attrs.frozen(kw_only=True)
class ArkletClient:
    """Arklet's endpoint in any base; addresses are IP:PORT.

    Installs and uninstalls are answered when they are over, which may take minutes; a stalled query is no dead base, since
    Arklet's own event loops are blocked by installs.
    """

    metrics: ArkletMetrics
    gate: Gate
    query_timeout_s: float = 10.0
    operation_timeout_s: float = 300.0
    connect_timeout_s: float = 2.0

    async def query(self, address: str) -> Listing | Refused | Unclear:
        """What is installed there."""
        answer = await self._call(address, "queryAllBiz", {}, self.query_timeout_s)
        if isinstance(answer, Unclear):
            return answer
        listing = read_listing(answer)
        self._count("queryAllBiz", "SUCCESS" if isinstance(listing, Listing) else _word(listing))
        return listing

    async def install(self, address: str, name: str, version: str, url: str) -> Outcome:
        """Install a version beside whatever is there. The jar's manifest, not this call, says what it is: see Done.identity."""
        return await self._operate(address, "installBiz", {"bizName": name, "bizVersion": version, "bizUrl": url})

    async def uninstall(self, address: str, name: str, version: str) -> Outcome:
        """Uninstall a version."""
        return await self._operate(address, "uninstallBiz", {"bizName": name, "bizVersion": version})

    async def switch(self, address: str, name: str, version: str) -> Outcome:
        """Make a started version the active one of its name."""
        return await self._operate(address, "switchBiz", {"bizName": name, "bizVersion": version})

    async def _operate(self, address: str, command: str, body: dict[str, Any]) -> Outcome:
        answer = await self._call(address, command, body, self.operation_timeout_s)
        if isinstance(answer, Unclear):
            return answer
        outcome = read_outcome(answer)
        self._count(command, _word(outcome))
        if isinstance(outcome, Done) and outcome.metaspace_bytes is not None:
            self.metrics.metaspace.observe(outcome.metaspace_bytes)
        return outcome

    async def _call(self, address: str, command: str, body: dict[str, Any], timeout_s: float) -> bytes | Unclear:
        """One request and its whole answer. The status line alone tells little: every handled command has 200."""
        self.gate.check()
        began_at = time.monotonic()
        limits = aiohttp.ClientTimeout(total=timeout_s, sock_connect=self.connect_timeout_s)
        with self.metrics.in_flight.labels(command).track_inprogress():
            try:
                answer = await self._exchange(f"http://{address}/{command}", msgspec.json.encode(body), limits)
            except (aiohttp.ConnectionTimeoutError, aiohttp.ClientConnectorError) as error:
                answer = Unclear("connect", f"no connection to {address}: {clean(error) or 'timed out'}")
            except TimeoutError:
                answer = Unclear("timeout", f"{command} at {address} was not answered within {timeout_s:g} s")
            except (aiohttp.ClientError, OSError, ValueError) as error:
                answer = Unclear("protocol", f"{command} at {address}: {clean(error) or type(error).__name__}")
        self.metrics.duration.labels(command).observe(time.monotonic() - began_at)
        if isinstance(answer, Unclear):
            self._count(command, answer.why)
        return answer

    @staticmethod
    async def _exchange(url: str, body: bytes, limits: aiohttp.ClientTimeout) -> bytes | Unclear:
        """A session for one call: Arklet closes after each answer, and nothing of the environment (proxies) is heeded."""
        async with (
            aiohttp.ClientSession(timeout=limits, trust_env=False, auto_decompress=False) as session,
            session.post(
                url, data=body, allow_redirects=False, headers={"Content-Type": "application/json"}
            ) as response,
        ):
            answer = await response.content.read(MAX_ANSWER + 1)
            while len(answer) <= MAX_ANSWER and (more := await response.content.read(MAX_ANSWER + 1 - len(answer))):
                answer += more
            if len(answer) > MAX_ANSWER:
                return Unclear("protocol", f"the answer is larger than {MAX_ANSWER} bytes")
            if response.status != 200:
                return Unclear(
                    "protocol", f"HTTP status {response.status}: {clean(answer[:200].decode(errors='replace'))}"
                )
            return answer

    def _count(self, command: str, code: str) -> None:
        self.metrics.requests.labels(command, code).inc()


def _word(outcome: Outcome | Listing) -> str:
    if isinstance(outcome, Refused):
        return outcome.code
    if isinstance(outcome, Unclear):
        return outcome.why
    return _WORDS.get(type(outcome), "SUCCESS")
