"""Play the scenes one after the other, show them, and say at the end which of them held."""

from __future__ import annotations

import sys
import time
from typing import Final

import anyio
import anyio.to_thread
import attrs
from rich.console import Console
from rich.live import Live
from rich.table import Table

from moduledeploy.cli.demo import screen
from moduledeploy.cli.demo.scenes import Scene, scenes
from moduledeploy.cli.demo.stage import MANIFESTS, Snapshot, Stage, StageError, open_stage
from moduledeploy.kube.errors import KubeError

LOOK_EVERY_S: Final = 0.15
ASK_FOR_S: Final = 10.0  # without an answer the demo goes on by itself
SHOW_GATE_S: Final = 1.2  # how long a gate is shown where nobody is there to answer
SETTLE_S: Final = 5.0  # the controller has answered a confirmation long before
_WAITING: Final = "WaitingForConfirmation"


@attrs.define
class Outcome:
    """How a scene went."""

    scene: Scene
    held: bool = False
    took_s: float = 0.0
    why: str = ""


async def play() -> int:
    """Play everything; 0 when every scene held."""
    console = Console()
    outcomes: list[Outcome] = []
    try:
        async with open_stage() as stage:
            console.print(
                f"The cluster is up. Look at it in another terminal:\n  export KUBECONFIG={stage.kubeconfig}",
                highlight=False,
            )
            console.print("  kubectl get mddeploy,mdrs,md\n", highlight=False)
            await stage.kubectl("apply", "-f", str(MANIFESTS / "crd"))
            await stage.kubectl(
                "wait",
                "--for=condition=Established",
                "crd/moduledeployments.koupleless.alipay.com",
                "crd/modulereplicasets.koupleless.alipay.com",
                "crd/modules.koupleless.alipay.com",
                "--timeout=10s",
            )
            await stage.start_controller()
            for scene in scenes():
                outcomes.append(await _Player(stage, console, scene).play())
                if not outcomes[-1].held:
                    break
    except (StageError, KubeError) as error:
        console.print(f"[red]moduledeploy demo: {error}[/red]", highlight=False)
    _summary(console, outcomes)
    return 0 if len(outcomes) == len(scenes()) and all(outcome.held for outcome in outcomes) else 1


@attrs.define
class _Player:
    stage: Stage
    console: Console
    scene: Scene
    command: str = ""
    note: str = ""
    told: str = ""

    async def play(self) -> Outcome:
        """Do the scene's deed, then look until what it promises holds."""
        outcome, began_at = Outcome(self.scene), time.monotonic()
        if not self.console.is_terminal:
            self.console.print(f"▶ {self.scene.title}", highlight=False)
        self.command = await self.scene.deed(self.stage)
        if not self.console.is_terminal:
            self.console.print(f"  $ {self.command}", highlight=False)
        with Live(
            console=self.console, refresh_per_second=8, transient=True, auto_refresh=self.console.is_terminal
        ) as live:
            while time.monotonic() - began_at < self.scene.within_s:
                self.stage.check_alive()
                seen = await self.stage.look()
                self._show(live, seen)
                if self.scene.holds(seen):
                    outcome.held = True
                    break
                if self.scene.confirms and seen.release(self.scene.subject).get("progress") == _WAITING:
                    waited_from = time.monotonic()
                    await self._confirm(live, seen)
                    began_at += time.monotonic() - waited_from  # a person's time isn't the controller's
                await anyio.sleep(LOOK_EVERY_S)
        outcome.took_s = time.monotonic() - began_at
        if not outcome.held:
            outcome.why = screen.line(seen, self.scene.subject) or "nothing was seen"
        self._close(seen, outcome)
        return outcome

    def _show(self, live: Live, seen: Snapshot) -> None:
        if self.console.is_terminal:
            live.update(
                screen.page(
                    title=self.scene.title, command=self.command, seen=seen, subject=self.scene.subject, note=self.note
                )
            )
            return
        line = screen.line(seen, self.scene.subject)
        if line and line != self.told:
            self.told = line
            self.console.print(f"  {line}", highlight=False)

    async def _confirm(self, live: Live, seen: Snapshot) -> None:
        """Ask for the confirmation on a terminal; give it visibly without one."""
        batch = seen.release(self.scene.subject).get("currentBatch")
        patch = '{"spec":{"pause":false}}'
        typed = f"kubectl patch mddeploy {self.scene.subject} --type merge -p '{patch}'"
        if self.console.is_terminal and sys.stdin.isatty():
            self.note = (
                f"Batch {batch} waits for you. Press Enter to confirm it (goes on by itself in {ASK_FOR_S:.0f} s)"
            )
            self._show(live, seen)
            with anyio.move_on_after(ASK_FOR_S):
                await anyio.to_thread.run_sync(sys.stdin.readline, abandon_on_cancel=True)
        else:
            self.note = f"Batch {batch} waits for a person; nobody is here, so the demo confirms it"
            self._show(live, seen)
            await anyio.sleep(SHOW_GATE_S)
        if not self.console.is_terminal:
            self.console.print(f"  {self.note}\n  $ {typed}", highlight=False)
        await self.stage.kubectl("patch", "mddeploy", self.scene.subject, "--type", "merge", "-p", patch)
        self.note = ""
        for _ in range(int(SETTLE_S / LOOK_EVERY_S)):
            if (await self.stage.look()).release(self.scene.subject).get("progress") != _WAITING:
                return
            await anyio.sleep(LOOK_EVERY_S)

    def _close(self, seen: Snapshot, outcome: Outcome) -> None:
        mark = "[green]✔[/green]" if outcome.held else "[red]✖[/red]"
        self.console.print(f"{mark} {self.scene.title} ({outcome.took_s:.1f} s)", highlight=False)
        if self.console.is_terminal:
            self.console.print(
                screen.page(title="", command=self.command, seen=seen, subject=self.scene.subject, note="")
            )


def _summary(console: Console, outcomes: list[Outcome]) -> None:
    table = Table(title="What was seen")
    table.add_column("")
    table.add_column("step")
    table.add_column("seconds", justify="right")
    for outcome in outcomes:
        mark = "[green]✔[/green]" if outcome.held else "[red]✖[/red]"
        table.add_row(mark, outcome.scene.title + (f"\n{outcome.why}" if outcome.why else ""), f"{outcome.took_s:.1f}")
    left = len(scenes()) - len(outcomes)
    if left:
        table.add_row("[red]✖[/red]", f"{left} more were not reached", "")
    console.print(table)
