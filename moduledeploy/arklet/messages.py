"""Arklet's answers: bytes in, a value out, whatever the bytes are."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from moduledeploy.arklet.failures import classify, explain, is_busy
from moduledeploy.arklet.outcomes import (
    Biz,
    BizRecord,
    BizState,
    Busy,
    Done,
    IllegalState,
    Listing,
    NotFound,
    Outcome,
    Refused,
    Repeated,
    Unclear,
)
from moduledeploy.runtime.text import one_line

SUCCESS: Final = "SUCCESS"
_STATES: Final = {state.value: state for state in BizState} | {"unresolved": BizState.RESOLVED}
_STOPPED: Final = "stopped"  # is unregistered already, listed at most by a race
_MAX_WORD: Final = 64
_INT64: Final = 2**63


def read_listing(body: bytes) -> Listing | Refused | Unclear:
    """The answer to queryAllBiz; an entry that can't be read makes the whole list unclear, for the list is the truth."""
    answer = _object(body)
    if isinstance(answer, Unclear):
        return answer
    entries = answer.get("data")
    if answer.get("code") != SUCCESS or not isinstance(entries, list):
        word = _word(answer)
        return Refused(classify(word, "", ""), word, one_line(answer.get("message") or word))
    found: list[Biz] = []
    for entry in entries:
        biz = _biz(entry)
        if isinstance(biz, Unclear):
            return biz
        if biz is not None:
            found.append(biz)
    return Listing(tuple(found))


def read_outcome(body: bytes, *, doing: str) -> Outcome:
    """The answer to installBiz, uninstallBiz or switchBiz; `doing` is the noun for what the module was to do."""
    answer = _object(body)
    if isinstance(answer, Unclear):
        return answer
    data = answer.get("data")
    data = data if isinstance(data, dict) else {}
    word = _word(answer)
    if answer.get("code") == word == SUCCESS:
        return _done(data)
    message = _text(data.get("message")) or _text(answer.get("message")) or word
    match word:
        case "REPEAT_BIZ":
            return Repeated(one_line(message))
        case "NOT_FOUND_BIZ":
            return NotFound(one_line(message))
        case "ILLEGAL_STATE_BIZ":
            return IllegalState(one_line(message))
    if is_busy(message):
        return Busy(one_line(message))
    trace = _text(answer.get("errorStackTrace"))
    return Refused(classify(word, message, trace), word, explain(message, trace, doing=doing))


def _object(body: bytes) -> dict[str, Any] | Unclear:
    try:
        answer = msgspec.json.decode(body)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
        return Unclear("protocol", f"the answer is no JSON: {one_line(error)}" if body else "the answer is empty")
    return answer if isinstance(answer, dict) else Unclear("protocol", "the answer is no JSON object")


def _word(answer: dict[str, Any]) -> str:
    """Arklet's word for it: data.code, else the outer code."""
    data = answer.get("data")
    inner = data.get("code") if isinstance(data, dict) else None
    return one_line(_text(inner) or _text(answer.get("code")) or "NO_CODE")[:_MAX_WORD]


def _done(data: dict[str, Any]) -> Done:
    infos = data.get("bizInfos")
    first = infos[0] if isinstance(infos, list) and infos and isinstance(infos[0], dict) else {}
    state = _STATES.get(_text(first.get("bizState")).lower())
    return Done(_text(first.get("identity")), _integer(data.get("elapsedSpace")), state)


def _biz(entry: object) -> Biz | Unclear | None:
    """One listed module; None for one that is gone already."""
    if not isinstance(entry, dict):
        return Unclear("protocol", "an entry of the list is no object")
    name, version, word = entry.get("bizName"), entry.get("bizVersion"), _text(entry.get("bizState")).lower()
    if word == _STOPPED:
        return None
    state = _STATES.get(word)
    if not isinstance(name, str) or not isinstance(version, str) or state is None:
        shown = ", ".join(f"{field}={entry.get(field)!r}" for field in ("bizName", "bizVersion", "bizState"))
        return Unclear("protocol", one_line(f"an entry of the list can't be read: {shown}"))
    records = entry.get("bizStateRecords")
    return Biz(name, version, state, tuple(map(_record, records)) if isinstance(records, list) else ())


def _record(entry: object) -> BizRecord:
    known = entry if isinstance(entry, dict) else {}
    return BizRecord(
        state=one_line(_text(known.get("state"))).lower(),
        reason=one_line(_text(known.get("reason"))),
        message=one_line(_text(known.get("message"))),
        changed_at_ms=_integer(known.get("changeTime")),
    )


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _integer(value: object) -> int | None:
    if not isinstance(value, int) or isinstance(value, bool):
        return None
    return value if -_INT64 <= value < _INT64 else None
