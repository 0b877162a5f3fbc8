"""A simulated Arklet: on the wire it can't be told from a real one; of its JVM only what Arklet shows is kept.

`SimulatedArklet` is the base's state without the wire, `ArkletPorts` serves many of them, `run_arklet` is one process.
"""

from moduledeploy.devcluster.arklet.behaviour import PREFIX, AnnotationError, Behaviour, behaviour_from_annotations
from moduledeploy.devcluster.arklet.figures import INSTANT, MEASURED, Timings
from moduledeploy.devcluster.arklet.jars import RECORDED_FOLDER, ModuleFolder
from moduledeploy.devcluster.arklet.machine import JvmStopped, SimulatedArklet
from moduledeploy.devcluster.arklet.mishaps import Fate, Mishap, kind_fate
from moduledeploy.devcluster.arklet.operations import Effects
from moduledeploy.devcluster.arklet.process import parse_address, run_arklet
from moduledeploy.devcluster.arklet.runtimes import Runtime
from moduledeploy.devcluster.arklet.wire import ArkletPorts

__all__ = [
    "INSTANT",
    "MEASURED",
    "PREFIX",
    "RECORDED_FOLDER",
    "AnnotationError",
    "ArkletPorts",
    "Behaviour",
    "Effects",
    "Fate",
    "JvmStopped",
    "Mishap",
    "ModuleFolder",
    "Runtime",
    "SimulatedArklet",
    "Timings",
    "behaviour_from_annotations",
    "kind_fate",
    "parse_address",
    "run_arklet",
]
