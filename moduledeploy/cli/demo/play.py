"""Play the scenes one after the other, show them, and say at the end which of them held."""

from __future__ import annotations

import sys
import time
from contextlib import nullcontext
from typing import TYPE_CHECKING, Final

import anyio
import anyio.to_thread
import attrs
from rich.live import Live as Screen
from rich.text import Text

from moduledeploy.api.status import Progress
from moduledeploy.cli.access.console import console, say
from moduledeploy.cli.access.exits import CliError, Exit
from moduledeploy.cli.demo import screen
from moduledeploy.cli.demo.scenes import Scene, release_of, scenes
from moduledeploy.cli.demo.stage import NAMESPACE, Stage, StageError, open_stage
from moduledeploy.cli.pictures.table import table
from moduledeploy.cli.pictures.words import BAD, GOOD
from moduledeploy.cli.reading.live import watching
from moduledeploy.kube.errors import KubeError

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from rich.console import Console, Group

    from moduledeploy.cli.reading.live import Live

FRAME_S: Final = 0.1
ASK_FOR_S: Final = 10.0  # without an answer the demo goes on by itself
SHOW_GATE_S: Final = 1.2  # how long a gate is shown where nobody is there to answer


@attrs.define
class Outcome:
    """How a scene went."""

    scene: Scene
    held: bool = False
    took_s: float = 0.0
    why: str = ""


async def play() -> int:
    """Play everything; 0 when every scene held."""
    outcomes: list[Outcome] = []
    try:
        async with open_stage() as stage:
            say(["The cluster is up. Look at it in another terminal:", f"  export KUBECONFIG={stage.kubeconfig}"])
            say(["  moduledeploy list -w", "  kubectl get mddeploy,mdrs,md", ""])
            await stage.install_crds()
            await stage.start_controller()
            async with watching(stage.connection, NAMESPACE) as live:
                for scene in scenes():
                    outcomes.append(await _Player(stage, live, scene).play())
                    if not outcomes[-1].held:
                        break
    except (StageError, CliError, KubeError) as error:
        raise CliError(f"the demo can't go on: {error}") from error
    finally:
        _summary(outcomes)
    return Exit.REACHED if len(outcomes) == len(scenes()) and outcomes[-1].held else Exit.FAILED


@attrs.define
class _Player:
    stage: Stage
    live: Live
    scene: Scene
    command: str = ""
    note: str = ""
    told: str = ""
    confirmed: set[int] = attrs.field(factory=set, init=False)

    async def play(self) -> Outcome:
        """Do the scene's deed, then look until what it promises holds."""
        outcome, began_at, out = Outcome(self.scene), time.monotonic(), console()
        if not out.is_terminal:
            say([f"▶ {self.scene.title}"])
        self.command = await self.scene.deed(self.stage)
        if not out.is_terminal:
            say([f"  $ {self.command}"])
        with _screen(out) as drawn:

            def show() -> None:
                if drawn is not None:
                    drawn.update(self._page(self.scene.title), refresh=True)
                else:
                    self._tell()

            while time.monotonic() - began_at < self.scene.within_s and not outcome.held:
                self.stage.check_alive()
                show()
                outcome.held = self.scene.holds(self.live.cluster.stores)
                if (batch := self._gate()) is not None:
                    waited_from = time.monotonic()
                    await self._confirm(batch, show)
                    began_at += time.monotonic() - waited_from  # a person's time isn't the controller's
                await anyio.sleep(FRAME_S)
                await self.live.wait_changed(FRAME_S)
        outcome.took_s = time.monotonic() - began_at
        if not outcome.held:
            outcome.why = screen.line(self.live.cluster, self.scene.subject)
        self._close(outcome)
        return outcome

    def _page(self, title: str) -> Group:
        shown = screen.view(self.live.cluster, self.scene.subject, console().width)
        return screen.page(title=title, command=self.command, note=self.note, view=shown)

    def _tell(self) -> None:
        """The line log, where there is no terminal."""
        line = screen.line(self.live.cluster, self.scene.subject)
        if line != self.told:
            self.told = line
            say([f"  {line}"])

    def _gate(self) -> int | None:
        """The batch that waits for a person, unless it was confirmed already."""
        release = release_of(self.live.cluster.stores, self.scene.subject) if self.scene.confirms else None
        if release is None or release.progress is not Progress.WAITING_FOR_CONFIRMATION:
            return None
        return release.current_batch if release.current_batch not in self.confirmed else None

    async def _confirm(self, batch: int, show: Callable[[], None]) -> None:
        """Ask for the confirmation on a terminal; give it visibly without one."""
        asks = console().is_terminal and sys.stdin.isatty()
        self.note = (
            f"Batch {batch} waits for you. Press Enter to confirm it (goes on by itself in {ASK_FOR_S:.0f} s)"
            if asks
            else f"Batch {batch} waits for a person; nobody is here, so the demo confirms it"
        )
        show()
        if asks:
            with anyio.move_on_after(ASK_FOR_S):
                await anyio.to_thread.run_sync(sys.stdin.readline, abandon_on_cancel=True)
        else:
            await anyio.sleep(SHOW_GATE_S)
        self.command = await self.stage.moduledeploy("confirm", self.scene.subject, "--batch", str(batch))
        if not console().is_terminal:
            say([f"  {self.note}", f"  $ {self.command}"])
        self.note = ""
        self.confirmed.add(batch)

    def _close(self, outcome: Outcome) -> None:
        say([Text.assemble(_mark(held=outcome.held), f" {self.scene.title} ({outcome.took_s:.1f} s)")])
        if console().is_terminal:
            console().print(self._page(""))


def _screen(out: Console) -> AbstractContextManager[Screen | None]:
    """Where live pictures are drawn, None without a terminal."""
    if not out.is_terminal:
        return nullcontext()
    return Screen(console=out, auto_refresh=False, transient=True, vertical_overflow="ellipsis")


def _mark(*, held: bool) -> tuple[str, str]:
    return ("✔", GOOD) if held else ("✖", BAD)


def _summary(outcomes: list[Outcome]) -> None:
    rows: list[tuple[str | Text, ...]] = []
    for outcome in outcomes:
        rows.append((Text(*_mark(held=outcome.held)), f"{outcome.took_s:.1f}", outcome.scene.title))
        if outcome.why:
            rows.append(("", "", outcome.why))
    if left := len(scenes()) - len(outcomes):
        rows.append((Text(*_mark(held=False)), "", f"{left} more were not reached"))
    say([Text(), *table(("", "SECONDS", "WHAT WAS SEEN"), rows)])
