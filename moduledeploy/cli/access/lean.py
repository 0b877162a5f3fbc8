"""Libraries without the parts that a command of a tenth of a second would load for nothing.

Of kubernetes-asyncio what reads kubeconfigs and tokens stays, and the generated API goes: `import kubernetes_asyncio.config` runs
the package's `__init__`, which imports every API group and every model. The config modules themselves need two names of the
client: `Configuration`, which is loaded as it is, and `ApiClient`, which is used only by functions that nobody here calls.

aiohttp reads the system's certificates twice when it is imported. What connects from here brings its own TLS context, so it finds
none to read; whoever used aiohttp's own contexts after all would trust nobody.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
from types import ModuleType
from typing import Final, NoReturn

_PACKAGE: Final = "kubernetes_asyncio"
_TRACEBACKS: Final = "rich.traceback"
_FOR_PASSWORDS: Final = "urllib3"  # makes the header of a user with a password
_HTTP: Final = "aiohttp"
_CERTIFICATES: Final = "SSL_CERT_FILE"  # OpenSSL reads this file instead of the system's
_CLIENT: Final = f"{_PACKAGE}.client"


class _NoApiClient:
    """Stands where the generated client would; making one is a mistake."""

    def __init__(self, *_: object, **__: object) -> NoReturn:
        raise RuntimeError("the command line talks to the API server by moduledeploy.kube.transport alone")


def import_config_only() -> None:
    """Make `kubernetes_asyncio.config`, aiohttp and structlog importable at the price of what is used of them.

    For processes of the command line, before `moduledeploy.kube.config` is imported; does nothing where the whole package has
    been imported already.
    """
    import_logging_only()
    if _PACKAGE in sys.modules:
        return
    _import_without_certificates(_HTTP)
    package = _without_running(_PACKAGE)
    client = _without_running(_CLIENT)
    vars(package)["client"] = client
    configuration = _import_with(_FOR_PASSWORDS, f"{_CLIENT}.configuration")
    vars(client).update(Configuration=configuration.Configuration, ApiClient=_NoApiClient)


def import_logging_only() -> None:
    """Import structlog without the renderer of colourful tracebacks, which brings a highlighter with it."""
    if "structlog" in sys.modules or _TRACEBACKS in sys.modules:
        return
    modules: dict[str, ModuleType | None] = sys.modules  # type: ignore[assignment]  # None forbids the import, says importlib
    modules[_TRACEBACKS] = None
    try:
        importlib.import_module("structlog")
    finally:
        del modules[_TRACEBACKS]


def _import_without_certificates(name: str) -> None:
    set_before = os.environ.get(_CERTIFICATES)
    os.environ[_CERTIFICATES] = os.devnull
    try:
        importlib.import_module(name)
    finally:
        del os.environ[_CERTIFICATES]
        if set_before is not None:
            os.environ[_CERTIFICATES] = set_before


def _import_with(absent: str, name: str) -> ModuleType:
    """Import a module; what it imports as `absent` is imported only when something is taken from it."""
    if absent in sys.modules:
        return importlib.import_module(name)

    stand_in = ModuleType(absent)

    def taken(attribute: str) -> object:
        if sys.modules.get(absent) is stand_in:
            raise AttributeError(attribute)
        return getattr(importlib.import_module(absent), attribute)

    vars(stand_in)["__getattr__"] = taken
    sys.modules[absent] = stand_in
    try:
        return importlib.import_module(name)
    finally:
        del sys.modules[absent]


def _without_running(name: str) -> ModuleType:
    """The package as an importable place whose `__init__` was not run."""
    spec = importlib.util.find_spec(name)
    if spec is None:
        raise ModuleNotFoundError(f"No module named {name!r}", name=name)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    return module
