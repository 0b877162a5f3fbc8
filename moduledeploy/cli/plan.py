"""What a rollout will do, before it does it: every batch with its bases, what is done on each, where it waits."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import attrs

from moduledeploy.api.decode import decode_deployment_spec
from moduledeploy.cli.access.connection import connect, run
from moduledeploy.cli.access.console import console, emit, say
from moduledeploy.cli.access.exits import CliError, Exit
from moduledeploy.cli.access.refusals import no_deployment
from moduledeploy.cli.pictures.documents import document, documents
from moduledeploy.cli.pictures.forecast_text import forecast_text
from moduledeploy.cli.reading.cluster import names_in, read_stores
from moduledeploy.cli.reading.future import forecast, merged, with_spec
from moduledeploy.cli.reading.kinds import ReadDeployment
from moduledeploy.cli.reading.manifests import SNAPSHOT, read_objects
from moduledeploy.cli.reading.snapshot import deployments_of, stores_of
from moduledeploy.cli.set import complete
from moduledeploy.kube.resources import ObjectKey

if TYPE_CHECKING:
    from collections.abc import Mapping

    from moduledeploy.cli.access.flags import Access
    from moduledeploy.cli.pictures.forecast import Forecast
    from moduledeploy.controllers.cluster import Stores


@attrs.frozen(kw_only=True)
class Subject:
    """What is planned: a ModuleDeployment of the cluster, or those of a manifest, with fields of their module changed."""

    name: str | None = None
    filename: str | None = None
    fields: Mapping[str, str] = {}


def show_plans(access: Access, subject: Subject, *, snapshot: str | None, output: str) -> int:
    """Print the plans; 1 where one doesn't complete."""

    async def show() -> int:
        stores, namespace = await read_cluster(access, snapshot)
        found = [forecast(stores, item, time.time()) for item in _asked(stores, namespace, subject)]
        _show(found, output)
        return Exit.REACHED if all(item.completes for item in found) else Exit.FAILED

    return run(show)


async def read_cluster(access: Access, snapshot: str | None) -> tuple[Stores, str]:
    """The snapshot, or the cluster, and the namespace that is meant. Raises CliError."""
    if snapshot:
        objects = read_objects(snapshot, SNAPSHOT)
        first = next((item["metadata"].get("namespace") for item in objects), None)
        namespace = access.namespace or first or "default"
        return stores_of(objects, namespace), namespace
    async with connect(access) as connection:
        return await read_stores(connection, connection.namespace), connection.namespace


def live_one(stores: Stores, namespace: str, name: str) -> ReadDeployment | None:
    """The ModuleDeployment as it is."""
    found = stores.deployments.get(ObjectKey(namespace, name))
    return found if isinstance(found, ReadDeployment) else None


def _asked(stores: Stores, namespace: str, subject: Subject) -> list[ReadDeployment]:
    if subject.filename:
        found = deployments_of(read_objects(subject.filename), namespace)
        if not found:
            where = "standard input" if subject.filename == "-" else subject.filename
            raise CliError(f"there is no ModuleDeployment in {where}", Exit.USAGE)
        wanted = [merged(live_one(stores, item.metadata.namespace, item.metadata.name), item) for item in found]
    else:
        live = live_one(stores, namespace, subject.name or "")
        if live is None:
            raise no_deployment(subject.name or "", namespace, names_in(stores, namespace))
        wanted = [live]
    return [_with_fields(item, dict(subject.fields)) for item in wanted]


def _with_fields(deployment: ReadDeployment, fields: dict[str, str]) -> ReadDeployment:
    if not fields:
        return deployment
    template = deployment.spec["template"]
    module = {**template["spec"]["module"], **complete(fields, decode_deployment_spec(deployment.spec).template.module)}
    return with_spec(deployment, template={**template, "spec": {**template["spec"], "module": module}})


def _show(found: list[Forecast], output: str) -> None:
    """One document, or a list of them; or text."""
    if output == "text":
        for number, item in enumerate(found):
            say([*([""] if number else []), *forecast_text(item, console().width)])
    elif len(found) == 1:
        emit(document("Plan", found[0]), output)
    else:
        emit(documents("Plan", list(found)), output)
