"""The Events about one ModuleDeployment, as far as the cluster still has them."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

import attrs
import msgspec

from moduledeploy.api import names
from moduledeploy.cli.access.exits import CliError
from moduledeploy.kube.resources import Resource

if TYPE_CHECKING:
    from moduledeploy.cli.access.connection import Connection

EVENTS = Resource("events.k8s.io", "v1", "events", "Event")


@attrs.frozen
class Told:
    """One Event: when it was told first, what, and the sentence."""

    at: float
    reason: str
    note: str


class _Regarding(msgspec.Struct):
    kind: str = ""
    name: str = ""
    uid: str = ""


class _Event(msgspec.Struct):
    reason: str = ""
    note: str = ""
    eventTime: datetime | None = None  # noqa: N815  # as on the wire
    regarding: _Regarding = msgspec.field(default_factory=_Regarding)


class _Page(msgspec.Struct):
    items: list[_Event] | None = None


async def read_events(connection: Connection, name: str, uid: str) -> list[Told]:
    """In order of time; none where they may not be read, for they only add to what status says."""
    told = []
    try:
        async for body in connection.lists(EVENTS, connection.namespace):
            for event in msgspec.json.decode(body, type=_Page).items or []:
                about = event.regarding
                if (about.kind, about.name) != (names.MODULE_DEPLOYMENT, name) or about.uid not in ("", uid):
                    continue
                if event.eventTime is not None:  # a series keeps the note of its first event, so it has that one's time
                    told.append(Told(event.eventTime.timestamp(), event.reason, event.note))
    except CliError:
        return []
    return sorted(told, key=lambda event: event.at)
