"""What may befall one command on its way through a base, by somebody's decision from outside.

A `Mishap` is decided when the command arrives and holds for that command alone; what of it an annotation could ask for as
well is done in the same place, by the `Behaviour` under which the command runs.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final, Literal, get_args

import attrs

if TYPE_CHECKING:
    from moduledeploy.devcluster.arklet.behaviour import Behaviour

MishapKind = Literal[
    "arklet_busy",  # refused: another operation on the module is under way, so it says
    "arklet_error",  # CMD_PROCESS_INTERNAL_ERROR; nothing has taken effect
    "arklet_failing",  # the module's main or stop hook throws
    "arklet_slow",  # `seconds` longer
    "arklet_stalled",  # the download never ends
    "arklet_silent",  # nothing happens and nothing is ever answered
    "arklet_lost_reply",  # it takes effect, then the connection is cut
    "base_restart",  # the container dies as the command comes
]
MISHAPS: Final[frozenset[str]] = frozenset(get_args(MishapKind))
_ALL: Final = ("*",)


@attrs.frozen
class Mishap:
    """One of them; `seconds` is read by the slow one alone."""

    kind: MishapKind
    seconds: float = 0.0

    def bent(self, behaviour: Behaviour) -> Behaviour:
        """How the base behaves towards this command."""
        match self.kind:
            case "arklet_failing":
                return attrs.evolve(behaviour, fail_install=_ALL, fail_uninstall=_ALL)
            case "arklet_stalled":
                return attrs.evolve(behaviour, stalled_download=_ALL)
            case "arklet_slow":
                return attrs.evolve(
                    behaviour,
                    install_delay_s=behaviour.install_delay_s + self.seconds,
                    uninstall_delay_s=behaviour.uninstall_delay_s + self.seconds,
                    answer_delay_s=behaviour.answer_delay_s + self.seconds,
                )
            case _:
                return behaviour


# Decides what befalls the commands of one base: by the command and the `name:version` it is about, empty for a question.
Fate = Callable[[str, str], Mishap | None]


def kind_fate(_command: str, _module: str) -> Mishap | None:
    """The fate of a base that nothing befalls."""
    return None
