"""Why an operation failed, from what the JVM says: Arklet passes exceptions on as text and knows no classes of failure."""

from __future__ import annotations

import re
from typing import Final

import attrs

from moduledeploy.arklet.outcomes import FailureClass
from moduledeploy.runtime.text import one_line

_CAUSE: Final = re.compile(r"^\s*Caused by: ([^\n]{1,4096})", re.MULTILINE)
_PREFIX: Final = "Internal Error: "
_REFLECTION: Final = "java.lang.reflect.InvocationTargetException"

# Both mean that another operation on the module has not ended: Arklet's lock for each name and version
# (BizOpsCommandCoordinator), and sofa-ark's refusal to stop what is still starting (ArkClient.uninstallBiz).
_BUSY: Final = re.compile(r"exist unfinished command|BizState must be ACTIVATED, DEACTIVATED or BROKEN")

# sofa-ark shares one Tomcat between the base and all modules; a second context of one path is refused by Tomcat.
_SAME_CONTEXT_PATH: Final = re.compile(r"Child name \S* ?is not unique")
_SAME_CONTEXT_PATH_TEXT: Final = (
    "another module or version on the base has the same web context path, and two can't run side by side;"
    " a new version has to be rolled out with uninstall_then_install"
)


@attrs.frozen
class _Rule:
    failure: FailureClass
    words: re.Pattern[str]


def _rule(failure: FailureClass, *words: str) -> _Rule:
    return _Rule(failure, re.compile("|".join(words)))


# The first rule that fits one of the exceptions decides; without one it is RETRYABLE, since nothing says that it is not.
# The texts are the JVM's own (java.net, java.util.zip, HotSpot) and sofa-ark's and Arklet's argument checks; those of
# downloads, archives, manifests and a throwing main were seen on the wire of runtime 1.4.2.
_RULES: Final = (
    # A module takes Metaspace and an unpacked folder; both are the base's to give.
    _rule(FailureClass.CAPACITY, "OutOfMemoryError", "Metaspace", "No space left on device", "Too many open files"),
    # The web context path, or a port the module opens itself, belongs to another module or version.
    _rule(FailureClass.CONFLICT, _SAME_CONTEXT_PATH.pattern, "BindException"),
    # A request that can't be right, a jar that isn't there or is no module.
    _rule(
        FailureClass.PERMANENT,
        "FileNotFoundException",  # also what HttpURLConnection says to 404
        "MalformedURLException",
        "Server returned HTTP response code: 4",
        "Biz Name must not be empty",
        "should not be blank",
        "should be both blank or both not blank",
        "Master biz must not be uninstalled",
        "CMD_NOT_FOUND",
        "SSLHandshakeException",  # the base's trust store doesn't know the server
    ),
    # The network, also where the module's own start needed it. A zip error is all that tells of a download cut short.
    _rule(
        FailureClass.RETRYABLE,
        "ConnectException",
        "UnknownHostException",
        "SocketTimeoutException",
        "SocketException",
        "NoRouteToHostException",
        "Server returned HTTP response code: 5",
        "EOFException",
        "ZipException",
    ),
    # The module's main, or its stop hook, threw something else.
    _rule(FailureClass.PERMANENT, "InvocationTargetException", "NullPointerException", "ClassNotFoundException"),
)


def is_busy(message: str) -> bool:
    """Whether the message says that something else has to end first."""
    return _BUSY.search(message) is not None


def classify(word: str, message: str, trace: str) -> FailureClass:
    """The class of a failure, by Arklet's word, its message and the exceptions of the stack trace, not their frames."""
    said = "\n".join((word, message, *_CAUSE.findall(trace)))
    return next((rule.failure for rule in _RULES if rule.words.search(said)), FailureClass.RETRYABLE)


def explain(message: str, trace: str, *, doing: str) -> str:
    """One line for people: the real cause where the message names only the reflection that ran into it."""
    causes = _CAUSE.findall(trace)
    if any(_SAME_CONTEXT_PATH.search(text) for text in (message, *causes)):
        return _SAME_CONTEXT_PATH_TEXT
    text = message.removeprefix(_PREFIX)
    if text.strip() == _REFLECTION and causes:
        text = f"the module's {doing} failed: {causes[-1]}"
    return one_line(text)
