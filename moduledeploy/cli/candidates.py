"""What the word under the cursor may become where only a cluster or a kubeconfig knows; the rest click knows by itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from click.shell_completion import CompletionItem, FishComplete, ShellComplete, add_completion_class

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from click import Context, Parameter

    Candidates = Callable[[Context, Parameter, str], list[CompletionItem[str]]]

_NO_FILES, _FILES = ":4", ":0"  # kubectl's directives to the shell


def names(*kinds: str) -> Candidates:
    """Names of objects of these kinds, in the cluster and namespace that the words so far choose."""

    def complete(ctx: Context, _: Parameter, incomplete: str) -> list[CompletionItem[str]]:
        kind, slash = incomplete.rpartition("/")[:2]  # TYPE/NAME is as good as NAME
        found = sorted(f"{kind}{slash}{item['metadata']['name']}" for item in _ask(ctx, kinds))
        return [CompletionItem(name) for name in found if name.startswith(incomplete)]

    return complete


def revisions(ctx: Context, _: Parameter, incomplete: str) -> list[CompletionItem[str]]:
    """Numbers of the revisions of the ModuleDeployment that was named, each with its version."""
    from moduledeploy.api.names import DEPLOYMENT_LABEL, MODULE_VERSION_LABEL, REVISION_LABEL  # noqa: PLC0415  # completing anything else needs none of it

    found = []
    for item in _ask(ctx, ("replica_sets",), f"{DEPLOYMENT_LABEL}={_deployment(ctx)}"):
        labels = item["metadata"]["labels"]
        found.append((labels[REVISION_LABEL], labels[MODULE_VERSION_LABEL]))
    found.sort(key=lambda pair: int(pair[0]))
    return [CompletionItem(number, help=version) for number, version in found if number.startswith(incomplete)]


def batches(ctx: Context, _: Parameter, incomplete: str) -> list[CompletionItem[str]]:
    """The batch at which the ModuleDeployment that was named is."""
    found = []
    for item in _ask(ctx, ("deployments",)):
        release = (item.get("status") or {}).get("releaseStatus") or {}
        if item["metadata"]["name"] == _deployment(ctx) and release.get("currentBatch"):
            told = f"of {release.get('realBatchCount')}, {release.get('progress')}"
            found.append(CompletionItem(str(release["currentBatch"]), help=told))
    return [batch for batch in found if batch.value.startswith(incomplete)]


def _deployment(ctx: Context) -> str:
    """The ModuleDeployment that was named."""
    # A flag that has no value yet ends click's parsing: the words before it are then still in `args`.
    name: str = ctx.params.get("name") or next(iter(ctx.args), "")
    return name.rpartition("/")[2]


def goals(_: Context, __: Parameter, incomplete: str) -> list[CompletionItem[str]]:
    """What `--until` takes."""
    return [CompletionItem(word) for word in ("healthy", "paused", "batch=") if word.startswith(incomplete)]


def contexts(ctx: Context, _: Parameter, incomplete: str) -> list[CompletionItem[str]]:
    """Contexts of the kubeconfig."""
    from moduledeploy.cli.access.contexts import context_names  # noqa: PLC0415  # it reads YAML, which completing commands and flags needn't

    return [CompletionItem(name) for name in context_names(_flag(ctx, "kubeconfig")) if name.startswith(incomplete)]


@add_completion_class
class Fish(FishComplete):
    """Click's script for fish takes a comma in a description for its end."""

    def format_completion(self, item: CompletionItem[str]) -> str:
        """One line."""
        return super().format_completion(CompletionItem(item.value, item.type, (item.help or "").replace(",", ";")))


class KubectlComplete(ShellComplete):
    """The candidates as kubectl wants them of its plugin: each with its description after a tab, a directive at the end."""

    name = "kubectl"
    source_template = ""

    def format_completion(self, item: CompletionItem[str]) -> str:
        """One line."""
        return f"{item.value}\t{item.help}" if item.help else item.value

    def lines(self, words: Sequence[str]) -> list[str]:
        """The answer for these words, the last of which is being typed."""
        *before, word = words or [""]
        found = self.get_completions(before, word)
        if any(item.type != "plain" for item in found):
            return [_FILES]
        return [*map(self.format_completion, found), _NO_FILES]


def _flag(ctx: Context, name: str) -> str | None:
    """What was given with the command, or before it."""
    if (value := ctx.params.get(name)) is not None:
        return str(value)
    return _flag(ctx.parent, name) if ctx.parent is not None else None


def _ask(ctx: Context, kinds: Sequence[str], labels: str = "") -> list[dict[str, Any]]:
    from moduledeploy.cli.access.flags import Access  # noqa: PLC0415  # that module imports this one
    from moduledeploy.cli.reading.names import named  # noqa: PLC0415  # completing commands and flags needs no cluster

    access = Access(_flag(ctx, "kubeconfig"), _flag(ctx, "context"), _flag(ctx, "namespace"))
    return named(access, kinds, labels)
