"""One line about one ModuleDeployment."""

from __future__ import annotations

import attrs

from moduledeploy.api.fields import DecodeError, Fields
from moduledeploy.api.times import at
from moduledeploy.cli.pictures.standing import Standing, message_of, phase_of, standing_of
from moduledeploy.cli.pictures.words import steady
from moduledeploy.cli.reading.kinds import ReadDeployment, read_status


@attrs.frozen(kw_only=True)
class DeploymentRow:
    """What a table says of it."""

    namespace: str
    name: str
    module: str
    version: str
    phase: str
    standing: Standing
    batch: int
    batch_count: int
    desired: int
    updated: int
    available: int
    message: str
    age_s: float | None

    def equals(self, other: DeploymentRow | None) -> bool:
        """Nothing but ages differs."""
        return other is not None and self._without_ages() == other._without_ages()

    def _without_ages(self) -> DeploymentRow:
        return attrs.evolve(self, age_s=None, message=steady(self.message))


def deployment_row(deployment: ReadDeployment, now: float) -> DeploymentRow:
    """The row at `now`; a spec that can't be read has a row too."""
    status, meta = read_status(deployment), deployment.metadata
    release, counts = status.release, status.counts
    name, version = _module(deployment)
    created = at(meta.creationTimestamp)
    return DeploymentRow(
        namespace=meta.namespace,
        name=meta.name,
        module=name,
        version=version,
        phase=phase_of(deployment, status),
        standing=standing_of(deployment, status),
        batch=release.current_batch if release else 0,
        batch_count=len(release.batches) if release else 0,
        desired=counts.desired,
        updated=counts.updated,
        available=counts.available,
        message=message_of(deployment, status, now),
        age_s=None if created is None else max(0.0, now - created),
    )


def status_line(row: DeploymentRow) -> str:
    """Where it stands in one line."""
    batch = f", batch {row.batch}/{row.batch_count}" if row.batch_count else ""
    return f"{row.phase}{batch} - {row.message}"


def _module(deployment: ReadDeployment) -> tuple[str, str]:
    try:
        module = Fields.of("spec", deployment.spec).child("template").child("spec").child("module")
        return module.text("name"), module.text("version")
    except DecodeError:
        return "", ""
