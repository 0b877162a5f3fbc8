"""Server-side apply."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from moduledeploy.devcluster.errors import bad_request

if TYPE_CHECKING:
    from moduledeploy.devcluster.resources import Resource
    from moduledeploy.devcluster.storage import Key
    from moduledeploy.devcluster.writes import Outcome, WriteOptions, Writes


def apply_patch(
    writes: Writes, resource: Resource, key: Key, intent: Any, options: WriteOptions, *, force: bool
) -> Outcome:
    """Apply."""
    del writes, resource, key, intent, options, force
    raise bad_request("not yet")
