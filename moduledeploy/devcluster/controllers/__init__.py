"""The controllers a cluster would bring: Deployments, ReplicaSets, EndpointSlices, namespaces, garbage collection.

They work on the in-process API alone, driven by its changes; nothing is scanned while nothing happens.
"""

from moduledeploy.devcluster.controllers.manager import run_controllers

__all__ = ["run_controllers"]
