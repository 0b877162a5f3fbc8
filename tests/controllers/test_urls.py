"""Bases are told to fetch urls of the allowed schemes alone, whoever made the Module: a base opens whatever its JVM can."""

from __future__ import annotations

from typing import Any

import pytest

from moduledeploy.controllers import resources
from moduledeploy.controllers.schemes import refusal_of
from tests.controllers.world import World

HTTP = frozenset({"http", "https"})


async def made_by_hand(url: str) -> tuple[World, dict[str, Any]]:
    """A Module that no ModuleDeployment asked for, a minute later."""
    world = World()
    [address] = world.add_bases(1)
    pod = world.pod_at(address)["metadata"]
    base = {"name": pod["name"], "uid": pod["uid"]}
    spec = {"module": {"name": "audit", "version": "1", "url": url}, "base": base}
    world.api.create(resources.MODULES, "default", {"metadata": {"name": "by-hand"}, "spec": spec})
    world.start()
    await world.run_for(55)
    return world, world.api.get(resources.MODULES, "by-hand").get("status", {})


async def test_a_module_made_by_hand_is_installed_from_an_allowed_url() -> None:
    world, status = await made_by_hand("file:///modules/audit-1.jar")

    assert status["status"] == "Available"
    assert world.installed() == ["audit:1"]


async def test_a_module_made_by_hand_is_not_fetched_from_another_url_and_says_so() -> None:
    world, status = await made_by_hand("ftp://elsewhere/audit-1.jar")

    assert [call for call in world.arklet.calls if call[0] == "install"] == []
    assert (status["status"], status["reason"], status["failureClass"]) == ("Failed", "InstallFailed", "permanent")
    assert status["message"] == "the module's url: scheme 'ftp' is not allowed, only file, https (flag --url-schemes)"


@pytest.mark.parametrize("url", ["https://a.example/x.jar", "HTTP://a.example/x.jar"])
def test_a_scheme_is_one_in_any_case(url: str) -> None:
    assert refusal_of(url, HTTP) is None


@pytest.mark.parametrize(
    "url", ["file:/x", "jar:https://a.example/x.jar!/", "url:file:/x", "https", "", "//a.example/x"]
)
def test_another_scheme_or_none_is_refused(url: str) -> None:
    assert refusal_of(url, HTTP) is not None


@pytest.mark.parametrize("url", [" https://a.example/x", "ht\ttps://a.example/x", "\x01https://a.example/x"])
def test_what_a_reader_would_have_to_mend_first_is_refused(url: str) -> None:
    assert refusal_of(url, HTTP) is not None
