"""Rules in CEL on structural schemas: compiled with the schema's types, checked on every write.

Follows k8s.io/apiextensions-apiserver pkg/apiserver/schema/cel.  The cost of rules is estimated in its big terms alone.
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

import attrs
from cel_expr_python import cel

from moduledeploy.devcluster.cel_cost import RULE_LIMIT, TOTAL_LIMIT, Estimator, most_items
from moduledeploy.devcluster.cel_library import new_env
from moduledeploy.devcluster.cel_types import TypeBook, kind_of, to_cel
from moduledeploy.devcluster.errors import FORBIDDEN, INVALID, NOT_SUPPORTED, REQUIRED, FieldError
from moduledeploy.devcluster.formats import FORMATS
from moduledeploy.devcluster.schema import go_pattern
from moduledeploy.devcluster.validation import ABSENT, NAMELESS, correlate, item_key, joined

if TYPE_CHECKING:
    from moduledeploy.devcluster.schema import Node
    from moduledeploy.devcluster.storage import Object

_REASONS: Final = ("FieldValueRequired", "FieldValueForbidden", "FieldValueInvalid", "FieldValueDuplicate")
_MAX_MESSAGE: Final = 2048
_LITERALS: Final = re.compile(r"'(?:\\.|[^'\\])*'|\"(?:\\.|[^\"\\])*\"")
_OLD: Final = re.compile(r"\boldSelf\b")
_FOREIGN: Final = re.compile(r"\b(?:base64|math)\.\w+|\bcel\.bind|\.reverse(?=\()")
_CHECKED_LITERAL: Final = re.compile(r"\b(timestamp|duration|matches)\(\s*(['\"])((?:(?!\2)[^\\])*)\2\s*\)")
_FIELD_PATH: Final = re.compile(r"\.([A-Za-z_][A-Za-z0-9_]*)|\['((?:[^'\\]|\\.)*)'\]")
_OPTIONAL: Final = "cel.bind(oldSelf, hasOldSelf ? optional.of(oldSelfValue) : optional.none(), {rule})"


@attrs.frozen(kw_only=True, eq=False)
class Rule:
    """One compiled rule."""

    text: str
    program: Any
    message: str
    message_program: Any
    reason: str
    path: str  # below the level that the rule stands at
    uses_old: bool
    optional_old: bool


@attrs.define(eq=False)
class RuleTree:
    """The rules of one schema level and of those below it that have any."""

    node: Node
    rules: list[Rule] = attrs.field(factory=list)
    properties: dict[str, RuleTree] = attrs.field(factory=dict)
    values: RuleTree | None = None
    items: RuleTree | None = None
    _reads_old: bool | None = None

    def reads_old(self) -> bool:
        """Whether a rule here or below speaks of the former value."""
        if self._reads_old is None:
            below = [*self.properties.values(), self.values, self.items]
            self._reads_old = any(rule.uses_old for rule in self.rules) or any(
                tree and tree.reads_old() for tree in below
            )
        return self._reads_old


@attrs.define(eq=False)
class Compiler:
    """Compiles the rules of one schema and gathers what is wrong with them."""

    root: Node
    problems: list[FieldError] = attrs.field(factory=list)
    _book: TypeBook = attrs.field(factory=TypeBook)
    _dynamic: Any = attrs.field(init=False)
    _total: float = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self._total = 0.0
        self._book.add(self.root, root=True)
        self._book.close()
        names = ("self", "oldSelf", "oldSelfValue", "hasOldSelf")
        self._dynamic = new_env(None, dict.fromkeys(names, cel.Type.DYN))

    def compile(self, path: str) -> RuleTree | None:
        """The tree of rules, or None where there are none; `path` is that of the schema in the definition."""
        if not self.root.has_rules():
            return None
        tree = self._tree(self.root, path, correlatable=True, times=1)
        if self._total > TOTAL_LIMIT:
            detail = "estimated rule cost total for entire OpenAPIv3 schema exceeds budget"
            self.problems.append(FieldError(FORBIDDEN, path, None, detail))
        return tree

    def _tree(self, node: Node, path: str, *, correlatable: bool, times: float) -> RuleTree:
        tree = RuleTree(node)
        if node.rules:
            env = new_env(self._book.pool, {"self": self._book.of(node), "oldSelf": self._book.of(node),
                                            "oldSelfValue": self._book.of(node), "hasOldSelf": cel.Type.BOOL})  # fmt: skip
            for index, raw in enumerate(node.rules):
                where = f"{path}.x-kubernetes-validations[{index}]"
                rule = self._rule(env, node, raw, where, correlatable=correlatable, times=times)
                if rule is not None:
                    tree.rules.append(rule)
        for name, child in node.properties.items():
            if child.has_rules():
                tree.properties[name] = self._tree(
                    child, f"{path}.properties[{name}]", correlatable=correlatable, times=times
                )
        if node.additional is not None and node.additional.has_rules():
            inner = times * most_items(node)
            tree.values = self._tree(
                node.additional, f"{path}.additionalProperties", correlatable=correlatable, times=inner
            )
        if node.items is not None and node.items.has_rules():
            keyed = correlatable and node.list_type == "map"
            inner = times * most_items(node)
            tree.items = self._tree(node.items, f"{path}.items", correlatable=keyed, times=inner)
        return tree

    def _rule(self, env: Any, node: Node, raw: Object, where: str, *, correlatable: bool, times: float) -> Rule | None:
        before = len(self.problems)
        text = (raw.get("rule") or "").strip()
        self._check_words(node, raw, text, where)
        uses_old = bool(_OLD.search(_LITERALS.sub("", text)))
        optional = bool(raw.get("optionalOldSelf"))
        if uses_old and not correlatable:
            detail = "oldSelf cannot be used on the uncorrelatable portion of the schema"
            self.problems.append(FieldError(INVALID, f"{where}.rule", text, detail))
        source = _OPTIONAL.format(rule=text) if optional else text
        program = self._program(env, source, "bool", f"{where}.rule", text) if text else None
        if optional and (program is None or not uses_old):
            detail = "may not be set if oldSelf is not used in rule"
            self.problems.append(FieldError(INVALID, f"{where}.optionalOldSelf", True, detail))
        message_text = raw.get("messageExpression", "").strip()
        message_program = None
        if message_text:
            message_program = self._program(env, message_text, "string", f"{where}.messageExpression", message_text)
        if len(self.problems) > before:
            return None
        for part, costly in (("rule", program), ("messageExpression", message_program)):
            if costly is not None:
                self._charge(Estimator(node).estimate(costly) * times, f"{where}.{part}")
        if len(self.problems) > before:
            return None
        return Rule(
            text=text, program=program, message=raw.get("message", "").strip(), message_program=message_program,
            reason=raw.get("reason") or INVALID, path=raw.get("fieldPath", ""), uses_old=uses_old, optional_old=optional,
        )  # fmt: skip

    def _charge(self, cost: float, where: str) -> None:
        self._total += cost
        if cost > RULE_LIMIT:
            detail = "estimated cost exceeds budget; bound lists, maps and texts by maxItems, maxProperties, maxLength"
            self.problems.append(FieldError(FORBIDDEN, where, None, detail))

    def _check_words(self, node: Node, raw: Object, text: str, where: str) -> None:
        message = raw.get("message", "")
        if not text:
            self.problems.append(FieldError(REQUIRED, f"{where}.rule", None, "rule is not specified"))
        if message and not message.strip():
            self.problems.append(
                FieldError(INVALID, f"{where}.message", message, "message must be non-empty if specified")
            )
        elif "\n" in message.strip():
            self.problems.append(
                FieldError(INVALID, f"{where}.message", message, "message must not contain line breaks")
            )
        if "\n" in text and not message.strip():
            detail = "message must be specified if rule contains line breaks"
            self.problems.append(FieldError(REQUIRED, f"{where}.message", None, detail))
        expression = raw.get("messageExpression", "")
        if expression and not expression.strip():
            detail = "must be non-empty if specified"
            self.problems.append(FieldError(REQUIRED, f"{where}.messageExpression", None, detail))
        reason = raw.get("reason")
        if reason is not None and reason not in _REASONS:
            detail = "supported values: " + ", ".join(f'"{item}"' for item in _REASONS)
            self.problems.append(FieldError(NOT_SUPPORTED, f"{where}.reason", reason, detail))
        path = raw.get("fieldPath", "")
        if path and not _leads_somewhere(node, path):
            self.problems.append(FieldError(INVALID, f"{where}.fieldPath", path, "fieldPath must be a valid path"))

    def _program(self, env: Any, source: str, wanted: str, where: str, shown: str) -> Any:
        if why := _beyond(shown):
            self.problems.append(FieldError(INVALID, where, shown, f"compilation failed: {why}"))
            return None
        try:
            typed = env.compile(source)
            program = self._dynamic.compile(source)
        except RuntimeError as error:
            self.problems.append(FieldError(INVALID, where, shown, f"compilation failed: {error}"))
            return None
        if typed.return_type().name().lower() in (wanted, "dyn"):
            return program
        self.problems.append(FieldError(INVALID, where, shown, f"must evaluate to a {wanted}"))
        return None


def _beyond(source: str) -> str:
    """What the library accepts and a real server doesn't: other extensions, and literals that can't be read."""
    if name := _FOREIGN.search(_LITERALS.sub("''", source)):
        return f"undeclared reference to '{name[0]}'"
    for call, _, literal in _CHECKED_LITERAL.findall(source):
        try:
            if call == "timestamp":
                datetime.fromisoformat(literal.upper())
            elif call == "matches":
                go_pattern(literal)
            elif not FORMATS["duration"](literal):
                return f"invalid duration argument: {literal}"
        except (ValueError, re.error) as error:
            return f"invalid {call} argument: {error}"
    return ""


def _leads_somewhere(node: Node, path: str) -> bool:
    steps = list(_FIELD_PATH.finditer(path))
    if "".join(step.group(0) for step in steps) != path:
        return False
    level: Node | None = node
    for step in steps:
        if level is None:
            return False
        level = level.properties.get(step[1] or step[2]) or level.additional
    return level is not None


def check(tree: RuleTree, value: Any, path: str, old: Any = ABSENT) -> list[FieldError]:
    """The violated rules at and below `value`; a rule about what did not change is not held against the writer."""
    if value is None or (old is not ABSENT and not tree.reads_old() and old == value):
        return []
    problems = _check_level(tree, value, path, old) if tree.rules else []
    if isinstance(value, dict):
        before = old if isinstance(old, dict) else {}
        for name, item in value.items():
            former = before.get(name, ABSENT)
            if (field := tree.properties.get(name)) is not None:
                problems += check(field, item, joined(path, name), former)
            elif tree.values is not None:
                problems += check(tree.values, item, f"{path}[{name}]", former)  # a map's key is no field
    elif isinstance(value, list) and tree.items is not None:
        items = correlate(tree.node, old)
        for index, item in enumerate(value):
            former = items.get(item_key(tree.node, item), ABSENT) if items else ABSENT
            problems += check(tree.items, item, f"{path}[{index}]", former)
    return problems


def _check_level(tree: RuleTree, value: Any, path: str, old: Any) -> list[FieldError]:
    known = old is not ABSENT and old is not None
    same = known and old == value
    variables = None
    problems = []
    for rule in tree.rules:
        if rule.uses_old and not rule.optional_old and not known:
            continue
        if same and not rule.uses_old:
            continue
        if variables is None:
            variables = {"self": _view(tree.node, value, path), "hasOldSelf": known}
            variables["oldSelf"] = variables["oldSelfValue"] = _view(tree.node, old, path) if known else None
        shown = value if not isinstance(value, (dict, list)) else kind_of(tree.node)
        try:
            failure = _failure(rule, variables)
        except RuntimeError as error:
            why = f"{error} evaluating rule: {rule.message or rule.text}"
            problems.append(FieldError(INVALID, path or NAMELESS, shown, why))
            continue
        if failure is not None:
            where = path + _field_path(rule.path) if path else _field_path(rule.path).lstrip(".")
            without = rule.reason in (REQUIRED, FORBIDDEN)
            problems.append(FieldError(rule.reason, where or NAMELESS, None if without else shown, failure))
    return problems


def _failure(rule: Rule, variables: dict[str, Any]) -> str | None:
    """None where the rule holds, else the message; raises RuntimeError where it can't be evaluated."""
    result = rule.program.eval(data=variables)
    if result.type().name() == "ERROR":
        raise RuntimeError(result.value())
    if result.value() is True:
        return None
    if rule.message_program is not None:
        text = _message(rule.message_program, variables)
        if text:
            return text
    return rule.message or f"failed rule: {rule.text}"


def _message(program: Any, variables: dict[str, Any]) -> str | None:
    try:
        text = program.eval(data=variables).value()
    except RuntimeError:
        return None
    return text.strip() if isinstance(text, str) and "\n" not in text and len(text) <= _MAX_MESSAGE else None


def _field_path(path: str) -> str:
    return "".join(f".{plain}" if plain else f"[{quoted}]" for plain, quoted in _FIELD_PATH.findall(path))


def _view(node: Node, value: Any, path: str) -> Any:
    seen = to_cel(node, value)
    if path or not isinstance(value, dict):
        return seen
    meta = value.get("metadata", {})
    identity = {name: meta[name] for name in ("name", "generateName") if name in meta}
    return {**seen, "apiVersion": value.get("apiVersion"), "kind": value.get("kind"), "metadata": identity}
