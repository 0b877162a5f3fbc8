"""The command line: everything is told from the API alone, and every expected error is one line and an exit status."""

from moduledeploy.cli.program import complete_for_kubectl, main

__all__ = ["complete_for_kubectl", "main"]
