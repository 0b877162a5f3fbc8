"""The servers that answer the controllers' requests, each behind the same few methods."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Protocol

import attrs

from moduledeploy.controllers.execute import Writer
from moduledeploy.devcluster.deletion import DeleteOptions
from moduledeploy.devcluster.errors import ApiError
from moduledeploy.devcluster.local import LocalApi
from moduledeploy.devcluster.patches import json_patch, merge_patch
from moduledeploy.devcluster.writes import WriteOptions
from moduledeploy.kube.errors import error_from_response
from moduledeploy.kube.resources import JSON_PATCH, MERGE_PATCH, ObjectKey, Resource
from moduledeploy.kube.writer import Written
from tests.controllers.memory_api import Body, InMemoryWriter, MemoryApi
from tests.manifests.api import Api


class Subject(Protocol):
    """An API under test, and the namespace to work in."""

    @property
    def namespace(self) -> str: ...
    @property
    def writer(self) -> Writer: ...
    def find(self, resource: Resource, name: str) -> Body | None: ...


@attrs.frozen
class EmbeddedWriter:
    """The embedded cluster's API as the controllers' Writer, its refusals as the client library raises them."""

    api: LocalApi

    async def create(self, resource: Resource, namespace: str, body: Mapping[str, object]) -> Written:
        made = {**body, "metadata": {**body["metadata"], "namespace": namespace}}  # type: ignore[dict-item]  # JSON
        return self._send(lambda: self.api.create(_table(resource), made))

    async def patch(
        self,
        resource: Resource,
        key: ObjectKey,
        body: object,
        *,
        subresource: str = "",
        content_type: str = MERGE_PATCH,
    ) -> Written:
        served, options = self.api.resource(_table(resource)), WriteOptions(manager="test", subresource=subresource)
        apply = json_patch if content_type == JSON_PATCH else merge_patch
        where = (key.namespace, key.name)
        return self._send(lambda: self.api.writes.patch(served, where, lambda obj: apply(obj, body), options).obj)

    async def delete(self, resource: Resource, key: ObjectKey, *, uid: str | None = None) -> Written:
        served = self.api.resource(_table(resource))

        def send() -> Body | None:
            self.api.writes.delete(served, (key.namespace, key.name), DeleteOptions(uid=uid))
            return self.api.find(_table(resource), key.name, key.namespace)

        return self._send(send)

    @staticmethod
    def _send(request: Any) -> Written:
        try:
            body = request()
        except ApiError as error:
            status = json.dumps({"reason": error.reason, "message": str(error)}).encode()
            raise error_from_response(request="request", code=error.code, body=status) from error
        if body is None:
            return Written("", "", "")
        meta = body["metadata"]
        return Written(meta["name"], meta["uid"], meta["resourceVersion"])


@attrs.frozen
class InMemory:
    """The API that the engine's tests run on."""

    api: MemoryApi
    namespace: str = "default"

    @property
    def writer(self) -> Writer:
        return InMemoryWriter(self.api)

    def find(self, resource: Resource, name: str) -> Body | None:
        return self.api.find(resource, name)


@attrs.frozen
class Embedded:
    """The embedded cluster's, without its controllers."""

    api: LocalApi
    namespace: str = "default"

    @property
    def writer(self) -> Writer:
        return EmbeddedWriter(self.api)

    def find(self, resource: Resource, name: str) -> Body | None:
        return self.api.find(_table(resource), name, self.namespace)


def _table(resource: Resource) -> str:
    return f"{resource.plural}.{resource.group}" if resource.group else resource.plural


@attrs.frozen
class Real:
    """A real kube-apiserver, written to by the controllers' own Writer."""

    api: Api
    writer: Writer

    @property
    def namespace(self) -> str:
        return self.api.namespace

    def find(self, resource: Resource, name: str) -> Body | None:
        answer = self.api.send("GET", resource.path(self.namespace, name))
        return answer.body if answer.code == 200 else None
