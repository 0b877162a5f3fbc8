"""The module jars that the recorded transcript asks for, made of the plain module's class."""

from __future__ import annotations

import zipfile
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path

    from tests.arklet_base.build import Jars

_CLASS: Final = "moduledeploy/tests/plain/Plain.class"
_MODULES: Final = (
    ("okbiz", "1.0.0", ""),
    ("okbiz", "2.0.0", ""),
    ("other", "1.0.0", ""),
    ("bad", "1.0.0", "Fails-To-Start: true\n"),
    ("slow", "1.0.0", "Start-Seconds: {slow_start_s}\n"),
)


def make_recorded_folder(jars: Jars, folder: Path, *, slow_start_s: int) -> Path:
    """Fill the folder that stands for the transcript's /modules; there the slow module took 6 s."""
    folder.mkdir(parents=True, exist_ok=True)
    code = (jars.folder / "plain" / "classes" / _CLASS).read_bytes()
    for name, version, more in _MODULES:
        main = _CLASS.removesuffix(".class").replace("/", ".")
        manifest = (
            f"Manifest-Version: 1.0\nMain-Class: {main}\nArk-Biz-Name: {name}\nArk-Biz-Version: {version}\n"
            f"web-context-path: {name}\n{more.format(slow_start_s=slow_start_s)}\n"
        )
        _archive(folder / f"{name}-{version}-ark-biz.jar", manifest, code)
    _archive(folder / "plain.jar", "Manifest-Version: 1.0\n\n", code)
    (folder / "empty.jar").write_bytes(b"")
    (folder / "text.jar").write_text("no archive\n")
    return folder


def _archive(path: Path, manifest: str, code: bytes) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("META-INF/MANIFEST.MF", manifest)
        archive.writestr(_CLASS, code)
