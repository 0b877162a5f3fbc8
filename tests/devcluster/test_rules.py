"""Rules in CEL, strategic merges and selectors, case by case."""

from __future__ import annotations

from typing import Any

import pytest

from moduledeploy.devcluster.cel import Compiler, check
from moduledeploy.devcluster.errors import ApiError
from moduledeploy.devcluster.kinds import TYPES
from moduledeploy.devcluster.schema import Node
from moduledeploy.devcluster.selectors import parse_label_selector
from moduledeploy.devcluster.strategic import strategic_patch

SPEC: dict[str, Any] = {
    "size": {"type": "integer"},
    "share": {"x-kubernetes-int-or-string": True},
    "when": {"type": "string", "format": "date-time"},
    "name": {"type": "string"},
    "namespace": {"type": "string"},
    "x-y": {"type": "string"},
    "parts": {
        "type": "array",
        "maxItems": 9,
        "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": ["k"],
        "items": {
            "type": "object",
            "required": ["k"],
            "properties": {"k": {"type": "string"}, "v": {"type": "integer"}},
        },
    },
}


def broken(rule: str, new: dict[str, Any], *old: dict[str, Any], **more: Any) -> list[tuple[str, str]]:
    level = {"type": "object", "properties": SPEC, "x-kubernetes-validations": [{"rule": rule, **more}]}
    node = Node.parse({"type": "object", "properties": {"spec": level}})
    compiler = Compiler(node)
    tree = compiler.compile("schema")
    assert compiler.problems == []
    assert tree is not None
    return [(p.path, p.reason) for p in check(tree, {"spec": new}, "", *({"spec": spec} for spec in old))]


@pytest.mark.parametrize(
    ("rule", "spec", "holds"),
    [
        ("self.size > 1", {"size": 2}, True),
        ("self.size > 1", {"size": 1}, False),
        ("self.size > 1", {}, False),
        ("!has(self.size) || self.size > 1", {}, True),
        ("type(self.share) == int ? self.share > 0 : self.share.endsWith('%')", {"share": "5%"}, True),
        ("type(self.share) == int ? self.share > 0 : self.share.endsWith('%')", {"share": 0}, False),
        ("self.when < timestamp('2030-01-01T00:00:00Z')", {"when": "2026-01-01T00:00:00Z"}, True),
        ("isURL(self.name) && url(self.name).getScheme() == 'https'", {"name": "https://h/x"}, True),
        ("self.__namespace__ == 'a' && self.x__dash__y == 'b'", {"namespace": "a", "x-y": "b"}, True),
        ("self.parts.all(p, !has(p.v) || p.v > 0)", {"parts": [{"k": "a", "v": 0}]}, False),
    ],
)
def test_a_rule_holds_or_does_not(rule: str, spec: dict[str, Any], holds: bool):
    assert (broken(rule, spec) == []) == holds


def test_a_transition_rule_needs_both_states():
    assert broken("self.size >= oldSelf.size", {"size": 1}) == []
    assert broken("self.size >= oldSelf.size", {"size": 1}, {"size": 2}) == [("spec", "FieldValueInvalid")]


def test_what_did_not_change_is_not_held_against_the_writer():
    assert broken("self.size > 5", {"size": 1}, {"size": 1}) == []


def test_a_rule_names_its_field_and_reason():
    assert broken("self.size > 5", {"size": 1}, fieldPath=".size", reason="FieldValueForbidden") == [
        ("spec.size", "FieldValueForbidden")
    ]


@pytest.mark.parametrize(
    ("patch", "containers"),
    [
        ([{"name": "b", "image": "2"}], [{"name": "a", "image": "1"}, {"name": "b", "image": "2"}]),
        ([{"name": "c", "image": "3"}], [{"name": "c", "image": "3"}, {"name": "a", "image": "1"}, {"name": "b"}]),
        ([{"name": "a", "$patch": "delete"}], [{"name": "b"}]),
        ([{"$patch": "replace"}, {"name": "z"}], [{"name": "z"}]),
        (None, None),
    ],
)
def test_lists_of_containers_are_merged_by_name(patch: Any, containers: Any):
    pod = {"spec": {"containers": [{"name": "a", "image": "1"}, {"name": "b"}]}}

    patched = strategic_patch(pod, {"spec": {"containers": patch}}, TYPES.structs["Pod"])

    assert patched["spec"].get("containers") == containers


@pytest.mark.parametrize(
    ("text", "chosen"),
    [
        ("a=1", True), ("a==1", True), ("a!=1", False), ("b", False), ("!b", True), ("a in (1,2)", True),
        ("a notin (1)", False), ("b notin (1)", True), ("a>0", True), ("a<1", False), ("a=1,!b", True), ("", True),
    ],
)  # fmt: skip
def test_label_selectors_choose(text: str, chosen: bool):
    assert parse_label_selector(text).matches({"a": "1"}) == chosen


@pytest.mark.parametrize("text", ["a===1", "a in", "a in (", "a,", "=1", "a>x", "-a", "a=-1-"])
def test_malformed_label_selectors_are_refused(text: str):
    with pytest.raises(ApiError):
        parse_label_selector(text)


def test_a_rule_over_something_unbounded_is_too_expensive():
    texts = {"type": "array", "items": {"type": "string"}}
    rule = {"x-kubernetes-validations": [{"rule": "self.all(text, text.matches('a*'))"}]}
    compiler = Compiler(Node.parse({"type": "object", "properties": {"texts": texts | rule}}))

    compiler.compile("schema")

    assert {problem.path for problem in compiler.problems} == {
        "schema",
        "schema.properties[texts].x-kubernetes-validations[0].rule",
    }
