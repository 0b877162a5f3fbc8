"""Lets through whoever the API server knows and lets: what /metrics is asked with when it is not for everybody."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import attrs
import structlog

from moduledeploy.kube.errors import KubeError

if TYPE_CHECKING:
    from moduledeploy.kube.reviews import Reviewer

_log: Final = structlog.get_logger()
_LONGEST_TOKEN: Final = 16_384


@attrs.frozen
class Guard:
    """As controller-runtime's filter: 401 without an identity, 403 without the right, 500 when nobody can tell."""

    reviewer: Reviewer

    async def status(self, authorization: str | None, method: str, path: str) -> int:
        """The HTTP status that the request deserves; 200 lets it through. Fails closed."""
        scheme, _, token = (authorization or "").partition(" ")
        token = token.strip()
        if scheme.lower() != "bearer" or not token or len(token) > _LONGEST_TOKEN:
            return 401
        try:
            user = await self.reviewer.user(token)
            if user is None:
                return 401
            return 200 if await self.reviewer.may(user, method.lower(), path) else 403
        except KubeError as error:
            _log.warning("nobody can tell whether metrics may be read", error=str(error))
            return 500
