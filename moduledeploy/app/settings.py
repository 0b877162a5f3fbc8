"""What the flags of `run` say."""

from __future__ import annotations

import attrs


@attrs.frozen(kw_only=True)
class Settings:
    """Everything that can be chosen. Addresses are (host, port); an empty namespace means all.

    metrics_tls_dir: folder with tls.crt and tls.key; None serves metrics in the clear.
    metrics_auth: only who the API server knows and lets may read them.
    lease_namespace: where the lease is; None is the namespace of the pod, or of the kubeconfig's context.
    """

    kubeconfig: str | None = None
    namespace: str = ""
    metrics_address: tuple[str, int] = ("", 8080)
    health_address: tuple[str, int] = ("", 8081)
    url_schemes: frozenset[str] = frozenset({"http", "https"})
    metrics_max_objects: int = 1000
    metrics_tls_dir: str | None = None
    metrics_auth: bool = False
    leader_election: bool = False
    lease_namespace: str | None = None
    audit_interval_s: float = 600.0
