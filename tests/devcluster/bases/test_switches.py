"""Switches for the kubelet's part of a base."""

from __future__ import annotations

import pytest

from moduledeploy.devcluster.arklet import PREFIX, AnnotationError, Behaviour
from moduledeploy.devcluster.bases.switches import Switches, switches_from_annotations


def test_all_switches_are_read() -> None:
    texts = {
        "start-delay": "1",
        "stop-delay": "2.5",
        "restart": "x",
        "not-ready": "true",
        "evict": "false",
        "cores": "1",
    }

    assert switches_from_annotations({PREFIX + name: text for name, text in texts.items()}) == Switches(
        start_delay_s=1, stop_delay_s=2.5, restart="x", not_ready=True, behaviour=Behaviour(cores=1)
    )


@pytest.mark.parametrize(("name", "text"), [("start-delay", "x"), ("evict", "1"), ("cores", "none")])
def test_what_cannot_be_is_refused(name: str, text: str) -> None:
    with pytest.raises(AnnotationError, match=f"annotation {PREFIX}{name}: '{text}' is not"):
        switches_from_annotations({PREFIX + name: text})
