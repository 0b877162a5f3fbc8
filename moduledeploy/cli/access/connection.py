"""One API server as the commands use it: read, patch, watch; whatever it refuses is said in one line."""

from __future__ import annotations

import getpass
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final, cast

import anyio
import attrs
import msgspec

from moduledeploy import __version__
from moduledeploy.api.fields import DecodeError
from moduledeploy.cli.access.contexts import context_names
from moduledeploy.cli.access.exits import CliError, Exit, Unread
from moduledeploy.cli.access.lean import import_config_only, import_logging_only
from moduledeploy.cli.access.refusals import missing_right, not_found, said
from moduledeploy.cli.access.unmeasured import Unmeasured
from moduledeploy.controllers.failures import first_error
from moduledeploy.kube.errors import (
    ApiError,
    Forbidden,
    KubeError,
    NotFound,
    ServerError,
    TooManyRequests,
    Unauthorized,
    Unreachable,
)
from moduledeploy.kube.resources import MERGE_PATCH, Resource

if TYPE_CHECKING:
    from moduledeploy.cli.access.flags import Access
    from moduledeploy.kube.transport import Transport
    from moduledeploy.runtime.metrics import ClientMetrics

FIELD_MANAGER: Final = "moduledeploy-cli"
JSON: Final = "application/json"
PAGE: Final = "500"
REQUEST_TIMEOUT_S: Final = 30.0
TRIES: Final = 3  # a person or a pipeline waits: say soon that the server doesn't answer
_EXPECTED: Final = (CliError, DecodeError, KubeError, msgspec.DecodeError)
_REVIEW: Final = "/apis/authentication.k8s.io/v1/selfsubjectreviews"


@attrs.frozen(kw_only=True)
class Connection:
    """Requests to one server; `namespace` is the one that was asked for, or the context's."""

    transport: Transport
    namespace: str

    async def get(self, resource: Resource, name: str, namespace: str | None = None) -> bytes:
        """One object. Raises CliError."""
        path = resource.path(namespace or self.namespace, name)
        return await self._ask("get", resource, "GET", path)

    async def lists(self, resource: Resource, namespace: str | None, selector: str = "") -> AsyncIterator[bytes]:
        """A kind's list, page by page. Raises CliError."""
        query = {"limit": PAGE} | ({"labelSelector": selector} if selector else {})
        while True:
            page = await self._ask("list", resource, "GET", resource.path(namespace), query=query)
            token = msgspec.json.decode(page, type=_List).metadata.continue_
            yield page
            if not token:
                return
            query["continue"] = token

    async def patch(
        self,
        resource: Resource,
        name: str,
        body: object,
        *,
        subresource: str = "",
        content_type: str = MERGE_PATCH,
        dry_run: bool = False,
    ) -> bytes:
        """Change an object as this command; managedFields tell so. Raises CliError, and Conflict where a precondition fails."""
        query = {"fieldManager": FIELD_MANAGER} | ({"dryRun": "All"} if dry_run else {})
        path = resource.path(self.namespace, name, subresource)
        return await self._ask(
            "patch", resource, "PATCH", path, query=query, body=body, content_type=content_type, part=subresource
        )

    async def who(self) -> str:
        """The user as the API server knows it, else the login name and the machine."""
        body = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
        try:
            answer = await self.transport.request("POST", _REVIEW, body=body, timeout_s=5.0, max_tries=1)
            name: str = msgspec.json.decode(answer)["status"]["userInfo"]["username"]
        except (ApiError, msgspec.DecodeError, KeyError, TypeError):
            name = ""
        return name if name and name != "system:anonymous" else f"{getpass.getuser()}@{socket.gethostname()}"

    async def _ask(
        self,
        verb: str,
        resource: Resource,
        method: str,
        path: str,
        *,
        query: dict[str, str] | None = None,
        body: object = None,
        content_type: str = JSON,
        part: str = "",
    ) -> bytes:
        try:
            return await self.transport.request(
                method,
                path,
                query=query,
                body=body,
                content_type=content_type,
                timeout_s=REQUEST_TIMEOUT_S,
                max_tries=TRIES,
            )
        except NotFound as error:
            raise CliError(not_found(resource, path, error), Exit.NOT_FOUND) from error
        except Forbidden as error:
            namespace = self.namespace if "/namespaces/" in path else None
            raise missing_right(verb, resource, namespace, said(error.message), part) from error
        except Unauthorized as error:
            raise CliError(
                f"{self.transport.credentials.host} doesn't accept these credentials; log in again"
            ) from error
        except Unreachable as error:
            raise CliError(
                f"no API server at {self.transport.credentials.host}: {said(error.message)}; check the kubeconfig and the server"
            ) from error
        except (ServerError, TooManyRequests) as error:
            raise CliError(
                f"{self.transport.credentials.host} can't {verb} {resource} now ({error.status}: {said(error.message)}); try again"
            ) from error


class _Meta(msgspec.Struct):
    continue_: str | None = msgspec.field(default=None, name="continue")


class _List(msgspec.Struct):
    metadata: _Meta


@asynccontextmanager
async def connect(access: Access) -> AsyncIterator[Connection]:
    """The cluster that the flags name, for commands that `run` runs. Raises CliError and ConfigError."""
    import_config_only()
    from moduledeploy.cli.access.proxies import proxy_for  # noqa: PLC0415  # urllib's HTTP is for those who connect
    from moduledeploy.kube.config import ConfigError, load_credentials  # noqa: PLC0415  # after the lean import of what it imports
    from moduledeploy.kube.transport import Transport  # noqa: PLC0415  # what reads a snapshot doesn't pay for HTTP

    try:
        credentials = await load_credentials(kubeconfig=access.kubeconfig, context=access.context)
    except ConfigError as error:
        known = context_names(access.kubeconfig)
        if access.context is None or access.context in known:
            raise
        there = ", ".join(known) or "none"
        raise CliError(f"no context {access.context} in the kubeconfig; there are: {there}", Exit.USAGE) from error
    if credentials.proxy is None:
        credentials = attrs.evolve(credentials, proxy=proxy_for(credentials.host))
    agent = f"{FIELD_MANAGER}/{__version__}"
    metrics = cast("ClientMetrics", Unmeasured())
    async with Transport(credentials=credentials, user_agent=agent, metrics=metrics) as transport:
        yield Connection(transport=transport, namespace=access.namespace or credentials.namespace)


def run_connected(access: Access, command: Callable[[Connection], Awaitable[int]]) -> int:
    """Run a command on the cluster that the flags name. Raises CliError for whatever is expected to go wrong."""

    async def connected() -> int:
        async with connect(access) as connection:
            return await command(connection)

    return run(connected)


def run(command: Callable[[], Awaitable[int]]) -> int:
    """Run a command; every error that is expected to happen becomes a CliError."""
    import_logging_only()
    from moduledeploy.runtime.log import configure_logging  # noqa: PLC0415  # after the lean import of structlog

    configure_logging(level="error")
    try:
        return int(anyio.run(command))
    except _EXPECTED as error:
        raise _told(error) from error
    except BaseExceptionGroup as group:
        expected, _ = group.split((*_EXPECTED, Unread))
        if expected is None:
            raise
        cause = first_error(expected)
        raise (cause if isinstance(cause, Unread) else _told(cause)) from group


def _told(error: Exception) -> CliError:
    match error:
        case CliError():
            return error
        case ApiError():
            return CliError(said(error.message))
        case KubeError():  # ConfigError among them
            return CliError(str(error), Exit.USAGE)
        case msgspec.DecodeError():
            return CliError(f"what was answered is no object of an API server ({error}); check the kubeconfig's server")
    return CliError(str(error))
