"""The picture of a rollout as a tree for a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from rich.text import Text

from moduledeploy.cli.pictures.table import Fit, hanging, table
from moduledeploy.cli.pictures.words import ACTIVE, GOOD, MODULE, PROGRESS, UNKNOWN, WAITS, WIDE, age, plural, short

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from moduledeploy.cli.pictures.rollout import BatchPicture, ReplicaPicture, RevisionPicture, RolloutPicture

BAR: Final = 20
NARROW_BAR: Final = 10
NARROW: Final = 79  # columns up to which bars and branches are short
LABEL: Final = 11
SHOWN: Final = 8  # replicas of one batch that are listed when nothing is the matter with the rest
TROUBLED: Final = 16  # and when something is
BATCHES: Final = 10  # batches that have a line each; of more those about the current one have
BEFORE: Final = 3  # of those, so many before the current one
HEAD: Final = ("NAME", "KIND", "STATUS", "AGE", "INFO")
DROP: Final = ("AGE", "INFO")
SHORTEST_INFO: Final = 12  # cells
_OK: Final = "Available"

Row = tuple[str | Text, ...]


def rollout_tree(
    picture: RolloutPicture, *, width: int = WIDE, everything: bool = False, foot_first: bool = False
) -> list[Text]:
    """Head, batches, tree and what is awaited, no line longer than `width`.

    `foot_first`: what is awaited comes before the tree, for screens that cut off the end of what is too long.
    """
    head = [part for line in _head(picture, width) for part in hanging(line, width, indent=LABEL)]
    foot, tree = list(_foot(picture)), _tree(picture, everything=everything, width=width)
    if foot_first:  # such a screen would cut a command that somebody may copy elsewhere
        foot = [part for line in foot for part in hanging(line, width, indent=LABEL + 1)]
    parts = [head, foot, tree] if foot_first else [head, tree, foot]
    return [line for part in parts if part for line in (Text(), *part)][1:]


def _styled(state: str, words: dict[str, tuple[str, str]]) -> Text:
    sign, colour = words.get(state, UNKNOWN)
    return Text(f"{sign} {state}", style=colour)


def _head(picture: RolloutPicture, width: int) -> Iterator[Text]:
    def field(name: str, *value: str | Text | tuple[str, str]) -> Text:
        return Text.assemble((f"{name:<{LABEL}}", "dim"), *value)

    yield field("Name:", (picture.name, "bold"), f" in namespace {picture.namespace}")
    yield field("Status:", _styled(picture.phase, PROGRESS), " - ", picture.message)
    yield field("Module:", picture.module, ":", picture.version)
    yield field("Bases:", f"{picture.base_deployment}, {plural(picture.bases, 'base')}")
    yield field("Strategy:", picture.strategy)
    yield field(
        "Replicas:",
        f"{picture.desired} desired, {picture.updated} updated, {picture.ready} ready, ",
        (f"{picture.available} available", GOOD if picture.available >= picture.desired else WAITS),
        f", at most {picture.max_unavailable} unavailable",
    )
    for revision in picture.revisions:
        for number, line in enumerate(_bars(picture, revision.batches, BAR if width > NARROW else NARROW_BAR)):
            yield field("" if number else "Batches:", line)


def _bars(picture: RolloutPicture, batches: Sequence[BatchPicture], cells: int) -> Iterator[Text]:
    """A line for each batch, or for some with what there is before and after them."""
    first = max(0, min(picture.batch - 1 - BEFORE, len(batches) - BATCHES)) if len(batches) > BATCHES + 2 else 0
    shown = batches[first : first + BATCHES] if first or len(batches) > BATCHES + 2 else batches
    if first:
        yield Text(f"    {first} before, {sum(batch.available for batch in batches[:first])} available", style="dim")
    for batch in shown:
        line = (f"{batch.number:>3} ", bar(batch, cells), f" {batch.available}/{batch.size} ", _of_batch(batch))
        yield Text.assemble(*line)
    if left := len(batches) - first - len(shown):
        yield Text(f"    {left} more, not opened", style="dim")


def bar(batch: BatchPicture, cells: int = BAR) -> Text:
    """How far a batch is."""
    done = round(cells * batch.available / batch.size) if batch.size else cells
    colour = PROGRESS.get(batch.state, UNKNOWN)[1]
    return Text.assemble(("█" * done, colour or "dim"), ("░" * (cells - done), "dim"))


def _of_batch(batch: BatchPicture) -> Text:
    return Text("not opened", style="dim") if batch.state == "NotOpened" else short(batch.state)


def _tree(picture: RolloutPicture, *, everything: bool, width: int) -> list[Text]:
    rows: list[Row] = [
        (
            Text.assemble(("⟳ ", ACTIVE), (picture.name, "bold")),
            "ModuleDeployment",
            short(picture.phase),
            age(picture.age_s),
            f"batch {picture.batch}/{picture.batch_count}" if picture.batch_count else "",
        )
    ]
    for at, revision in enumerate(picture.revisions):
        rows.extend(_of_revision(revision, last=at + 1 == len(picture.revisions), everything=everything))
    if width <= NARROW:
        rows = [(_indented_less(row[0]), *row[1:]) for row in rows]
    if width >= WIDE:
        return table(HEAD, rows, Fit(width=width, drop=("KIND", *DROP), least=SHORTEST_INFO))
    rows = [row[:1] + row[2:] for row in rows]  # the sign in front of a name tells its kind, too
    return table(HEAD[:1] + HEAD[2:], rows, Fit(width=width, drop=DROP, least=SHORTEST_INFO))


def _indented_less(name: str | Text) -> str | Text:
    """The name of a row with branches of two cells instead of four."""
    if isinstance(name, Text):
        return name
    depth = len(name) - len(name.lstrip("│├└─ "))
    branches = "".join(name[at : at + 2].replace("─", " ") for at in range(0, depth, 4))
    return branches + name[depth:]


def _of_revision(revision: RevisionPicture, *, last: bool, everything: bool) -> Iterator[Row]:
    first, trunk = ("└── ", "    ") if last else ("├── ", "│   ")
    count = len(revision.replicas) + sum(len(batch.replicas) for batch in revision.batches)
    yield (
        f"{first}# revision {revision.number}",
        "Revision",
        "",
        age(revision.age_s),
        f"{revision.version}, {revision.role}",
    )
    yield f"{trunk}└── ▣ {revision.name}", "ModuleReplicaSet", "", age(revision.age_s), plural(count, "replica")
    trunk += "    "
    opened = [batch for batch in revision.batches if batch.state != "NotOpened" or batch.replicas]
    unopened = len(revision.batches) - len(opened)
    kept = opened if everything else _kept(opened)
    if calm := len(opened) - len(kept):
        yield f"{trunk}├── … {calm} more batches, {_OK}", "Batch", "", "", "--all shows them"
    groups = len(kept) + bool(unopened) + bool(revision.replicas)
    for number, batch in enumerate(kept, start=1):
        branch, below = ("└── ", "    ") if number == groups else ("├── ", "│   ")
        info = f"{batch.available}/{batch.size} available"
        if batch.confirmed is not None:
            info += f", confirmed{f' by {batch.confirmed.by}' if batch.confirmed.by else ''}"
        yield f"{trunk}{branch}batch {batch.number}", "Batch", short(batch.state), "", info
        yield from _of_replicas(batch.replicas, f"{trunk}{below}", everything=everything)
    if unopened:
        branch = "├── " if revision.replicas else "└── "
        yield f"{trunk}{branch}{unopened} {'batch' if unopened == 1 else 'batches'} not opened", "Batch", "", "", ""
    yield from _of_replicas(revision.replicas, trunk, everything=everything)


def _kept(opened: list[BatchPicture]) -> list[BatchPicture]:
    """The last batches, and those before in which a replica needs a look."""
    calm = [batch for batch in opened[:-BEFORE] if all(map(_is_calm, batch.replicas))]
    return opened if len(opened) <= BATCHES else [batch for batch in opened if batch not in calm]


def _is_calm(replica: ReplicaPicture) -> bool:
    return replica.status == _OK and replica.base_ready


def _of_replicas(replicas: tuple[ReplicaPicture, ...], trunk: str, *, everything: bool) -> Iterator[Row]:
    """All of them, or the ones that need a look and as many others as fit, then how many are left out."""
    calm = [replica for replica in replicas if _is_calm(replica)]
    troubled = [replica for replica in replicas if not _is_calm(replica)]
    if everything or len(replicas) <= SHOWN + 1:
        shown, hidden = list(replicas), 0
    else:
        shown = troubled[:TROUBLED] + calm[: max(0, SHOWN - len(troubled))]
        hidden = max(0, len(troubled) - TROUBLED)
    left = len(replicas) - len(shown)
    for at, replica in enumerate(shown, start=1):
        branch = "└── " if at == len(shown) and not left else "├── "
        info = [plural(replica.modules_on_base, "module")]
        if not replica.base_ready:
            info.insert(0, "base NOT ready")
        if replica.status == "Failed" or (replica.reason and replica.status in ("Pending", "Terminating")):
            info.insert(0, replica.message or replica.reason)
        yield (
            f"{trunk}{branch}□ {replica.base}",
            "Module",
            _styled(replica.status, MODULE),
            age(replica.age_s),
            ", ".join(info),
        )
    if left:
        what = f"{hidden} of them not {_OK}" if hidden else _OK
        yield f"{trunk}└── … {left} more, {what}", "Module", "", "", "--all shows them"


def _foot(picture: RolloutPicture) -> Iterator[Text]:
    if picture.awaits:
        until = f", {age(picture.until_s)} from now" if picture.until_s is not None else ""
        yield Text.assemble(("Awaited: ", "bold"), f"{picture.awaits}{until}", no_wrap=True)
    for number, command in enumerate(picture.commands):
        yield Text.assemble(
            ("Go on with: " if not number else "or with:    ", "bold"), (command, f"bold {ACTIVE}"), no_wrap=True
        )
