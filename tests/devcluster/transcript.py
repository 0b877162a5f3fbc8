"""Replays recorded scenarios and says what differs from the recorded answers.

A scenario is a list of steps: name, method, path, and where needed headers, body or raw, watch (seconds to listen),
until (events to wait for), save (variables from the answer), sleep, retry until expect, ignore (paths left out of the
comparison), managed (managedFields are compared, too), show (headers of the answer that are).  A step whose name begins
with "-" prepares and is not compared.  What differs from run to run (uids, versions, times, random suffixes) becomes
numbered placeholders, so that equal values stay equal and ordered.
"""

from __future__ import annotations

import asyncio
import json
import re
from typing import Any

import aiohttp
import attrs

Step = dict[str, Any]
_UID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_STAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")
_TOKEN_VOLUME = re.compile(r"kube-api-access-[a-z0-9]{5}")
_VARIABLE = re.compile(r"\$\{(\w+)\}")


@attrs.define
class Placeholders:
    """Gives values that differ from run to run names that don't."""

    uids: dict[str, str] = attrs.field(factory=dict)
    versions: dict[str, str] = attrs.field(factory=dict)
    names: dict[str, str] = attrs.field(factory=dict)

    def replace(self, value: Any, key: str = "", *, managed: bool = False) -> Any:
        """The value with placeholders; managedFields are left out unless asked for."""
        if isinstance(value, dict):
            left_out = ("selfLink",) if managed else ("managedFields", "selfLink")
            prefix, name = value.get("generateName"), str(value.get("name", ""))
            if prefix and name.startswith(prefix) and name != prefix:
                self.names.setdefault(name, f"{prefix}<suffix-{len(self.names) + 1}>")
            if managed and "managedFields" in value:  # their order is that of times, which differ from run to run
                value = {**value, "managedFields": sorted(value["managedFields"], key=_workflow)}
            return {
                self._text(k, ""): self.replace(v, k, managed=managed) for k, v in value.items() if k not in left_out
            }
        if isinstance(value, list):
            return [self.replace(item, key, managed=managed) for item in value]
        return self._text(value, key) if isinstance(value, str) else value

    def _text(self, value: str, key: str) -> str:
        value = _TOKEN_VOLUME.sub("kube-api-access-<suffix>", value)
        value = _UID.sub(lambda match: self.uids.setdefault(match[0], f"<uid-{len(self.uids) + 1}>"), value)
        if _STAMP.fullmatch(value):
            return "<timestamp>"
        if key == "resourceVersion" and value:
            return self.versions.setdefault(value, f"<rv-{len(self.versions) + 1}>")
        if key == "continue" and value:
            return "<continue>"
        for real, alias in self.names.items():
            value = value.replace(real, alias)
        return value


def _workflow(entry: dict[str, str]) -> tuple[str, ...]:
    return tuple(entry.get(name, "") for name in ("manager", "operation", "subresource", "apiVersion"))


def refusal(status: dict[str, Any]) -> dict[str, Any]:
    """What counts of a failure: code, reason, details and the causes' fields, not the wording."""
    details = status.get("details") or {}
    causes = sorted({(cause.get("field", ""), cause.get("reason", "")) for cause in details.get("causes") or []})
    return {
        "kind": "Status", "status": "Failure", "code": status.get("code"), "reason": status.get("reason"),
        "details": {key: details[key] for key in ("kind", "group", "name") if details.get(key)},
        "causes": [list(cause) for cause in causes],
    }  # fmt: skip


def dig(value: Any, path: str) -> Any:
    """The value at a dotted path."""
    for part in path.split("."):
        value = value[int(part)] if isinstance(value, list) else value[part]
    return value


def drop(value: Any, path: str) -> None:
    """Remove what is at a dotted path; `*` stands for every item."""
    head, _, rest = path.partition(".")
    if isinstance(value, list):
        items = value if head == "*" else value[int(head) : int(head) + 1]
        for item in items if rest else []:
            drop(item, rest)
    elif isinstance(value, dict):
        for key in list(value) if head == "*" else [head]:
            if rest and key in value:
                drop(value[key], rest)
            elif not rest:
                value.pop(key, None)


@attrs.define
class Replay:
    """One run of one scenario against a server; sleeps are shortened by `haste`, since an embedded cluster is quick."""

    url: str
    haste: float = 1.0
    variables: dict[str, Any] = attrs.field(factory=dict)

    def _fill(self, text: str) -> str:
        return _VARIABLE.sub(lambda match: str(self.variables[match[1]]), text)

    async def run(self, steps: list[Step]) -> dict[str, Any]:
        """The normalised answers by the names of the steps."""
        answers: dict[str, Any] = {}
        placeholders = Placeholders()
        async with aiohttp.ClientSession() as session:
            for step in steps:
                answer = await self._settled(session, step)
                for name, path in step.get("save", {}).items():
                    self.variables[name] = dig(answer, path)
                await asyncio.sleep(step.get("sleep", 0) * self.haste)
                if not step["name"].startswith("-"):
                    answers[step["name"]] = _comparable(answer, step, placeholders)
        return answers

    async def _settled(self, session: aiohttp.ClientSession, step: Step) -> Step:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + step.get("retry", 0)
        while True:
            answer = await self._send(session, step)
            if "expect" not in step or answer["code"] == step["expect"] or loop.time() > deadline:
                return answer
            await asyncio.sleep(0.05)

    async def _send(self, session: aiohttp.ClientSession, step: Step) -> Step:
        headers = {"Accept": "application/json"}
        body = step.get("raw")
        if "body" in step:
            body = self._fill(json.dumps(step["body"]))
            headers["Content-Type"] = "application/json"
        headers |= step.get("headers", {})
        skip = {"Content-Type", "User-Agent"} - set(headers)
        url = self.url + self._fill(step["path"])
        data = body.encode() if body is not None else None
        async with session.request(
            step["method"], aiohttp.client.URL(url, encoded=True), data=data, headers=headers, skip_auto_headers=skip
        ) as response:
            answer: Step = {"code": response.status, "type": response.content_type}
            if "show" in step:
                answer["headers"] = {name: response.headers.getall(name, []) for name in step["show"]}
            if "watch" in step and response.status == 200:
                answer["events"] = await _events(response, step["watch"], step.get("until", 10**6))
                return answer
            text = await response.text(errors="replace")
            try:
                answer["body"] = json.loads(text)
            except ValueError:
                answer["body"] = text[:400]
            return answer


async def _events(response: aiohttp.ClientResponse, seconds: float, wanted: int) -> list[Any]:
    events: list[Any] = []
    try:
        async with asyncio.timeout(seconds):
            async for line in response.content:
                events.append(json.loads(line))
                if len(events) >= wanted:
                    break
    except TimeoutError:
        pass
    return events


def _comparable(answer: Step, step: Step, placeholders: Placeholders) -> Any:
    body = answer.get("body")
    if isinstance(body, dict) and body.get("kind") == "Status" and body.get("status") == "Failure":
        answer["body"] = refusal(body)
    for event in answer.get("events", []):
        if event.get("type") == "ERROR":
            event["object"] = refusal(event["object"])
    normalised = placeholders.replace(answer, managed=step.get("managed", False))
    for path in step.get("ignore", []):
        drop(normalised, path)
    return normalised


def differences(want: Any, got: Any, at: str = "") -> list[str]:
    """One line for each difference."""
    if isinstance(want, dict) and isinstance(got, dict):
        lines = []
        for key in sorted({*want, *got}):
            if key in want and key in got:
                lines += differences(want[key], got[key], f"{at}.{key}")
            else:
                missing = "missing" if key in want else "unexpected"
                lines.append(f"{at}.{key}: {missing} {json.dumps(want.get(key, got.get(key)))[:160]}")
        return lines
    if isinstance(want, list) and isinstance(got, list) and len(want) == len(got):
        return [line for i, pair in enumerate(zip(want, got, strict=True)) for line in differences(*pair, f"{at}[{i}]")]
    return [] if want == got else [f"{at}: want {json.dumps(want)[:200]} got {json.dumps(got)[:200]}"]
