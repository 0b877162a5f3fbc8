"""The part of metadata that every kind shares, named as on the wire so that msgspec fills it directly."""

from __future__ import annotations

from datetime import datetime

import attrs


@attrs.frozen
class OwnerReference:
    """One entry of metadata.ownerReferences."""

    kind: str = ""
    name: str = ""
    uid: str = ""
    controller: bool = False


@attrs.frozen
class Metadata:
    """metadata without what nobody here reads (managedFields above all)."""

    name: str = ""
    namespace: str = ""
    uid: str = ""
    resourceVersion: str = ""
    generation: int = 0
    labels: dict[str, str] | None = None
    annotations: dict[str, str] | None = None
    creationTimestamp: datetime | None = None
    deletionTimestamp: datetime | None = None
    finalizers: tuple[str, ...] = ()
    ownerReferences: tuple[OwnerReference, ...] = ()

    def label(self, key: str) -> str | None:
        """The label's value, None without the label."""
        return self.labels.get(key) if self.labels else None

    def annotation(self, key: str) -> str | None:
        """The annotation's value, None without the annotation."""
        return self.annotations.get(key) if self.annotations else None

    @property
    def controller(self) -> OwnerReference | None:
        """The owner that controls this object, if one does."""
        for owner in self.ownerReferences:
            if owner.controller:
                return owner
        return None

    @property
    def is_terminating(self) -> bool:
        """Deletion was asked for."""
        return self.deletionTimestamp is not None
