"""Tell what would happen to availability and placement if bases went, the number of replicas or the cap changed.

Lost bases are taken as not coming back. Examples:

  moduledeploy simulate orders --lose-base base-6c5d-x7k2p --lose-base base-6c5d-9qv4z
  moduledeploy simulate orders --scale 20
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from moduledeploy.cli.access import flags
from moduledeploy.cli.access.connection import run
from moduledeploy.cli.access.console import emit, say
from moduledeploy.cli.access.exits import CliError, Exit
from moduledeploy.cli.pictures.documents import document
from moduledeploy.cli.pictures.forecast_text import forecast_text
from moduledeploy.cli.plan import live_one, read_cluster
from moduledeploy.cli.reading.future import altered, forecast, with_spec

if TYPE_CHECKING:
    import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Flags of `simulate`."""
    parser.add_argument("name", metavar="NAME", help="the ModuleDeployment")
    parser.add_argument("--lose-base", action="append", default=[], metavar="POD", help="this base is gone; repeatable")
    parser.add_argument("--scale", type=flags.count, metavar="N", help="another number of replicas")
    parser.add_argument("--cap", type=flags.count, metavar="K", help="another max-module-count on every base")
    parser.add_argument("--snapshot", metavar="FILE", help="read this instead of a cluster")
    flags.add_output_flag(parser)
    flags.add_cluster_flags(parser)


def main(options: argparse.Namespace) -> int:
    """Print what would happen; 1 where the rollout wouldn't complete."""
    return run(_simulate, options)


async def _simulate(options: argparse.Namespace) -> int:
    if not options.lose_base and options.scale is None and options.cap is None:
        raise CliError("nothing to simulate: give --lose-base, --scale or --cap", Exit.USAGE)
    stores, namespace = await read_cluster(options)
    deployment = live_one(stores, namespace, options.name)
    if deployment is None:
        raise CliError(f"no ModuleDeployment {options.name} in namespace {namespace}", Exit.NOT_FOUND)
    if options.scale is not None:
        if deployment.spec.get("replicas") == -1:
            raise CliError(f"{options.name} has one replica on every base and can't be scaled by itself", Exit.USAGE)
        deployment = with_spec(deployment, replicas=options.scale, scaledReplicas=None)
    changed = altered(stores, namespace, lost=options.lose_base, cap=options.cap)
    found = forecast(changed, deployment, time.time())
    if options.output == "text":
        say(forecast_text(found))
    else:
        emit(document("Simulation", found), options.output)
    return Exit.REACHED if found.completes else Exit.FAILED
