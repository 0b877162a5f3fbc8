"""Quantities in the one form in which a real server writes them."""

from __future__ import annotations

import pytest

from moduledeploy.devcluster.quantities import canonical


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("1000m", "1"), ("0.5", "500m"), ("1024Mi", "1Gi"), ("1.5Gi", "1536Mi"), ("0.5Ki", "512"), ("2000", "2k"),
        ("1e3", "1e3"), ("12e2", "1200"), ("-1000m", "-1"), ("-0", "0"), ("0m", "0"), (".5", "500m"), ("+1", "1"),
        ("0.0000000001", "1n"), ("250m", "250m"), ("512Mi", "512Mi"), ("1e20", "100e18"),
    ],
)  # fmt: skip
def test_a_quantity_has_one_shortest_exact_form(text: str, wanted: str) -> None:
    assert canonical(text) == wanted


@pytest.mark.parametrize("text", ["", "x", "1kk", "1 Gi", "--1", "1e999999999999"])
def test_what_is_no_quantity_has_none(text: str) -> None:
    assert canonical(text) is None
