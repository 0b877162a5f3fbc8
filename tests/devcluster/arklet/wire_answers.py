"""What a base answers to raw requests, with what differs from base to base taken out."""

from __future__ import annotations

import json
import socket
from typing import Any, Final

_PATIENCE_S: Final = 60.0
_KEPT: Final = {"bizListInfo", "bizInfo", "masterBizInfo"}


def ask(address: tuple[str, int], data: bytes, *, like: dict[str, Any], quiet_s: float) -> dict[str, Any]:
    """The answer to bytes and whether the connection ends with it.

    It is waited for until it is `like` one of before; a connection that was open then is looked at for `quiet_s` more.
    """
    received, ends, was_open = b"", "open", like["connection"] == "open"
    with socket.create_connection(address, timeout=_PATIENCE_S) as connection:
        try:
            connection.sendall(data)
            while True:
                connection.settimeout(quiet_s if was_open and _told(received) == like["answer"] else _PATIENCE_S)
                if not (more := connection.recv(65536)):
                    ends = "closed"
                    break
                received += more
        except TimeoutError:
            pass
        except ConnectionError:
            ends = "closed"
    return {"answer": _told(received), "connection": ends}


def _told(received: bytes) -> list[Any]:
    """The parts between blank lines: heads as text, JSON with what is the base's own taken out."""
    return [_normal(part) for part in received.decode().split("\r\n\r\n") if part]


def _normal(part: str) -> Any:
    if not part.startswith("{"):
        return part
    try:
        body = json.loads(part)
    except ValueError:  # there is more to come
        return part
    body.pop("errorStackTrace", None)
    body.pop("baseIdentity", None)
    data = body.get("data")
    if isinstance(data, list) and data and "desc" in data[0]:
        body["data"] = sorted(command["id"] for command in data)
    if isinstance(data, dict) and "healthData" in data:
        health = data["healthData"]
        data["healthData"] = {
            key: value if key in _KEPT else sorted(value) if isinstance(value, dict) else "a list"
            for key, value in sorted(health.items())
        }
    return body
