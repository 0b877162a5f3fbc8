"""Reading request bodies: JSON and YAML, their errors, and fields that stand twice."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final

import msgspec
import yaml

from moduledeploy.devcluster.errors import ApiError, bad_request
from moduledeploy.devcluster.storage import decode

if TYPE_CHECKING:
    from collections.abc import Iterator

    from moduledeploy.devcluster.storage import Object

MAX_BODY: Final = 3 * 1024 * 1024  # apiserver's limit on request bodies
# Half of a surrogate pair alone, which Go's decoder replaces.
_LONE_SURROGATE: Final = re.compile(
    rb"((?<!\\)(?:\\\\)*(?:\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2})*)"
    rb"\\u[dD](?:[89abAB][0-9a-fA-F]{2}(?!\\u[dD][c-fC-F])|[c-fC-F][0-9a-fA-F]{2})"
)
_JSON: Final = frozenset({"", "application/json"})


def unsupported(accepted: str) -> ApiError:
    """415."""
    message = f"the body of the request was in an unknown format - accepted media types include: {accepted}"
    return ApiError(415, "UnsupportedMediaType", message)


def too_large() -> ApiError:
    """413."""
    return ApiError(413, "RequestEntityTooLarge", f"Request entity too large: limit is {MAX_BODY}")


def media_type(content_type: str) -> str:
    """The type without its parameters; parameters that can't be parsed spoil it."""
    kind, *parameters = content_type.split(";")
    if any(parameter.strip() and "=" not in parameter for parameter in parameters):
        return content_type
    return kind.strip().lower()


def read_object(body: bytes, content_type: str) -> tuple[Object, list[str]]:
    """The object, and sentences for the fields that stood twice; raises ApiError 400, 415."""
    kind = media_type(content_type)
    if kind == "application/yaml":
        value, repeated = parse_yaml(body)
    elif kind in _JSON:
        value = parse_json(body)
        repeated = repeated_fields(body) if isinstance(value, dict) else []
    else:
        raise unsupported("application/json, application/yaml")
    if not isinstance(value, dict):
        raise bad_request("couldn't get version/kind; json parse error: cannot unmarshal into a struct")
    return value, repeated


def parse_json(body: bytes) -> Any:
    """Raises ApiError 400 for what is no JSON."""
    try:
        return decode(_LONE_SURROGATE.sub(rb"\1\\ufffd", body) if b"\\ud" in body or b"\\uD" in body else body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise bad_request(f"couldn't get version/kind; json parse error: {error}") from error


def parse_yaml(body: bytes) -> tuple[Any, list[str]]:
    """JSON's values from the first YAML document, and sentences for keys that one of its maps has twice.

    Raises ApiError 400 for what is no YAML.
    """
    try:
        loader = _JsonLoader(body)
        node = loader.get_node() if loader.check_node() else None
        repeated = list(_repeated_keys(node))  # before merge keys are resolved, which only construction does
        return (None if node is None else loader.construct_document(node)), repeated
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        raise bad_request(f"error converting YAML to JSON: {error}") from error


def _repeated_keys(node: yaml.Node | None) -> Iterator[str]:
    if isinstance(node, yaml.MappingNode):
        seen = set()
        for key, value in node.value:
            if isinstance(key, yaml.ScalarNode):  # others are refused by construction
                if key.value in seen:
                    yield f'line {key.start_mark.line + 1}: key "{key.value}" already set in map'
                seen.add(key.value)
            yield from _repeated_keys(value)
    elif isinstance(node, yaml.SequenceNode):
        for item in node.value:
            yield from _repeated_keys(item)


class _JsonLoader(yaml.SafeLoader):
    """YAML without types that JSON doesn't have."""


_JsonLoader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
# Kubernetes reads YAML 1.1 to the letter: a plain y is true, too.
_JsonLoader.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile(r"^[yYnN]$"), list("yYnN"))
_JsonLoader.add_constructor("tag:yaml.org,2002:bool", lambda _, node: node.value.lower() in ("y", "yes", "true", "on"))


def repeated_fields(body: bytes) -> list[str]:
    """Sentences for fields that one object of the JSON document, which parses, has twice."""
    found = False

    def look(pairs: list[tuple[str, Any]]) -> _Pairs:
        nonlocal found
        found = found or len({name for name, _ in pairs}) < len(pairs)
        return _Pairs(pairs)

    document = json.loads(body, object_pairs_hook=look)
    repeated: list[str] = []
    if found:
        _collect(document, "", repeated)
    return repeated


class _Pairs:
    """An object of a document with all its fields, in their order."""

    __slots__ = ("pairs",)

    def __init__(self, pairs: list[tuple[str, Any]]) -> None:
        self.pairs = pairs


def _collect(value: Any, path: str, repeated: list[str]) -> None:
    if isinstance(value, list):
        for index, item in enumerate(value):
            _collect(item, f"{path}[{index}]", repeated)
    elif isinstance(value, _Pairs):
        seen = set()
        for name, item in value.pairs:
            where = f"{path}.{name}" if path else name
            if name in seen:
                repeated.append(f'duplicate field "{where}"')
            seen.add(name)
            _collect(item, where, repeated)
