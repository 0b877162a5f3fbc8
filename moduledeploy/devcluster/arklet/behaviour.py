"""What one simulated base does beyond the recording, asked for by annotations on its pod.

`devcluster.koupleless.alipay.com/<switch>`:

    install-delay, uninstall-delay   seconds that every start or stop of a module takes beyond its time
    answer-delay                     seconds that every other command takes
    fail-install                     modules whose main throws
    fail-uninstall                   modules whose stop hook throws
    stalled-download                 modules whose download never ends
    identity                         `asked=actual` pairs: the jar's manifest says otherwise than the request
    multi-active, activate-new       sofa-ark's two flags for a second version of a module
    auto-uninstall                   false: a failed install stays listed as broken
    remove-after-stop-failure        false: a failed uninstall stays listed as broken
    upper-case-states                true: states as runtimes before 1.3.0 print them
    runtime                          1.4.2 (the default) or 2.1.6, a Spring Boot base, where modules but web… have no Spring context
    cores                            CPU cores of the base; Arklet serves its connections on two event loops per core
    silent                           true: connections are accepted, nothing is ever answered

Lists are separated by commas or blanks; an entry is `name` or `name:version`, both as shell patterns.
"""

from __future__ import annotations

import re
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, Final

import attrs

from moduledeploy.devcluster.arklet.runtimes import Runtime

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

PREFIX: Final = "devcluster.koupleless.alipay.com/"


class AnnotationError(ValueError):
    """Raised when a switch has a value it can't have; the text names the annotation and what is allowed."""


@attrs.frozen(kw_only=True)
class Behaviour:
    """The switches of one base; the defaults are those of the recorded Arklet."""

    install_delay_s: float = 0.0
    uninstall_delay_s: float = 0.0
    answer_delay_s: float = 0.0
    fail_install: tuple[str, ...] = ()
    fail_uninstall: tuple[str, ...] = ()
    stalled_download: tuple[str, ...] = ()
    identity: tuple[tuple[str, str], ...] = ()
    multi_active: bool = False
    activate_new: bool = False
    auto_uninstall: bool = True
    remove_after_stop_failure: bool = True
    upper_case_states: bool = False
    runtime: Runtime = Runtime.BARE
    cores: int = 2
    silent: bool = False


def matches(patterns: tuple[str, ...], name: str, version: str) -> bool:
    """Whether a pattern of the list stands for this version of the module."""
    return any(fnmatchcase(f"{name}:{version}" if ":" in pattern else name, pattern) for pattern in patterns)


def behaviour_from_annotations(annotations: Mapping[str, str]) -> Behaviour:
    """The behaviour a pod's annotations ask for.

    Raises `AnnotationError` for a value that can't be; annotations of other names are not looked at.
    """
    given: dict[str, Any] = {}
    for switch, (field, read) in _SWITCHES.items():
        if (text := annotations.get(PREFIX + switch)) is not None:
            try:
                given[field] = read(text)
            except ValueError as error:
                raise AnnotationError(f"annotation {PREFIX}{switch}: {text!r} is not {error}") from error
    return Behaviour(**given)


def read_seconds(text: str) -> float:
    """Seconds from 0 to a day; raises `ValueError` with what is allowed."""
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds <= 86_400:
        raise ValueError("a number of seconds from 0 to 86400")
    return seconds


def read_flag(text: str) -> bool:
    """`true` or `false`; raises `ValueError` with what is allowed."""
    if text not in {"true", "false"}:
        raise ValueError('"true" or "false"')
    return text == "true"


def _cores(text: str) -> int:
    if not re.fullmatch(r"[1-9]\d?", text):
        raise ValueError("a number of CPU cores from 1 to 99")
    return int(text)


def _runtime(text: str) -> Runtime:
    try:
        return Runtime(text)
    except ValueError as error:
        raise ValueError("one of " + ", ".join(runtime.value for runtime in Runtime)) from error


def _patterns(text: str) -> tuple[str, ...]:
    return tuple(part for part in re.split(r"[,\s]+", text) if part)


def _identities(text: str) -> tuple[tuple[str, str], ...]:
    pairs = []
    for part in _patterns(text):
        asked, equals, actual = part.partition("=")
        if not (asked and equals and re.fullmatch(r"[^:]+:[^:]+", actual)):
            raise ValueError("a list of asked=actual, with actual as name:version")
        pairs.append((asked, actual))
    return tuple(pairs)


_SWITCHES: Final[Mapping[str, tuple[str, Callable[[str], object]]]] = {
    "install-delay": ("install_delay_s", read_seconds),
    "uninstall-delay": ("uninstall_delay_s", read_seconds),
    "answer-delay": ("answer_delay_s", read_seconds),
    "fail-install": ("fail_install", _patterns),
    "fail-uninstall": ("fail_uninstall", _patterns),
    "stalled-download": ("stalled_download", _patterns),
    "identity": ("identity", _identities),
    "multi-active": ("multi_active", read_flag),
    "activate-new": ("activate_new", read_flag),
    "auto-uninstall": ("auto_uninstall", read_flag),
    "remove-after-stop-failure": ("remove_after_stop_failure", read_flag),
    "upper-case-states": ("upper_case_states", read_flag),
    "runtime": ("runtime", _runtime),
    "cores": ("cores", _cores),
    "silent": ("silent", read_flag),
}
