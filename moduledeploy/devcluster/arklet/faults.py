"""Java exceptions as Arklet shows them.

CommandFault            the command ends as CMD_PROCESS_INTERNAL_ERROR with this text
  JarFault              before the module is registered: the download, the archive, its manifest
  ModuleFault           the module's own code threw; the cause is in the stack trace alone
"""

from __future__ import annotations

from typing import Final

_FRAMES: Final = 48  # gives the 4 to 11 kB that real stack traces have


class CommandFault(Exception):
    """Raised when a command ends in an exception; `str()` is the text after `Internal Error: `."""

    def __init__(self, text: str, *, cause: str = "") -> None:
        super().__init__(text)
        self.cause = cause

    def stack_trace(self) -> str:
        """A stack trace of realistic size: the exception first, its cause last."""
        frames = [f"\tat com.alipay.sofa.ark.simulated.Frame{n}.call(Frame{n}.java:{n + 11})" for n in range(_FRAMES)]
        causes = [f"Caused by: {self.cause}", *frames[:_FRAMES:2]] if self.cause else []
        return "\n".join([str(self), *frames, *causes, "\t... 12 more", ""])


class JarFault(CommandFault):
    """Raised when no module could be read from a URL; nothing is left on the base."""


class ModuleFault(CommandFault):
    """Raised when the module's main or stop hook threw."""

    def __init__(self, cause: str) -> None:
        super().__init__("java.lang.reflect.InvocationTargetException", cause=cause)


def no_input(handler: str, getter: str) -> CommandFault:
    """What the JVM says to a command without fields, or with one of another type, which comes to the same."""
    name = f"com.alipay.sofa.koupleless.arklet.core.command.builtin.handler.{handler}$Input.{getter}()"
    return CommandFault(f'Cannot invoke "{name}" because "input" is null')
