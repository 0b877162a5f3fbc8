"""Find the API server and the credentials for it: in a pod from the service account, else from a kubeconfig."""

from __future__ import annotations

import atexit
import os
import shutil
import ssl
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

import anyio
import attrs
import structlog
import yaml
from kubernetes_asyncio.client import Configuration
from kubernetes_asyncio.config import ConfigException
from kubernetes_asyncio.config.incluster_config import InClusterConfigLoader
from kubernetes_asyncio.config.kube_config import KubeConfigLoader, KubeConfigMerger

from moduledeploy.kube.credentials import Credentials, FileToken, FixedToken, NoToken, TlsFiles, TokenSource
from moduledeploy.kube.errors import KubeError
from moduledeploy.kube.plugins import Made, Plugin, PluginError, read_plugin
from moduledeploy.runtime.clock import Clock, SystemClock, fail_after

if TYPE_CHECKING:
    from collections.abc import Mapping

_log: Final = structlog.get_logger()

_SERVICE_ACCOUNT: Final = Path("/var/run/secrets/kubernetes.io/serviceaccount")
_PROVIDER_TIMEOUT_S: Final = 30.0
_PLUGIN_MARGIN_S: Final = 60.0


class ConfigError(KubeError):
    """Raised when there is no usable configuration; the message is one line that says what to do."""


async def load_credentials(
    *,
    kubeconfig: str | None,
    context: str | None = None,
    environ: Mapping[str, str] | None = None,
    service_account: Path = _SERVICE_ACCOUNT,
    clock: Clock | None = None,
) -> Credentials:
    """Give the credentials of `kubeconfig`; without one those of the pod, else of $KUBECONFIG or ~/.kube/config.

    Nothing is sent to the server. Raises ConfigError.
    """
    env = os.environ if environ is None else environ
    clock = clock or SystemClock()
    if kubeconfig is None and context is None and is_in_cluster(environ=env, service_account=service_account):
        return _in_cluster(env, service_account, clock)
    paths = kubeconfig or env.get("KUBECONFIG") or "~/.kube/config"
    if not _any_file(paths):
        raise ConfigError(f"no kubeconfig at {paths}: pass --kubeconfig, set KUBECONFIG, or run in a pod")
    return await _from_kubeconfig(paths, context, clock)


def is_in_cluster(*, environ: Mapping[str, str] | None = None, service_account: Path = _SERVICE_ACCOUNT) -> bool:
    """Tell whether this process runs in a pod that has a service account."""
    env = os.environ if environ is None else environ
    return bool(env.get("KUBERNETES_SERVICE_HOST")) and (service_account / "token").is_file()


def _in_cluster(env: Mapping[str, str], folder: Path, clock: Clock) -> Credentials:
    configuration = Configuration()
    loader = InClusterConfigLoader(
        token_filename=str(folder / "token"),
        cert_filename=str(folder / "ca.crt"),
        try_refresh_token=False,
        environ=dict(env),
    )
    try:
        loader.load_and_set(configuration)
        host = _address(loader.host)
    except (ConfigException, OSError, ValueError) as error:
        raise ConfigError(
            f"the pod's service account is unusable: {_one_line(error)}; mount one, or pass --kubeconfig"
        ) from error
    namespace = folder / "namespace"
    return Credentials(
        host=host,
        token=FileToken(str(folder / "token"), clock),
        tls=_usable(TlsFiles(ca_file=configuration.ssl_ca_cert), "the pod's service account"),
        namespace=namespace.read_text(encoding="utf-8").strip() if namespace.is_file() else "default",
    )


async def _from_kubeconfig(paths: str, context: str | None, clock: Clock) -> Credentials:
    configuration, where = Configuration(), f"kubeconfig {paths}"
    try:
        merged = KubeConfigMerger(paths)
        loader = KubeConfigLoader(config_dict=merged.config, active_context=context, config_base_path=None)
        entry: Mapping[str, Any] = (loader.current_context or {}).get("context", {})
        user, folder = _user(merged, entry)
        plugin = read_plugin(user.pop("exec"), folder=folder, clock=clock) if "exec" in user else None
        with fail_after(clock, _PROVIDER_TIMEOUT_S):
            await loader.load_and_set(configuration)
        host = _address(getattr(loader, "host", ""))
        proxy = _address(configuration.proxy, "proxy-url") if configuration.proxy else None
        token = await _token_source(loader, configuration, user, folder, plugin, clock)
    except TimeoutError as error:
        raise ConfigError(f"{where}: its auth-provider gave no answer in {_PROVIDER_TIMEOUT_S:g} s") from error
    except (TypeError, KeyError, AttributeError, AssertionError) as error:  # the reader takes its shape for granted
        what = "it is empty, or its context, cluster or user lacks something"
        raise ConfigError(f"{paths} has not the shape of a kubeconfig: {what} ({_one_line(error)})") from error
    except (ConfigException, PluginError, OSError, yaml.YAMLError, ValueError) as error:
        raise ConfigError(f"{where}: {_one_line(error)}") from error
    return Credentials(
        host=host,
        token=token,
        tls=_usable(_tls(configuration), where) if host.startswith("https") else None,
        server_hostname=configuration.tls_server_name,
        proxy=proxy,
        namespace=entry.get("namespace") or "default",
    )


def _user(merged: KubeConfigMerger, entry: Mapping[str, Any]) -> tuple[dict[str, Any], Path]:
    """What the context's user has, empty for a context without one, and the folder that its paths are seen from."""
    name = entry.get("user")
    if not name:
        return {}, Path()
    users = merged.config["users"].value if merged.config is not None else []
    node = next((user for user in users if user["name"] == name), None)
    if node is None:
        raise ValueError(f"the context names user {name!r}, who isn't there")
    user = node["user"].value if hasattr(node["user"], "value") else node["user"]
    return user or {}, Path(node.path).parent if getattr(node, "path", None) else Path()


def _address(url: str, what: str = "server") -> str:
    """The address as it was written, if requests can be sent there."""
    if not url:
        raise ValueError(f"the cluster of this context names no {what}")
    try:
        parts = urlsplit(url)
        is_one = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # brackets, or a port that is none
        is_one = False
    if not is_one:
        raise ValueError(f"{what} {url!r} is no http:// or https:// address")
    return url


def _tls(configuration: Configuration) -> TlsFiles:
    return TlsFiles(
        ca_file=configuration.ssl_ca_cert,
        cert_file=configuration.cert_file,
        key_file=configuration.key_file,
        is_verified=configuration.verify_ssl,
    )


def _usable(tls: TlsFiles, where: str) -> TlsFiles:
    """Read them once, so that what is wrong with them is said now and not by every connection."""
    try:
        tls.context()
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(f"{where}: its certificates can't be used: {_one_line(error)}") from error
    return tls


async def _token_source(
    loader: KubeConfigLoader,
    configuration: Configuration,
    user: Mapping[str, Any],
    folder: Path,
    plugin: Plugin | None,
    clock: Clock,
) -> TokenSource:
    if plugin is not None:
        token = PluginToken(plugin=plugin, clock=clock)
        await token.make()
        if token.files is not None:
            configuration.cert_file, configuration.key_file = map(str, token.files)
        return token
    value = configuration.api_key.get("BearerToken")
    if "auth-provider" in user:
        return ProviderToken(loader=loader, clock=clock, value=value)
    if "tokenFile" in user and "token" not in user:
        return FileToken(str(folder / user["tokenFile"]), clock)
    return FixedToken(value) if value else NoToken()


@attrs.define(kw_only=True)
class PluginToken:
    """What a program makes; made anew a minute before it expires and when it was refused.

    A certificate is written to `files`, which sessions watch for changes; they go with the process.
    """

    plugin: Plugin
    clock: Clock
    files: tuple[Path, Path] | None = attrs.field(default=None, init=False)
    _made: Made | None = attrs.field(default=None, init=False)
    _runs: int = attrs.field(default=0, init=False)
    _running: anyio.Lock = attrs.field(factory=anyio.Lock, init=False)

    async def authorization(self) -> str | None:
        """Send a token that is good for another minute; the old one when no newer can be made."""
        expires_at = self._made.expires_at if self._made is not None else None
        if expires_at is not None and expires_at - _PLUGIN_MARGIN_S <= self.clock.wall():
            await self.refresh()
        return f"Bearer {self._made.token}" if self._made is not None and self._made.token else None

    async def refresh(self) -> None:
        """Run the plugin again, once for all who ask meanwhile; what there is stays when that fails."""
        runs = self._runs
        async with self._running:
            if self._runs == runs:
                try:
                    await self.make()
                except (PluginError, OSError) as error:
                    _log.warning("no new credentials from the kubeconfig's plugin", error=_one_line(error))
                self._runs += 1

    async def make(self) -> None:
        """Run the plugin. Raises PluginError, OSError."""
        made = await self.plugin.run()
        if made.certificate:
            if self.files is None:
                folder = Path(tempfile.mkdtemp(prefix="moduledeploy-"))
                atexit.register(shutil.rmtree, folder, ignore_errors=True)
                self.files = folder / "tls.crt", folder / "tls.key"
            for path, text in zip(self.files, (made.certificate, made.key), strict=True):
                await anyio.Path(path).write_text(text, encoding="utf-8")
        self._made = made


@attrs.define(kw_only=True)
class ProviderToken:
    """A token of an identity provider, by the kubeconfig's `auth-provider`; made anew when it was refused."""

    loader: KubeConfigLoader
    clock: Clock
    value: str | None

    async def authorization(self) -> str | None:
        """Send it."""
        return self.value

    async def refresh(self) -> None:
        """Ask the provider; the old token stays when that fails."""
        configuration = Configuration()
        try:
            with fail_after(self.clock, _PROVIDER_TIMEOUT_S):
                await self.loader.load_and_set(configuration)
        except (ConfigException, OSError, ValueError, TimeoutError) as error:
            _log.warning("no new token from the kubeconfig's auth-provider", error=_one_line(error))
            return
        self.value = configuration.api_key.get("BearerToken")


def _any_file(paths: str) -> bool:
    return any(Path(path).expanduser().is_file() for path in paths.split(os.pathsep) if path)


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__
