"""The bare loop: the requests of a rollout with nothing behind them: no cache, no plan, no queue, no checks, no metrics.

It sends what the controller sends for each module, with the same bodies, as many at a time, over sessions that are set up alike,
and holds the same watches open, whose events it reads and throws away. What goes to a ModuleDeployment and its ModuleReplicaSets
(a few requests for each rollout, and a status a second) it leaves out.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import aiohttp
import attrs
import msgspec

from benchmarks.rollout_stage import GROUP, JSON, Base
from moduledeploy.api.bodies import merge_finalizers, module_body, replica_set_body
from moduledeploy.api.encode import encode_template, module_status_patch
from moduledeploy.api.kinds import ModuleSource, ModuleStatus, ModuleStatusWord
from moduledeploy.api.names import FINALIZER, module_object_name
from moduledeploy.api.spec import DeploymentSpec, Template
from moduledeploy.app.caches import INFORMED
from moduledeploy.app.process import BASE_WORKERS
from moduledeploy.arklet import open_session
from moduledeploy.controllers.execute import MOST_AT_ONCE
from moduledeploy.kube.resources import JSON_PATCH, MERGE_PATCH

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterable

REQUESTS: Final = 32  # to the API server at a time, as in `moduledeploy.kube.transport`
MODULES: Final = f"{GROUP}/namespaces/default/modules"
REPLICA_SETS: Final = f"{GROUP}/namespaces/default/modulereplicasets"
NAME: Final = "bare"


class _Meta(msgspec.Struct, rename="camel"):
    uid: str = ""
    resource_version: str = ""


class _Answer(msgspec.Struct):
    metadata: _Meta


_DECODER: Final = msgspec.json.Decoder(_Answer)


def template(version: str, name: str = NAME) -> Template:
    """What is installed."""
    url = f"file:///modules/{name}-{version}-ark-biz.jar"
    return Template(module=ModuleSource(name=name, version=version, url=url))


@attrs.frozen(kw_only=True)
class Revision:
    """A ModuleReplicaSet as it was made."""

    name: str
    uid: str
    number: int
    template: Template


@attrs.define(kw_only=True)
class Sent:
    """What was sent so far: writes of Modules, calls to Arklet."""

    writes: int = 0
    calls: int = 0


@attrs.define(eq=False, kw_only=True)
class BareLoop:
    """Sends the requests of one family; a phase is one method, in the order install, upgrades, remove."""

    session: aiohttp.ClientSession
    arklet: aiohttp.ClientSession
    owner: str
    bases: list[Base]
    sent: Sent = attrs.field(factory=Sent)
    _family: asyncio.Semaphore = attrs.field(factory=lambda: asyncio.Semaphore(MOST_AT_ONCE))
    _operating: asyncio.Semaphore = attrs.field(factory=lambda: asyncio.Semaphore(BASE_WORKERS))
    _revision: Revision | None = None
    _on: list[Base] = attrs.field(factory=list)
    _uids: dict[str, str] = attrs.field(factory=dict)

    async def install(self, version: str, count: int) -> None:
        """The first version, on the first bases."""
        made = await self._begin(version)
        self._on = self.bases[:count]
        await _each(self._on, lambda base: self._install(made, base))
        self._revision = made

    async def install_then_uninstall(self, version: str) -> None:
        """Beside the old one; the switch; then the old one goes."""
        old, new = self._revision, await self._begin(version)
        assert old is not None

        async def replace(base: Base) -> None:
            async with self._family:
                await self._create(new, base)
            async with self._operating:
                await self._call(base, "installBiz", _biz(new, with_url=True))
                await self._call(base, "switchBiz", _biz(new))
                await self._report(new, base)
            await self._remove(old, base)

        await _each(self._on, replace)
        self._revision = new

    async def uninstall_then_install(self, version: str) -> None:
        """A quarter of the replicas at a time: the old one goes, the new one comes."""
        old, new = self._revision, await self._begin(version)
        assert old is not None
        budget = asyncio.Semaphore(max(1, len(self._on) // 4))

        async def replace(base: Base) -> None:
            async with budget:
                async with self._family:
                    await self._create(new, base, uninstall_first=True)
                    marked = await self._delete(old, base)
                async with self._operating:
                    await self._call(base, "uninstallBiz", _biz(old))
                    await self._release(old, base, marked)
                    await self._call(base, "installBiz", _biz(new, with_url=True))
                    await self._report(new, base)

        await _each(self._on, replace)
        self._revision = new

    async def scaleup_then_scaledown(self, version: str) -> None:
        """On as many other bases; then the old ones go."""
        old, new = self._revision, await self._begin(version)
        assert old is not None
        taken = {base.uid for base in self._on}
        free = [base for base in self.bases if base.uid not in taken][: len(self._on)]

        async def replace(pair: tuple[Base, Base]) -> None:
            await self._install(new, pair[1])
            await self._remove(old, pair[0])

        await _each(zip(self._on, free, strict=True), replace)
        self._revision, self._on = new, free

    async def remove(self) -> None:
        """Every module goes."""
        old = self._revision
        assert old is not None
        await _each(self._on, lambda base: self._remove(old, base))
        self._revision, self._on = None, []

    async def _begin(self, version: str) -> Revision:
        """The ModuleReplicaSet of a new version."""
        what, number = template(version), self._revision.number + 1 if self._revision else 1
        name = f"{NAME}-{number}"
        spec = DeploymentSpec(base_deployment="base", replicas=len(self.bases), template=what)
        body = replica_set_body(
            name=name,
            namespace="default",
            deployment=NAME,
            deployment_uid=self.owner,
            spec=spec,
            number=number,
            replicas=len(self.bases),
        )
        made = await self._write("POST", REPLICA_SETS, body)
        return Revision(name=name, uid=made.uid, number=number, template=what)

    async def _install(self, made: Revision, base: Base) -> None:
        """On a base that has nothing of the family, and whose list is therefore not known."""
        async with self._family:
            await self._create(made, base)
        async with self._operating:
            await self._call(base, "queryAllBiz", {})
            await self._call(base, "installBiz", _biz(made, with_url=True))
            await self._report(made, base)

    async def _remove(self, old: Revision, base: Base) -> None:
        async with self._family:
            marked = await self._delete(old, base)
        async with self._operating:
            await self._call(base, "uninstallBiz", _biz(old))
            await self._release(old, base, marked)

    async def _create(self, made: Revision, base: Base, *, uninstall_first: bool = False) -> None:
        body = module_body(
            name=module_object_name(made.name, base.uid),
            namespace="default",
            replica_set=made.name,
            replica_set_uid=made.uid,
            deployment=NAME,
            number=made.number,
            template=made.template,
            base_name=base.name,
            base_uid=base.uid,
            base_ip=base.ip,
            batch=f"{made.number}/1",
            uninstall_first=uninstall_first,
        )
        self._uids[body["metadata"]["name"]] = (await self._write("POST", MODULES, body)).uid

    async def _report(self, made: Revision, base: Base) -> None:
        now = datetime.now(UTC)
        status = ModuleStatus(
            status=ModuleStatusWord.AVAILABLE,
            reason="Installed",
            lastTransitionTime=now,
            activeSince=now,
            slotActiveSince=now,
            containerID=base.container_id,
        )
        name = module_object_name(made.name, base.uid)
        body = module_status_patch(self._uids[name], status)
        await self._write("PATCH", f"{MODULES}/{name}/status", body, content_type=JSON_PATCH)

    async def _delete(self, old: Revision, base: Base) -> str:
        """The version of the object, which its finalizer holds."""
        name = module_object_name(old.name, base.uid)
        body = {"apiVersion": "v1", "kind": "DeleteOptions", "preconditions": {"uid": self._uids.pop(name)}}
        return (await self._write("DELETE", f"{MODULES}/{name}", body)).resource_version

    async def _release(self, old: Revision, base: Base, version: str) -> None:
        body = merge_finalizers((FINALIZER,), add=False, version=version)
        path = f"{MODULES}/{module_object_name(old.name, base.uid)}"
        await self._write("PATCH", path, body, content_type=MERGE_PATCH)

    async def _write(self, method: str, path: str, body: object, *, content_type: str = JSON) -> _Meta:
        self.sent.writes += path.startswith(MODULES)
        headers = {"Content-Type": content_type}
        async with self.session.request(method, path, data=msgspec.json.encode(body), headers=headers) as response:
            answer = await response.read()
            if response.status >= 300:
                raise RuntimeError(f"{method} {path}: {answer.decode()}")
        return _DECODER.decode(answer).metadata

    async def _call(self, base: Base, command: str, body: dict[str, str]) -> None:
        self.sent.calls += 1
        url = f"http://{base.ip}:1238/{command}"
        async with self.arklet.post(url, data=msgspec.json.encode(body)) as response:
            answer = msgspec.json.decode(await response.read())
        if answer["code"] != "SUCCESS":
            raise RuntimeError(f"{command} on {base.name}: {answer}")


def _biz(made: Revision, *, with_url: bool = False) -> dict[str, str]:
    source = made.template.module
    body = {"bizName": source.name, "bizVersion": source.version}
    return {**body, "bizUrl": source.url} if with_url else body


async def _each(items: Iterable[Any], run: Callable[[Any], Awaitable[None]]) -> None:
    async with asyncio.TaskGroup() as group:
        for item in items:
            group.create_task(_run(run, item))


async def _run(run: Callable[[Any], Awaitable[None]], item: object) -> None:
    await run(item)


@asynccontextmanager
async def open_bare_loop(url: str, bases: list[Base]) -> AsyncIterator[BareLoop]:
    """A bare loop with its family's ModuleDeployment, all watches open; the family goes when left. No controller may run."""
    connector = aiohttp.TCPConnector(limit=REQUESTS)
    limits = aiohttp.ClientTimeout(total=None, sock_connect=5.0)
    headers = {"Accept": "application/json", "Accept-Encoding": "identity"}
    async with (
        aiohttp.ClientSession(url, connector=connector, timeout=limits, headers=headers) as session,
        open_session() as arklet,
        aiohttp.ClientSession(url, timeout=limits, headers=headers, read_bufsize=2**18) as watching,
    ):
        body = {
            "apiVersion": "koupleless.alipay.com/v1alpha1",
            "kind": "ModuleDeployment",
            "metadata": {"name": NAME},
            "spec": {"baseDeploymentName": "base", "replicas": 0, "template": encode_template(template("0"))},
        }
        path = f"{GROUP}/namespaces/default/moduledeployments"
        async with session.post(path, json=body) as response:
            response.raise_for_status()
            owner = _DECODER.decode(await response.read()).metadata.uid
        async with asyncio.TaskGroup() as group:
            watches = [group.create_task(_watch(watching, resource.path(None))) for resource in INFORMED]
            yield BareLoop(session=session, arklet=arklet, owner=owner, bases=bases)
            for watch in watches:
                watch.cancel()
        async with session.delete(f"{path}/{NAME}") as response:
            response.raise_for_status()


async def _watch(session: aiohttp.ClientSession, path: str) -> None:
    """Read events and throw them away."""
    query = {"watch": "1", "allowWatchBookmarks": "true"}
    async with session.get(path, params=query) as response:
        while await response.content.readany():
            pass
