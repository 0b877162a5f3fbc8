"""What a rollout will do: the planner's passes one after the other, on ideal bases and with time that costs nothing.

Every base does at once what it is asked to, every person confirms at once, and nothing fails: what comes out is what is to be
done on which base in which batch, the least that it takes, and what even then doesn't work out. The family that is given is
used up: its slots and its pool are changed.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Final

import attrs

from moduledeploy.api.kinds import ModuleStatusWord
from moduledeploy.api.status import Progress
from moduledeploy.api.traffic import service_name
from moduledeploy.rollout import actions
from moduledeploy.rollout.gate import GateWrite
from moduledeploy.rollout.plan import Plan, plan
from moduledeploy.rollout.service import CreateService, ServiceFacts
from moduledeploy.rollout.slots import BaseFacts, Mark, ModuleFacts, Slot
from moduledeploy.rollout.view import Revision, View

if TYPE_CHECKING:
    from collections.abc import Mapping

    from moduledeploy.placement.pool import Pool

PASSES_PER_REPLICA: Final = 12  # a bound that no rollout comes near; beyond it the forecast says that it goes nowhere


class Deed(StrEnum):
    """What is done on a base."""

    INSTALL = "install"
    REPLACE = "replace"  # the new beside the old, then the old away
    REINSTALL = "reinstall"  # the old away, then the new
    UNINSTALL = "uninstall"


class Wait(StrEnum):
    """What is awaited before the next batch."""

    CONFIRMATION = "confirmation"
    PAUSE = "pause"
    GRAY_TIME = "grayTime"
    BASE_ROLLOUT = "baseRollout"


@attrs.frozen(kw_only=True)
class Move:
    """One deed on one base; a version is empty where there is none."""

    base: str
    deed: Deed
    from_version: str = ""
    to_version: str = ""


@attrs.frozen(kw_only=True)
class Step:
    """One batch: when it begins at the earliest, what it does, and what is awaited after it. Batch 0 is beside any batch."""

    batch: int
    size: int
    begins_s: float
    ends_s: float
    moves: tuple[Move, ...]
    then: tuple[Wait, ...]


@attrs.frozen(kw_only=True)
class Forecast:
    """The whole rollout.

    completes: it reaches its end; `stuck` says why not. lowest_available and floor: the fewest available replicas at any time
    and what the budget asks for. seconds: the least that it takes, without people. others: ModuleDeployments that lose
    replicas with the same bases; they look for bases at the same time, so that those which are taken may differ.
    """

    name: str
    namespace: str
    module: str
    version: str
    base_deployment: str
    bases: int
    desired: int
    max_unavailable: int
    completes: bool
    stuck: str
    seconds: float
    confirmations: int
    lowest_available: int
    floor: int
    unplaced: str
    steps: tuple[Step, ...]
    available: int
    placed: tuple[tuple[str, str], ...]
    others: tuple[str, ...] = ()


@attrs.define(kw_only=True)
class Simulation:
    """One family's future. `base_names`: names of bases by UID; `ready`: those that are Ready, by UID."""

    view: View
    pool: Pool
    now: float
    base_names: Mapping[str, str]
    ready: frozenset[str]
    _began_at: float = attrs.field(init=False)
    _steps: dict[int, list[Move]] = attrs.field(factory=dict, init=False)
    _begins: dict[int, float] = attrs.field(factory=dict, init=False)
    _ends: dict[int, float] = attrs.field(factory=dict, init=False)
    _waits: dict[int, list[Wait]] = attrs.field(factory=dict, init=False)
    _lowest: int = attrs.field(default=0, init=False)
    _serial: int = attrs.field(default=0, init=False)
    _pass_began_at: float = attrs.field(init=False)
    _occupied: set[str] = attrs.field(factory=set, init=False)
    _where: dict[str, str] = attrs.field(factory=dict, init=False)  # base UIDs by names of Modules

    def __attrs_post_init__(self) -> None:
        self._began_at = self._pass_began_at = self.now
        slots = self.view.slots
        slots.advance(self.now)
        self._lowest = slots.count(Mark.AVAILABLE)
        self._occupied.update(slot.base.uid for slot in slots)
        self._where.update((module.name, slot.base.uid) for slot in slots for module in slot.modules)

    def run(self) -> Forecast:
        """All of it."""
        stuck = "it goes nowhere: the planner repeats itself"
        size = self.view.desired + len(self.view.slots) + self.view.parent.spec.strategy.batch_count
        for _ in range(50 + PASSES_PER_REPLICA * size):
            made, has_moved = self._pass()
            if has_moved or self._settle():
                continue
            if not self._goes_on(made):
                stuck = "" if self._is_complete(made) else made.status.message
                break
        return self._forecast(stuck)

    def _pass(self) -> tuple[Plan, bool]:
        """One pass carried out, and whether it did something or opened a batch: then there is another to make."""
        self._pass_began_at = self.now
        was = self.view.parent.status.release
        made = plan(self.view, self.pool, self.now)
        release = made.status.release
        batch = release.current_batch if release else 0
        opened = (
            was.current_batch if was is not None and release is not None and was.revision == release.revision else 0
        )
        self._begins.setdefault(batch, self.now)
        for action in made.actions:
            self._act(action, batch)
        self.view = attrs.evolve(self.view, parent=attrs.evolve(self.view.parent, status=made.status))
        self._lowest = min(self._lowest, self.view.slots.count(Mark.AVAILABLE))
        if batch != opened:
            self._ends.setdefault(opened, self.now)
        return made, bool(made.actions) or batch != opened

    def _act(self, action: actions.Action, batch: int) -> None:
        view = self.view
        match action:
            case actions.AddFinalizer():
                self.view = attrs.evolve(view, parent=attrs.evolve(view.parent, has_finalizer=True))
            case actions.CreateRevision(name=name, number=number, template=template, replicas=replicas):
                made = Revision(
                    name=name, uid=name, number=number, template=template, replicas=replicas, created_at=self.now
                )
                self.view = attrs.evolve(view, revisions={**view.revisions, name: made})
            case actions.AdjustRevision(name=name, number=number, replicas=replicas):
                adjusted = attrs.evolve(view.revisions[name], number=number, replicas=replicas)
                self.view = attrs.evolve(view, revisions={**view.revisions, name: adjusted})
            case actions.DeleteRevision(name=name):
                self.view = attrs.evolve(
                    view, revisions={key: item for key, item in view.revisions.items() if key != name}
                )
            case actions.WriteGate(write=write, token=token):
                self._gate(token if write is GateWrite.SET else None, forget=write is GateWrite.FORGET)
            case actions.DeleteModule(name=name):
                self._remove(name, batch)
            case actions.CreateModule():
                self._create(action, batch)
            case CreateService(module_name=module, strategy=strategy):
                service = ServiceFacts(name=service_name(module), owners=(view.parent.uid,), ports=(strategy,))
                self.view = attrs.evolve(view, services={service.name: service})
            case _:
                pass  # what lets the parent go changes nothing on a base

    def _gate(self, waiting: str | None, *, forget: bool) -> None:
        parent = self.view.parent
        pause = parent.spec.pause if forget else waiting is not None or None
        spec = attrs.evolve(parent.spec, pause=pause)
        self.view = attrs.evolve(self.view, parent=attrs.evolve(parent, spec=spec, waiting=waiting))

    def _create(self, action: actions.CreateModule, batch: int) -> None:
        slots, uid = self.view.slots, action.base_uid
        old = slots[uid].live if uid in self._occupied else ()
        if old and action.uninstall_first:
            self._drain(slots[uid])
        source = action.revision.template.module
        deed = Deed.INSTALL if not old else Deed.REINSTALL if action.uninstall_first else Deed.REPLACE
        name = self.base_names.get(uid, uid)
        self._steps.setdefault(batch, []).append(
            Move(base=name, deed=deed, from_version=old[-1].source.version if old else "", to_version=source.version)
        )
        self._serial += 1
        module = ModuleFacts(
            name=action.name,
            uid=f"forecast-{self._serial}",
            replica_set=action.revision.name,
            order=(self.now, action.revision.number, action.name),
            base_uid=uid,
            base_name=name,
            source=source,
            batch=action.batch or None,
            uninstall_first=action.uninstall_first,
        )
        slots.set_module(module, self._base(uid, name))
        self._where[action.name] = uid
        self._occupied.add(uid)
        self.pool.add_module(uid, source.name, action.name)
        for replaced in action.replaces:
            self._remove(replaced.name, None)

    def _base(self, uid: str, name: str) -> BaseFacts:
        return BaseFacts(uid=uid, name=name, ready_since=0.0 if uid in self.ready else None)

    def _remove(self, name: str, batch: int | None) -> None:
        """Take it away; where nothing comes in its place, that is a deed of its own."""
        uid = self._where.pop(name, None)
        if uid is None:
            return
        slot = self.view.slots[uid]
        module = slot.named(name)
        if module is None:
            return
        is_last = len(slot.live) == 1 and not module.is_terminating
        if batch is not None and is_last and not slot.base.is_gone:
            move = Move(base=slot.base.name, deed=Deed.UNINSTALL, from_version=module.source.version)
            self._steps.setdefault(batch, []).append(move)
        if is_last:
            self._drain(slot)
        self.view.slots.drop_module(uid, name)
        if len(slot.modules) == 1:
            self._occupied.discard(uid)
        self.pool.remove_module(uid, module.source.name, name)

    def _drain(self, slot: Slot) -> None:
        """Let the time pass that goes before its uninstall; what goes at one time drains at one time."""
        if slot.has(Mark.AVAILABLE):
            self.now = max(self.now, self._pass_began_at + self.view.parent.spec.strategy.drain_s)

    def _settle(self) -> bool:
        """Bases do what they were asked to; whether that changed anything."""
        changed = False
        for slot in list(self.view.slots):
            active = [module.slot_active_since for module in slot.live if module.slot_active_since is not None]
            for module in slot.modules:
                if module.is_terminating:
                    self._remove(module.name, None)
                elif module.status is not ModuleStatusWord.AVAILABLE and not module.has_failed_for_good:
                    started = attrs.evolve(
                        module,
                        status=ModuleStatusWord.AVAILABLE,
                        active_since=self.now,
                        slot_active_since=min(active, default=self.now),
                    )
                    self.view.slots.set_module(started, slot.base)
                else:
                    continue
                changed = True
        return changed

    def _goes_on(self, made: Plan) -> bool:
        """Let a person, the base Deployment or time do what the rollout waits for; False when nothing is left to wait for."""
        view, release = self.view, made.status.release
        if release is None:
            return False
        waits = self._waits.setdefault(release.current_batch, [])
        parent = view.parent
        if parent.waiting is not None and parent.spec.pause:  # also where the batch fell back meanwhile
            waits.append(Wait.CONFIRMATION)
            self.view = attrs.evolve(view, parent=attrs.evolve(parent, spec=attrs.evolve(parent.spec, pause=False)))
            return True
        if release.progress is Progress.PAUSED and parent.spec.pause:
            waits.append(Wait.PAUSE)
            self.view = attrs.evolve(view, parent=attrs.evolve(parent, spec=attrs.evolve(parent.spec, pause=None)))
            return True
        if release.gray_until is not None and self.now < release.gray_until:
            waits.append(Wait.GRAY_TIME)
            self.now = release.gray_until
            return True
        if (change := view.slots.next_change_at) is not None and change > self.now:
            self.now = change
            return True
        if view.base_deployment is not None and view.base_deployment.is_rolling and not release.is_last_batch:
            waits.append(Wait.BASE_ROLLOUT)
            self.view = attrs.evolve(view, base_deployment=attrs.evolve(view.base_deployment, is_rolling=False))
            return True
        return False

    @staticmethod
    def _is_complete(made: Plan) -> bool:
        return made.status.release is not None and made.status.release.progress is Progress.COMPLETED

    def _forecast(self, stuck: str) -> Forecast:
        parent, slots = self.view.parent, self.view.slots
        status = parent.status
        unplaced = next((item.message for item in status.conditions if item.reason == "FailedPlacement"), "")
        return Forecast(
            name=parent.name,
            namespace=parent.namespace,
            module=parent.spec.template.module.name,
            version=parent.spec.template.module.version,
            base_deployment=parent.spec.base_deployment,
            bases=len(self.pool),
            desired=self.view.desired,
            max_unavailable=status.max_unavailable,
            completes=not stuck,
            stuck=stuck,
            seconds=self.now - self._began_at,
            confirmations=sum(waits.count(Wait.CONFIRMATION) for waits in self._waits.values()),
            lowest_available=self._lowest,
            floor=max(0, self.view.desired - status.max_unavailable),
            unplaced=unplaced,
            steps=tuple(self._step(batch) for batch in sorted(self._batches())),
            available=slots.count(Mark.AVAILABLE),
            placed=tuple(sorted((slot.base.name, slot.live[-1].source.version) for slot in slots if slot.live)),
        )

    def _batches(self) -> set[int]:
        """Those with something to do or to wait for."""
        return {batch for found in (self._steps, self._waits) for batch, items in found.items() if items}

    def _step(self, batch: int) -> Step:
        release = self.view.parent.status.release
        sizes = release.batches if release else ()
        return Step(
            batch=batch,
            size=sizes[batch - 1] if 0 < batch <= len(sizes) else 0,
            begins_s=self._begins.get(batch, self._began_at) - self._began_at,
            ends_s=self._ends.get(batch, self.now) - self._began_at,
            moves=tuple(self._steps.get(batch, ())),
            then=tuple(self._waits.get(batch, ())),
        )
