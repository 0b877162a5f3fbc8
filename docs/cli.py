"""Writes docs/cli.md and docs/demo.svg: what the commands print on an embedded cluster, and one moment of the demo.

`python docs/cli.py` after changing a command or a view.
"""

from __future__ import annotations

import io
import os
import re
import shlex
import subprocess
import sys
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

import anyio
import attrs
from rich.console import Console
from rich.terminal_theme import MONOKAI

from moduledeploy.cli.access.exits import INTERRUPTED, UNREAD, Exit
from moduledeploy.cli.capacity import Capacity, RolloutCapacity
from moduledeploy.cli.change import Change
from moduledeploy.cli.demo import screen
from moduledeploy.cli.demo.stage import MANIFESTS, NAMESPACE, Stage, open_stage
from moduledeploy.cli.pictures.documents import SCHEMA, camel
from moduledeploy.cli.pictures.forecast import Deed, Forecast, Move, Step, Wait
from moduledeploy.cli.pictures.history import BatchConfirmed, HistoryEntry
from moduledeploy.cli.pictures.lint import Finding, Level
from moduledeploy.cli.pictures.rollout import BatchPicture, ReplicaPicture, RevisionPicture, RolloutPicture
from moduledeploy.cli.pictures.rows import DeploymentRow
from moduledeploy.cli.pictures.standing import Confirmation, Standing
from moduledeploy.cli.pictures.verdicts import BaseVerdict, Filter
from moduledeploy.cli.reading.cluster import read_stores, view_of
from moduledeploy.cli.why import Explanation

PAGE: Final = Path(__file__).with_suffix(".md")
PICTURE: Final = PAGE.with_name("demo.svg")
WIDTH: Final = 104  # columns of the picture
AT_THE_SECOND_GATE: Final = "status orders --timeout 1m --until batch=2"
HEAD: Final = """\
# The command line

`moduledeploy COMMAND`, or `kubectl moduledeploy COMMAND` where both are on the PATH. Everything is told from the API alone: the
commands need no way to the controller, and what they foretell is planned by the code that the controller runs. This page is
made by `python docs/cli.py`, which runs what it shows on an embedded cluster.

Every command has `--help` with an example, and `-n`, `--context` and `--kubeconfig` as in kubectl, before the command or after it;
lists have `-A` and `-l`. `mddeploy/orders` and `mddeploy orders` are as good as `orders`, `-n=team` as `-n team`, `approve` as
`confirm`. `HTTPS_PROXY` and `NO_PROXY` are obeyed. Reading takes the role `view` (it has `moduledeploy-viewer` in it), moving a
rollout `moduledeploy-editor`.

Colours are for terminals and not with `NO_COLOR`; a narrow terminal gets fewer columns, a pipe all of them, uncut. Completion
with live names: `source <(moduledeploy completion bash)`, also for zsh and fish; kubectl completes its plugin by itself.

## Exit statuses

| status | meaning |
|---|---|
"""
EXITS: Final = {
    Exit.REACHED: "done; for `status`: the goal is reached",
    Exit.FAILED: "failed, refused, or the rollout has failed; for `plan`, `simulate` and `capacity`: it can't complete",
    Exit.USAGE: "not understood, or no usable configuration",
    Exit.GATE: "stopped at a gate: it waits for a confirmation or is paused",
    Exit.TIMEOUT: "not reached in time; for `status` without `-w` and `--timeout`: still under way",
    Exit.SUPERSEDED: "another revision is rolled out now",
    Exit.NOT_FOUND: "no such object, or it was deleted meanwhile",
    INTERRUPTED: "ended by Ctrl-C",
    UNREAD: "nobody read on, as with `head`",
}
KEPT: Final = """\
What was deployed, how it ended, and who confirmed which batch. The controller keeps it in the conditions RolloutStarted and
RolledOut of each ModuleReplicaSet, `confirm` in an annotation of the ModuleDeployment:"""
# (what it is for, what is typed): None goes on with the one before, and what is for "" is carried out and not shown.
SCENES: Final = (
    (
        "What will be refused, what is unwise, and what changes for a manifest of v1:",
        "lint -f {m}/orders-v1.yaml --from-v1",
    ),
    ("", "kubectl apply -f {m}/base.yaml"),
    ("", "kubectl wait --for=jsonpath={{.status.readyReplicas}}=10 deployment/base --timeout=60s"),
    ("What a manifest will do, before it is applied:", "plan -f {m}/orders-v1.yaml"),
    ("", "kubectl apply -f {m}/orders-v1.yaml"),
    ("Follow a rollout in a pipeline:", "status orders --timeout 2m"),
    ("", "kubectl apply -f {m}/orders-v2.yaml"),
    ("A gate ends it with status 3:", "status orders --timeout 2m"),
    ("The whole of it (`-w` keeps it live):", "get orders"),
    ("All rollouts (`-w` too):", "list"),
    (
        "A batch is confirmed once; a second time does no harm, and one not yet reached is refused:",
        "confirm orders --batch 1",
    ),
    ("", AT_THE_SECOND_GATE),
    (None, "confirm orders --batch 1"),
    (None, "confirm orders --batch 3"),
    ("A person's pause is not the gate, and ending it confirms nothing:", "pause orders"),
    (None, "resume orders"),
    ("Scale as with kubectl:", "scale orders --replicas 12"),
    ("", "status orders --timeout 3s"),
    ("Why something waits, with each filter on each base:", "why orders"),
    ("Can the rollouts finish?", "capacity"),
    ("What if?", "simulate orders --scale 9"),
    ("Deploy another version, here one that can't start:", "set orders version=3.0.0-bad"),
    (None, "status orders --timeout 1m"),
    ("Try again, go back, or deploy the same version once more:", "retry orders"),
    ("", "status orders --timeout 1m"),
    (None, "undo orders"),
    ("", "status orders --timeout 1m"),
    (None, "restart orders"),
    ("", "status orders --timeout 1m"),
    (KEPT, "history orders"),
)
SCHEMAS: Final[dict[str, type[Any]]] = {
    "Rollout (`get`)": RolloutPicture,
    "Rollout.revisions[]": RevisionPicture,
    "….batches[]": BatchPicture,
    "….batches[].confirmed": Confirmation,
    "….replicas[]": ReplicaPicture,
    "RolloutSummary (`status`; `list` in RolloutSummaryList)": DeploymentRow,
    "Revision (`history --revision`; `history` in RevisionList)": HistoryEntry,
    "Revision.confirmed[]": BatchConfirmed,
    "Plan (`plan`; of a file with several in PlanList), Simulation (`simulate`)": Forecast,
    "Plan.steps[]": Step,
    "Plan.steps[].moves[]": Move,
    "Explanation (`why`)": Explanation,
    "Explanation.bases[]": BaseVerdict,
    "Explanation.bases[].filters[]": Filter,
    "Capacity (`capacity`, in CapacityList)": Capacity,
    "Capacity.rollouts[]": RolloutCapacity,
    "Finding (`lint`, in FindingList)": Finding,
    "Change (`confirm`, `pause`, `resume`, `retry`, `restart`, `undo`, `scale`, `set`)": Change,
}
ENUMS: Final[dict[str, type[StrEnum]]] = {kind.__name__: kind for kind in (Standing, Deed, Wait, Level)}
FORMATS: Final = f"""\
## json and yaml

`-o json` and `-o yaml` give one document with `apiVersion: {SCHEMA}` and a `kind`; lists have `items`. Fields are only ever added.
What is unknown is absent. Durations are in seconds, instants are RFC 3339. A command that follows something (`-w`, or `status
--timeout`) gives a document whenever more than ages changed, each a line of its own in json, each after `---` in yaml. Errors are
one line on standard error, whatever the format; standard output has no document then, or those from before.

| kind | fields |
|---|---|
"""


def schemas() -> str:
    """A row for each kind."""
    rows = ((name, ", ".join(map(_field, attrs.fields(kind)))) for name, kind in SCHEMAS.items())
    return "\n".join(f"| {name} | {fields} |" for name, fields in rows)


def _field(field: attrs.Attribute[Any]) -> str:
    name = camel(field.name)
    hint = str(field.type).removesuffix(" | None")
    if "float" in hint and not field.name.endswith("_s") and name != "seconds":
        return f"`{name}` time"
    return f"`{name}` {_shown(hint)}"


def _shown(hint: str) -> str:
    """A type as readers of JSON call it."""
    if hint in ENUMS:
        return f"one of {', '.join(f'`{item.value}`' for item in ENUMS[hint])}"
    if hint.endswith(", ...]"):
        inner = _shown(hint.removeprefix("tuple[").removesuffix(", ...]"))
        return f"list of {'objects' if inner == 'object' else inner}"
    if hint.startswith("tuple["):
        return "pairs of text"
    return {"bool": "true/false", "int": "number", "float": "number", "str": "text"}.get(hint, "object")


async def scenes(stage: Stage) -> str:
    """Every scene carried out, with what it printed."""
    shown: list[str] = []
    for title, line in SCENES:
        typed = line.format(m=MANIFESTS / "samples")
        if typed.startswith("kubectl "):
            await stage.kubectl(*shlex.split(typed)[1:])
            continue
        done = await anyio.run_process(
            [sys.executable, "-m", "moduledeploy", *shlex.split(typed)],
            env={**os.environ, "KUBECONFIG": str(stage.kubeconfig)},
            stderr=subprocess.STDOUT,
            check=False,
        )
        if line == AT_THE_SECOND_GATE:
            PICTURE.write_text(await moment(stage))
        if title == "":
            continue
        typed = typed.replace(f"{MANIFESTS.parent}/", "")
        status = f"\n$ echo $?\n{done.returncode}" if done.returncode or typed.startswith("status") else ""
        block = f"```console\n$ moduledeploy {typed}\n{done.stdout.decode().rstrip()}{status}\n```"
        shown.append(block if title is None else f"{title}\n\n{block}")
    return "\n\n".join(shown)


async def moment(stage: Stage) -> str:
    """The demo's screen as it is now, with fonts that every machine has."""
    cluster = view_of(await read_stores(stage.connection, NAMESPACE))
    out = Console(record=True, width=WIDTH, file=io.StringIO(), force_terminal=True, color_system="truecolor")
    out.print(
        screen.page(
            title="Version 2 rolls out and waits for a person after every batch",
            command="moduledeploy confirm orders --batch 1",
            note="Batch 2 waits for you. Press Enter to confirm it",
            view=screen.view(cluster, "orders", WIDTH),
        )
    )
    drawn = out.export_svg(title="moduledeploy demo", theme=MONOKAI, unique_id="demo")
    return re.sub(r"@font-face \{.*?\}\s*", "", drawn, flags=re.DOTALL).replace("Fira Code, monospace", "monospace")


async def page() -> str:
    """The whole page."""
    exits = "\n".join(f"| {int(status)} | {text} |" for status, text in EXITS.items())
    async with open_stage() as stage:
        await stage.install_crds()
        await stage.start_controller()
        told = await scenes(stage)
    return f"{HEAD}{exits}\n\n## The commands\n\n{told}\n\n{FORMATS}{schemas()}\n"


if __name__ == "__main__":
    PAGE.write_text(anyio.run(page))
