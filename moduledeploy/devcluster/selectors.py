"""Label and field selectors: parsing as kube-apiserver does, and matching."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, Literal

import attrs

from moduledeploy.devcluster.errors import bad_request
from moduledeploy.devcluster.names import label_value_problem, qualified_name_problem

if TYPE_CHECKING:
    from collections.abc import Mapping

    from moduledeploy.devcluster.storage import Object

Operator = Literal["=", "!=", "in", "notin", "exists", "!", "gt", "lt"]
_ESCAPED: Final = re.compile(r"\\([\\,=])")
_TOKEN: Final = re.compile(r"\s*(==|!=|[=!<>(),]|[^\s=!<>(),]+)")


@attrs.frozen
class Requirement:
    """One comma-separated part of a selector."""

    key: str
    operator: Operator
    values: frozenset[str] = frozenset()

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Whether labels (or fields) satisfy it; a missing key satisfies the negative ones."""
        value = labels.get(self.key)
        match self.operator:
            case "=" | "in":
                return value in self.values
            case "!=" | "notin":
                return value not in self.values
            case "exists":
                return value is not None
            case "!":
                return value is None
            case _:
                return self._compares(value)

    def _compares(self, value: str | None) -> bool:
        try:
            left, right = int(value or ""), int(next(iter(self.values)))
        except ValueError:
            return False
        return left > right if self.operator == "gt" else left < right


@attrs.frozen
class Selector:
    """All requirements at once; an empty one selects everything."""

    requirements: tuple[Requirement, ...] = ()

    def matches(self, labels: Mapping[str, str] | None) -> bool:
        """Whether all requirements are satisfied."""
        return all(requirement.matches(labels or {}) for requirement in self.requirements)

    def __bool__(self) -> bool:
        return bool(self.requirements)


EVERYTHING: Final = Selector()


@attrs.define
class _Tokens:
    text: str
    tokens: list[str]

    @classmethod
    def of(cls, text: str) -> _Tokens:
        return cls(text, _TOKEN.findall(text))

    def peek(self) -> str:
        return self.tokens[0] if self.tokens else ""

    def take(self) -> str:
        return self.tokens.pop(0) if self.tokens else ""

    def fail(self, expected: str) -> Exception:
        found = self.peek()
        return bad_request(f"unable to parse requirement: found '{found}', expected: {expected}")

    def word(self, expected: str) -> str:
        if not self.tokens or self.peek() in {"==", "!=", "=", "!", "<", ">", "(", ")", ","}:
            raise self.fail(expected)
        return self.take()


def parse_label_selector(text: str) -> Selector:
    """Raises ApiError 400 for what is no label selector."""
    tokens = _Tokens.of(text)
    requirements = []
    while tokens.tokens:
        requirements.append(_label_requirement(tokens))
        if tokens.tokens:
            if tokens.take() != ",":
                raise tokens.fail("',' or 'end of string'")
            if not tokens.tokens:
                raise tokens.fail("identifier after ','")
    return Selector(tuple(requirements))


def _label_requirement(tokens: _Tokens) -> Requirement:
    negated = tokens.peek() == "!"
    if negated:
        tokens.take()
    key = tokens.word("!, identifier")
    if problem := qualified_name_problem(key):
        raise bad_request(f'unable to parse requirement: key: Invalid value: "{key}": {problem}')
    if negated:
        return Requirement(key, "!")
    token = tokens.peek()
    if token in ("", ","):
        return Requirement(key, "exists")
    if token in ("in", "notin"):
        operator: Operator = "in" if tokens.take() == "in" else "notin"
        return _checked(Requirement(key, operator, _value_set(tokens)))
    if token in ("=", "==", "!=", ">", "<"):
        tokens.take()
        value = "" if tokens.peek() in ("", ",") else tokens.word("identifier")
        named: dict[str, Operator] = {"=": "=", "==": "=", "!=": "!=", ">": "gt", "<": "lt"}
        return _checked(Requirement(key, named[token], frozenset({value})))
    raise tokens.fail("in, notin, =, ==, !=, gt, lt")


def _value_set(tokens: _Tokens) -> frozenset[str]:
    if tokens.take() != "(":
        raise tokens.fail("'('")
    values: set[str] = set()
    if tokens.peek() == ")":
        tokens.take()
        return frozenset({""})
    while True:
        values.add("" if tokens.peek() in (",", ")") else tokens.word("identifier"))
        mark = tokens.take()
        if mark == ")":
            return frozenset(values)
        if mark != ",":
            raise tokens.fail("',' or ')'")


def _checked(requirement: Requirement) -> Requirement:
    for value in requirement.values:
        if requirement.operator in ("gt", "lt"):
            if not value.lstrip("-").isdigit():
                raise bad_request(
                    f'values[0]: Invalid value: "{value}": for greater and less the value must be an integer'
                )
        elif problem := label_value_problem(value):
            raise bad_request(
                f'unable to parse requirement: values[0][{requirement.key}]: Invalid value: "{value}": {problem}'
            )
    return requirement


def parse_field_selector(text: str, supported: frozenset[str]) -> Selector:
    """Raises ApiError 400 for what is no field selector or selects by an unsupported field."""
    requirements = []
    for part in re.split(r"(?<!\\),", text) if text else []:
        if not part:
            continue
        for sign in ("!=", "==", "="):
            key, found, value = part.partition(sign)
            if found:
                break
        else:
            raise bad_request(f"invalid selector: '{text}'; can't understand '{part}'")
        if key not in supported:
            raise bad_request(f'field label not supported: "{key}"')
        named: Operator = "!=" if sign == "!=" else "="
        requirements.append(Requirement(key, named, frozenset({_unescaped(value)})))
    return Selector(tuple(requirements))


def _unescaped(value: str) -> str:
    rest = _ESCAPED.sub("", value)  # has no comma: there the value would have ended
    if "\\" in rest:
        raise bad_request("invalid field selector: invalid escape sequence: \\")
    if "=" in rest:
        raise bad_request(f"invalid field selector: unescaped character in value: {ord('=')}")
    return _ESCAPED.sub(r"\1", value)


def matches_label_selector(selector: Object, labels: Mapping[str, str]) -> bool:
    """Whether labels match a LabelSelector object (matchLabels, matchExpressions); an empty one matches all."""
    if any(labels.get(key) != value for key, value in (selector.get("matchLabels") or {}).items()):
        return False
    operators: dict[str, Operator] = {"In": "in", "NotIn": "notin", "Exists": "exists", "DoesNotExist": "!"}
    return all(
        Requirement(item["key"], operators[item["operator"]], frozenset(item.get("values") or [])).matches(labels)
        for item in selector.get("matchExpressions") or []
    )
