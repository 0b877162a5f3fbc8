"""Switches in a pod's annotations."""

from __future__ import annotations

import pytest

from moduledeploy.devcluster.arklet import PREFIX, AnnotationError, Behaviour, Runtime, behaviour_from_annotations
from moduledeploy.devcluster.arklet.behaviour import matches


def test_without_annotations_a_base_behaves_as_recorded() -> None:
    assert behaviour_from_annotations({"other.example.com/cores": "x"}) == Behaviour()


def test_every_switch_is_read() -> None:
    texts = {
        "install-delay": "1.5",
        "uninstall-delay": "2",
        "fail-install": "a, b:2",
        "fail-uninstall": "c",
        "stalled-download": "d*",
        "identity": "a:2=a:1",
        "multi-active": "true",
        "activate-new": "true",
        "auto-uninstall": "false",
        "remove-after-stop-failure": "false",
        "upper-case-states": "true",
        "runtime": "2.1.6",
        "cores": "1",
        "silent": "true",
    }

    assert behaviour_from_annotations({PREFIX + name: text for name, text in texts.items()}) == Behaviour(
        install_delay_s=1.5,
        uninstall_delay_s=2,
        fail_install=("a", "b:2"),
        fail_uninstall=("c",),
        stalled_download=("d*",),
        identity=(("a:2", "a:1"),),
        multi_active=True,
        activate_new=True,
        auto_uninstall=False,
        remove_after_stop_failure=False,
        upper_case_states=True,
        runtime=Runtime.SPRING,
        cores=1,
        silent=True,
    )


@pytest.mark.parametrize(
    ("name", "text", "allowed"),
    [
        ("cores", "0", "a number of CPU cores from 1 to 99"),
        ("install-delay", "soon", "a number of seconds from 0 to 86400"),
        ("install-delay", "-1", "a number of seconds from 0 to 86400"),
        ("runtime", "2.1", "one of 1.4.2, 2.1.6"),
        ("silent", "yes", '"true" or "false"'),
        ("identity", "a:1", "a list of asked=actual, with actual as name:version"),
    ],
)
def test_an_impossible_value_is_refused_with_what_is_allowed(name: str, text: str, allowed: str) -> None:
    with pytest.raises(AnnotationError) as caught:
        behaviour_from_annotations({PREFIX + name: text})

    assert str(caught.value) == f"annotation {PREFIX}{name}: {text!r} is not {allowed}"


def test_a_pattern_stands_for_a_module_or_for_one_version_of_it() -> None:
    assert matches(("a",), "a", "1")
    assert matches(("a:1",), "a", "1")
    assert matches(("*:1.*",), "b", "1.2")
    assert not matches(("a:2", "ab"), "a", "1")
