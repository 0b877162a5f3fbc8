"""Client of Arklet, the HTTP endpoint in every base: every call ends in a value, split by what to do about it.

It says what one base answered to one call. It retries nothing, remembers nothing, and knows neither Modules nor pods.
"""

from moduledeploy.arklet.client import ArkletClient, Gate, open_session
from moduledeploy.arklet.outcomes import (
    Biz,
    BizRecord,
    BizState,
    Busy,
    Done,
    FailureClass,
    IllegalState,
    Listing,
    NotFound,
    Outcome,
    Refused,
    Repeated,
    Unclear,
)

__all__ = [
    "ArkletClient",
    "Biz",
    "BizRecord",
    "BizState",
    "Busy",
    "Done",
    "FailureClass",
    "Gate",
    "IllegalState",
    "Listing",
    "NotFound",
    "Outcome",
    "Refused",
    "Repeated",
    "Unclear",
    "open_session",
]
