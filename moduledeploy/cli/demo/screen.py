"""What a person sees of the demo: the scenes, a bar per batch, the bases with what is on them, what is awaited."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from rich.columns import Columns
from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from moduledeploy.cli.demo.stage import Snapshot

_COLOURS: Final = {
    "Available": "green",
    "Failed": "red",
    "Terminating": "yellow",
    "Upgrading": "cyan",
    "Pending": "dim",
}
_PHASE_COLOURS: Final = {"Completed": "green", "Failed": "red", "WaitingForConfirmation": "yellow", "Paused": "yellow"}
BAR_WIDTH: Final = 24


def batches(release: dict[str, Any], updated: int) -> RenderableType:
    """A bar for each batch: done ones full, the current one as far as its replicas are available."""
    table = Table.grid(padding=(0, 2))
    left = max(0, updated - release.get("initialUpdatedReplicas", 0))
    for number, size in enumerate(release.get("batches") or [], start=1):
        done = min(left, size)
        left -= done
        is_open = number <= release.get("currentBatch", 0)
        name = Text(
            f"batch {number}", style="bold" if number == release.get("currentBatch") else "" if is_open else "dim"
        )
        table.add_row(name, ProgressBar(total=size, completed=done, width=BAR_WIDTH), Text(f"{done}/{size}"))
    return table


def deployment(seen: Snapshot, name: str) -> RenderableType:
    """One ModuleDeployment: phase, batches, counts and what is awaited."""
    status, release = seen.status(name), seen.release(name)
    if not status:
        return Text(f"{name} has no status yet", style="dim")
    phase = status.get("phase", "")
    counts = (
        f"{status.get('updatedReplicas', 0)} updated, {status.get('availableReplicas', 0)} available"
        f" of {status.get('desiredReplicas', 0)} desired"
    )
    head = Text.assemble((name, "bold"), "  ", (phase, _PHASE_COLOURS.get(phase, "cyan")), "  ", counts)
    return Group(
        head,
        batches(release, status.get("updatedAvailableReplicas", 0)),
        Text(status.get("message", ""), style="italic"),
    )


def bases(seen: Snapshot) -> RenderableType:
    """Every base with the modules on it."""
    on: dict[str, list[tuple[str, str]]] = {}
    for module in seen.modules:
        word = (module.get("status") or {}).get("status") or "Pending"
        if module["metadata"].get("deletionTimestamp"):
            word = "Terminating"
        source = module["spec"]["module"]
        on.setdefault(module["spec"]["base"]["name"], []).append((f"{source['name']}:{source['version']}", word))
    cells = []
    for pod in sorted(seen.pods, key=lambda pod: str(pod["metadata"]["name"])):
        name = pod["metadata"]["name"]
        lines = [Text(f"● {identity}", style=_COLOURS.get(word, "")) for identity, word in sorted(on.get(name, []))]
        cells.append(Panel(Group(*lines) if lines else Text("empty", style="dim"), title=name[-5:], width=26))
    return Columns(cells) if cells else Text("no bases yet", style="dim")


def page(*, title: str, command: str, seen: Snapshot, subject: str, note: str) -> RenderableType:
    """The whole screen of one moment."""
    head = [Text.assemble(("▶ ", "cyan"), (title, "bold"))] if title else []
    return Group(
        *head,
        Text(f"  $ {command}" if command else "", style="dim"),
        Panel(deployment(seen, subject), title="rollout"),
        bases(seen),
        Text(note, style="yellow"),
    )


def line(seen: Snapshot, subject: str) -> str:
    """The state in one line, for output that isn't a terminal."""
    status, release = seen.status(subject), seen.release(subject)
    if not status:
        return ""
    batch = f"batch {release.get('currentBatch', 0)}/{release.get('realBatchCount', 0)}"
    return f"{status.get('phase', '')}, {batch}: {status.get('message', '')}"
