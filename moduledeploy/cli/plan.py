"""Show what a rollout will do, before it does it: every batch with its bases, what is done on each, where it waits.

It reads a cluster, or a snapshot of one made by `kubectl get mddeploy,mdrs,md,pods,deploy,rs -o yaml`, and writes nothing.
The controller plans by the same code. Examples:

  moduledeploy plan -f orders-v2.yaml
  moduledeploy plan orders --set version=2.0.0 --snapshot cluster.yaml
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from moduledeploy.api.decode import decode_deployment_spec
from moduledeploy.cli.access import flags
from moduledeploy.cli.access.connection import connect, run
from moduledeploy.cli.access.console import emit, say
from moduledeploy.cli.access.exits import CliError, Exit
from moduledeploy.cli.pictures.documents import document, documents
from moduledeploy.cli.pictures.forecast_text import forecast_text
from moduledeploy.cli.reading.cluster import read_stores
from moduledeploy.cli.reading.future import forecast, merged, with_spec
from moduledeploy.cli.reading.kinds import ReadDeployment
from moduledeploy.cli.reading.manifests import read_objects
from moduledeploy.cli.reading.snapshot import deployments_of, stores_of
from moduledeploy.cli.set import assignment, complete
from moduledeploy.kube.resources import ObjectKey

if TYPE_CHECKING:
    import argparse

    from moduledeploy.cli.pictures.forecast import Forecast
    from moduledeploy.controllers.cluster import Stores


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Flags of `plan`."""
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("name", nargs="?", metavar="NAME", help="a ModuleDeployment of the cluster")
    which.add_argument(
        "-f", "--filename", metavar="FILE", help="manifests to plan as if they were applied; - is standard input"
    )
    parser.add_argument(
        "--set", action="append", type=assignment, default=[], dest="fields", metavar="FIELD=VALUE", help="as in `set`"
    )
    parser.add_argument("--snapshot", metavar="FILE", help="read this instead of a cluster")
    flags.add_output_flag(parser)
    flags.add_cluster_flags(parser)


def main(options: argparse.Namespace) -> int:
    """Print the plans; 1 where one doesn't complete."""
    return run(_plan, options)


async def _plan(options: argparse.Namespace) -> int:
    stores, namespace = await read_cluster(options)
    found = [forecast(stores, item, time.time()) for item in _asked(stores, namespace, options)]
    show(found, options)
    return Exit.REACHED if all(item.completes for item in found) else Exit.FAILED


async def read_cluster(options: argparse.Namespace) -> tuple[Stores, str]:
    """The snapshot, or the cluster, and the namespace that is meant. Raises CliError."""
    if options.snapshot:
        objects = read_objects(options.snapshot)
        first = next((item["metadata"].get("namespace") for item in objects if item.get("metadata")), None)
        namespace = options.namespace or first or "default"
        return stores_of(objects, namespace), namespace
    async with connect(options) as connection:
        return await read_stores(connection, connection.namespace), connection.namespace


def live_one(stores: Stores, namespace: str, name: str) -> ReadDeployment | None:
    """The ModuleDeployment as it is."""
    found = stores.deployments.get(ObjectKey(namespace, name))
    return found if isinstance(found, ReadDeployment) else None


def _asked(stores: Stores, namespace: str, options: argparse.Namespace) -> list[ReadDeployment]:
    if options.filename:
        wanted = deployments_of(read_objects(options.filename), namespace)
        if not wanted:
            raise CliError(f"{options.filename} has no ModuleDeployment", Exit.USAGE)
    else:
        found = live_one(stores, namespace, options.name)
        if found is None:
            raise CliError(f"no ModuleDeployment {options.name} in namespace {namespace}", Exit.NOT_FOUND)
        wanted = [found]
    with_live = [
        item if not options.filename else merged(live_one(stores, item.metadata.namespace, item.metadata.name), item)
        for item in wanted
    ]
    return [_with_fields(item, dict(options.fields)) for item in with_live]


def _with_fields(deployment: ReadDeployment, fields: dict[str, str]) -> ReadDeployment:
    if not fields:
        return deployment
    template = deployment.spec["template"]
    module = {**template["spec"]["module"], **complete(fields, decode_deployment_spec(deployment.spec).template.module)}
    return with_spec(deployment, template={**template, "spec": {**template["spec"], "module": module}})


def show(found: list[Forecast], options: argparse.Namespace) -> None:
    """One document, or a list of them; or text."""
    if options.output == "text":
        for number, item in enumerate(found):
            say([*([""] if number else []), *forecast_text(item)])
    elif len(found) == 1:
        emit(document("Plan", found[0]), options.output)
    else:
        emit(documents("Plan", list(found)), options.output)
