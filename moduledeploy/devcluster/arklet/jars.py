"""What a module URL holds.

Jars of the base's own folder follow a naming rule: `file:///modules/<module>-<version>-ark-biz.jar`, the version beginning at
the first `-` before a digit.  What is in a jar follows from its name, wherever it comes from:

    module `bad`, or version ending in `-bad`     its main throws
    module `slow`, or version ending in `-slow`   needs about 6 s to start
    module `web…`                                 a web module at the context path /<module>, up to the first `--` in
                                                  the name (webshop--a and webshop--b share /webshop)
    `/modules/empty.jar`, `text.jar`, `plain.jar` an empty file, no archive, an archive without a module manifest
    module `ghost` or `missing`                   doesn't exist

So every jar named by the rule exists but ghosts'.  A `ModuleFolder` can hold fewer versions of a module: the folder of the
recorded Arklet held `okbiz` in versions 1.0.0 and 2.0.0 alone, which is why a third is not found there.

A loopback http URL is really fetched (`fetching.py`).  Any other URL counts as a good jar of the identity that is asked for.
"""

from __future__ import annotations

import re
from types import MappingProxyType
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote, urlsplit

import attrs

from moduledeploy.devcluster.arklet.faults import JarFault
from moduledeploy.devcluster.arklet.fetching import is_loopback, read_manifest

if TYPE_CHECKING:
    from collections.abc import Mapping

SLOW_START_S: Final = 6.0
_KNOWN_SCHEMES: Final = frozenset({"file", "http", "https", "ftp", "jar"})
_NAMED: Final = re.compile(r"(?P<name>.+?)-(?P<version>\d[^/]*?)(?:-ark-biz)?\.jar")


@attrs.frozen(kw_only=True)
class Jar:
    """A readable module archive: the identity in its manifest and what its main does."""

    name: str
    version: str
    context_path: str
    main_class: str
    throws: bool = False
    start_s: float = 0.0
    priority: int = 100

    @property
    def identity(self) -> str:
        """`name:version`."""
        return f"{self.name}:{self.version}"

    @property
    def is_web(self) -> bool:
        """Whether the module opens a context of its own on the base's Tomcat."""
        return self.name.startswith("web")


def jar_named(name: str, version: str, *, context_path: str = "", main_class: str = "", priority: int = 100) -> Jar:
    """The good jar of an identity; what its main does follows from the identity."""
    return Jar(
        name=name,
        version=version,
        context_path=context_path or name.partition("--")[0],
        main_class=main_class or f"modules.{re.sub(r'[^A-Za-z0-9]', '', name).capitalize()}",
        throws=name == "bad" or version.endswith("-bad"),
        start_s=SLOW_START_S if name == "slow" or version.endswith("-slow") else 0.0,
        priority=priority,
    )


@attrs.frozen
class ModuleFolder:
    """The jars that exist under file:///modules/: all that follow the rule, less `absent` modules and versions not in `only`."""

    absent: frozenset[str] = frozenset({"ghost", "missing"})
    only: Mapping[str, frozenset[str]] = attrs.field(factory=lambda: MappingProxyType({}))

    def holds(self, name: str, version: str) -> bool:
        """Whether the jar of this identity is in the folder."""
        return name not in self.absent and version in self.only.get(name, {version})


RECORDED_FOLDER: Final = ModuleFolder(only=MappingProxyType({"okbiz": frozenset({"1.0.0", "2.0.0"})}))


async def open_jar(url: str, *, asked: tuple[str, str], folder: ModuleFolder) -> Jar:
    """The jar a URL leads to; `asked` is the identity of the request, empty where it gave none.

    Raises `JarFault` with the JVM's own text.
    """
    scheme = _scheme(url)
    try:
        path = unquote(urlsplit(url).path)
    except ValueError as error:
        raise JarFault(f"java.net.MalformedURLException: Invalid authority field: {url.split('/')[2]}") from error
    if scheme == "file" and path.startswith("/modules/"):
        return _open_file(path, folder)
    if scheme == "http" and is_loopback(url):
        _require_port(url)
        manifest = await read_manifest(url)
        name, version = manifest.get("Ark-Biz-Name", ""), manifest.get("Ark-Biz-Version", "")
        _require_identity(name, version)
        return jar_named(
            name,
            version,
            context_path=manifest.get("web-context-path", "/").strip("/") or "/",
            main_class=manifest.get("Start-Class") or manifest.get("Main-Class", ""),
            priority=_priority(manifest.get("priority", "")),
        )
    name, version = asked if all(asked) else _identity_in(url)
    _require_identity(name, version)
    return jar_named(name, version)


def _scheme(url: str) -> str:
    scheme, colon, _ = url.partition(":")
    if not colon or not re.fullmatch(r"[A-Za-z][A-Za-z0-9+.-]*", scheme):
        raise JarFault(f"java.net.MalformedURLException: no protocol: {url}")
    if scheme.lower() not in _KNOWN_SCHEMES:
        raise JarFault(f"java.net.MalformedURLException: unknown protocol: {scheme.lower()}")
    return scheme.lower()


def _open_file(path: str, folder: ModuleFolder) -> Jar:
    match path:
        case "/modules/empty.jar":
            raise JarFault("java.util.zip.ZipException: zip file is empty")
        case "/modules/text.jar":
            raise JarFault("java.util.zip.ZipException: zip END header not found")
        case "/modules/plain.jar":
            _require_identity("", "")
    name, version = _identity_in(path)
    if not (name and path.endswith("-ark-biz.jar") and folder.holds(name, version)):
        raise JarFault(f"java.io.FileNotFoundException: {path} (No such file or directory)")
    return jar_named(name, version)


def _identity_in(url: str) -> tuple[str, str]:
    found = _NAMED.fullmatch(url.rsplit("/", 1)[-1])
    return (found["name"], found["version"]) if found else ("", "")


def _require_port(url: str) -> None:
    try:
        urlsplit(url).port  # noqa: B018 -- it is checked when it is read
    except ValueError as error:
        port = urlsplit(url).netloc.rpartition(":")[2]
        if not re.fullmatch(r"\d{1,9}", port):
            raise JarFault(f'java.net.MalformedURLException: Error at index 0 in: "{port}"') from error
        raise JarFault(f"java.lang.IllegalArgumentException: port out of range:{port}") from error


def _priority(text: str) -> int:
    try:
        return int(text or 100)
    except ValueError as error:
        raise JarFault(f'java.lang.NumberFormatException: For input string: "{text}"') from error


def _require_identity(name: str, version: str) -> None:
    if not name or not version:
        missing = "Version" if name else "Name"
        raise JarFault(f"java.lang.IllegalArgumentException: Biz {missing} must not be empty!")
