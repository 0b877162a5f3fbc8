"""Kubernetes' own CEL functions (apiserver/pkg/cel/library): URLs, regular expressions, lists, quantities, addresses.

Values of Kubernetes' own types are maps here, so that plain Python functions can take and return them.
"""

from __future__ import annotations

import ipaddress
import re
from decimal import Decimal, InvalidOperation
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qs, urlsplit

import yaml
from cel_expr_python import cel
from cel_expr_python.ext import ext_bindings, ext_encoders, ext_math, ext_optional, ext_strings

from moduledeploy.devcluster.formats import parses_as_url

if TYPE_CHECKING:
    from collections.abc import Callable

_T = cel.Type
_MAP: Final = _T.Map(_T.STRING, _T.DYN)
_LIST: Final = _T.List(_T.DYN)
_SUFFIXES: Final = {
    "": Decimal(1), "n": Decimal("1e-9"), "u": Decimal("1e-6"), "m": Decimal("1e-3"), "k": Decimal(1000),
    **{letter: Decimal(1000) ** power for power, letter in enumerate("MGTPE", 2)},
    **{f"{letter}i": Decimal(1024) ** power for power, letter in enumerate("KMGTPE", 1)},
}  # fmt: skip
_NUMBER: Final = r"(?:0|[1-9]\d*)"
_MARK: Final = rf"(?:{_NUMBER}|\d*[A-Za-z-][0-9A-Za-z-]*)"
_SEMVER: Final = re.compile(
    rf"{_NUMBER}\.{_NUMBER}\.{_NUMBER}(?:-{_MARK}(?:\.{_MARK})*)?(?:\+[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*)?"
)
_QUANTITY: Final = re.compile(r"([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)(|n|u|m|k|[MGTPE]|[KMGTPE]i)")


def _url(text: str) -> dict[str, Any]:
    if not parses_as_url(text):
        raise ValueError(f"URL parse error during conversion from string: {text!r}")
    return {"url": text}


def _query(url: dict[str, Any]) -> dict[str, list[str]]:
    return parse_qs(urlsplit(url["url"]).query, keep_blank_values=True)


def _host(url: dict[str, Any]) -> str:
    return str(urlsplit(url["url"]).netloc.rpartition("@")[2])


def _port(url: dict[str, Any]) -> str:
    port = urlsplit(url["url"]).port
    return "" if port is None else str(port)


def _hostname(url: dict[str, Any]) -> str:
    return _host(url).removesuffix(f":{_port(url)}").strip("[]")


def _find(text: str, pattern: str) -> str:
    found = re.search(pattern, text)
    return found.group(0) if found else ""


def _find_all(text: str, pattern: str, limit: int = -1) -> list[str]:
    found = [match.group(0) for match in re.finditer(pattern, text)]
    return found if limit < 0 else found[:limit]


def _quantity_value(text: str) -> Decimal:
    match = _QUANTITY.fullmatch(text)
    if not match:
        raise ValueError("quantities must match the regular expression")
    try:
        return Decimal(match[1]) * _SUFFIXES[match[2]]
    except InvalidOperation as error:
        raise ValueError(f"{text!r} is no quantity") from error


def _quantity(text: str) -> dict[str, Any]:
    return {"quantity": str(_quantity_value(text))}


def _amount(quantity: dict[str, Any]) -> Decimal:
    return Decimal(quantity["quantity"])


def _accepts(parse: Callable[[str], Any]) -> Callable[[str], bool]:
    def check(text: str) -> bool:
        try:
            parse(text)
        except ValueError:
            return False
        return True

    return check


def _semver(text: str, normalize: bool = False) -> dict[str, Any]:
    if normalize:
        core, mark, rest = re.fullmatch(r"v?([0-9.]*)([-+]?)(.*)", text, re.DOTALL).groups()  # type: ignore[union-attr] # fits all
        numbers = [str(int(number)) if number else "" for number in core.split(".")]
        text = ".".join([*numbers, "0", "0"][: max(3, len(numbers))]) + mark + rest
    if not _SEMVER.fullmatch(text):
        raise ValueError(f"{text!r} is no semantic version")
    return {"semver": text}


def _part(place: int, version: dict[str, Any]) -> int:
    return int(re.split(r"[.+-]", version["semver"])[place])


def _order(value: dict[str, Any]) -> Any:
    """What quantities and versions are ordered by; a version before it is released comes before it."""
    if "semver" not in value:
        return _amount(value)
    core, _, before = value["semver"].partition("+")[0].partition("-")
    marks = [(0, int(m), "") if m.isdigit() else (1, 0, m) for m in before.split(".")] if before else [(2, 0, "")]
    return [int(number) for number in core.split(".")], marks


def _ip(text: str) -> dict[str, Any]:
    return {"ip": str(ipaddress.ip_address(text))}


def _cidr(text: str) -> dict[str, Any]:
    ipaddress.ip_interface(text)
    if "/" not in text:
        raise ValueError(f"{text!r} is no CIDR")
    return {"cidr": text}


def _network(value: Any) -> Any:
    return ipaddress.ip_network(value["cidr"] if isinstance(value, dict) else value, strict=False)


def _address(value: Any) -> Any:
    return ipaddress.ip_address(value["ip"] if isinstance(value, dict) else value)


def _contains_network(outer: dict[str, Any], inner: Any) -> bool:
    ours, theirs = _network(outer), _network(inner)
    return ours.version == theirs.version and bool(theirs.subnet_of(ours))


def _sum(items: list[Any]) -> Any:
    return sum(items[1:], items[0]) if items else 0


def _index(items: list[Any], wanted: Any) -> int:
    return items.index(wanted) if wanted in items else -1


def _last_index(items: list[Any], wanted: Any) -> int:
    return len(items) - 1 - items[::-1].index(wanted) if wanted in items else -1


def _contains(items: list[Any], wanted: list[Any]) -> bool:
    return all(item in items for item in wanted)


_FUNCTIONS: Final[list[tuple[str, bool, list[Any], Any, Callable[..., Any]]]] = [
    ("isURL", False, [_T.STRING], _T.BOOL, parses_as_url),
    ("url", False, [_T.STRING], _MAP, _url),
    ("getScheme", True, [_MAP], _T.STRING, lambda url: str(urlsplit(url["url"]).scheme)),
    ("getHost", True, [_MAP], _T.STRING, _host),
    ("getHostname", True, [_MAP], _T.STRING, _hostname),
    ("getPort", True, [_MAP], _T.STRING, _port),
    ("getEscapedPath", True, [_MAP], _T.STRING, lambda url: urlsplit(url["url"]).path),
    ("getQuery", True, [_MAP], _T.Map(_T.STRING, _T.List(_T.STRING)), _query),
    ("find", True, [_T.STRING, _T.STRING], _T.STRING, _find),
    ("findAll", True, [_T.STRING, _T.STRING], _T.List(_T.STRING), _find_all),
    ("findAll", True, [_T.STRING, _T.STRING, _T.INT], _T.List(_T.STRING), _find_all),
    ("isSorted", True, [_LIST], _T.BOOL, lambda items: all(a <= b for a, b in pairwise(items))),
    ("sum", True, [_LIST], _T.DYN, _sum),
    ("min", True, [_LIST], _T.DYN, min),
    ("max", True, [_LIST], _T.DYN, max),
    ("indexOf", True, [_LIST, _T.DYN], _T.INT, _index),
    ("lastIndexOf", True, [_LIST, _T.DYN], _T.INT, _last_index),
    ("sets.contains", False, [_LIST, _LIST], _T.BOOL, _contains),
    ("sets.equivalent", False, [_LIST, _LIST], _T.BOOL, lambda a, b: _contains(a, b) and _contains(b, a)),
    ("sets.intersects", False, [_LIST, _LIST], _T.BOOL, lambda a, b: any(item in b for item in a)),
    ("isQuantity", False, [_T.STRING], _T.BOOL, _accepts(_quantity_value)),
    ("quantity", False, [_T.STRING], _MAP, _quantity),
    ("isInteger", True, [_MAP], _T.BOOL, lambda q: _amount(q) == _amount(q).to_integral_value()),
    ("asInteger", True, [_MAP], _T.INT, lambda q: int(_amount(q))),
    ("asApproximateFloat", True, [_MAP], _T.DOUBLE, lambda q: float(_amount(q))),
    ("sign", True, [_MAP], _T.INT, lambda q: (_amount(q) > 0) - (_amount(q) < 0)),
    ("add", True, [_MAP, _MAP], _MAP, lambda a, b: {"quantity": str(_amount(a) + _amount(b))}),
    ("sub", True, [_MAP, _MAP], _MAP, lambda a, b: {"quantity": str(_amount(a) - _amount(b))}),
    ("isGreaterThan", True, [_MAP, _MAP], _T.BOOL, lambda a, b: _order(a) > _order(b)),
    ("isLessThan", True, [_MAP, _MAP], _T.BOOL, lambda a, b: _order(a) < _order(b)),
    ("compareTo", True, [_MAP, _MAP], _T.INT, lambda a, b: (_order(a) > _order(b)) - (_order(a) < _order(b))),
    ("isSemver", False, [_T.STRING], _T.BOOL, _accepts(_semver)),
    ("isSemver", False, [_T.STRING, _T.BOOL], _T.BOOL, _accepts(_semver)),
    ("semver", False, [_T.STRING], _MAP, _semver),
    ("semver", False, [_T.STRING, _T.BOOL], _MAP, _semver),
    *((part, True, [_MAP], _T.INT, partial(_part, place)) for place, part in enumerate(("major", "minor", "patch"))),
    ("isIP", False, [_T.STRING], _T.BOOL, _accepts(ipaddress.ip_address)),
    ("ip", False, [_T.STRING], _MAP, _ip),
    ("family", True, [_MAP], _T.INT, lambda value: _address(value).version),
    ("isLoopback", True, [_MAP], _T.BOOL, lambda value: _address(value).is_loopback),
    ("isUnspecified", True, [_MAP], _T.BOOL, lambda value: _address(value).is_unspecified),
    ("ip.isCanonical", False, [_T.STRING], _T.BOOL, lambda text: str(ipaddress.ip_address(text)) == text),
    ("isCIDR", False, [_T.STRING], _T.BOOL, _accepts(_cidr)),
    ("cidr", False, [_T.STRING], _MAP, _cidr),
    ("containsIP", True, [_MAP, _T.DYN], _T.BOOL, lambda net, value: _address(value) in _network(net)),
    ("containsCIDR", True, [_MAP, _T.DYN], _T.BOOL, _contains_network),
    ("prefixLength", True, [_MAP], _T.INT, lambda net: _network(net).prefixlen),
    ("masked", True, [_MAP], _MAP, lambda net: {"cidr": str(_network(net))}),
]  # fmt: skip


def _declarations() -> list[Any]:
    overloads: dict[str, list[Any]] = {}
    for number, (name, member, parameters, result, function) in enumerate(_FUNCTIONS):
        overload = cel.Overload(f"kubernetes_{number}", return_type=result, parameters=parameters, is_member=member,
                                impl=_plain(function))  # fmt: skip
        overloads.setdefault(name, []).append(overload)
    return [cel.FunctionDecl(name, items) for name, items in overloads.items()]


def _plain(function: Callable[..., Any]) -> Callable[..., Any]:
    def call(*arguments: Any) -> Any:
        return function(*(_value(argument) for argument in arguments))

    return call


def _value(argument: Any) -> Any:
    """Lists and maps arrive as wrappers of CEL values."""
    plain = getattr(argument, "plain_value", None)
    if plain is not None:
        return plain()
    if isinstance(argument, dict):
        return {_value(key): _value(item) for key, item in argument.items()}
    if isinstance(argument, list):
        return [_value(item) for item in argument]
    return argument


# Ordering across types of numbers is what the evaluator can and the declarations leave out, so that they are made anew.
_ORDERINGS: Final = {"_<_": "less", "_<=_": "less_equals", "_>_": "greater", "_>=_": "greater_equals"}
_NUMBERS: Final = {"int64": _T.INT, "uint64": _T.UINT, "double": _T.DOUBLE}
_ORDERED: Final = {
    **_NUMBERS, "bool": _T.BOOL, "string": _T.STRING, "bytes": _T.BYTES, "timestamp": _T.TIMESTAMP, "duration": _T.DURATION,
}  # fmt: skip
_CONFIG: Final = yaml.safe_dump(
    {
        "extensions": [{"name": "lists"}, {"name": "two-var-comprehensions"}],
        "stdlib": {"exclude_functions": [{"name": name} for name in _ORDERINGS]},
    }
)


def _orderings() -> list[Any]:
    declared = []
    for function, name in _ORDERINGS.items():
        pairs = [(f"{name}_{kind}", kind, kind) for kind in _ORDERED]
        pairs += [(f"{name}_{one}_{other}", one, other) for one in _NUMBERS for other in _NUMBERS if one != other]
        overloads = [
            cel.Overload(identity, return_type=_T.BOOL, parameters=[_ORDERED[one], _ORDERED[other]])
            for identity, one, other in pairs
        ]
        declared.append(cel.FunctionDecl(function, overloads))
    return declared


def _extensions() -> list[Any]:
    """The extension libraries that Kubernetes switches on, as far as there are any."""
    return [
        ext_strings.ExtStrings(),
        ext_math.ExtMath(),
        ext_encoders.ExtEncoders(),
        ext_optional.ExtOptional(),
        ext_bindings.ExtBindings(),
    ]


def new_env(pool: Any, variables: dict[str, Any]) -> Any:
    """An environment with Kubernetes' functions; `pool` may be None."""
    more = {} if pool is None else {"descriptor_pool": pool}
    own = cel.CelExtension("kubernetes", _declarations())
    config = cel.NewEnvConfigFromYaml(_CONFIG)
    return cel.NewEnv(
        config=config, variables=variables, extensions=[*_extensions(), own], functions=_orderings(), **more
    )
