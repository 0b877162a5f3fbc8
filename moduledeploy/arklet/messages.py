"""Arklet's answers: bytes in, a value out, whatever the bytes are."""

from __future__ import annotations

import re
from typing import Any, Final

import msgspec

from moduledeploy.arklet.outcomes import (
    Biz,
    BizState,
    Busy,
    Done,
    FailureClass,
    IllegalState,
    Listing,
    NotFound,
    Outcome,
    Refused,
    Repeated,
    Unclear,
)

MAX_MESSAGE: Final = 1024
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f]+")
_CAUSE: Final = re.compile(r"^Caused by: (?P<cause>[^\n]+)", re.MULTILINE)
_STATES: Final = {state.value: state for state in BizState}
_INTERNAL: Final = "Internal Error: "
_BUSY: Final = "exist unfinished command"
_CONTEXT_PATH: Final = re.compile(r"Child name \S+ is not unique")
# Words in a failed install's text and what they are a matter of, the first that fits; seen on the wire of runtime 1.4.2.
_CLASSES: Final = (
    (re.compile(r"OutOfMemoryError|Metaspace"), FailureClass.CAPACITY),
    (_CONTEXT_PATH, FailureClass.CONFLICT),
    (
        re.compile(r"FileNotFoundException|MalformedURLException|Biz Name must not be empty|should not be blank"),
        FailureClass.PERMANENT,
    ),
    (
        re.compile(r"ConnectException|UnknownHostException|SocketTimeout|SocketException|ZipException|EOFException"),
        FailureClass.RETRYABLE,
    ),
    (re.compile(r"InvocationTargetException"), FailureClass.PERMANENT),
)


def clean(text: object) -> str:
    """One line of at most 1 KiB without control characters."""
    return _CONTROL.sub(" ", str(text)).strip()[:MAX_MESSAGE]


def _object(body: bytes) -> dict[str, Any] | Unclear:
    try:
        answer = msgspec.json.decode(body)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
        return Unclear("protocol", f"the answer is no JSON: {clean(error)}")
    return answer if isinstance(answer, dict) else Unclear("protocol", "the answer is no JSON object")


def read_listing(body: bytes) -> Listing | Refused | Unclear:
    """The answer to queryAllBiz; an entry that can't be read makes the whole list unclear, for the list is the truth."""
    answer = _object(body)
    if isinstance(answer, Unclear):
        return answer
    if answer.get("code") != "SUCCESS" or not isinstance(answer.get("data"), list):
        return Refused(FailureClass.RETRYABLE, clean(answer.get("code")), clean(answer.get("message", "")))
    found = []
    for item in answer["data"]:
        if not isinstance(item, dict):
            return Unclear("protocol", "an entry of the list is no object")
        name, version = item.get("bizName"), item.get("bizVersion")
        state = _STATES.get(str(item.get("bizState")).lower())
        if not isinstance(name, str) or not isinstance(version, str) or state is None:
            return Unclear("protocol", f"an entry of the list can't be read: {clean(item)[:200]}")
        found.append(Biz(name, version, state))
    return Listing(tuple(found))


def read_outcome(body: bytes) -> Outcome:
    """The answer to installBiz, uninstallBiz or switchBiz."""
    answer = _object(body)
    if isinstance(answer, Unclear):
        return answer
    data = answer.get("data")
    data = data if isinstance(data, dict) else {}
    if answer.get("code") == "SUCCESS":
        return _done(data)
    word = code_word(answer)
    message = clean(data.get("message") or answer.get("message") or word)
    match data.get("code"):
        case "REPEAT_BIZ":
            return Repeated(message)
        case "NOT_FOUND_BIZ":
            return NotFound(message)
        case "ILLEGAL_STATE_BIZ":
            return IllegalState(message)
    if _BUSY in message:
        return Busy(message)
    trace = answer.get("errorStackTrace")
    return _refused(word, message, trace if isinstance(trace, str) else "")


def code_word(answer: dict[str, Any]) -> str:
    """Arklet's word for it: data.code, else the outer code."""
    data = answer.get("data")
    inner = data.get("code") if isinstance(data, dict) else None
    return clean(inner or answer.get("code") or "NO_CODE")[:64]


def _done(data: dict[str, Any]) -> Done:
    infos = data.get("bizInfos")
    first = infos[0] if isinstance(infos, list) and infos and isinstance(infos[0], dict) else {}
    identity, space = first.get("identity"), data.get("elapsedSpace")
    return Done(identity if isinstance(identity, str) else "", space if isinstance(space, int) else None)


def _refused(word: str, message: str, trace: str) -> Refused:
    """The failure with its real cause: the outermost message often names only the reflection that ran into it."""
    text = message.removeprefix(_INTERNAL)
    causes = _CAUSE.findall(trace)
    if causes and "InvocationTargetException" in text:
        text = f"the module's start failed: {clean(causes[-1])}"
    whole = f"{message}\n{trace}"
    failure = next((found for pattern, found in _CLASSES if pattern.search(whole)), FailureClass.RETRYABLE)
    if _CONTEXT_PATH.search(whole):
        text = (
            "another version with the same web context path runs on the base, and two can't run side by side;"
            " set operationStrategy.upgradePolicy to uninstall_then_install"
        )
    return Refused(failure, word, clean(text))
