"""A revision is a template by semantic equality; its name is a hash, so that two writers can't make two of it."""

from __future__ import annotations

import json

from moduledeploy.api.encode import encode_template
from moduledeploy.api.names import safe_hash
from moduledeploy.api.spec import Template


def revision_hash(template: Template, collision_count: int) -> str:
    """Ten characters for the template; another collision_count gives others.

    The name is taken where an object of that name holds another template (as for ReplicaSets of a Deployment).
    """
    body = json.dumps(encode_template(template), sort_keys=True, separators=(",", ":"))
    return safe_hash(body if collision_count == 0 else f"{body}/{collision_count}")
