"""Kubernetes controller that deploys Koupleless modules to many bases in safe batches."""

__version__ = "0.1.0"
