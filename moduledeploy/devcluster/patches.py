"""JSON merge patch and JSON patch as kube-apiserver applies them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import jsonpatch
import jsonpointer

from moduledeploy.devcluster.errors import ApiError, bad_request

if TYPE_CHECKING:
    from moduledeploy.devcluster.storage import Object

_MAX_OPERATIONS: Final = 10_000  # apiserver endpoints/handlers/patch.go maxJSONPatchOperations


def merge_patch(target: Any, patch: Any) -> Any:
    """RFC 7386: objects are merged, null removes, everything else replaces."""
    if not isinstance(patch, dict):
        return patch
    merged = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            merged.pop(key, None)
        else:
            merged[key] = merge_patch(merged.get(key), value)
    return merged


def json_patch(target: Object, operations: Any) -> Object:
    """RFC 6902; raises ApiError 400 for what is no patch and 422 for one that can't be applied."""
    if not isinstance(operations, list) or not all(isinstance(operation, dict) for operation in operations):
        raise bad_request("error decoding patch: json: cannot unmarshal into a list of operations")
    if len(operations) > _MAX_OPERATIONS:
        message = f"The allowed maximum operations in a JSON patch is {_MAX_OPERATIONS}, got {len(operations)}"
        raise ApiError(413, "RequestEntityTooLarge", message)
    try:
        patched = jsonpatch.JsonPatch(operations).apply(target)
    except (jsonpatch.JsonPatchException, jsonpointer.JsonPointerException, TypeError, KeyError) as error:
        raise ApiError(
            422, "Invalid", f"the server rejected our request due to an error in our request: {error}"
        ) from error
    if not isinstance(patched, dict):
        raise bad_request("the patched document is no object")
    return patched
