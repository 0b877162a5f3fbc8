"""Who manages which field: `metadata.managedFields`, kept on every write."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from moduledeploy.devcluster.resources import Resource
    from moduledeploy.devcluster.storage import Object
    from moduledeploy.devcluster.writes import WriteOptions


@attrs.frozen
class FieldManagers:
    """Derives managedFields from what a write changed."""

    now: Callable[[], datetime]

    def created(self, resource: Resource, obj: Object, options: WriteOptions) -> None:
        """The creator manages every field."""

    def updated(self, resource: Resource, obj: Object, old: Object, options: WriteOptions) -> None:
        """The writer manages what changed; a write that changed nothing leaves the record alone."""
