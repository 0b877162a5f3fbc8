"""The image, built twice from the commit that is checked out and run as a pod would run it.

It takes minutes and a root file system to build on, so it is skipped unless IMAGE_BASE names one: a tar with Python 3.11 and its
venv, as docs/operations.md says how to make. IMAGE_BUILD_FLAGS are passed to `buildah build`, say for a mirror's pip.conf.
"""

from __future__ import annotations

import asyncio
import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
from importlib.metadata import distributions
from pathlib import Path
from typing import Final

import anyio
import attrs
import pytest
from packaging.utils import canonicalize_name

from moduledeploy import __version__
from moduledeploy.devcluster.bases.choice import is_base
from moduledeploy.devcluster.bases.local import LocalBases
from moduledeploy.devcluster.cluster import DevCluster
from tests.ops.test_image import pins
from tests.ops.test_least_privilege import People
from tests.ops.tools import MANIFESTS, ROOT

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]
IMAGE: Final = "localhost/moduledeploy:check"
FLAGS: Final = shlex.split(os.environ.get("IMAGE_BUILD_FLAGS", ""))
# As a kubelet would: a root that can't be written to, a small /tmp, nobody's user without a capability to be had, process 1.
AS_A_POD: Final = """
set -e
mount --bind "$1" "$2"; mount -t tmpfs -o size=16m tmpfs "$2/tmp"; cp "$3" "$2/tmp/kubeconfig"; chmod 644 "$2/tmp/kubeconfig"
mount -t proc proc "$2/proc"; mount -o remount,bind,ro "$2"
root=$2; shift 3
bare="setpriv --reuid 65532 --regid 65532 --clear-groups --inh-caps -all --bounding-set -all --no-new-privs"
exec env -i PATH=/usr/sbin:/usr/bin:/bin HOME=/ PYTHONDONTWRITEBYTECODE=1 chroot "$root" $bare "$@"
"""
PROBE: Final = """
import os
status = dict(line.split(":\\t", 1) for line in open("/proc/self/status").read().splitlines())
print(os.getpid(), os.getuid(), *(os.access(place, os.W_OK) for place in ("/", "/app", "/usr", "/tmp")))
print(*(int(status[name], 16) for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")), status["NoNewPrivs"])
"""


@attrs.frozen
class Builder:
    """Buildah with a storage of its own."""

    folder: Path

    def run(self, command: str, *arguments: str | Path, policy: bool = False) -> str:
        place = ("--root", self.folder / "root", "--runroot", self.folder / "run", "--log-level", "error")
        signed = ("--signature-policy", self.folder / "policy.json") if policy else ()
        done = subprocess.run(
            ["buildah", *place, command, *signed, *arguments], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
        return done.stdout.strip()

    def build(self, base: Path, source: Path) -> str:
        """The digest of an image made of the source, all from nothing."""
        self.folder.mkdir()
        (self.folder / "policy.json").write_text(json.dumps({"default": [{"type": "insecureAcceptAnything"}]}))
        container = self.run("from", "scratch")
        self.run("add", "--quiet", container, base, "/")
        self.run("commit", "--quiet", "--timestamp", "0", container, "localhost/base:1", policy=True)
        arguments = ("--build-arg", "BASE=localhost/base:1", "--build-arg", "REVISION=check", "--tag", IMAGE)
        self.run("build", "--isolation", "chroot", "--timestamp", "0", *FLAGS, *arguments, source, policy=True)
        return self.run("images", "--format", "{{.Digest}}", IMAGE)

    def unpacked(self) -> str:
        """Where its files can be seen."""
        return self.run("mount", self.run("from", IMAGE, policy=True))


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Builder:
    base, folder = os.environ.get("IMAGE_BASE"), tmp_path_factory.mktemp("image")
    if base is None or shutil.which("buildah") is None or os.geteuid() != 0:
        pytest.skip(
            "NOT CHECKED that the image is built and runs: takes root, buildah, and IMAGE_BASE, a root file system"
        )
    archive = subprocess.run(["git", "-C", ROOT, "archive", "HEAD"], capture_output=True, check=True).stdout
    builders = []
    for name in ("one", "two"):
        source = folder / f"source-{name}"
        source.mkdir()
        subprocess.run(["tar", "-x", "-C", source], input=archive, check=True)
        builder = Builder(folder / name)
        builders.append((builder, builder.build(Path(base), source)))
    (one, first), (_, second) = builders
    assert first == second, "two builds of one commit differ"
    return one


def as_a_pod(built: Builder, kubeconfig: Path, *command: str) -> list[str]:
    root = kubeconfig.parent / "root"
    root.mkdir(exist_ok=True)
    isolated = ("unshare", "--mount", "--pid", "--fork", "--kill-child", "bash", "-c", AS_A_POD, "-")
    return [*isolated, built.unpacked(), str(root), str(kubeconfig), *command]


def test_process_1_can_write_to_tmp_alone_and_has_no_capability(built: Builder, tmp_path: Path) -> None:
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.touch()
    done = subprocess.run(
        as_a_pod(built, kubeconfig, "/app/.venv/bin/python", "-c", PROBE), capture_output=True, text=True, check=False
    )

    assert done.stdout.splitlines() == ["1 65532 False False False True", "0 0 0 0 0 1"], done.stderr


def test_its_packages_are_the_locked_ones_and_no_others(built: Builder) -> None:
    (site,) = Path(built.unpacked()).glob("app/.venv/lib/python3*/site-packages")
    installed = {(canonicalize_name(one.name), one.version) for one in distributions(path=[str(site)])}

    assert installed == {*pins("manifests/image.lock").items(), ("moduledeploy", __version__)}


async def test_it_rolls_out_and_ends_when_it_is_told_to(built: Builder, tmp_path: Path) -> None:
    async with DevCluster() as cluster, anyio.create_task_group() as playing:
        await playing.start(LocalBases(cluster.api, plays=is_base).run)
        people = People(cluster.url, cluster.write_kubeconfig(tmp_path / "kubeconfig"))
        await people.apply("-k", str(MANIFESTS / "crd"))
        samples = MANIFESTS / "samples"
        await people.apply("-f", str(samples / "base.yaml"), "-f", str(samples / "orders-v1.yaml"))
        flags = ("--url-schemes", "file", "--metrics-address", "127.0.0.1:0", "--health-address", "127.0.0.1:0")
        program = ("/app/.venv/bin/moduledeploy", "run", "--kubeconfig", "/tmp/kubeconfig", "--leader-election", *flags)
        async with await anyio.open_process(as_a_pod(built, people.kubeconfig, *program), stderr=sys.stderr) as started:
            await people.wait_progress("orders", "Completed")
            # unshare has one child, which is process 1 to itself.
            children = await anyio.Path(f"/proc/{started.pid}/task/{started.pid}/children").read_text()
            os.kill(int(children.split()[0]), signal.SIGTERM)
            async with asyncio.timeout(10):
                status = await started.wait()
        playing.cancel_scope.cancel()

    assert status == 0
