"""In which form an answer goes out: JSON or YAML, as it is, as a Table or as metadata only."""

from __future__ import annotations

from typing import Final, Literal

import attrs

from moduledeploy.devcluster.errors import ApiError

Shape = Literal["plain", "table", "partial", "partials"]
_JSON: Final = frozenset({"application/json", "*/*", "application/*"})
_VERSIONS: Final = ("v1", "v1beta1")
_YAML: Final = "application/yaml"
_SHAPES: Final[dict[str, Shape]] = {
    "Table": "table",
    "PartialObjectMetadata": "partial",
    "PartialObjectMetadataList": "partials",
}


@attrs.frozen
class Form:
    """The form chosen for one answer."""

    shape: Shape = "plain"
    yaml: bool = False
    version: str = "v1"  # of meta.k8s.io, for shapes that are not plain


PLAIN: Final = Form()


def choose(accept: str, *, shapes: bool = True) -> Form:
    """The first form of an Accept header that can be served; raises ApiError 406 where there is none."""
    if accept in ("", "application/json", "*/*"):
        return PLAIN
    for clause in accept.split(","):
        media, *parameters = (part.strip() for part in clause.split(";"))
        options = dict(part.partition("=")[::2] for part in parameters)
        wanted = options.get("as", "")
        if wanted and (
            not shapes
            or options.get("g") != "meta.k8s.io"
            or wanted not in _SHAPES
            or options.get("v") not in _VERSIONS
        ):
            continue
        if media in _JSON:
            return Form(_SHAPES[wanted], version=options["v"]) if wanted else PLAIN
        if media == _YAML:
            return Form(_SHAPES.get(wanted, "plain"), yaml=True, version=options.get("v", "v1"))
    raise not_acceptable()


def not_acceptable(
    message: str = "only the following media types are accepted: application/json, application/yaml",
) -> ApiError:
    """406."""
    return ApiError(406, "NotAcceptable", message)
