"""The Service of a family's module: made, shared between families on different base Deployments, given up."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from moduledeploy.api.spec import ServiceStrategy
from moduledeploy.api.traffic import service_name

if TYPE_CHECKING:
    from collections.abc import Mapping

    from moduledeploy.rollout.view import Parent


@attrs.frozen(kw_only=True)
class ServiceFacts:
    """One Service as the planner sees it: UIDs of the ModuleDeployments that own it, in order; the first set its port.

    first_owner: the name of that one;
    is_left_behind: this program made it, and its ModuleDeployment was deleted without it; is_edited: somebody changed its
    selector or the labels by which its EndpointSlices are found.
    """

    name: str
    owners: tuple[str, ...]
    ports: tuple[ServiceStrategy, ...]
    first_owner: str = ""
    is_left_behind: bool = False
    is_edited: bool = False


@attrs.frozen
class CreateService:
    """Make the Service of a module."""

    module_name: str
    strategy: ServiceStrategy


@attrs.frozen
class OwnService:
    """Become one more owner of a Service."""

    name: str


@attrs.frozen
class MendService:
    """Write the port that this family asks for, and whatever else makes it the Service of its module."""

    module_name: str
    strategy: ServiceStrategy


@attrs.frozen
class LeaveService:
    """Be no owner of a Service any more; without another it goes."""

    name: str


ServiceAction = CreateService | OwnService | MendService | LeaveService


@attrs.frozen(kw_only=True)
class ServicePlan:
    """What is to be done about Services, and what stands against it."""

    actions: tuple[ServiceAction, ...] = ()
    conflict: str | None = None


def plan_service(parent: Parent, services: Mapping[str, ServiceFacts]) -> ServicePlan:
    """What the family does about its module's Service; `services` are those that it owns, and that of its module's name."""
    strategy = parent.spec.strategy.service if parent.is_deployment else None
    module = parent.spec.template.module.name
    name = service_name(module)
    left = [
        LeaveService(service.name)
        for service in services.values()
        if parent.uid in service.owners and (strategy is None or service.name != name)
    ]
    if strategy is None:
        return ServicePlan(actions=tuple(left))
    there = services.get(name)
    if there is None:
        return ServicePlan(actions=(*left, CreateService(module, strategy)))
    if there.is_left_behind:
        return ServicePlan(actions=(*left, OwnService(name)))
    if not there.owners:
        return ServicePlan(
            actions=tuple(left),
            conflict=f"Service {name} is there and belongs to nobody of this program; delete it or name the module otherwise",
        )
    is_as_asked = there.ports == (strategy,)
    if there.owners[0] == parent.uid and (there.is_edited or not is_as_asked):
        return ServicePlan(actions=(*left, MendService(module, strategy)))
    if is_as_asked:
        return ServicePlan(actions=tuple(left) if parent.uid in there.owners else (*left, OwnService(name)))
    ports = ", ".join(f"port {item.port} to {item.target_port}" for item in there.ports)
    conflict = f"Service {name} has {ports} for ModuleDeployment {there.first_owner}; give serviceStrategy the same"
    return ServicePlan(actions=tuple(left), conflict=conflict)
