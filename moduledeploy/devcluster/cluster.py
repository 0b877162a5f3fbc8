"""The embedded cluster as a whole: server, in-process API, controllers; for tests, the demo and development.

async with DevCluster() as cluster:
    cluster.url                      # http://127.0.0.1:<port>
    cluster.write_kubeconfig(path)   # for kubectl and every client library
    cluster.api                      # moduledeploy.devcluster.local.LocalApi
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Self

import anyio
import attrs
import yaml
from aiohttp import web

from moduledeploy.devcluster import admission, services
from moduledeploy.devcluster.bases.choice import is_base
from moduledeploy.devcluster.bases.local import LocalBases
from moduledeploy.devcluster.connections import Listener
from moduledeploy.devcluster.controllers import run_controllers
from moduledeploy.devcluster.definitions import Definitions, admit_instance
from moduledeploy.devcluster.handlers import Handlers
from moduledeploy.devcluster.identity import Tokens
from moduledeploy.devcluster.kinds import built_in
from moduledeploy.devcluster.local import LocalApi
from moduledeploy.devcluster.rbac import Authorizer
from moduledeploy.devcluster.resources import Register
from moduledeploy.devcluster.server import Server
from moduledeploy.devcluster.storage import Store
from moduledeploy.devcluster.writes import Writes
from moduledeploy.runtime.memory import collect_rarely

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from moduledeploy.devcluster.faults import Faults

HOST: Final = "127.0.0.1"
_NAMESPACES: Final = ("default", "kube-system", "kube-public", "kube-node-lease")
_SHUTDOWN_S: Final = 0.1  # for writes under way; watches have no end of their own


# asyncio makes texts of what its tasks give: of all that is in here, that would take most of a second each time.
@attrs.define(eq=False, kw_only=True, repr=False)
class DevCluster:
    """An API server on loopback with nothing but memory behind it; enter it as an async context manager.

    `port` 0 takes any free one.  `watch_progress` False behaves as a server on an etcd that reports no progress: a
    watch with sendInitialEvents and no version ends with an error unless the resource itself was written last.
    """

    port: int = 0
    rbac: bool = False
    watch_progress: bool = True
    controllers: bool = True
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    api: LocalApi = attrs.field(init=False)
    server: Server = attrs.field(init=False)
    _runner: web.ServerRunner | None = None
    _life: asyncio.Task[None] | None = None

    def __attrs_post_init__(self) -> None:
        register = Register()
        for resource in built_in():
            register.add(resource)
        writes = Writes(
            store=Store(), register=register, now=self.now,
            admissions=[
                admission.admit_namespace, admission.admit_service_account, admission.admit_priority, admit_instance,
                services.assign_addresses,
            ],
        )  # fmt: skip
        Definitions(writes)
        self.api = LocalApi(writes.store, writes)
        tokens = Tokens(writes.store, self.now)
        handlers = Handlers(writes=writes, authorizer=Authorizer(writes.store), tokens=tokens)
        self.server = Server(handlers=handlers, rbac=self.rbac, watch_progress=self.watch_progress)
        self._begin()

    def _begin(self) -> None:
        """What every cluster begins with; afterwards all histories are open."""
        for name in _NAMESPACES:
            self.api.create("namespaces", {"metadata": {"name": name}})
        kubernetes: dict[str, Any] = {
            "metadata": {
                "name": "kubernetes",
                "namespace": "default",
                "labels": {"component": "apiserver", "provider": "kubernetes"},
            },
            "spec": {"clusterIP": "10.96.0.1", "ports": [{"name": "https", "port": 443, "targetPort": 6443}]},
        }
        self.api.create("services", kubernetes)
        role = {"metadata": {"name": "cluster-admin"}, "rules": [
            {"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}, {"nonResourceURLs": ["*"], "verbs": ["*"]}]}  # fmt: skip
        self.api.create("clusterroles.rbac.authorization.k8s.io", role)
        for resource in self.api.writes.register:
            self.api.store.open(resource.table)

    @property
    def faults(self) -> Faults:
        """Faults that requests over HTTP meet; none until some are added."""
        return self.server.faults

    @property
    def url(self) -> str:
        """Where the server listens."""
        return f"http://{HOST}:{self.port}"

    def kubeconfig(self) -> dict[str, Any]:
        """A kubeconfig that names this cluster."""
        return {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "devcluster", "cluster": {"server": self.url}}],
            "users": [{"name": "devcluster", "user": {}}],
            "contexts": [{"name": "devcluster", "context": {"cluster": "devcluster", "user": "devcluster"}}],
            "current-context": "devcluster",
        }

    def write_kubeconfig(self, path: Path) -> Path:
        """Write the kubeconfig and return where."""
        path.write_text(yaml.safe_dump(self.kubeconfig(), sort_keys=False))
        return path

    async def __aenter__(self) -> Self:
        handler = Listener(self.server)
        self._runner = web.ServerRunner(handler, handle_signals=False, shutdown_timeout=_SHUTDOWN_S)
        await self._runner.setup()
        site = web.TCPSite(self._runner, HOST, self.port)
        try:
            await site.start()
        except OSError as error:
            await self._runner.cleanup()
            reason = os.strerror(error.errno or 0)
            raise OSError(error.errno, f"can't listen on {HOST}:{self.port}: {reason}") from error
        self.port = self._runner.addresses[0][1]
        if self.controllers:
            await self._start_controllers()
        return self

    async def _start_controllers(self) -> None:
        """One task of our own holds their task group: test fixtures enter and leave in different tasks."""
        started = asyncio.Event()

        async def live() -> None:
            async with anyio.create_task_group() as tasks:
                await tasks.start(partial(run_controllers, self.api))
                started.set()

        self._life = asyncio.create_task(live(), name="devcluster controllers")
        waiting = asyncio.create_task(started.wait())
        await asyncio.wait({self._life, waiting}, return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        if self._life.done():
            await self._life

    async def __aexit__(self, *_: object) -> None:
        if self._life is not None:
            self._life.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._life
            self._life = None
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None


async def run(*, port: int, kubeconfig: Path, bases: int, attach: Sequence[str] = (), rbac: bool = False) -> None:
    """Run until SIGTERM or SIGINT; prints one line when the cluster can be used.

    Pods that are bases (`bases/choice.py`) are played, the first of them by the running bases at `attach`;
    with `bases` such a Deployment is there from the start.  Raises OSError where the port is taken or the kubeconfig can't
    be written.
    """
    collect_rarely()
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    async with DevCluster(port=port, rbac=rbac, watch_progress=False) as cluster, anyio.create_task_group() as playing:
        cluster.write_kubeconfig(kubeconfig)
        await playing.start(LocalBases(cluster.api, plays=is_base, attach=attach, faults=cluster.faults).run)
        if bases:
            cluster.api.create("deployments.apps", _base_deployment(bases))
        print(f"devcluster ready at {cluster.url}, kubeconfig {kubeconfig}", flush=True)  # noqa: T201 - read by people
        await stopped.wait()
        playing.cancel_scope.cancel()


def _base_deployment(replicas: int) -> dict[str, Any]:
    """A base Deployment of pods that declare Arklet's port."""
    labels = {"app": "base"}
    container = {
        "name": "base",
        "image": "registry.example.com/base:1.0.0",
        "ports": [{"name": "arklet", "containerPort": 1238}],
    }
    return {
        "metadata": {"name": "base", "namespace": "default"},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": [container]}},
        },
    }
