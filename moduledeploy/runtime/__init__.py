"""What every process needs and no cluster knows: time, backoff, logs, metrics, health, signals.

Nothing here imports Kubernetes or the domain; nothing here is a singleton: the composition root builds each part once
and hands it on.
"""
