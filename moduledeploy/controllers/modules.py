"""What the base controller writes to Modules: status, with an event for each failed install, labels, the end of deletion."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final

import attrs
import structlog

from moduledeploy.api import names
from moduledeploy.api.bodies import merge_finalizers
from moduledeploy.api.encode import module_status_patch
from moduledeploy.api.kinds import FailureClass, Module, ModuleStatus, ModuleStatusWord
from moduledeploy.controllers.failures import is_of_another
from moduledeploy.controllers.resources import MODULES
from moduledeploy.kube.errors import Invalid, NotFound
from moduledeploy.kube.events import Reference
from moduledeploy.kube.resources import JSON_PATCH, MERGE_PATCH, ObjectKey
from moduledeploy.rollout.module_status import held_status, moment, stuck_status, waiting_status
from moduledeploy.runtime.backoff import Backoff
from moduledeploy.runtime.text import one_line

if TYPE_CHECKING:
    from moduledeploy.api.meta import Metadata
    from moduledeploy.controllers.execute import Writer
    from moduledeploy.controllers.facts import BaseKey
    from moduledeploy.controllers.statuses import Recorder
    from moduledeploy.kube.consistency import WrittenVersions
    from moduledeploy.rollout.converge import Wanted
    from moduledeploy.runtime.clock import Clock

_log: Final = structlog.get_logger()
# When a failed install is tried again, by what it takes to mend it: little, a new artifact, a free place, another's end.
RETRY: Final = {
    FailureClass.RETRYABLE: Backoff(base_s=2.0, factor=2.0, cap_s=120.0),
    FailureClass.PERMANENT: Backoff(base_s=60.0, factor=2.0, cap_s=900.0),
    FailureClass.CAPACITY: Backoff(base_s=15.0, factor=2.0, cap_s=300.0),
    FailureClass.CONFLICT: Backoff(base_s=10.0, factor=2.0, cap_s=300.0),
}


@attrs.frozen(kw_only=True)
class ModuleWriter:
    """Writes to Modules for one base after the other; `written` is told the version of every write."""

    writer: Writer
    recorder: Recorder
    written: WrittenVersions[BaseKey]
    clock: Clock
    draw: Callable[[], float]

    async def tell(self, key: BaseKey, module: Wanted, status: ModuleStatus) -> bool:
        """Write a Module's status; False, and void, when it is gone or another one has its name."""
        status = attrs.evolve(status, message=one_line(status.message))
        body = module_status_patch(module.uid, status)
        if not await self._patch(key, module.name, body, subresource="status", content_type=JSON_PATCH):
            return False
        log = _log.warning if status.status == ModuleStatusWord.FAILED else _log.info
        told = {"message": status.message} if status.message else {}
        log("module", module=module.name, status=status.status, reason=status.reason, **told)
        return True

    async def say(self, key: BaseKey, module: Wanted, reason: str, message: str) -> None:
        """Why a Module doesn't get on; written once for a reason."""
        make = stuck_status if module.is_terminating else waiting_status
        status = make(module.status, reason, message, round(self.clock.wall(), 6))
        if (module.status.status, module.status.reason) != (status.status, reason):
            await self.tell(key, module, status)

    async def fail(self, key: BaseKey, module: Wanted, failure: FailureClass, reason: str, message: str) -> None:
        """Say that an install failed, why, and when it is tried again."""
        attempts = module.status.attempts + 1
        delay_s, now = RETRY[failure].delay_s(attempts - 1, self.draw()), self.clock.wall()
        status = ModuleStatus(
            status=ModuleStatusWord.FAILED,
            reason=reason,
            message=message,
            failureClass=failure.value,
            attempts=attempts,
            nextRetryTime=moment(round(now + delay_s, 6)),
            lastTransitionTime=moment(round(now, 6)),
        )
        await self.tell(key, module, status)
        self.recorder.event(
            regarding=Reference(
                api_version=names.API_VERSION,
                kind=names.MODULE,
                namespace=key.namespace,
                name=module.name,
                uid=module.uid,
            ),
            type="Warning",
            reason=reason,
            action="Install",
            note=f"{module.source.identity} on {key.name}: {message}",
        )

    async def label(self, key: BaseKey, module: Module, labels: Mapping[str, str | None]) -> None:
        """Write labels of that very Module; void when it is gone or another one has its name."""
        body = {"metadata": {"uid": module.metadata.uid, "labels": labels}}
        if await self._patch(key, module.metadata.name, body):
            _log.info("labels put back", module=module.metadata.name, labels=sorted(labels))

    async def release(self, key: BaseKey, module: Wanted, meta: Metadata) -> bool:
        """Take this program's finalizer away; False where somebody else took the last one. Others that stay are named."""
        body = merge_finalizers(meta.finalizers, add=False, version=meta.resourceVersion)
        if not await self._patch(key, meta.name, body):
            return False
        others = [name for name in meta.finalizers if name != names.FINALIZER]
        if others:
            await self.tell(key, module, held_status(module.status, others, round(self.clock.wall(), 6)))
        return True

    async def _patch(
        self, key: BaseKey, name: str, body: object, *, subresource: str = "", content_type: str = MERGE_PATCH
    ) -> bool:
        """Write to a Module; False, and void, when it is gone or another one has its name."""
        where = ObjectKey(key.namespace, name)
        try:
            wrote = await self.writer.patch(MODULES, where, body, subresource=subresource, content_type=content_type)
        except NotFound:
            return False
        except Invalid as refusal:
            if not is_of_another(refusal):
                raise
            return False
        self.written.wrote(key, MODULES, wrote.resource_version)
        return True
