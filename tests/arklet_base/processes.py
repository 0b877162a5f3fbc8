"""Bases as processes of this machine: each with an Arklet and a web port of its own, telnet off, little memory.

The web port is one for all, each on a loopback address of its own, as pods of one Deployment have it.  Arklet listens on all
interfaces and can't be told otherwise, so every base has another port for it.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import random
import socket
import subprocess
import time
from typing import TYPE_CHECKING, Any, Final

import attrs

if TYPE_CHECKING:
    from pathlib import Path

    from tests.arklet_base.build import Jars

START_TIMEOUT_S: Final = 240.0  # three at once took 45 s on two idle cores
_STOP_TIMEOUT_S: Final = 20.0
_POLL_S: Final = 0.5
_PORTS: Final = range(20_000, 30_000)  # below those that systems take for outgoing connections
_JVM: Final = (
    "-Xmx192m",
    "-XX:MaxMetaspaceSize=256m",
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",  # it starts in half the time, and no test waits for it to be fast
    "-Dsofa.ark.telnet.server.enable=false",  # else it takes a port from 1234 on, maybe one of Arklet's
)


class BaseFailed(Exception):
    """Raised when a base did not come up; the text is the end of its log."""


@attrs.define(kw_only=True)
class RealBase:
    """One base; it can be killed and started again on the same ports, as a container is."""

    jars: Jars
    folder: Path
    host: str
    arklet_port: int
    web_port: int
    _process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        """Where its Arklet is."""
        return f"{self.host}:{self.arklet_port}"

    def start(self) -> None:
        """Start the process; `wait_up` tells when it answers."""
        self.folder.mkdir(parents=True, exist_ok=True)
        command = [
            *("java", *_JVM),
            f"-Djava.io.tmpdir={self.folder}",
            f"-Dkoupleless.arklet.http.port={self.arklet_port}",
            # As system properties, so that modules have them too: one with another port opens a Tomcat of its own.
            f"-Dserver.port={self.web_port}",
            f"-Dserver.address={self.host}",
            *("-cp", str(self.jars.base), "org.springframework.boot.loader.JarLauncher"),
        ]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(command, cwd=self.folder, stdout=log, stderr=subprocess.STDOUT)

    def wait_up(self) -> None:
        """Until Arklet answers; raises `BaseFailed`."""
        deadline = time.monotonic() + START_TIMEOUT_S
        while time.monotonic() < deadline and self._process is not None and self._process.poll() is None:
            try:
                self.call("queryAllBiz")
            except (OSError, ValueError):
                time.sleep(_POLL_S)
            else:
                return
        raise BaseFailed((self.folder / "log").read_text(errors="replace")[-4000:])

    def kill(self) -> None:
        """End the process as the kernel would that ran out of memory."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(_STOP_TIMEOUT_S)
            self._process = None

    def call(self, command: str, timeout_s: float = 120.0, **fields: Any) -> dict[str, Any]:
        """An answer of Arklet; raises OSError, and ValueError where it is no JSON."""
        with socket.create_connection((self.host, self.arklet_port), timeout=timeout_s) as connection:
            body = json.dumps(fields).encode()
            head = f"POST /{command} HTTP/1.1\r\nHost: {self.address}\r\nContent-Length: {len(body)}\r\n\r\n"
            connection.sendall(head.encode() + body)
            answer = b""
            while more := connection.recv(65536):
                answer += more
        found: dict[str, Any] = json.loads(answer.partition(b"\r\n\r\n")[2])
        return found

    def web_answer(self, path: str = "/web/version", timeout_s: float = 30.0) -> str | None:
        """What the web module there answers, however long a busy machine takes; None where nothing does."""
        connection = http.client.HTTPConnection(self.host, self.web_port, timeout=timeout_s)
        try:
            connection.request("GET", path)
            response = connection.getresponse()
            return response.read().decode() if response.status == 200 else None
        except (OSError, http.client.HTTPException):
            return None
        finally:
            connection.close()

    def modules(self) -> dict[str, str]:
        """What is installed: states by identity."""
        listed = self.call("queryAllBiz")["data"]
        return {f"{biz['bizName']}:{biz['bizVersion']}": str(biz["bizState"]).lower() for biz in listed}


def new_bases(jars: Jars, folder: Path, count: int) -> list[RealBase]:
    """Bases on ports that are free now; none is started."""
    web_port, *arklet_ports = _free_ports(count + 1)
    return [
        RealBase(
            jars=jars,
            folder=folder / f"base-{number}",
            host=f"127.0.8.{number}",
            arklet_port=port,
            web_port=web_port,
        )
        for number, port in enumerate(arklet_ports, start=1)
    ]


def _free_ports(count: int) -> list[int]:
    """Ports that nobody listens on now, and nobody is given by chance until they are used."""
    ports: list[int] = []
    while len(ports) < count:
        number = random.choice(_PORTS)
        with contextlib.suppress(OSError), socket.create_server(("0.0.0.0", number)):
            if number not in ports:
                ports.append(number)
    return ports
