"""Says where it can be found that the API server refuses what the controllers write: a right, a quota, a policy."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Final

import attrs

from moduledeploy.kube.errors import Forbidden, Invalid
from moduledeploy.kube.events import Reference
from moduledeploy.runtime.text import one_line

if TYPE_CHECKING:
    from moduledeploy.controllers.facts import BaseKey
    from moduledeploy.controllers.statuses import Recorder
    from moduledeploy.kube.errors import ApiError
    from moduledeploy.kube.worker import Done, RequeueAfter

REQUEST_REFUSED: Final = "RequestRefused"


def refusal_told(refusal: ApiError) -> str:
    """A refused request for people, on one line."""
    return one_line(f"the API server refuses a request, which is tried again: {refusal}")


@attrs.frozen
class RefusalsOnBases:
    """Passes over bases, with an event on the base pod for each that the API server refuses a write.

    A Module whose status can't be written can't say so itself.
    """

    reconcile: Callable[[BaseKey], Awaitable[Done | RequeueAfter]]
    recorder: Recorder

    async def __call__(self, key: BaseKey) -> Done | RequeueAfter:
        """One pass; its errors come out as they are."""
        try:
            return await self.reconcile(key)
        except (Forbidden, Invalid) as refusal:
            self.recorder.event(
                regarding=Reference(api_version="v1", kind="Pod", namespace=key.namespace, name=key.name, uid=key.uid),
                type="Warning",
                reason=REQUEST_REFUSED,
                action="Write",
                note=refusal_told(refusal),
            )
            raise
