"""What a process needs and no Kubernetes: clock, backoff, logging, metrics, health server."""
