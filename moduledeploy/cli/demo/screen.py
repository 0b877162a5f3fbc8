"""What a person sees of the demo: the scene, what was typed, and the same picture that `get -w` shows."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from rich.console import Group
from rich.text import Text

from moduledeploy.cli.demo.stage import NAMESPACE
from moduledeploy.cli.pictures.rollout import rollout_picture
from moduledeploy.cli.pictures.rows import deployment_row, status_line
from moduledeploy.cli.pictures.tree import rollout_tree
from moduledeploy.cli.pictures.words import ACTIVE, WAITS
from moduledeploy.cli.reading.family import read_family
from moduledeploy.cli.reading.kinds import ReadDeployment
from moduledeploy.kube.resources import ObjectKey

if TYPE_CHECKING:
    from collections.abc import Sequence

    from moduledeploy.controllers.cluster import Cluster


def page(*, title: str, command: str, note: str, view: Sequence[Text]) -> Group:
    """The whole screen of one moment."""
    return Group(
        *([Text.assemble(("▶ ", ACTIVE), (title, "bold"))] if title else []),
        *([Text(f"  $ {command}", style="dim")] if command else []),
        *([Text(note, style=WAITS)] if note else []),
        Text(),
        *view,
    )


def view(cluster: Cluster, name: str, width: int) -> list[Text]:
    """The rollout as `get -w` shows it; the bases while there is none."""
    if ObjectKey(NAMESPACE, name) in cluster.stores.deployments:
        picture = rollout_picture(read_family(cluster, NAMESPACE, name), time.time())
        return rollout_tree(picture, width=width, foot_first=True)
    return [Text(line(cluster, name))]


def line(cluster: Cluster, name: str) -> str:
    """The state in one line, as `status` prints it."""
    found = cluster.stores.deployments.get(ObjectKey(NAMESPACE, name))
    if isinstance(found, ReadDeployment):
        return status_line(deployment_row(found, time.time()))
    pods = list(cluster.stores.pods.values())
    return f"{sum(pod.is_ready for pod in pods)} of {len(pods)} bases are ready"
