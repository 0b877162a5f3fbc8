"""From what changed to what is looked at: the two queues, closed until this process works."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import anyio
import attrs

from moduledeploy.api import names
from moduledeploy.api.traffic import labelled_modules
from moduledeploy.controllers.facts import BaseKey, FamilyKey, base_key, family_of_replica_set
from moduledeploy.kube.queue import LOW_PRIORITY, Queue
from moduledeploy.kube.store import key_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from moduledeploy.controllers.cluster import Cluster, Stores

# Keys added before other tasks get their turn; at some 3 µs a key that is under a millisecond.
_KEYS_PER_TURN: Final = 200


@attrs.define
class Keys:
    """Sends keys to their queues once `begin` was called, and drops them before.

    A standby would fill its queues with what the leader does long since, names of the dead included. All there is to know is in
    the caches, so a process looks at everything once, when it begins to work.
    """

    families: Queue[FamilyKey]
    bases: Queue[BaseKey]
    _is_open: bool = attrs.field(default=False, init=False)

    def family(self, key: FamilyKey) -> None:
        """Something of the family changed."""
        if self._is_open:
            self.families.add(key)

    def base(self, key: BaseKey) -> None:
        """Something on the base changed."""
        if self._is_open:
            self.bases.add(key)

    async def begin(self, cluster: Cluster) -> None:
        """Have everything there is looked at, after whatever changes from now on."""
        self._is_open = True
        families = dict.fromkeys((*_families(cluster.stores), *cluster.families))
        for count, family in enumerate(families, 1):
            self.families.add(family, LOW_PRIORITY)
            if count % _KEYS_PER_TURN == 0:
                await anyio.lowlevel.checkpoint()
        for count, base in enumerate(dict.fromkeys(_bases(cluster.stores)), 1):
            self.bases.add(base, LOW_PRIORITY)
            if count % _KEYS_PER_TURN == 0:
                await anyio.lowlevel.checkpoint()


def _families(stores: Stores) -> Iterable[FamilyKey]:
    yield from (FamilyKey(names.MODULE_DEPLOYMENT, *key_of(obj)) for obj in stores.deployments.values())
    for replica_set in stores.replica_sets.values():
        yield family_of_replica_set(replica_set)


def _bases(stores: Stores) -> Iterable[BaseKey]:
    for module in stores.modules.values():
        yield base_key(module)
    for pod in stores.pods.values():
        meta = pod.metadata
        if labelled_modules(meta.labels):  # traffic is led to modules that may be gone
            yield BaseKey(meta.namespace, meta.name, meta.uid)
