"""The same quiet as for the controllers' own tests."""

from __future__ import annotations

from tests.controllers.conftest import quiet

__all__ = ["quiet"]
