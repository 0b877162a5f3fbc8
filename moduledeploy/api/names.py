"""Every name that this program reads or writes in a cluster, in one place.

Keys of labels and annotations are those that Koupleless' own documentation uses where it has one.
"""

from __future__ import annotations

import hashlib
from typing import Final

GROUP: Final = "koupleless.alipay.com"
VERSION: Final = "v1alpha1"
API_VERSION: Final = f"{GROUP}/{VERSION}"

MODULE_DEPLOYMENT: Final = "ModuleDeployment"
MODULE_REPLICA_SET: Final = "ModuleReplicaSet"
MODULE: Final = "Module"

# Labels on ModuleReplicaSets and Modules.
MODULE_NAME_LABEL: Final = f"{GROUP}/module-name"
MODULE_VERSION_LABEL: Final = f"{GROUP}/module-version"
DEPLOYMENT_LABEL: Final = f"{GROUP}/module-deployment"
REPLICA_SET_LABEL: Final = f"{GROUP}/module-replicaset"
REVISION_LABEL: Final = f"{GROUP}/revision"
# Labels on Modules alone.
BASE_NAME_LABEL: Final = f"{GROUP}/base-instance-name"
BASE_IP_LABEL: Final = f"{GROUP}/base-instance-ip"
# Label on base pods and base Deployments: how many modules a base takes.
CAP_LABEL: Final = f"{GROUP}/max-module-count"

# Label on Services, by which those of this program are known.
MANAGED_BY_LABEL: Final = "app.kubernetes.io/managed-by"
MANAGER: Final = "moduledeploy"

# Annotations.
WAITING_ANNOTATION: Final = f"{GROUP}/waiting"
RETRY_ANNOTATION: Final = f"{GROUP}/retry"
FORCE_DELETE_ANNOTATION: Final = f"{GROUP}/force-delete"
ARKLET_PORT_ANNOTATION: Final = f"{GROUP}/arklet-port"
BATCH_ANNOTATION: Final = f"{GROUP}/batch"
UNINSTALL_FIRST_ANNOTATION: Final = f"{GROUP}/uninstall-first"
DEPLOYMENT_REVISION_ANNOTATION: Final = "deployment.kubernetes.io/revision"

FINALIZER: Final = f"{GROUP}/moduledeploy"
ORPHAN_FINALIZER: Final = "orphan"  # put there by the API server for propagationPolicy=Orphan

ARKLET_PORT: Final = 1238  # Arklet's own default
ARKLET_PORT_NAME: Final = "arklet"

_HASH_ALPHABET: Final = "bcdfghjklmnpqrstvwxz2456789"  # no vowels and no look-alikes: nothing rude, nothing misread
_HASH_LENGTH: Final = 10


def safe_hash(text: str) -> str:
    """Ten characters, valid in an object name, that stand for the text."""
    number = int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")
    letters = []
    for _ in range(_HASH_LENGTH):
        number, rest = divmod(number, len(_HASH_ALPHABET))
        letters.append(_HASH_ALPHABET[rest])
    return "".join(letters)


def module_object_name(replica_set: str, base_uid: str, digits: int = 8) -> str:
    """The name for a Module of this ModuleReplicaSet on this base, so that a second creation is refused.

    All 32 digits of the UID are for the base whose 8 are those of another one.
    """
    return f"{replica_set}-{base_uid.replace('-', '')[:digits]}"
