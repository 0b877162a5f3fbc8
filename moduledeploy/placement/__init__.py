"""Pure: the bases of one base Deployment on a heap, and the choice of the next one.

The pool is told of bases and Module objects as they come and go, and answers which bases take a module. A decision
counts at once (it is *assumed*), so that two ModuleDeployments planned one after the other never fill a base twice.
It reads no clock, does no I/O, and knows nothing of versions, batches or budgets: one module name is one slot.
"""

from moduledeploy.placement.bases import Base, Obstacle
from moduledeploy.placement.decision import Placement, Reason, Refusal, unavailable
from moduledeploy.placement.pool import Pool, Verdict

__all__ = ["Base", "Obstacle", "Placement", "Pool", "Reason", "Refusal", "Verdict", "unavailable"]
