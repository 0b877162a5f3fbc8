"""The modules of a JVM under random commands keep their invariants and never forget one that is started."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from moduledeploy.devcluster.arklet import Behaviour
from moduledeploy.devcluster.arklet.container import STARTED_STATES, Biz, BizState, ModuleContainer
from moduledeploy.devcluster.arklet.faults import CommandFault, ModuleFault
from moduledeploy.devcluster.arklet.jars import jar_named

IDENTITIES = st.sampled_from([(name, version) for name in ("a", "webb") for version in ("1", "2", "3")])


class ContainerMachine(RuleBasedStateMachine):
    @initialize(flags=st.tuples(*[st.booleans()] * 4))
    def boot(self, flags: tuple[bool, ...]) -> None:
        self.behaviour = Behaviour(
            multi_active=flags[0],
            activate_new=flags[1],
            auto_uninstall=flags[2],
            remove_after_stop_failure=flags[3],
        )
        self.container = ModuleContainer()
        self.known: set[str] = set()
        self.now = 0

    def tick(self) -> int:
        self.now += 1
        return self.now

    def pick(self, data: st.DataObject) -> Biz:
        biz = self.container.get(data.draw(st.sampled_from(sorted(self.known))))
        assert biz is not None
        return biz

    @rule(identity=IDENTITIES)
    def register(self, identity: str) -> None:
        biz = self.container.register(jar_named(*identity), self.tick())

        assert (biz is None) == (":".join(identity) in self.known)
        self.known.add(":".join(identity))

    @precondition(lambda self: self.known)
    @rule(data=st.data(), throws=st.booleans())
    def finish_start(self, data: st.DataObject, throws: bool) -> None:
        biz = self.pick(data)
        if biz.state is not BizState.RESOLVED:
            return
        try:
            if throws:
                raise ModuleFault("thrown")  # noqa: TRY301 -- as the module would
            self.container.started(biz, self.behaviour, self.tick())
        except ModuleFault as fault:
            self.container.start_failed(biz, self.behaviour, fault, self.tick())
            if self.behaviour.auto_uninstall:
                self.known.discard(biz.identity)

    @precondition(lambda self: self.known)
    @rule(data=st.data(), throws=st.booleans())
    def stop(self, data: st.DataObject, throws: bool) -> None:
        biz = self.pick(data)
        try:
            self.container.stopping(biz, self.tick())
        except CommandFault:
            assert biz.state is BizState.RESOLVED
            return
        if self.container.stop_failed(biz, self.behaviour, self.tick()) if throws else self.container.stopped(biz):
            self.known.discard(biz.identity)

    @precondition(lambda self: self.known)
    @rule(data=st.data())
    def switch(self, data: st.DataObject) -> None:
        biz = self.pick(data)
        if biz.state in STARTED_STATES:
            self.container.switch(biz, self.tick())
            assert biz.state is BizState.ACTIVATED

    @invariant()
    def holds(self) -> None:
        self.container.check_invariants(self.behaviour)
        assert {biz.identity for biz in self.container.modules()} == self.known

    @invariant()
    def one_context_for_each_path(self) -> None:
        started = [b for b in self.container.modules() if b.jar.is_web and b.state in STARTED_STATES]
        assert len({biz.jar.context_path for biz in started}) == len(started)


TestContainer = ContainerMachine.TestCase
TestContainer.settings = settings(max_examples=60, stateful_step_count=25, deadline=None)
