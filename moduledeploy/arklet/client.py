"""Calls to Arklet: each on a connection of its own, each bounded, each ending in a value.

Arklet answers with a status line, no headers, JSON, and closes. aiohttp's parser, the C one as well as the Python one, reads
such an answer to its end; what it can't read it reports as a ClientError. Nothing is retried here: whether an operation
took effect is for the list to say.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, Protocol

import aiohttp
import attrs
import msgspec

from moduledeploy.arklet.messages import SUCCESS, read_listing, read_outcome
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
from moduledeploy.runtime.text import one_line

if TYPE_CHECKING:
    from moduledeploy.runtime.metrics import ArkletMetrics

MAX_ANSWER: Final = 1024 * 1024  # bytes; Arklet's own limit for requests
_SHOWN: Final = 200  # bytes of an answer that is no answer
_QUERY: Final = "queryAllBiz"
_INSTALL: Final = "installBiz"
_UNINSTALL: Final = "uninstallBiz"
_SWITCH: Final = "switchBiz"
_DOING: Final = {_INSTALL: "start", _UNINSTALL: "stop", _SWITCH: "switch"}
_WORDS: Final = {
    Done: SUCCESS,
    Listing: SUCCESS,
    Repeated: "REPEAT_BIZ",
    NotFound: "NOT_FOUND_BIZ",
    IllegalState: "ILLEGAL_STATE_BIZ",
    Busy: "busy",
}
# Words that may become a label; a base could say anything.
_REFUSALS: Final = frozenset({"FAILED", "CMD_NOT_FOUND", "CMD_PROCESS_INTERNAL_ERROR"})


class Gate(Protocol):
    """Decides whether this process may call now."""

    def check(self) -> None:
        """Return when it may; raise otherwise."""


def open_session() -> aiohttp.ClientSession:
    """What all calls share, to be closed by the caller; there is one connection for each call, since Arklet ends it.

    Proxies of the environment, redirects, cookies and compression are none of Arklet's.
    """
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0, force_close=True),
        cookie_jar=aiohttp.DummyCookieJar(),
        headers={"Content-Type": "application/json"},
        trust_env=False,
        auto_decompress=False,
    )


@attrs.frozen(kw_only=True)
class ArkletClient:
    """Arklet's endpoint in any base; addresses are IP:PORT.

    Installs and uninstalls are answered when they are over, which may take minutes. A stalled query is no dead base, since
    Arklet's event loops are blocked by installs. Besides cancellation, only what the gate raises leaves a call.
    """

    session: aiohttp.ClientSession
    metrics: ArkletMetrics
    gate: Gate
    query_timeout_s: float = 10.0
    operation_timeout_s: float = 300.0
    connect_timeout_s: float = 2.0
    monotonic: Callable[[], float] = time.monotonic

    async def query(self, address: str) -> Listing | Refused | Unclear:
        """What is installed there."""
        answer = await self._call(address, _QUERY, {}, self.query_timeout_s)
        listing = answer if isinstance(answer, Unclear) else read_listing(answer)
        self._count(_QUERY, listing)
        return listing

    async def install(self, address: str, name: str, version: str, url: str) -> Outcome:
        """Install a version beside whatever is there; the jar's manifest says what it is, see `Done.identity`."""
        outcome = await self._operate(address, _INSTALL, {"bizName": name, "bizVersion": version, "bizUrl": url})
        if isinstance(outcome, Done) and outcome.metaspace_bytes is not None and outcome.metaspace_bytes >= 0:
            self.metrics.metaspace.observe(outcome.metaspace_bytes)
        return outcome

    async def uninstall(self, address: str, name: str, version: str) -> Outcome:
        """Uninstall a version."""
        return await self._operate(address, _UNINSTALL, {"bizName": name, "bizVersion": version})

    async def switch(self, address: str, name: str, version: str) -> Outcome:
        """Make a started version the active one of its name."""
        return await self._operate(address, _SWITCH, {"bizName": name, "bizVersion": version})

    async def _operate(self, address: str, command: str, body: dict[str, str]) -> Outcome:
        answer = await self._call(address, command, body, self.operation_timeout_s)
        outcome = answer if isinstance(answer, Unclear) else read_outcome(answer, doing=_DOING[command])
        self._count(command, outcome)
        return outcome

    async def _call(self, address: str, command: str, body: dict[str, str], timeout_s: float) -> bytes | Unclear:
        """One request and its whole answer."""
        self.gate.check()
        began_at = self.monotonic()
        limits = aiohttp.ClientTimeout(total=timeout_s, sock_connect=self.connect_timeout_s)
        try:
            with self.metrics.in_flight.labels(command).track_inprogress():
                return await self._exchange(f"http://{address}/{command}", msgspec.json.encode(body), limits)
        except (aiohttp.ConnectionTimeoutError, aiohttp.ClientConnectorError) as error:
            # The system's word: aiohttp would name the host once more, and a socket's address.
            reason = os.strerror(error.errno) if error.errno else f"not within {self.connect_timeout_s:g} s"
            return Unclear("connect", f"no connection to {address}: {reason}")
        except TimeoutError:
            return Unclear("timeout", f"{command} at {address} was not answered within {timeout_s:g} s")
        except aiohttp.ServerDisconnectedError:
            return Unclear("protocol", f"{command} at {address}: the connection was closed without an answer")
        except (aiohttp.ClientError, OSError, ValueError) as error:
            return Unclear("protocol", one_line(f"{command} at {address}: {error or type(error).__name__}"))
        finally:
            self.metrics.duration.labels(command).observe(self.monotonic() - began_at)

    async def _exchange(self, url: str, body: bytes, limits: aiohttp.ClientTimeout) -> bytes | Unclear:
        """The body of the answer."""
        async with self.session.post(url, data=body, timeout=limits, allow_redirects=False) as response:
            answer = bytearray()
            while len(answer) <= MAX_ANSWER and (more := await response.content.read(MAX_ANSWER + 1 - len(answer))):
                answer += more
        if len(answer) > MAX_ANSWER:
            return Unclear("protocol", f"the answer is larger than {MAX_ANSWER} bytes")
        if response.status != 200:
            shown = answer[:_SHOWN].decode(errors="replace")
            return Unclear("protocol", one_line(f"HTTP status {response.status}: {shown}"))
        return bytes(answer)

    def _count(self, command: str, outcome: Outcome | Listing) -> None:
        match outcome:
            case Unclear(why=why):
                code: str = why
            case Refused(code=word):
                code = word if word in _REFUSALS else "other"
            case _:
                code = _WORDS[type(outcome)]
        self.metrics.requests.labels(command, code).inc()
