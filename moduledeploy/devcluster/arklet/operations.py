"""What the commands do to the modules of one JVM, in the time that takes."""

from __future__ import annotations

import contextlib
from collections import Counter
from typing import TYPE_CHECKING, Final

import anyio
import attrs

from moduledeploy.devcluster.arklet.answers import BASE_VERSION, Outcome, installed, repeated
from moduledeploy.devcluster.arklet.behaviour import Behaviour, matches
from moduledeploy.devcluster.arklet.container import STARTED_STATES, Biz, ModuleContainer
from moduledeploy.devcluster.arklet.faults import CommandFault, ModuleFault
from moduledeploy.devcluster.arklet.figures import METASPACE_AT_START, Timings, metaspace
from moduledeploy.devcluster.arklet.jars import Jar, ModuleFolder, jar_named, open_jar
from moduledeploy.devcluster.arklet.runtimes import NO_CONTEXT, Runtime

if TYPE_CHECKING:
    from collections.abc import Sequence

    from moduledeploy.runtime.clock import Clock

MASTER: Final = "base"
_STOP_HOOK: Final = "java.lang.IllegalStateException: the stop hook of the module threw"


@attrs.define
class Effects:
    """Installs and uninstalls that took effect, by identity; kept over restarts, for tests to read."""

    installs: Counter[str] = attrs.field(factory=Counter)
    uninstalls: Counter[str] = attrs.field(factory=Counter)


@attrs.frozen(kw_only=True)
class InstallRequest:
    """One module to install; name and version are both empty where the request gave none."""

    url: str
    name: str = ""
    version: str = ""
    uninstall_first: bool = False
    main_class: str = ""


@attrs.define(kw_only=True)
class Operations:
    """Install, uninstall and switch on the modules of one JVM; locks are the caller's business.

    `behaviour` is how the base behaves now; every operation is told under which it runs.
    """

    behaviour: Behaviour
    timings: Timings
    folder: ModuleFolder
    clock: Clock
    effects: Effects
    modules: ModuleContainer = attrs.field(factory=ModuleContainer)
    metaspace: int = METASPACE_AT_START  # bytes in use
    _has_started_web: bool = False
    booted_at: float = attrs.field(init=False)

    @booted_at.default
    def _now(self) -> float:
        return self.clock.monotonic()

    def uptime_s(self) -> float:
        """Seconds since the JVM began."""
        return self.clock.monotonic() - self.booted_at

    def now_ms(self) -> int:
        """Epoch milliseconds."""
        return int(self.clock.wall() * 1000)

    async def install(self, request: InstallRequest, behaviour: Behaviour) -> Outcome:
        """Download, register and start a module; raises `CommandFault`."""
        began_ms = self.now_ms()
        if request.uninstall_first:
            for biz in self.modules.versions(request.name):
                with contextlib.suppress(*(() if behaviour.runtime is Runtime.SPRING else (CommandFault,))):
                    await self._stop(biz, behaviour)
        jar = await self.open(request, behaviour)
        return await self._start(jar, behaviour, began_ms)

    async def install_batch(self, requests: Sequence[InstallRequest], behaviour: Behaviour) -> Outcome:
        """Install many: every jar is opened first, then those of one priority in parallel, the lowest first.

        Raises `CommandFault`, with nothing installed, if one can't be opened.
        """
        jars = [(request.url, await self.open(request, behaviour)) for request in requests]
        outcomes: dict[str, Outcome] = {}

        async def start(url: str, jar: Jar) -> None:
            try:
                outcomes[url] = await self._start(jar, behaviour, self.now_ms())
            except CommandFault:
                outcomes[url] = Outcome("FAILED", "internal exception: null")

        for priority in sorted({jar.priority for _, jar in jars}):
            async with anyio.create_task_group() as tasks:
                for url, jar in jars:
                    if jar.priority == priority:
                        tasks.start_soon(start, url, jar)
        done = all(outcome.is_success for outcome in outcomes.values())
        details = {"bizUrlToResponse": {url: outcome.data() for url, outcome in outcomes.items()}, "elapsedSpace": 0}
        return Outcome("SUCCESS" if done else "FAILED", f"batch install {'success' if done else 'failed'}", details)

    async def uninstall(self, name: str, version: str, behaviour: Behaviour) -> Outcome:
        """Stop and forget one version of a module; raises `CommandFault`."""
        if name == MASTER:
            return Outcome("FAILED", "Master biz must not be uninstalled.")
        if (biz := self.modules.get(f"{name}:{version}")) is None:
            return Outcome("NOT_FOUND_BIZ", f"Uninstall biz: {name}:{version} not found.")
        await self._stop(biz, behaviour)
        return Outcome("SUCCESS", f"Uninstall biz: {name}:{version} success.")

    async def switch(self, name: str, version: str, _behaviour: Behaviour) -> Outcome:
        """Make one started version of a module the active one; the base itself, which has one, always is."""
        if (name, version) == (MASTER, BASE_VERSION):
            return Outcome("SUCCESS", f"Switch biz: {name}:{version} is activated.")
        if (biz := self.modules.get(f"{name}:{version}")) is None:
            return Outcome("NOT_FOUND_BIZ", f"Switch biz: {name}:{version} not found.")
        if biz.state not in STARTED_STATES:
            return Outcome("ILLEGAL_STATE_BIZ", f"Switch Biz: {biz.identity}'s state must not be {biz.state.value}.")
        await self._take(self.timings.switch_s)
        self.modules.switch(biz, self.now_ms())
        return Outcome("SUCCESS", f"Switch biz: {biz.identity} is activated.")

    async def open(self, request: InstallRequest, behaviour: Behaviour) -> Jar:
        """Download a jar and read its manifest; raises `JarFault`."""
        asked = (request.name, request.version)
        if matches(behaviour.stalled_download, *asked):
            await anyio.sleep_forever()  # a JVM's download has no time limit; its restart ends it
        jar = await open_jar(request.url, asked=asked, folder=self.folder)
        for pattern, identity in behaviour.identity:
            if matches((pattern,), *asked):
                jar = jar_named(*identity.split(":"))
        return attrs.evolve(jar, main_class=request.main_class or jar.main_class)

    async def _start(self, jar: Jar, behaviour: Behaviour, began_ms: int) -> Outcome:
        if (biz := self.modules.register(jar, self.now_ms())) is None:
            return repeated(jar.identity)
        is_first = jar.is_web and not self._has_started_web
        await self._take(jar.start_s + self.timings.install_s(jar, is_first=is_first) + behaviour.install_delay_s)
        self._has_started_web |= jar.is_web
        taken = metaspace(jar, is_first=is_first)
        self.metaspace += taken
        try:
            if jar.throws or matches(behaviour.fail_install, jar.name, jar.version):
                raise ModuleFault("java.lang.IllegalStateException: the main of the module threw")  # noqa: TRY301 -- one end for both faults
            self.modules.started(biz, behaviour, self.now_ms())
        except ModuleFault as fault:
            self.modules.start_failed(biz, behaviour, fault, self.now_ms())
            raise
        self.effects.installs[biz.identity] += 1
        upper_case = behaviour.upper_case_states
        return installed(biz, began_ms=began_ms, now_ms=self.now_ms(), metaspace=taken, upper_case=upper_case)

    async def _stop(self, biz: Biz, behaviour: Behaviour) -> None:
        self.modules.stopping(biz, self.now_ms())
        await self._take(self.timings.uninstall_s(biz.jar) + behaviour.uninstall_delay_s)
        has_no_context = behaviour.runtime is Runtime.SPRING and not biz.jar.is_web
        fails = has_no_context or matches(behaviour.fail_uninstall, biz.jar.name, biz.jar.version)
        if self.modules.stop_failed(biz, behaviour, self.now_ms()) if fails else self.modules.stopped(biz):
            self.effects.uninstalls[biz.identity] += 1
        if fails:
            raise CommandFault(NO_CONTEXT if has_no_context else _STOP_HOOK)

    async def _take(self, seconds: float) -> None:
        if seconds > 0:
            await self.clock.sleep(seconds)
