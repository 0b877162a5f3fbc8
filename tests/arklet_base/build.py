"""Jars of the base and its modules, built by Maven when a source changed; `python -m tests.arklet_base.build` does it by hand.

web 1.0.0, 2.0.0   a Spring module that answers its version under /web/version
web 3.0.0          the same, but it does not start
plain 1.0.0, 2.0.0 a `main` that returns; its versions run side by side
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Final

import attrs

PROJECT: Final = Path(__file__).parent
OUTPUT: Final = PROJECT / "build"
_SOURCES: Final = ("build.py", "pom.xml", "*/pom.xml", "*/src/**/*.java", "*/src/**/*.properties")
_JAVA: Final = 17  # the line of Koupleless that pom.xml names is for this one
_BUILD_TIMEOUT_S: Final = 300.0  # with a warm Maven cache it takes 50
PATIENCE_VARIABLE: Final = "MODULEDEPLOY_MAVEN_DOWNLOAD_SECONDS"
_DOWNLOAD_TIMEOUT_S: Final = 300.0  # with an empty one, unless the variable says otherwise
_UNRESOLVED: Final = re.compile(r"[Cc]ould not (?:resolve|transfer|find artifact)|Cannot access|Non-resolvable")


class BuildFailed(Exception):
    """Raised when Maven did not build the project; the text is the end of what it said."""


class ArtifactsMissing(BuildFailed):
    """Raised when what the project is built from could not be had, or not in time; that says nothing about the project."""


@attrs.frozen
class Jars:
    """The built jars."""

    folder: Path

    @property
    def base(self) -> Path:
        """The folder that the base's executable jar is unpacked in, as an image has it: it starts in two thirds of the time."""
        return self.folder / "base" / "unpacked"

    def module(self, name: str, version: str) -> Path:
        """The jar of a module."""
        return self.folder / name / f"{name}-{version}-ark-biz.jar"

    def url(self, name: str, version: str) -> str:
        """The URL by which a base on this machine reads a module's jar."""
        return self.module(name, version).as_uri()


def what_is_missing() -> str | None:
    """Why real bases can't be built and run here; None where they can."""
    for program in ("java", "javac", "mvn"):
        if shutil.which(program) is None:
            return f"real bases need a JDK {_JAVA} and Maven: there is no {program}"
    said = subprocess.run(["java", "-version"], capture_output=True, text=True, check=True, timeout=60).stderr
    version = re.search(r'version "(\d+)', said)
    if version is None or int(version[1]) < _JAVA:
        return f"real bases need a JDK {_JAVA}: {said.splitlines()[0]}"
    return None


def build() -> Jars:
    """The jars, built unless they are there and no older than their sources.

    Raises `ArtifactsMissing` where the Maven cache lacks something that no registry gives in time, else `BuildFailed`.
    """
    jars, mark, digest = Jars(OUTPUT), OUTPUT / "digest", _digest()
    if mark.exists() and mark.read_text() == digest:
        return jars
    shutil.rmtree(OUTPUT, ignore_errors=True)
    # A warm cache needs no registry, and asking it would cost most of the time.
    done = _maven("--offline", timeout_s=_BUILD_TIMEOUT_S)
    if done.returncode and _UNRESOLVED.search(done.stdout):
        done = _download_and_build()
    if done.returncode:
        raise BuildFailed(done.stdout[-4000:])
    with zipfile.ZipFile(OUTPUT / "base" / "base.jar") as archive:
        archive.extractall(jars.base)
    mark.write_text(digest)
    return jars


def _download_and_build() -> subprocess.CompletedProcess[str]:
    patience_s = float(os.environ.get(PATIENCE_VARIABLE, _DOWNLOAD_TIMEOUT_S))
    try:
        done = _maven(timeout_s=patience_s)
    except subprocess.TimeoutExpired as error:  # what came so far is kept: the next try goes on from there
        raise ArtifactsMissing(
            f"the Maven cache is not warm, and {patience_s:g} s were not enough to fill it"
        ) from error
    if done.returncode and _UNRESOLVED.search(done.stdout):
        reason = next((line for line in done.stdout.splitlines() if _UNRESOLVED.search(line)), "")
        raise ArtifactsMissing(f"the Maven cache is not warm, and: {reason.strip()}")
    return done


def _maven(*options: str, timeout_s: float) -> subprocess.CompletedProcess[str]:
    command = ["nice", "mvn", "--batch-mode", "--no-transfer-progress", "--quiet", *options, "package"]
    return subprocess.run(
        command,
        cwd=PROJECT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=timeout_s,
        check=False,
    )


def _digest() -> str:
    found = hashlib.sha256()
    for pattern in _SOURCES:
        for path in sorted(PROJECT.glob(pattern)):
            if OUTPUT not in path.parents:
                found.update(str(path.relative_to(PROJECT)).encode() + b"\0" + path.read_bytes() + b"\0")
    return found.hexdigest()


if __name__ == "__main__":
    if missing := what_is_missing():
        sys.exit(missing)
    try:
        sys.stdout.write(f"{build().folder}\n")
    except BuildFailed as error:
        sys.exit(str(error))
