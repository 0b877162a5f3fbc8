"""What a ModuleDeployment, a Module or a base waits for, and for each base what each filter says."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, Final

import attrs
from rich.text import Text

from moduledeploy.api.times import at
from moduledeploy.cli.access.connection import run
from moduledeploy.cli.access.console import console, emit, say
from moduledeploy.cli.access.exits import CliError, Exit
from moduledeploy.cli.pictures.documents import document
from moduledeploy.cli.pictures.reasons import reasons
from moduledeploy.cli.pictures.table import table
from moduledeploy.cli.pictures.verdicts import FILTERS, BaseVerdict, base_verdicts, bases_of, cap_of, obstacle, refusals
from moduledeploy.cli.pictures.words import BAD, GOOD, MODULE, NONE, UNKNOWN, WIDE, age, plural
from moduledeploy.cli.plan import live_one, read_cluster
from moduledeploy.cli.reading.cluster import view_of
from moduledeploy.cli.reading.family import read_family
from moduledeploy.controllers.facts import family_of
from moduledeploy.kube.resources import ObjectKey

if TYPE_CHECKING:
    from moduledeploy.api.cluster import Pod
    from moduledeploy.api.kinds import Module
    from moduledeploy.cli.access.flags import Access
    from moduledeploy.controllers.cluster import Cluster, Stores


SHOWN: Final = 50  # bases that are listed


def explain(access: Access, *, name: str, snapshot: str | None, output: str) -> int:
    """Explain it; 6 where nothing has that name."""

    async def show() -> int:
        stores, namespace = await read_cluster(access, snapshot)
        explanation, lines = _explained(stores, ObjectKey(namespace, name))
        if output == "text":
            say(lines)
        else:
            emit(document("Explanation", explanation), output)
        return Exit.REACHED

    return run(show)


def _explained(stores: Stores, key: ObjectKey) -> tuple[Explanation, list[Text]]:
    cluster, namespace, name = view_of(stores), key.namespace, key.name
    if live_one(stores, namespace, name) is not None:
        return _of_deployment(cluster, namespace, name)
    if (module := stores.modules.get(key)) is not None:
        return _of_module(cluster, module)
    if (pod := stores.pods.get(key)) is not None:
        return _of_base(cluster, pod)
    raise CliError(f"no ModuleDeployment, Module or pod {name} in namespace {namespace}", Exit.NOT_FOUND)


@attrs.frozen(kw_only=True)
class Explanation:
    """What is known about one thing; `waits` are sentences."""

    about: str
    name: str
    state: str
    waits: tuple[str, ...] = ()
    bases: tuple[BaseVerdict, ...] = ()


def _of_deployment(cluster: Cluster, namespace: str, name: str) -> tuple[Explanation, list[Text]]:
    family = read_family(cluster, namespace, name)
    spec = family.view.parent.spec
    verdicts = base_verdicts(cluster, family.pool_key, spec.template.module.name, spec.scheduling)
    found = Explanation(
        about="ModuleDeployment",
        name=name,
        state=family.view.parent.status.release.progress.value if family.view.parent.status.release else "Init",
        waits=tuple(reasons(family, time.time())),
        bases=tuple(verdicts),
    )
    head = [Text.assemble((name, "bold"), f" is {found.state}.")]
    waits = [Text(f"  - {reason}") for reason in found.waits] or [Text("  It waits for nothing.")]
    takers = sum(verdict.takes for verdict in verdicts)
    bases = Text(f"{takers} of {len(verdicts)} bases of Deployment {spec.base_deployment} could take one more replica:")
    return found, [*head, *waits, Text(), bases, *_table(verdicts)]


def _table(verdicts: list[BaseVerdict]) -> list[Text]:
    """Every base, or of many those that would be taken first and some of the rest."""
    shown = verdicts if len(verdicts) <= SHOWN else sorted(verdicts, key=_turn)[:SHOWN]
    has_filters = console().width >= WIDE
    rows: list[tuple[str | Text, ...]] = [
        (
            verdict.base,
            *(Text("✔", GOOD) if item.passes else Text("✖", BAD) for item in verdict.filters if has_filters),
            f"{verdict.modules}/{'∞' if verdict.cap is None else verdict.cap}",
            str(verdict.rank) if verdict.rank is not None else "",
            verdict.reason or "takes it",
        )
        for verdict in shown
    ]
    lines = table(("BASE", *(name.upper() for name in FILTERS if has_filters), "MODULES", "RANK", "REASON"), rows)
    left = len(verdicts) - len(shown)
    return [*lines, Text(f"… and {left} more, which -o json and -o yaml name", style="dim")] if left else lines


def _turn(verdict: BaseVerdict) -> float:
    return math.inf if verdict.rank is None else verdict.rank


def _of_module(cluster: Cluster, module: Module) -> tuple[Explanation, list[Text]]:
    meta, status, now = module.metadata, module.status, time.time()
    state = "Terminating" if meta.is_terminating else status.status or "Pending"
    pod = cluster.stores.pods.get(ObjectKey(meta.namespace, module.spec.base.name))
    waits = []
    if pod is None or pod.metadata.uid != module.spec.base.uid:
        waits.append(f"base {module.spec.base.name} is gone; the controller takes this Module away")
    elif not pod.is_ready:
        waits.append(f"base {module.spec.base.name} is not Ready, so the module on it doesn't count as available")
    if status.reason or status.message:
        waits.append(f"{status.reason or 'reason unknown'}: {status.message or 'no message'}")
    if (again := at(status.nextRetryTime)) is not None and again > now:
        waits.append(f"attempt {status.attempts + 1} comes in {age(again - now)} (failure class {status.failureClass})")
    if status.failureClass == "permanent":
        waits.append("trying again alone won't mend it: deploy another version, or lift the decision with retry")
    found = Explanation(about="Module", name=meta.name, state=state, waits=tuple(waits))
    sign, colour = MODULE.get(state, UNKNOWN)
    head = Text.assemble(
        (meta.name, "bold"),
        f" is {module.spec.module.identity} on {module.spec.base.name}: ",
        (f"{sign} {state}", colour),
    )
    owner = Text(f"  - belongs to {family_of(module) or 'nobody'}")
    return found, [head, owner, *(Text(f"  - {wait}") for wait in waits)]


def _of_base(cluster: Cluster, pod: Pod) -> tuple[Explanation, list[Text]]:
    meta = pod.metadata
    pool_key = cluster.pool_of(meta.uid)
    if pool_key is None:
        raise CliError(f"pod {meta.name} belongs to no Deployment, so it is no base")
    cap, _ = cap_of(cluster, pool_key, pod)
    modules = cluster.stores.modules.by_index("base", meta.uid)
    blocked = obstacle(cluster, pool_key, pod)
    used = cluster.pool(pool_key).count(meta.uid)
    waits = [f"takes no new module: {why}" for why in refusals(cluster, pool_key, pod)]
    found = Explanation(about="Base", name=meta.name, state=blocked or "Ready", waits=tuple(waits))
    most = "any number" if cap is None else cap
    place = f"{plural(used, 'module')} of {most}, one of {plural(len(bases_of(cluster, pool_key)), 'base')}"
    head = Text.assemble((meta.name, "bold"), f" is a base of Deployment {pool_key.deployment}: {place}")
    rows = [
        (item.spec.module.identity, item.status.status or "Pending", item.status.reason or NONE, item.metadata.name)
        for item in sorted(modules, key=lambda item: item.spec.module.identity)
    ]
    listed = table(("MODULE", "STATUS", "REASON", "OBJECT"), rows) if rows else [Text("  no modules")]
    return found, [head, *(Text(f"  - {wait}") for wait in waits or ["takes new modules"]), *listed]
