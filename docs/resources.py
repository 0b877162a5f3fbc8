"""Writes docs/resources.md from the CRDs in manifests/crd; `python docs/resources.py` after changing those."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import yaml

PAGE: Final = Path(__file__).with_suffix(".md")
CRDS: Final = Path(__file__).parents[1] / "manifests" / "crd"
KINDS: Final = ("moduledeployments", "modulereplicasets", "modules")
HEAD: Final = """\
# Resources

Every field, made from `manifests/crd` by `python docs/resources.py`; `kubectl explain mddeploy.spec --recursive` tells the same.
What people write is the ModuleDeployment; the other two kinds are written by the controller, but a ModuleReplicaSet works on its
own too. What they mean is in [concepts](concepts.md).
"""
LIMITS: Final = (
    ("minimum", "≥ {}"),
    ("maximum", "≤ {}"),
    ("maxLength", "at most {} characters"),
    ("maxItems", "at most {}"),
    ("maxProperties", "at most {}"),
)


def page() -> str:
    """The page's text."""
    parts = [HEAD]
    for plural in KINDS:
        parts += _kind(yaml.safe_load((CRDS / f"{plural}.yaml").read_text())["spec"])
    return "\n".join(parts)


def _kind(spec: dict[str, Any]) -> list[str]:
    (version,) = spec["versions"]
    schema = version["schema"]["openAPIV3Schema"]
    names = spec["names"]
    kind = names["kind"]
    lines = [f"## {kind}\n", f"{_text(schema)}\n"]
    lines.append(f"`{spec['group']}/{version['name']}`, short name `{names['shortNames'][0]}`, in every namespace.\n")
    for part in ("spec", "status"):
        lines += _object(kind, part, schema["properties"][part], is_required=part == "spec")
    lines += _refusals(kind, schema)
    lines += _columns(kind, version["additionalPrinterColumns"])
    return lines


def _object(kind: str, path: str, schema: dict[str, Any], *, is_required: bool = True) -> list[str]:
    """The table of an object's fields, then those of the objects in it."""
    required = set(schema.get("required", ()))
    lines = [f"### {kind}: {path}\n", f"{_text(schema)}\n"]
    lines += ["| field | type | meaning |", "|---|---|---|"]
    inner: list[str] = []
    for name, field in schema["properties"].items():
        mark = ", required" if is_required and name in required else ""
        fields = _fields_of(field)
        where = f" ([fields](#{_anchor(f'{kind}: {path}.{name}')}))" if fields else ""
        lines.append(f"| `{name}` | {_type(field)}{mark} | {_text(field)}{where} |")
        if fields:
            inner += _object(kind, f"{path}.{name}", fields, is_required=is_required)
    return [*lines, "", *inner]


def _fields_of(field: dict[str, Any]) -> dict[str, Any] | None:
    """The object that a field is, or is a list of; None where it has no fields of its own."""
    found = field.get("items", field)
    return found | {"description": _raw(found) or _raw(field)} if "properties" in found else None


def _type(field: dict[str, Any]) -> str:
    if field.get("x-kubernetes-int-or-string"):
        kind = "integer or string"
    elif field.get("type") == "array":
        kind = f"list of {field['items']['type']}s"
    elif "additionalProperties" in field:
        kind = f"map of {field['additionalProperties']['type']}s"
    else:
        kind = field.get("format", field["type"]) if field.get("format") == "date-time" else field["type"]
    limits = [text.format(_number(field[name])) for name, text in LIMITS if name in field]
    if field.get("minLength"):
        limits.insert(0, "not empty" if field["minLength"] == 1 else f"at least {field['minLength']} characters")
    if "enum" in field:
        limits.append("one of " + ", ".join(f"`{value}`" for value in field["enum"]))
    if "default" in field:
        default = field["default"]
        limits.append("default " + (f"`{str(default).lower() if isinstance(default, bool) else default}`"))
    return ", ".join([kind, *limits])


def _number(value: float) -> str:
    return f"{value:,}".replace(",", "\u00a0")  # no line ends in a number


def _refusals(kind: str, schema: dict[str, Any]) -> list[str]:
    found = list(_rules("", schema))
    if not found:
        return []
    lines = [f"### {kind}: what is refused\n", "Besides what types and limits exclude:\n"]
    lines += ["| field | what the API server says |", "|---|---|"]
    return [*lines, *(f"| `{path}` | {_cell(message)} |" for path, message in found), ""]


def _rules(path: str, schema: dict[str, Any]) -> list[tuple[str, str]]:
    found = [
        ((path + rule.get("fieldPath", "")).removeprefix(".") or "the object", rule["message"])
        for rule in schema.get("x-kubernetes-validations", ())
    ]
    for name, field in schema.get("properties", {}).items():
        found += _rules(f"{path}.{name}", field)
    if "items" in schema:
        found += _rules(f"{path}[]", schema["items"])
    return found


def _columns(kind: str, columns: list[dict[str, Any]]) -> list[str]:
    lines = [f"### {kind}: columns\n", "| column | of | meaning |", "|---|---|---|"]
    for column in columns:
        wide = " (with `-o wide`)" if column.get("priority") else ""
        lines.append(f"| {column['name']}{wide} | `{column['jsonPath']}` | {_text(column)} |")
    return [*lines, ""]


def _text(schema: dict[str, Any]) -> str:
    return _cell(_raw(schema))


def _raw(schema: dict[str, Any]) -> str:
    return str(schema.get("description", ""))


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;").replace("*", "\\*")


def _anchor(heading: str) -> str:
    """As MyST makes it from a heading."""
    kept = "".join(character for character in heading.lower() if character.isalnum() or character in " -_")
    return kept.replace(" ", "-")


if __name__ == "__main__":
    PAGE.write_text(page())
