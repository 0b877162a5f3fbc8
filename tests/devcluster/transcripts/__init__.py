"""Requests and what a real kube-apiserver v1.36.2 answered; see docs/devcluster.md."""
