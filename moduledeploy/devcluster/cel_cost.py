"""A rough estimate of what a rule may cost at worst, so that rules far over Kubernetes' budget are refused here too.

Follows the cost model of cel-go and apiserver/pkg/cel (sizes from the schema, or from what a request can hold) in its
big terms: loops multiply, texts cost by length.  It is read from the compiled expression (cel.expr.CheckedExpr).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final

import attrs

from moduledeploy.devcluster.cel_types import escape
from moduledeploy.devcluster.protobuf import read_fields

if TYPE_CHECKING:
    from moduledeploy.devcluster.schema import Node

RULE_LIMIT: Final = 10_000_000  # apiextensions schema/cel: StaticEstimatedCostLimit
TOTAL_LIMIT: Final = 100_000_000  # StaticEstimatedCRDCostLimit
_REQUEST: Final = 3 * 1024 * 1024  # bytes that a request can hold
_UNBOUNDED: Final = 1 << 62
_PER_BYTE: Final = 0.1
_PER_PATTERN_BYTE: Final = 0.25
_SMALLEST: Final = {"string": 2, "array": 2, "object": 2, "boolean": 4}
_COMPARING: Final = frozenset(["_==_", "_!=_", "_<_", "_<=_", "_>_", "_>=_"])
_BY_LENGTH: Final = _COMPARING | {
    "contains", "startsWith", "endsWith", "replace", "split", "lowerAscii", "upperAscii", "trim", "substring", "indexOf",
    "lastIndexOf", "string", "int", "double", "isURL", "url", "find", "findAll", "_+_",
}  # fmt: skip


def _smallest(node: Node | None) -> int:
    """The bytes that a value takes at least in a request."""
    if node is None:
        return 1
    required = [(name, node.properties[name]) for name in node.required if name in node.properties]
    return _SMALLEST.get(node.type, 1) + sum(len(name) + 4 + _smallest(child) for name, child in required)


def most_items(node: Node | None) -> int:
    """How many items or entries a list or map can have."""
    if node is None:
        return 1
    if node.type == "array":
        return int(node.limits.get("maxItems", (_REQUEST - 2) // (_smallest(node.items) + 1)))
    return int(node.limits.get("maxProperties", (_REQUEST - 2) // (_smallest(node.additional) + 6)))


def _length(node: Node | None) -> int:
    if node is None or (node.type != "string" and not node.int_or_string):
        return 0
    return int(node.limits.get("maxLength", _REQUEST - 2))


@attrs.frozen
class _Cost:
    cost: float
    node: Node | None = None  # the schema of the value, where it is part of the object
    length: int = 0  # of a text that is none


@attrs.frozen
class Estimator:
    """Estimates the rules that stand at one level."""

    level: Node

    def estimate(self, program: Any) -> float:
        """The worst cost of one evaluation."""
        wrapped: dict[int, Any] = dict(read_fields(program.serialize()))  # a google.protobuf.Any
        checked: dict[int, Any] = dict(read_fields(wrapped.get(2, b"")))
        return self._expr(checked.get(4, b""), {"self": self.level, "oldSelf": self.level}).cost

    def _expr(self, data: bytes, names: dict[str, Node | None]) -> _Cost:
        for number, body in read_fields(data):
            if isinstance(body, bytes):
                match number:
                    case 3:
                        return self._constant(body)
                    case 4:
                        return _Cost(1, names.get(self._text(body, 1)))
                    case 5:
                        return self._select(body, names)
                    case 6:
                        return self._call(body, names)
                    case 7:
                        parts = [
                            self._expr(item, names)
                            for n, item in read_fields(body)
                            if n == 1 and isinstance(item, bytes)
                        ]
                        return _Cost(10 + sum(part.cost for part in parts))
                    case 9:
                        return self._loop(body, names)
        return _Cost(1)

    def _constant(self, body: bytes) -> _Cost:
        text = dict(read_fields(body)).get(6, b"")
        return _Cost(0, None, len(text) if isinstance(text, bytes) else 0)

    def _text(self, body: bytes, number: int) -> str:
        value = dict(read_fields(body)).get(number, b"")
        return value.decode() if isinstance(value, bytes) else ""

    def _select(self, body: bytes, names: dict[str, Node | None]) -> _Cost:
        fields: dict[int, Any] = dict(read_fields(body))
        operand, name = self._expr(fields.get(1, b""), names), self._text(body, 2)
        if operand.node is None:
            return _Cost(operand.cost + 1)
        known = {escape(key): child for key, child in operand.node.properties.items()}
        return _Cost(operand.cost + 1, known.get(name) or operand.node.additional)

    def _call(self, body: bytes, names: dict[str, Node | None]) -> _Cost:
        pairs = [(number, part) for number, part in read_fields(body) if isinstance(part, bytes)]
        parts = [self._expr(part, names) for number, part in pairs if number in (1, 3)]
        function = next((part.decode() for number, part in pairs if number == 2), "")
        cost = 1 + sum(part.cost for part in parts)
        lengths = [part.length or _length(part.node) for part in parts] or [0]
        if function == "_[_]" and parts:
            node = parts[0].node
            return _Cost(cost, None if node is None else node.items or node.additional)
        if function == "string" and not any(lengths):  # of a number: nobody says how long that text may be
            return _Cost(cost, None, _UNBOUNDED)
        if function == "join" and parts[0].node is None:
            return _Cost(math.inf)
        if function == "matches":
            cost += math.ceil(lengths[0] * _PER_BYTE) * max(1, math.ceil(lengths[-1] * _PER_PATTERN_BYTE))
        elif function in _COMPARING:
            cost += min(lengths) * _PER_BYTE
        elif function in _BY_LENGTH:
            cost += max(lengths) * _PER_BYTE
        elif function == "@in" and len(parts) > 1:
            cost += most_items(parts[1].node) if parts[1].node is not None else 0
        return _Cost(cost, None, max(lengths) if function in _BY_LENGTH else 0)

    def _loop(self, body: bytes, names: dict[str, Node | None]) -> _Cost:
        fields: dict[int, Any] = dict(read_fields(body))
        over = self._expr(fields.get(2, b""), names)
        node = over.node
        item = None if node is None else node.items if node.type == "array" else None
        inner = {**names, self._text(body, 1): item, self._text(body, 3): None}
        begin = self._expr(fields.get(4, b""), inner).cost
        each = self._expr(fields.get(5, b""), inner).cost + self._expr(fields.get(6, b""), inner).cost
        end = self._expr(fields.get(7, b""), inner).cost
        return _Cost(over.cost + begin + most_items(node) * each + end)
