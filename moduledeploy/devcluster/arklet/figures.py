"""What a real base was measured to take, the one place for it: docs/arklet.md says how and on what.

Seconds are a `Timings`, so that tests can have a base without any; bytes of Metaspace cost nobody time and are always told.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import attrs

if TYPE_CHECKING:
    from moduledeploy.devcluster.arklet.jars import Jar

METASPACE_AT_START: Final = 49_000_000  # bytes that a Spring Boot base uses before the first module
_FIRST_WEB_METASPACE: Final = 600_000
_WEB_METASPACE: Final = 30_000
_PLAIN_METASPACE: Final = 6_000


@attrs.frozen(kw_only=True)
class Timings:
    """Seconds of the operations on one base; a web module has a Spring context, a plain one is a main that returns."""

    first_web_install_s: float = 0.0  # of a JVM: classes that later ones share are loaded then
    web_install_s: float = 0.0
    web_uninstall_s: float = 0.0
    plain_install_s: float = 0.0
    plain_uninstall_s: float = 0.0
    switch_s: float = 0.0

    def install_s(self, jar: Jar, *, is_first: bool) -> float:
        """How long this module takes to start; `is_first` of the web modules in its JVM."""
        if not jar.is_web:
            return self.plain_install_s
        return self.first_web_install_s if is_first else self.web_install_s

    def uninstall_s(self, jar: Jar) -> float:
        """How long this module takes to stop."""
        return self.web_uninstall_s if jar.is_web else self.plain_uninstall_s


INSTANT: Final = Timings()
MEASURED: Final = Timings(
    first_web_install_s=2.3,
    web_install_s=1.7,
    web_uninstall_s=0.03,
    plain_install_s=0.03,
    plain_uninstall_s=0.02,
    switch_s=0.005,
)


def metaspace(jar: Jar, *, is_first: bool) -> int:
    """Bytes that an install of this module takes, and that most of which its uninstall doesn't give back."""
    if not jar.is_web:
        return _PLAIN_METASPACE
    return _FIRST_WEB_METASPACE if is_first else _WEB_METASPACE
