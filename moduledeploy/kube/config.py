"""Find the API server and the credentials for it: in a pod from the service account, else from a kubeconfig."""

from __future__ import annotations

import os
import shutil
import ssl
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import anyio
import anyio.to_thread
import attrs
import structlog
import yaml
from kubernetes_asyncio.client import Configuration
from kubernetes_asyncio.config import ConfigException
from kubernetes_asyncio.config.incluster_config import InClusterConfigLoader
from kubernetes_asyncio.config.kube_config import KubeConfigLoader, KubeConfigMerger

from moduledeploy.kube.credentials import Credentials, FileToken, FixedToken, NoToken, TlsFiles, TokenSource
from moduledeploy.kube.errors import KubeError
from moduledeploy.runtime.clock import Clock, SystemClock, fail_after

if TYPE_CHECKING:
    from collections.abc import Mapping

_log: Final = structlog.get_logger()

_SERVICE_ACCOUNT: Final = Path("/var/run/secrets/kubernetes.io/serviceaccount")
_PLUGIN_TIMEOUT_S: Final = 30.0
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
    except (ConfigException, OSError) as error:
        raise ConfigError(
            f"the pod's service account is unusable: {_one_line(error)}; mount one, or pass --kubeconfig"
        ) from error
    namespace = folder / "namespace"
    return Credentials(
        host=loader.host,
        token=FileToken(str(folder / "token"), clock),
        tls=_usable(TlsFiles(ca_file=configuration.ssl_ca_cert), "the pod's service account"),
        namespace=namespace.read_text(encoding="utf-8").strip() if namespace.is_file() else "default",
    )


async def _from_kubeconfig(paths: str, context: str | None, clock: Clock) -> Credentials:
    configuration = Configuration()
    try:
        merged = KubeConfigMerger(paths)
        loader = KubeConfigLoader(config_dict=merged.config, active_context=context, config_base_path=None)
        with fail_after(clock, _PLUGIN_TIMEOUT_S):
            await loader.load_and_set(configuration)
    except TimeoutError as error:
        raise ConfigError(f"kubeconfig {paths}: its exec plugin gave no answer in {_PLUGIN_TIMEOUT_S:g} s") from error
    except (TypeError, KeyError, AttributeError, AssertionError) as error:  # the reader takes its shape for granted
        raise ConfigError(f"{paths} has not the shape of a kubeconfig: {_one_line(error)}") from error
    except (ConfigException, OSError, yaml.YAMLError, ValueError) as error:
        raise ConfigError(f"kubeconfig {paths}: {_one_line(error)}") from error
    host = getattr(loader, "host", "")
    if not host:
        raise ConfigError(f"kubeconfig {paths}: the cluster of this context names no server")
    entry: Mapping[str, Any] = (loader.current_context or {}).get("context", {})
    return Credentials(
        host=host,
        token=_token_source(loader, merged, configuration, entry, clock),
        tls=_usable(_tls(configuration), f"kubeconfig {paths}") if host.startswith("https") else None,
        server_hostname=configuration.tls_server_name,
        proxy=configuration.proxy,
        namespace=entry.get("namespace") or "default",
    )


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


def _token_source(
    loader: KubeConfigLoader,
    merged: KubeConfigMerger,
    configuration: Configuration,
    entry: Mapping[str, Any],
    clock: Clock,
) -> TokenSource:
    user_name = entry.get("user")
    users = merged.config["users"].value if merged.config is not None else []
    node = next((user for user in users if user["name"] == user_name), None)
    if node is None:
        return NoToken()
    user: Mapping[str, Any] = node["user"].value if hasattr(node["user"], "value") else node["user"] or {}
    if "exec" in user or "auth-provider" in user:
        files = (configuration.cert_file, configuration.key_file)
        return PluginToken(loader=loader, clock=clock, value=configuration.api_key.get("BearerToken"), files=files)
    if "tokenFile" in user and "token" not in user:
        base = Path(node.path).parent if getattr(node, "path", None) else Path()
        return FileToken(str(base / user["tokenFile"]), clock)
    value = configuration.api_key.get("BearerToken")
    return FixedToken(value) if value else NoToken()


@attrs.define(kw_only=True)
class PluginToken:
    """A token that a program or an identity provider makes; made anew before it expires and when it was refused.

    A plugin that gives a certificate instead gets it written to the `files` that sessions watch for changes.
    """

    loader: KubeConfigLoader
    clock: Clock
    value: str | None
    files: tuple[str | None, str | None] = (None, None)
    _runs: int = attrs.field(default=0, init=False)
    _running: anyio.Lock = attrs.field(factory=anyio.Lock, init=False)

    async def authorization(self) -> str | None:
        """Send a token that is good for another minute; the old one when no newer can be made."""
        expires_at: datetime | None = getattr(self.loader, "exec_plugin_expiry", None)
        if expires_at is not None:
            if expires_at.tzinfo is None:
                expires_at = expires_at.replace(tzinfo=UTC)
            if expires_at.timestamp() - _PLUGIN_MARGIN_S <= self.clock.wall():
                await self.refresh()
        return self.value

    async def refresh(self) -> None:
        """Run the plugin again, once for all who ask meanwhile; the old token stays when that fails."""
        runs = self._runs
        async with self._running:
            if self._runs == runs:
                await self._run()
                self._runs += 1

    async def _run(self) -> None:
        configuration = Configuration()
        # The loader keeps what it has until five minutes before this moment; a refused token must go now.
        self.loader.__dict__.pop("exec_plugin_expiry", None)
        try:
            with fail_after(self.clock, _PLUGIN_TIMEOUT_S):
                await self.loader.load_and_set(configuration)
        except (ConfigException, OSError, ValueError, TimeoutError) as error:
            _log.warning("no new token from the kubeconfig's plugin", error=_one_line(error))
            return
        self.value = configuration.api_key.get("BearerToken")
        for watched, made in zip(self.files, (configuration.cert_file, configuration.key_file), strict=True):
            if watched and made and watched != made:
                await anyio.to_thread.run_sync(shutil.copyfile, made, watched)


def _any_file(paths: str) -> bool:
    return any(Path(path).expanduser().is_file() for path in paths.split(os.pathsep) if path)


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__
