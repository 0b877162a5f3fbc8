"""A server of prepared bytes: `python -m benchmarks.prepared PORT PODS BYTES_OF_A_POD [--pace MB_S] [--changes RATE]`.

It costs next to nothing itself, so that what is measured is the client. It serves pods as a list in pages, and as a watch that
begins with all of them, each event a chunk, as kube-apiserver flushes them. With a pace it sends no answer faster than that.
With changes the watch goes on with so many a second, or with CHANGES of them as fast as they are read where the rate is 0; the
version of a changed pod is the moment at which it was sent, in microseconds of the system's monotonic clock. One line on
standard output tells that it is ready.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import gc
import itertools
import json
import time
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qs, urlsplit

import attrs

from benchmarks.objects import address, base_pod, container_id, pod_name, uid

if TYPE_CHECKING:
    from collections.abc import Iterator

PAGE: Final = 500
VERSION: Final = b"1000"
DEPLOYMENT: Final = "base"
CHANGES: Final = 10_000  # of those as fast as they are read
_HEAD: Final = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
_TOGETHER: Final = 40  # events joined for one write
_WRITE: Final = 2**18


class Pods:
    """Pods as bytes: a template with holes for what differs."""

    def __init__(self, size: int) -> None:
        pod = base_pod(DEPLOYMENT, 0, size=size)
        pod["metadata"]["resourceVersion"] = "@version"
        text = json.dumps(pod, separators=(",", ":"))
        name = pod_name(DEPLOYMENT, 0)
        holes = {"@container": container_id(name), "@name": name, "@uid": uid("Pod", name), "@ip": address(0)}
        for hole, value in holes.items():
            text = text.replace(value, hole)
        self._template: Final = text

    def one(self, number: int, version: bytes = VERSION) -> bytes:
        """A pod as JSON."""
        name = pod_name(DEPLOYMENT, number)
        text = self._template.replace("@container", container_id(name)).replace("@name", name)
        text = text.replace("@uid", uid("Pod", name)).replace("@ip", address(number))
        return text.replace("@version", version.decode()).encode()


def chunk(line: bytes) -> bytes:
    """A line as a chunk of its own."""
    return b"%x\r\n%s\n\r\n" % (len(line) + 1, line)


def event(kind: bytes, obj: bytes) -> bytes:
    """An event of a watch."""
    return b'{"type":"%s","object":%s}' % (kind, obj)


BOOKMARK: Final = event(
    b"BOOKMARK",
    b'{"kind":"Pod","apiVersion":"v1","metadata":{"resourceVersion":"%s",'
    b'"annotations":{"k8s.io/initial-events-end":"true"}}}' % VERSION,
)


@attrs.frozen(kw_only=True)
class Prepared:
    """What there is to send, and how: `pace` in bytes a second, `rate` in changes a second; None for no limit, for none."""

    pods: list[bytes]
    changed: list[tuple[bytes, bytes]]
    pace: float | None
    rate: float | None

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection."""
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                query = parse_qs(urlsplit(head.split(b" ", 2)[1].decode()).query)
                if "watch" not in query:
                    body = self._page(int(query.get("continue", ["0"])[0]))
                    writer.write(_HEAD + b"Content-Length: %d\r\n\r\n" % len(body))
                    await self._send(writer, (body[at : at + _WRITE] for at in range(0, len(body), _WRITE)))
                    continue
                writer.write(_HEAD + b"Transfer-Encoding: chunked\r\n\r\n")
                if "sendInitialEvents" in query:
                    await self._send(writer, self._initial())
                await self._change(reader, writer)
        writer.close()

    def _page(self, start: int) -> bytes:
        left = len(self.pods) - start - PAGE
        token = b'"continue":"%d","remainingItemCount":%d,' % (start + PAGE, left) if left > 0 else b""
        meta = b'{"kind":"PodList","apiVersion":"v1","metadata":{%s"resourceVersion":"%s"},"items":[' % (token, VERSION)
        return meta + b",".join(self.pods[start : start + PAGE]) + b"]}"

    def _initial(self) -> Iterator[bytes]:
        for at in range(0, len(self.pods), _TOGETHER):
            yield b"".join(chunk(event(b"ADDED", pod)) for pod in self.pods[at : at + _TOGETHER])
        yield chunk(BOOKMARK)

    def _changes(self) -> Iterator[bytes]:
        turns = itertools.cycle(self.changed)
        for at in range(0, CHANGES, _TOGETHER):
            numbers = range(at, min(at + _TOGETHER, CHANGES))
            bodies = ((b"%d" % (int(VERSION) + 1 + number)).join(next(turns)) for number in numbers)
            yield b"".join(chunk(event(b"MODIFIED", body)) for body in bodies)

    async def _send(self, writer: asyncio.StreamWriter, parts: Iterator[bytes]) -> None:
        begun_at, sent = time.monotonic(), 0
        for part in parts:
            writer.write(part)
            sent += len(part)
            await writer.drain()
            if self.pace and (wait_s := begun_at + sent / self.pace - time.monotonic()) > 0:
                await asyncio.sleep(wait_s)

    async def _change(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.rate is None:
            await reader.read()  # nothing changes; the client ends it
            return
        if self.rate == 0:
            await self._send(writer, self._changes())
            await reader.read()
            return
        begun_at = time.monotonic()
        for number in itertools.count():
            if (wait_s := begun_at + number / self.rate - time.monotonic()) > 0:
                await asyncio.sleep(wait_s)
            head, tail = self.changed[number % len(self.changed)]
            writer.write(chunk(event(b"MODIFIED", head + b"%d" % _now() + tail)))
            await writer.drain()


def _now() -> int:
    return int(time.monotonic() * 1e6)


async def main() -> None:
    """Until ended."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("port", "pods", "size"):
        parser.add_argument(name, type=int)
    parser.add_argument("--pace", type=float)
    parser.add_argument("--changes", type=float)
    options = parser.parse_args()
    pods = Pods(options.size)
    changed = [pods.one(number, b"@when").split(b"@when") for number in range(min(options.pods, 1000))]
    prepared = Prepared(
        pods=[pods.one(number) for number in range(options.pods)],
        changed=[(head, tail) for head, tail in changed],
        pace=options.pace and options.pace * 1e6,
        rate=options.changes,
    )
    gc.freeze()
    async with await asyncio.start_server(prepared.answer, "127.0.0.1", options.port) as server:
        print("prepared", flush=True)
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
