"""The HTTP face: authenticates, authorizes, routes, answers.

Plain HTTP on loopback; aiohttp's low-level server, since every path is routed by `moduledeploy.devcluster.requests`.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

import attrs
import yaml
from aiohttp import web

from moduledeploy.devcluster import tables
from moduledeploy.devcluster.bodies import parse_json, too_large
from moduledeploy.devcluster.columns import SCALE_COLUMNS
from moduledeploy.devcluster.errors import (
    ApiError,
    Object,
    forbidden,
    method_not_supported,
    unknown,
)
from moduledeploy.devcluster.faults import Fault, Faults
from moduledeploy.devcluster.faults_on_requests import CutError, refusal, spoiled
from moduledeploy.devcluster.handlers import Answer, Handlers, Request
from moduledeploy.devcluster.identity import User, authenticate, impersonated
from moduledeploy.devcluster.listing import Page, Selection, parse_version, read_page, wait_for
from moduledeploy.devcluster.negotiation import Form, choose, not_acceptable
from moduledeploy.devcluster.rbac import Access
from moduledeploy.devcluster.requests import Query, Target, parse_target
from moduledeploy.devcluster.routing import Documents, NoPathError, find_resource, no_method
from moduledeploy.devcluster.storage import encode, encode_sorted
from moduledeploy.devcluster.views import item_bytes, view
from moduledeploy.devcluster.watching import Watch, WatchOptions

if TYPE_CHECKING:
    from moduledeploy.devcluster.resources import Resource

FAULTS_PATH: Final = "/devcluster/faults"


@attrs.frozen
class Shaper:
    """Objects of a watch as one-row tables or as metadata only."""

    tag: str
    include: str
    server: Server

    def shape(self, resource: Resource, obj: Object) -> Object:
        """The object in that form."""
        if self.tag == "partial":
            return tables.partial(obj)
        meta = {"resourceVersion": obj["metadata"].get("resourceVersion", "")}
        return tables.table(resource, [obj], self.server.handlers.writes.now(), meta, self.include)


@attrs.define(eq=False, kw_only=True)
class Server:
    """Answers every request; `handle` is what aiohttp calls."""

    handlers: Handlers
    rbac: bool = False
    watch_progress: bool = True
    faults: Faults = attrs.field(factory=Faults)
    _documents: Documents = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self._documents = Documents(self.handlers.writes.register)

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """One request; refusals become a Status."""
        try:
            return await self._handle(request)
        except ApiError as error:
            headers = [*error.headers.items(), *_warnings(error.warnings)]
            return _respond(error.status(), _error_form(request), code=error.code, headers=headers)
        except web.HTTPRequestEntityTooLarge:
            return _respond(too_large().status(), _error_form(request), code=413)
        except NoPathError:
            return _no_path()

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        query = Query(request.query)
        target = parse_target(request.method, request.path, watch=query.flag("watch"))
        requester = authenticate(request.headers, self.handlers.tokens)
        user = impersonated(request.headers, requester)
        if self.rbac or user is not requester:
            if user is not requester and not self.handlers.authorizer.allows(requester, _impersonation(user)):
                raise forbidden("users", "", user.name, f'User "{requester.name}" cannot impersonate resource "users"')
            self._authorize(user, target)
        if target.path == FAULTS_PATH:
            return await self._control_faults(request)
        if not target.is_resource:
            return self._document(target, request.headers.get("Accept", ""), request.host)
        fault = self.faults.strike(target)
        if fault is None:
            return await self._serve(request, target, query, user)
        return await self._serve_badly(request, target, query, user, fault)

    async def _serve_badly(
        self, request: web.BaseRequest, target: Target, query: Query, user: User, fault: Fault
    ) -> web.StreamResponse:
        if fault.kind == "delay":
            await asyncio.sleep(fault.seconds)
        error = refusal(fault, target)
        if error is not None and not (fault.kind == "gone" and target.verb == "watch"):
            raise error
        response = await self._serve(request, target, query, user, fault)
        if fault.kind == "lost_reply" and request.transport is not None:
            request.transport.abort()
        return response

    async def _control_faults(self, request: web.BaseRequest) -> web.StreamResponse:
        match request.method:
            case "POST":
                self.faults.add(Fault.parse(parse_json(await request.read())))
            case "DELETE":
                seed = Query(request.query).number("seed")
                self.faults.clear(seed)
            case "GET":
                pass
            case method:
                raise method_not_supported("faults", "", method.lower())
        return _respond(self.faults.listed(), Form())

    async def _serve(
        self, request: web.BaseRequest, target: Target, query: Query, user: User, fault: Fault | None = None
    ) -> web.StreamResponse:
        resource = find_resource(self.handlers.writes.register, target)
        form = choose(request.headers.get("Accept", ""))
        if target.verb in ("list", "watch"):
            return await self._collection(request, target, resource, query, form, fault)
        if target.verb == "get" and not target.subresource:
            await wait_for(self.handlers.store, parse_version(query.text("resourceVersion")))
        read = Request(
            target=target, resource=resource, query=query, body=await request.read(), user=user,
            content_type=request.headers.get("Content-Type", ""), user_agent=request.headers.get("User-Agent", ""),
        )  # fmt: skip
        if target.verb == "deletecollection":
            return await self._delete_collection(read, form)
        return self._answer(self._single(read), resource, form, query)

    def _authorize(self, user: User, target: Target) -> None:
        access = Access(
            verb=target.verb, group=target.group, plural=target.plural, subresource=target.subresource,
            namespace=target.namespace if target.plural != "namespaces" else target.name, name=target.name,
            path="" if target.is_resource else target.path,
        )  # fmt: skip
        if self.handlers.authorizer.allows(user, access):
            return
        if not target.is_resource:
            why = f'User "{user.name}" cannot {target.verb} path "{target.path}"'
            raise ApiError(403, "Forbidden", f"forbidden: {why}", details={})
        scope = f'in the namespace "{target.namespace}"' if target.namespace else "at the cluster scope"
        why = f'User "{user.name}" cannot {target.verb} resource "{access.resource}" in API group "{target.group}" {scope}'
        raise forbidden(target.plural, target.group, target.name, why)

    def _single(self, request: Request) -> Answer:
        match request.target.verb:
            case "get":
                return self.handlers.get(request)
            case "create":
                return self.handlers.create(request)
            case "update":
                return self.handlers.update(request)
            case "patch":
                return self.handlers.patch(request)
            case _:
                return self.handlers.delete(request)

    def _answer(self, answer: Answer, resource: Resource, form: Form, query: Query) -> web.Response:
        body = answer.body
        if body.get("kind") == "Scale" and form.shape != "plain":
            body = self._shaped(attrs.evolve(resource, columns=SCALE_COLUMNS), [body], form, query, single=True)
        elif body.get("kind") == resource.kind and form.shape != "plain":
            body = self._shaped(resource, [body], form, query, single=True)
        headers = _warnings(answer.warnings)
        return _respond(body, form, code=answer.code, headers=headers, sort_keys=not resource.strategy.typed)

    def _shaped(self, resource: Resource, objects: list[Object], form: Form, query: Query, *, single: bool) -> Object:
        if form.shape == "table":
            meta = {"resourceVersion": objects[0]["metadata"].get("resourceVersion", "")} if single else {}
            now = self.handlers.writes.now()
            return tables.table(resource, objects, now, meta, query.included(), form.version)
        if form.shape == "partials":
            if not resource.strategy.typed:
                raise unknown("content is not a list")
            raise not_acceptable(f"you requested PartialObjectMetadataList, but {resource.kind} is not a list")
        return tables.partial(objects[0], form.version)

    async def _collection(
        self,
        request: web.BaseRequest,
        target: Target,
        resource: Resource,
        query: Query,
        form: Form,
        fault: Fault | None,
    ) -> web.StreamResponse:
        selection = Selection.of(resource, target.namespace, query)
        if target.name:  # a watch by the old path
            selection = selection.of_one(target.name)
        if target.verb == "watch":
            return await self._watch(request, selection, query, form, fault)
        if fault is not None and fault.kind == "stale" and not query.text("continue"):
            behind = str(max(1, self.handlers.store.version - fault.versions))
            query = Query({**query.values, "resourceVersion": behind, "resourceVersionMatch": "Exact"})
        page = await read_page(self.handlers.store, selection, query)
        return self._list(resource, page, query, form)

    def _list(self, resource: Resource, page: Page, query: Query, form: Form) -> web.Response:
        meta: Object = {"resourceVersion": str(page.version)}
        if page.token:
            meta["continue"] = page.token
        if page.remaining is not None:
            meta["remainingItemCount"] = page.remaining
        if form.shape == "table":
            objects = (view(resource, record) for record in page.records)
            now = self.handlers.writes.now()
            return _respond(tables.table(resource, objects, now, meta, query.included(), form.version), form)
        if form.shape == "partial":
            raise not_acceptable()
        if form.shape == "partials":
            items = [tables.partial(view(resource, record), form.version) for record in page.records]
            head = {"kind": "PartialObjectMetadataList", "apiVersion": f"meta.k8s.io/{form.version}"}
            return _respond({**head, "metadata": meta, "items": items}, form)
        if not resource.strategy.typed:
            meta.setdefault("continue", "")
        head = {"kind": resource.list_name, "apiVersion": resource.api_version}
        if form.yaml:
            return _respond(
                {**head, "metadata": meta, "items": [view(resource, record) for record in page.records]}, form
            )
        listed = b'"items":[' + b",".join([item_bytes(resource, record) for record in page.records]) + b"]"
        described = b'"metadata":' + encode(meta)
        parts = (described, listed) if resource.strategy.typed else (listed, described)
        body = encode(head)[:-1] + b"," + b",".join(parts) + b"}\n"
        return web.Response(body=body, content_type="application/json")

    async def _watch(
        self, request: web.BaseRequest, selection: Selection, query: Query, form: Form, fault: Fault | None
    ) -> web.StreamResponse:
        if form.yaml:
            raise not_acceptable()
        shaper = None
        if form.shape != "plain":
            include = query.included()
            shaper = Shaper(f"{form.shape}{include}", include, self)
        if form.shape == "partial":
            shaper = Shaper("partial", "", self)
        watch = Watch(store=self.handlers.store, selection=selection, options=WatchOptions.of(query), shaper=shaper,
                      progress=self.watch_progress)  # fmt: skip
        response = web.StreamResponse(
            headers={"Content-Type": "application/json", "Cache-Control": "no-cache, private"}
        )
        response.enable_chunked_encoding()
        await response.prepare(request)
        if form.shape == "partials" or request.method == "HEAD":  # an event is no list
            return response
        try:
            async for piece in watch.lines() if fault is None else spoiled(watch.lines(), fault):
                await response.write(piece)
        except ConnectionError:  # the client went away
            pass
        except CutError:
            if request.transport is not None:
                request.transport.abort()
        return response

    async def _delete_collection(self, request: Request, form: Form) -> web.Response:
        selection = Selection.of(request.resource, request.target.namespace, request.query)
        options = self.handlers.delete_options(request)
        page = await read_page(self.handlers.store, selection, request.query)
        for record in page.records:
            try:
                self.handlers.writes.delete(request.resource, record.key, options)
            except ApiError as error:
                if error.code != 404:
                    raise
        return self._list(request.resource, page, request.query, form)

    def _document(self, target: Target, accept: str, host: str) -> web.Response:
        document = self._documents.find(target, accept, host)
        body = document.body if isinstance(document.body, str) else encode(document.body) + b"\n"
        return web.Response(body=body, headers={"Content-Type": document.content_type})

    def refuse_method(self, method: str, path: str) -> web.Response:
        """The answer to a request by a method that HTTP doesn't know; some documents heed no method."""
        target = parse_target(method, path, watch=False)
        try:
            if not target.is_resource:
                return self._document(target, "", "")
            find_resource(self.handlers.writes.register, target)
            raise no_method()
        except NoPathError:
            return _no_path()
        except ApiError as error:
            return _respond(error.status(), Form(), code=error.code)


def _warnings(texts: tuple[str, ...]) -> list[tuple[str, str]]:
    return [("Warning", f"299 - {encode(text).decode()}") for text in texts]


def _no_path() -> web.Response:
    return web.Response(status=404, text="404 page not found\n")


def _error_form(request: web.BaseRequest) -> Form:
    try:
        return Form(yaml=choose(request.headers.get("Accept", "")).yaml)
    except ApiError:
        return Form()


def _impersonation(user: User) -> Access:
    return Access(verb="impersonate", plural="users", name=user.name)


def _respond(
    body: Object, form: Form, *, code: int = 200, headers: list[tuple[str, str]] | None = None, sort_keys: bool = False
) -> web.Response:
    if form.yaml:
        text = yaml.safe_dump(body)
        return web.Response(status=code, text=text, content_type="application/yaml", headers=headers)
    data = encode_sorted(body) if sort_keys else encode(body)
    return web.Response(status=code, body=data + b"\n", content_type="application/json", headers=headers)
