"""Credentials that a program makes: the exec plugins of kubeconfigs (client.authentication.k8s.io).

The cluster library's own way to run them leaves a program behind that doesn't end, and waits for ever for one that says much.
"""

from __future__ import annotations

import os
from datetime import datetime
from typing import TYPE_CHECKING, Final

import anyio
import attrs
import msgspec

from moduledeploy.kube.errors import KubeError
from moduledeploy.runtime.clock import fail_after

if TYPE_CHECKING:
    from pathlib import Path

    from moduledeploy.runtime.clock import Clock

_TIMEOUT_S: Final = 30.0


class PluginError(KubeError):
    """Raised when a plugin made no credentials; one line that names it and what it said."""


class _Variable(msgspec.Struct):
    name: str
    value: str


class _Exec(msgspec.Struct, rename="camel"):
    command: str
    api_version: str
    args: list[str] | None = None
    env: list[_Variable] | None = None


class _Status(msgspec.Struct, rename="camel"):
    token: str = ""
    client_certificate_data: str = ""
    client_key_data: str = ""
    expiration_timestamp: datetime | None = None


class _Answer(msgspec.Struct, rename="camel"):
    api_version: str
    kind: str
    status: _Status


@attrs.frozen(kw_only=True)
class Made:
    """A token, a certificate with its key, or both; `expires_at` in seconds since the epoch, None for never."""

    token: str
    certificate: str
    key: str
    expires_at: float | None


@attrs.frozen(kw_only=True)
class Plugin:
    """One `exec` of a kubeconfig that lies in `folder`."""

    exec_: _Exec
    folder: Path
    clock: Clock

    async def run(self) -> Made:
        """Run it, for half a minute at most, and give what it made. Raises PluginError; leaves no process behind."""
        try:
            with fail_after(self.clock, _TIMEOUT_S):
                ended = await anyio.run_process(self._command(), check=False, env=self._environment())
        except TimeoutError as error:
            raise PluginError(f"its exec plugin {self.exec_.command} gave no answer in {_TIMEOUT_S:g} s") from error
        except OSError as error:
            raise PluginError(f"its exec plugin can't be run: {error}") from error
        if ended.returncode:
            said = ended.stderr.decode(errors="replace").strip() or "it said nothing"
            raise PluginError(f"its exec plugin {self.exec_.command} ended with {ended.returncode}: {said}")
        return self._made(ended.stdout)

    def _made(self, output: bytes) -> Made:
        name = self.exec_.command
        try:
            answer = _DECODER.decode(output)
        except msgspec.MsgspecError as error:
            raise PluginError(f"its exec plugin {name} gave no ExecCredential: {error}") from error
        if (answer.api_version, answer.kind) != (self.exec_.api_version, "ExecCredential"):
            raise PluginError(
                f"its exec plugin {name} gave {answer.kind} {answer.api_version}, not ExecCredential {self.exec_.api_version}"
            )
        status = answer.status
        if not status.token and not (status.client_certificate_data and status.client_key_data):
            raise PluginError(f"its exec plugin {name} gave neither a token nor a certificate with its key")
        expires = status.expiration_timestamp
        return Made(
            token=status.token,
            certificate=status.client_certificate_data,
            key=status.client_key_data,
            expires_at=expires.timestamp() if expires is not None else None,
        )

    def _command(self) -> list[str]:
        command = self.exec_.command
        if os.sep in command:  # one with a folder is found from the kubeconfig, any other on the PATH
            command = str(self.folder / command)
        return [command, *(self.exec_.args or ())]

    def _environment(self) -> dict[str, str]:
        asked = {"apiVersion": self.exec_.api_version, "kind": "ExecCredential", "spec": {"interactive": False}}
        given = {variable.name: variable.value for variable in self.exec_.env or ()}
        return {**os.environ, **given, "KUBERNETES_EXEC_INFO": msgspec.json.encode(asked).decode()}


_DECODER: Final = msgspec.json.Decoder(_Answer)


def read_plugin(spec: object, *, folder: Path, clock: Clock) -> Plugin:
    """The plugin that a kubeconfig describes. Raises PluginError."""
    try:
        return Plugin(exec_=msgspec.convert(spec, _Exec, strict=False), folder=folder, clock=clock)
    except msgspec.ValidationError as error:
        raise PluginError(f"its exec plugin is described wrongly: {error}") from error
