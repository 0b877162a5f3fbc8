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
    from moduledeploy.devcluster.storage import Object

MAX_BODY: Final = 3 * 1024 * 1024  # apiserver's limit on request bodies
_JSON: Final = frozenset({"", "application/json"})


def unsupported(accepted: str) -> ApiError:
    """415."""
    message = f"the body of the request was in an unknown format - accepted media types include: {accepted}"
    return ApiError(415, "UnsupportedMediaType", message)


def media_type(content_type: str) -> str:
    """The type without its parameters."""
    return content_type.partition(";")[0].strip().lower()


def read_object(body: bytes, content_type: str, *, strict: bool = False) -> tuple[Object, list[str]]:
    """The object, and in strict reading the fields that stood twice; raises ApiError 400, 413, 415."""
    kind = media_type(content_type)
    if len(body) > MAX_BODY:
        raise ApiError(413, "RequestEntityTooLarge", f"Request entity too large: limit is {MAX_BODY}")
    if kind == "application/yaml":
        value = parse_yaml(body)
    elif kind in _JSON:
        value = parse_json(body)
    else:
        raise unsupported("application/json, application/yaml")
    if not isinstance(value, dict):
        raise bad_request("couldn't get version/kind; json parse error: cannot unmarshal into a struct")
    return value, repeated_fields(body) if strict and kind in _JSON else []


def parse_json(body: bytes) -> Any:
    """Raises ApiError 400 for what is no JSON."""
    try:
        return decode(body)
    except (msgspec.DecodeError, RecursionError) as error:
        raise bad_request(f"couldn't get version/kind; json parse error: {error}") from error


def parse_yaml(body: bytes) -> Any:
    """JSON's values from the first YAML document; raises ApiError 400 for what is none."""
    try:
        return next(yaml.load_all(body, Loader=_JsonLoader), None)  # noqa: S506 - a safe loader without dates
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise bad_request(f"error converting YAML to JSON: {error}") from error


def repeated_keys(body: bytes) -> list[str]:
    """Sentences for keys that one map of the YAML document, which parses, has twice."""
    repeated: list[str] = []

    def look(node: yaml.Node | None) -> None:
        if isinstance(node, yaml.MappingNode):
            seen = set()
            for key, value in node.value:
                if key.value in seen:
                    repeated.append(f'line {key.start_mark.line + 1}: key "{key.value}" already set in map')
                seen.add(key.value)
                look(value)
        elif isinstance(node, yaml.SequenceNode):
            for item in node.value:
                look(item)

    look(next(yaml.compose_all(body, Loader=_JsonLoader), None))
    return repeated


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
    """Sentences for fields that one object of the body has twice."""
    repeated: list[str] = []

    def collect(pairs: list[tuple[str, Any]]) -> Object:
        seen: Object = {}
        for name, value in pairs:
            if name in seen:
                repeated.append(f'duplicate field "{name}"')
            seen[name] = value
        return seen

    json.loads(body, object_pairs_hook=collect)
    return repeated
