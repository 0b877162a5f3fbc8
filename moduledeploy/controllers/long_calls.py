"""An operation that a base takes long for: what the Modules there say meanwhile, and when a person's word ends the waiting."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Final

import anyio
import attrs
import structlog

from moduledeploy.api.kinds import ModuleStatus, ModuleStatusWord
from moduledeploy.controllers.facts import BaseKey, wanted
from moduledeploy.controllers.failures import first_error
from moduledeploy.controllers.resources import MODULES
from moduledeploy.kube.errors import KubeError
from moduledeploy.rollout.converge import Install, Uninstall, Wanted
from moduledeploy.rollout.module_status import (
    LONG_S,
    UNINSTALL_FAILED,
    busy_status,
    installing_status,
    uninstalling_status,
)

if TYPE_CHECKING:
    from moduledeploy.arklet.outcomes import Outcome
    from moduledeploy.controllers.cluster import Cluster
    from moduledeploy.controllers.modules import ModuleWriter
    from moduledeploy.runtime.clock import Clock

_log: Final = structlog.get_logger()
PATIENCE_S: Final = 10.0  # a Module that is given up is uninstalled all the same where the base answers within this


@attrs.frozen(kw_only=True)
class LongCalls:
    """Waits for installs and uninstalls; `at_most_s` is when a call ends by itself, without an answer."""

    cluster: Cluster
    modules: ModuleWriter
    clock: Clock
    at_most_s: float

    async def wait(
        self,
        key: BaseKey,
        step: Install | Uninstall,
        call: Callable[[], Awaitable[Outcome]],
        giving_up: anyio.CancelScope | None = None,
    ) -> Outcome:
        """What the call ends in; `giving_up` is cancelled when its Module is given up and the base doesn't answer."""
        try:
            async with anyio.create_task_group() as group:
                # A task that is made and cancelled for each call would cost a quarter of it.
                timer = self.clock.call_later(LONG_S, lambda: group.start_soon(self._attend, key, step, giving_up))
                try:
                    outcome = await call()
                finally:
                    timer.cancel()
                group.cancel_scope.cancel()
        except ExceptionGroup as failed:
            raise first_error(failed) from failed
        return outcome

    async def _attend(self, key: BaseKey, step: Install | Uninstall, giving_up: anyio.CancelScope | None) -> None:
        """Look at the base's Modules now and then, until the call is over."""
        began_at, until = self.clock.monotonic() - LONG_S, self.clock.wall() - LONG_S + self.at_most_s
        while True:
            here = self._modules_of(key)
            is_given_up = any(_is_about(step, module) and module.is_given_up for module in here)
            if giving_up is not None and is_given_up and self.clock.monotonic() >= began_at + PATIENCE_S:
                giving_up.cancel()
            for module in here:
                await self._tell(key, step, module, until)
            await self.clock.sleep(LONG_S)

    def _modules_of(self, key: BaseKey) -> list[Wanted]:
        """As they are now; none while the cache lacks what was told last."""
        store = self.cluster.stores.modules
        if not self.modules.written.is_ready(key, {MODULES: store}):
            return []
        return [wanted(module, self.cluster.family_of(module)) for module in store.by_index("base", key.uid)]

    async def _tell(self, key: BaseKey, step: Install | Uninstall, module: Wanted, until: float) -> None:
        """That this can't be written is no reason to drop the call."""
        status = _meanwhile(step, module, round(self.clock.wall(), 6), until)
        old = module.status
        if status is None or (status.status, status.reason) == (old.status, old.reason):
            return
        try:
            await self.modules.tell(key, module, status)
        except KubeError as error:
            _log.warning("status not written", module=module.name, error=str(error))


def _meanwhile(step: Install | Uninstall, module: Wanted, now: float, until: float) -> ModuleStatus | None:
    """What a Module says while an operation on its base goes on; None where that changes nothing for it."""
    old = module.status
    if not _is_about(step, module):
        if not module.is_terminating or old.status == ModuleStatusWord.TERMINATING:
            return None
        doing, about = ("install", step.module.source) if isinstance(step, Install) else ("uninstall", step)
        return busy_status(old, f"{doing} of {about.name}:{about.version}", now, until)
    if isinstance(step, Install):
        return installing_status(old, now, is_terminating=module.is_terminating, until=until)
    return None if old.reason == UNINSTALL_FAILED else uninstalling_status(old, now, until)


def _is_about(step: Install | Uninstall, module: Wanted) -> bool:
    return step.module is not None and step.module.uid == module.uid
