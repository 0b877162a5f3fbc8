"""Quantities as a real server writes them: `1000m` is `1`, `0.5` is `500m`, `1024Mi` is `1Gi`.

Follows k8s.io/apimachinery pkg/api/resource (quantity.go, suffix.go).
"""

from __future__ import annotations

import re
from decimal import ROUND_UP, Context, Decimal, InvalidOperation
from typing import Final

_FORM: Final = re.compile(r"([+-]?)(\d+(?:\.\d*)?|\.\d+)([numkMGTPE]|[KMGTPE]i|[eE][+-]?\d+)?")
_CANONICAL: Final = re.compile(r"0|[1-9]\d{0,2}([numkMGTPE]|[KMGTPE]i)?")
_DECIMAL: Final = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_LETTERS: Final = {exponent: letter for letter, exponent in _DECIMAL.items()}
_BINARY: Final = ("", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei")
_SMALLEST: Final = Decimal("1e-9")
_KIBI: Final = 1024
_DIGITS: Final = 60


def canonical(text: str) -> str | None:
    """The quantity in its shortest exact form, or None for what is none; below a billionth it is rounded up."""
    if _CANONICAL.fullmatch(text):
        return text
    match = _FORM.fullmatch(text)
    if match is None:
        return None
    try:
        shortest = _shortest(Decimal(match[2]), match[3] or "")
    except InvalidOperation:  # more digits than anybody means
        return None
    return f"-{shortest}" if match[1] == "-" and shortest != "0" else shortest


def _shortest(digits: Decimal, suffix: str) -> str:
    if suffix in _BINARY[1:]:
        number = digits * _KIBI ** _BINARY.index(suffix)
        if number >= _KIBI and number == number.to_integral_value():
            return _in_binary(int(number))
        return _in_decimal(number, is_exponent=False)
    exponent = _DECIMAL[suffix] if suffix in _DECIMAL else int(suffix[1:])
    return _in_decimal(digits.scaleb(exponent), is_exponent=suffix not in _DECIMAL)


def _in_binary(number: int) -> str:
    power = 0
    while number % _KIBI == 0 and power < len(_BINARY) - 1:
        number, power = number // _KIBI, power + 1
    return f"{number}{_BINARY[power]}"


def _in_decimal(number: Decimal, *, is_exponent: bool) -> str:
    number = number.quantize(_SMALLEST, rounding=ROUND_UP, context=Context(prec=_DIGITS))
    if not number:
        return "0"
    exponent = max(power for power in _LETTERS if number.scaleb(-power) == number.scaleb(-power).to_integral_value())
    suffix = (f"e{exponent}" if exponent else "") if is_exponent else _LETTERS[exponent]
    return f"{int(number.scaleb(-exponent))}{suffix}"
