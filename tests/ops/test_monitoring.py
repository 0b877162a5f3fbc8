"""Rules, boards and pages say only what the program tells, and leave out no alert."""

from __future__ import annotations

import json
import re
import runpy
from pathlib import Path
from typing import Any, Final

import pytest
import yaml
from prometheus_client.metrics import MetricWrapperBase

from moduledeploy.runtime import metrics
from moduledeploy.runtime.metrics import PHASES, Metrics
from moduledeploy.runtime.object_metrics import ObjectCollector, Rows
from tests.ops.tools import MONITORING, ROOT, run, tool

RULES: Final[list[dict[str, Any]]] = [
    rule for group in yaml.safe_load((MONITORING / "rules.yaml").read_text())["groups"] for rule in group["rules"]
]
BOARDS: Final = {path.stem: json.loads(path.read_text()) for path in sorted((MONITORING / "dashboards").glob("*.json"))}
PANELS: Final = [(name, panel) for name, board in BOARDS.items() for panel in board["panels"]]
panels = pytest.mark.parametrize(("board", "panel"), PANELS, ids=[f"{name}-{panel['title']}" for name, panel in PANELS])
alerts = pytest.mark.parametrize("rule", RULES, ids=[rule["alert"] for rule in RULES])


def series() -> set[str]:
    """Every name that may stand in an expression."""
    declared = Metrics()
    found = {family.name + ("_info" if family.type == "info" else "") for family in ObjectCollector(Rows).collect()}
    for group in vars(declared).values():
        if type(group).__module__ != metrics.__name__:
            continue
        for metric in vars(group).values():
            if isinstance(metric, MetricWrapperBase):
                (family,) = metric.describe()
                endings = {"counter": ("_total",), "histogram": ("_bucket", "_sum", "_count"), "info": ("_info",)}
                found |= {family.name + ending for ending in endings.get(family.type, ("",))}
    return (
        found
        | {family.name for family in declared.registry.collect() if family.type == "gauge"}
        | {"process_cpu_seconds_total"}
    )


def names_in(expression: str) -> set[str]:
    return set(
        re.findall(
            r"\b(?:moduledeploy|controller_runtime|workqueue|rest_client|informer|leader_election|process|python)_\w+",
            expression,
        )
    )


def expressions(panel: dict[str, Any]) -> list[str]:
    return [target["expr"] for target in panel["targets"]]


@alerts
def test_an_alert_asks_only_for_series_that_there_are(rule: dict[str, Any]) -> None:
    assert names_in(rule["expr"]) <= series()


@panels
def test_a_panel_asks_only_for_series_that_there_are(board: str, panel: dict[str, Any]) -> None:
    for expression in expressions(panel):
        assert names_in(expression)
        assert names_in(expression) <= series()


@pytest.mark.parametrize(
    "text",
    [*(rule["expr"] for rule in RULES), *(expression for _, panel in PANELS for expression in expressions(panel))],
)
def test_phases_in_expressions_are_words_of_the_status(text: str) -> None:
    for words in re.findall(r'phase=~?"([^"]*)"', text):
        assert set(words.split("|")) <= set(PHASES)


@alerts
def test_an_alert_says_how_grave_it_is_and_where_its_page_is(rule: dict[str, Any]) -> None:
    page = ROOT / "docs" / "runbooks" / f"{rule['alert']}.md"

    assert rule["labels"]["severity"] in {"critical", "warning", "info"}
    assert set(rule["annotations"]) == {"summary", "description", "runbook_url"}
    assert rule["annotations"]["runbook_url"].endswith(f"/runbooks/{rule['alert']}.html")
    assert page.is_file(), "write the page: what it means, what it costs, how to find out, what to do"
    text = page.read_text()
    assert text.startswith(f"# {rule['alert']}\n")
    for part in ("## Meaning", "## Impact", "## Diagnosis", "## Mitigation"):
        assert part in text


def test_there_is_no_page_without_an_alert() -> None:
    pages = {page.stem for page in (ROOT / "docs" / "runbooks").glob("Module*.md")}

    assert pages == {rule["alert"] for rule in RULES}


def test_every_alert_is_seen_firing_and_every_rule_has_a_test() -> None:
    tested = yaml.safe_load((MONITORING / "rules_test.yaml").read_text())["tests"]
    fired = {case["alertname"] for test in tested for case in test["alert_rule_test"] if case["exp_alerts"]}

    assert fired == {rule["alert"] for rule in RULES}


def test_the_rules_pass_the_linter() -> None:
    done = run(tool("promtool"), "check", "rules", "--lint=all", "--lint-fatal", MONITORING / "rules.yaml")

    assert done.returncode == 0, done.stdout + done.stderr


def test_the_rules_do_what_their_tests_say() -> None:
    done = run(tool("promtool"), "test", "rules", MONITORING / "rules_test.yaml")

    assert done.returncode == 0, done.stdout + done.stderr


def test_what_is_made_from_sources_is_up_to_date() -> None:
    made: dict[Path, str] = runpy.run_path(str(MONITORING / "build.py"))["files"]()

    for path, text in made.items():
        assert path.read_text() == text, f"{path.name} is out of date: run python manifests/monitoring/build.py"


def test_the_page_names_every_series() -> None:
    text = (ROOT / "docs" / "metrics.md").read_text()
    families = {name.removesuffix("_bucket").removesuffix("_sum").removesuffix("_count") for name in series()}

    missing = {name for name in families if not name.startswith(("process_", "python_")) and f"`{name}`" not in text}
    assert missing == set()


@panels
def test_a_panel_says_what_it_shows_and_in_what_unit(board: str, panel: dict[str, Any]) -> None:
    assert panel["title"]
    assert panel["description"].endswith(".")
    assert panel["fieldConfig"]["defaults"]["unit"]
    assert panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"}


@panels
def test_a_query_leaves_nothing_to_guess(board: str, panel: dict[str, Any]) -> None:
    refs = [target["refId"] for target in panel["targets"]]

    assert len(set(refs)) == len(refs)
    assert all(refs)
    for target in panel["targets"]:
        assert target["legendFormat"]
        assert target["datasource"]["uid"] == "${datasource}"


@panels
def test_rates_follow_the_resolution_of_the_board(board: str, panel: dict[str, Any]) -> None:
    for expression in expressions(panel):
        for span in re.findall(r"\[([^\]]+)\]", expression):
            assert span == "$__rate_interval"


@panels
def test_counts_of_one_deployment_are_not_summed_over_tellers(board: str, panel: dict[str, Any]) -> None:
    for expression in expressions(panel):
        if re.search(
            r"moduledeploy_(status|spec|batch|phase|unschedulable|metadata|base_slots|moduledeployment_info)",
            expression,
        ):
            bare = re.sub(r"moduledeploy_batch_duration\w+", "", expression)
            assert "max by (namespace" in bare or bare.count("moduledeploy_b") == 0


@pytest.mark.parametrize("name", BOARDS)
def test_panels_have_ids_of_their_own_and_do_not_overlap(name: str) -> None:
    taken: set[tuple[int, int]] = set()
    ids = [panel["id"] for panel in BOARDS[name]["panels"]]
    for panel in BOARDS[name]["panels"]:
        at = panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert not taken & cells
        assert at["x"] + at["w"] <= 24
        taken |= cells

    assert len(set(ids)) == len(ids)


@pytest.mark.parametrize("name", BOARDS)
def test_a_board_can_be_linked_to_and_follows_the_clock(name: str) -> None:
    board = BOARDS[name]

    assert board["uid"] == f"moduledeploy-{name}"
    assert board["time"] == {"from": "now-6h", "to": "now"}
    assert {variable["name"] for variable in board["templating"]["list"]} >= {"datasource"}


@pytest.mark.parametrize("name", BOARDS)
def test_every_variable_of_a_board_is_used(name: str) -> None:
    text = json.dumps(BOARDS[name]["panels"])

    for variable in BOARDS[name]["templating"]["list"]:
        assert f"${variable['name']}" in text or f"${{{variable['name']}}}" in text
