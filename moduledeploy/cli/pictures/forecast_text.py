"""A forecast in words and bars."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from rich.text import Text

from moduledeploy.cli.pictures.forecast import Deed, Wait
from moduledeploy.cli.pictures.words import ACTIVE, BAD, GOOD, WAITS, age, plural

if TYPE_CHECKING:
    from collections.abc import Iterator

    from moduledeploy.cli.pictures.forecast import Forecast, Move, Step

BAR: Final = 40
BESIDE: Final = 38  # cells of the line beside the bar
SHOWN: Final = 20  # bases of a batch that are named
_DEEDS: Final = {
    Deed.INSTALL: "install {new}",
    Deed.REPLACE: "install {new} beside {old}, switch, uninstall {old}",
    Deed.REINSTALL: "uninstall {old}, install {new}",
    Deed.UNINSTALL: "uninstall {old}",
}


def forecast_text(forecast: Forecast, width: int) -> list[Text]:
    """The batches with what each does, then what it comes to; of a large batch some bases are named."""
    lines = [
        Text.assemble(
            (forecast.name, "bold"),
            f": {forecast.module}:{forecast.version} on {plural(forecast.desired, 'replica')}, base Deployment "
            f"{forecast.base_deployment} with {plural(forecast.bases, 'base')}",
        )
    ]
    largest = max((len(step.moves) for step in forecast.steps), default=1)
    for step in forecast.steps:
        lines.extend(_step(step, largest, min(BAR, max(1, width - BESIDE))))
    if not forecast.steps:
        lines.append(Text("  nothing is to be done"))
    return [*lines, Text(), *_sum(forecast)]


def _step(step: Step, largest: int, cells: int) -> Iterator[Text]:
    title = f"batch {step.batch}" if step.batch else "before a batch"
    if step.moves:
        blocks = "■" * max(1, round(cells * len(step.moves) / largest))
        start = "at once" if step.begins_s < 1 else f"after {age(step.begins_s)} at the earliest"
        yield Text.assemble(f"  {title:<8} ", (blocks, ACTIVE), f" {plural(len(step.moves), 'base')}, {start}")
    else:
        yield Text(f"  {title:<8} nothing left to do")
    shown = step.moves if len(step.moves) <= SHOWN + 1 else step.moves[:SHOWN]
    width = max((len(move.base) for move in shown), default=0)
    yield from (Text(f"    {move.base:<{width}}  {_deed(move)}") for move in shown)
    if left := len(step.moves) - len(shown):
        yield Text(f"    … and {left} more, which -o json and -o yaml name", style="dim")
    for wait in step.then:
        yield Text(f"    then {_wait(wait)}", style=WAITS)


def _deed(move: Move) -> str:
    return _DEEDS[move.deed].format(old=move.from_version, new=move.to_version)


def _wait(wait: Wait) -> str:
    match wait:
        case Wait.CONFIRMATION:
            return "waits for a person to confirm the batch"
        case Wait.PAUSE:
            return "waits for a person to end the pause"
        case Wait.GRAY_TIME:
            return "waits for the gray time to end"
        case Wait.BASE_ROLLOUT:
            return "waits for the base Deployment, which is rolling"


def _sum(forecast: Forecast) -> Iterator[Text]:
    if forecast.completes:
        least = (
            f"in {age(forecast.seconds)} at the earliest" if forecast.seconds >= 1 else "as fast as the bases install"
        )
        people = f", after {plural(forecast.confirmations, 'confirmation')}" if forecast.confirmations else ""
        yield Text.assemble(("✔ It completes", GOOD), f", {least}{people}.")
    else:
        yield Text.assemble(("✖ It doesn't complete", BAD), f": {forecast.stuck}")
    if forecast.unplaced and forecast.completes:
        yield Text(f"  {forecast.unplaced}", style=WAITS)
    if forecast.others:
        there = f"  {', '.join(forecast.others)} will look for bases at the same time, so that others may be taken."
        yield Text(there, style=WAITS)
    yield Text(
        f"  Availability: never below {forecast.lowest_available}, at the end {forecast.available} of {forecast.desired};"
        f" the floor is {forecast.floor} (at most {forecast.max_unavailable} unavailable)."
    )
